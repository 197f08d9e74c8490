//! Bouncers: who asks for decisions, and how far each has come in the log.

use crate::database::{Row, Said, Value};
use crate::error::StoreError;
use crate::log::Seq;
use crate::machines::{AuthKind, check_name, found};
use crate::store::Store;

/// A bouncer to be added.
#[derive(Clone)]
pub struct NewBouncer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Hash of its key; empty if it has none.
    pub key_hash: &'a str,
    /// Address it asks from; empty if it has not asked yet.
    pub ip_address: &'a str,
    /// What it says it is; may be empty.
    pub kind: &'a str,
    /// How it proves who it is.
    pub auth: AuthKind,
    /// Whether the server added it by itself, because a known key came from another address.
    pub auto_created: bool,
}

/// How far a bouncer has come: it knows everything up to and including both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BouncerCursor {
    /// Last entry of the log it was told of.
    pub seq: Seq,
    /// Time up to which it was told of decisions that ended by themselves, in nanoseconds since the Unix epoch.
    pub at_ns: i64,
}

/// A bouncer as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Bouncer {
    /// Number, never given twice.
    pub id: i64,
    /// Its name, which no other has.
    pub name: String,
    /// Hash of its key, which several may have; empty if it has none.
    pub key_hash: String,
    /// Whether it is refused.
    pub revoked: bool,
    /// Address it asks from; empty if it has not asked yet.
    pub ip_address: String,
    /// What it says it is (CrowdSec's `type`); may be empty.
    pub kind: String,
    /// Version of its software; may be empty.
    pub version: String,
    /// How it proves who it is.
    pub auth: AuthKind,
    /// Whether the server added it by itself.
    pub auto_created: bool,
    /// When it was added, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// When anything of it changed.
    pub updated_ns: i64,
    /// When it asked last.
    pub last_pull_ns: Option<i64>,
    /// How far it has come; `None` if it has to begin with what is in force.
    pub cursor: Option<BouncerCursor>,
    /// Name of its operating system; may be empty, as the texts below.
    pub os_name: String,
    /// Family of its operating system.
    pub os_family: String,
    /// Version of its operating system.
    pub os_version: String,
    /// Its feature flags, with commas between.
    pub feature_flags: String,
}

/// The hash is not shown.
impl std::fmt::Debug for Bouncer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bouncer")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("key_hash", &"…")
            .field("ip_address", &self.ip_address)
            .field("revoked", &self.revoked)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

/// What a bouncer reports about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BouncerUsage {
    /// Name of its operating system.
    pub os_name: String,
    /// Family of its operating system.
    pub os_family: String,
    /// Version of its operating system.
    pub os_version: String,
    /// Its feature flags, with commas between.
    pub feature_flags: String,
}

/// That a bouncer has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BouncerPull {
    /// When, in nanoseconds since the Unix epoch.
    pub last_pull_ns: i64,
    /// How far it has come; `None` leaves what is stored.
    pub cursor: Option<BouncerCursor>,
}

const COLUMNS: &str = "id, name, key_hash, revoked, ip_address, kind, version, auth, auto_created, created_ns, \
    updated_ns, last_pull_ns, cursor_seq, cursor_at_ns, os_name, os_family, os_version, feature_flags";

fn bouncer(row: &Row<'_>) -> Said<Bouncer> {
    let cursor = match (row.optional_int(12)?, row.optional_int(13)?) {
        (Some(seq), Some(at_ns)) => Some(BouncerCursor {
            seq: Seq::of(seq),
            at_ns,
        }),
        _ => None,
    };
    Ok(Bouncer {
        id: row.int(0)?,
        name: row.text(1)?,
        key_hash: row.text(2)?,
        revoked: row.flag(3)?,
        ip_address: row.text(4)?,
        kind: row.text(5)?,
        version: row.text(6)?,
        auth: AuthKind::of(&row.text(7)?),
        auto_created: row.flag(8)?,
        created_ns: row.int(9)?,
        updated_ns: row.int(10)?,
        last_pull_ns: row.optional_int(11)?,
        cursor,
        os_name: row.text(14)?,
        os_family: row.text(15)?,
        os_version: row.text(16)?,
        feature_flags: row.text(17)?,
    })
}

impl Store {
    /// Adds a bouncer.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::TooLong`] when it is no name; [`StoreError`] when
    /// the database fails.
    pub fn add_bouncer(&self, new: &NewBouncer<'_>, now_ns: i64) -> Result<Bouncer, StoreError> {
        check_name("the name of a bouncer", new.name)?;
        check_name("the hash of a key", new.key_hash)?;
        let sql = format!(
            "INSERT INTO bouncers (name, key_hash, revoked, ip_address, kind, version, auth, auto_created, created_ns, \
             updated_ns, os_name, os_family, os_version, feature_flags) \
             VALUES (?1, ?2, 0, ?3, ?4, '', ?5, ?6, ?7, ?7, '', '', '', '') \
             ON CONFLICT (name) DO NOTHING RETURNING {COLUMNS}"
        );
        self.write("add a bouncer", |connection| {
            let params = [
                new.name.into(),
                new.key_hash.into(),
                new.ip_address.into(),
                new.kind.into(),
                new.auth.text().into(),
                new.auto_created.into(),
                now_ns.into(),
            ];
            let added = connection.query_one(&sql, &params, bouncer)?;
            added.ok_or_else(|| {
                StoreError::Exists {
                    what: "bouncer",
                    name: new.name.to_owned(),
                }
                .into()
            })
        })
    }

    /// All bouncers, by number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn bouncers(&self) -> Result<Vec<Bouncer>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM bouncers ORDER BY id");
        self.query("read bouncers", &sql, &[], bouncer)
    }

    /// The bouncers of a key, by number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn bouncers_of_key(&self, key_hash: &str) -> Result<Vec<Bouncer>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM bouncers WHERE key_hash = ?1 ORDER BY id");
        self.query(
            "read the bouncers of a key",
            &sql,
            &[key_hash.into()],
            bouncer,
        )
    }

    /// The bouncer of a name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn bouncer(&self, name: &str) -> Result<Option<Bouncer>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM bouncers WHERE name = ?1");
        let found = self.query("read a bouncer", &sql, &[name.into()], bouncer)?;
        Ok(found.into_iter().next())
    }

    /// Deletes a bouncer.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn delete_bouncer(&self, name: &str) -> Result<(), StoreError> {
        self.write("delete a bouncer", |connection| {
            let deleted =
                connection.execute("DELETE FROM bouncers WHERE name = ?1", &[name.into()])?;
            found(deleted, "bouncer", name)
        })
    }

    /// Has a bouncer refused, or not any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn revoke_bouncer(&self, name: &str, revoked: bool, now_ns: i64) -> Result<(), StoreError> {
        self.write("revoke a bouncer", |connection| {
            let changed = connection.execute(
                "UPDATE bouncers SET revoked = ?2, updated_ns = ?3 WHERE name = ?1",
                &[name.into(), revoked.into(), now_ns.into()],
            )?;
            found(changed, "bouncer", name)
        })
    }

    /// Notes where a bouncer asks from.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that number; [`StoreError`] when the database fails.
    pub fn set_bouncer_address(
        &self,
        id: i64,
        ip_address: &str,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.change_bouncer(
            "note a bouncer's address",
            id,
            "ip_address = ?2, updated_ns = ?3",
            &[ip_address.into(), now_ns.into()],
        )
    }

    /// Notes what a bouncer says it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that number; [`StoreError`] when the database fails.
    pub fn set_bouncer_client(
        &self,
        id: i64,
        kind: &str,
        version: &str,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.change_bouncer(
            "note a bouncer's kind",
            id,
            "kind = ?2, version = ?3, updated_ns = ?4",
            &[kind.into(), version.into(), now_ns.into()],
        )
    }

    /// Notes what a bouncer reports about itself.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that number; [`StoreError`] when the database fails.
    pub fn set_bouncer_usage(
        &self,
        id: i64,
        usage: &BouncerUsage,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.change_bouncer(
            "note what a bouncer reports",
            id,
            "os_name = ?2, os_family = ?3, os_version = ?4, feature_flags = ?5, updated_ns = ?6",
            &[
                usage.os_name.as_str().into(),
                usage.os_family.as_str().into(),
                usage.os_version.as_str().into(),
                usage.feature_flags.as_str().into(),
                now_ns.into(),
            ],
        )
    }

    /// Notes that bouncers have asked: many of them, in one transaction. One that is not there any more is passed over,
    /// and one that asked later than is said here, through another node, stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; then nothing is noted.
    pub fn set_bouncer_pulls(&self, pulls: &[(i64, BouncerPull)]) -> Result<(), StoreError> {
        if pulls.is_empty() {
            return Ok(());
        }
        // All nodes go by number, so none waits for one that waits for it.
        let mut pulls = pulls.to_vec();
        pulls.sort_by_key(|(id, pull)| (*id, pull.last_pull_ns));
        self.write("note what bouncers know", |connection| {
            for (id, pull) in &pulls {
                connection.execute(
                    "UPDATE bouncers SET last_pull_ns = ?2, cursor_seq = COALESCE(?3, cursor_seq), \
                     cursor_at_ns = COALESCE(?4, cursor_at_ns) \
                     WHERE id = ?1 AND (last_pull_ns IS NULL OR last_pull_ns <= ?2)",
                    &[
                        (*id).into(),
                        pull.last_pull_ns.into(),
                        pull.cursor.map(|cursor| cursor.seq.number()).into(),
                        pull.cursor.map(|cursor| cursor.at_ns).into(),
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// Deletes the bouncers of one kind of proof that asked before a time and not since; answers how many. Those that
    /// never asked stay.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn delete_bouncers_idle(&self, before_ns: i64, auth: AuthKind) -> Result<u64, StoreError> {
        self.write("delete idle bouncers", |connection| {
            Ok(connection.execute(
                "DELETE FROM bouncers WHERE auth = ?1 AND last_pull_ns < ?2",
                &[auth.text().into(), before_ns.into()],
            )?)
        })
    }

    /// Changes a bouncer. The first value is `?2`.
    fn change_bouncer(
        &self,
        action: &'static str,
        id: i64,
        changes: &str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        let sql = format!("UPDATE bouncers SET {changes} WHERE id = ?1");
        let mut params = vec![Value::from(id)];
        params.extend_from_slice(values);
        self.write(action, |connection| {
            found(
                connection.execute(&sql, &params)?,
                "bouncer",
                &id.to_string(),
            )
        })
    }
}
