//! Machines: who sends alerts.

use crate::database::{Row, Said, Value};
use crate::error::{Outcome, StoreError};
use crate::store::Store;

/// Most bytes of a name: an index has to hold it, and anybody may register.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// How somebody proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// By a password, for a token.
    Password,
    /// By a certificate.
    Tls,
    /// By a key in every request.
    ApiKey,
}

impl AuthKind {
    /// CrowdSec's word.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Tls => "tls",
            Self::ApiKey => "api-key",
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        match text {
            "tls" => Self::Tls,
            "api-key" => Self::ApiKey,
            _ => Self::Password,
        }
    }
}

/// A machine to be added.
#[derive(Clone)]
pub struct NewMachine<'a> {
    /// Its name.
    pub name: &'a str,
    /// Hash of its password; empty if it has none.
    pub password_hash: &'a str,
    /// Address it registered from; may be empty.
    pub ip_address: &'a str,
    /// Whether it may log in.
    pub is_validated: bool,
    /// How it logs in.
    pub auth: AuthKind,
}

/// A machine as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Machine {
    /// Number, never given twice.
    pub id: i64,
    /// Its name, which no other has.
    pub name: String,
    /// Hash of its password; empty if it has none.
    pub password_hash: String,
    /// Address it logged in from last; may be empty.
    pub ip_address: String,
    /// Scenarios it has, with commas between.
    pub scenarios: String,
    /// Version of its software; may be empty.
    pub version: String,
    /// Whether it may log in.
    pub is_validated: bool,
    /// How it logs in.
    pub auth: AuthKind,
    /// When it was added, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// When anything of it changed.
    pub updated_ns: i64,
    /// When it sent alerts last.
    pub last_push_ns: Option<i64>,
    /// When it said last that it lives.
    pub last_heartbeat_ns: Option<i64>,
    /// Name of its operating system; may be empty, as the texts below.
    pub os_name: String,
    /// Family of its operating system.
    pub os_family: String,
    /// Version of its operating system.
    pub os_version: String,
    /// Its feature flags, with commas between.
    pub feature_flags: String,
    /// Hub items it has, as JSON.
    pub hub_state: String,
    /// How many data sources it has of each kind, as JSON.
    pub datasources: String,
}

/// The hash is not shown.
impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("password_hash", &"…")
            .field("is_validated", &self.is_validated)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// What a machine reports about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineUsage {
    /// Version of its software.
    pub version: String,
    /// Name of its operating system.
    pub os_name: String,
    /// Family of its operating system.
    pub os_family: String,
    /// Version of its operating system.
    pub os_version: String,
    /// Its feature flags, with commas between.
    pub feature_flags: String,
    /// Hub items it has, as JSON.
    pub hub_state: String,
    /// How many data sources it has of each kind, as JSON.
    pub datasources: String,
}

const COLUMNS: &str = "id, name, password_hash, ip_address, scenarios, version, is_validated, auth, created_ns, \
    updated_ns, last_push_ns, last_heartbeat_ns, os_name, os_family, os_version, feature_flags, hub_state, datasources";

fn machine(row: &Row<'_>) -> Said<Machine> {
    Ok(Machine {
        id: row.int(0)?,
        name: row.text(1)?,
        password_hash: row.text(2)?,
        ip_address: row.text(3)?,
        scenarios: row.text(4)?,
        version: row.text(5)?,
        is_validated: row.flag(6)?,
        auth: AuthKind::of(&row.text(7)?),
        created_ns: row.int(8)?,
        updated_ns: row.int(9)?,
        last_push_ns: row.optional_int(10)?,
        last_heartbeat_ns: row.optional_int(11)?,
        os_name: row.text(12)?,
        os_family: row.text(13)?,
        os_version: row.text(14)?,
        feature_flags: row.text(15)?,
        hub_state: row.text(16)?,
        datasources: row.text(17)?,
    })
}

/// Refuses a name that is too long.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), StoreError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(StoreError::TooLong {
            what,
            bytes_max: NAME_BYTES_MAX,
        });
    }
    Ok(())
}

/// The error when nothing was changed.
pub(crate) fn found(changed: u64, what: &'static str, name: &str) -> Outcome<()> {
    if changed > 0 {
        return Ok(());
    }
    Err(StoreError::NotFound {
        what,
        name: name.to_owned(),
    }
    .into())
}

impl Store {
    /// Adds a machine.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::TooLong`] when it is no name; [`StoreError`] when
    /// the database fails.
    pub fn add_machine(&self, new: &NewMachine<'_>, now_ns: i64) -> Result<Machine, StoreError> {
        check_name("the name of a machine", new.name)?;
        let sql = format!(
            "INSERT INTO machines (name, password_hash, ip_address, scenarios, version, is_validated, auth, \
             created_ns, updated_ns, os_name, os_family, os_version, feature_flags, hub_state, datasources) \
             VALUES (?1, ?2, ?3, '', '', ?4, ?5, ?6, ?6, '', '', '', '', '', '') \
             ON CONFLICT (name) DO NOTHING RETURNING {COLUMNS}"
        );
        self.write("add a machine", |connection| {
            let params = [
                new.name.into(),
                new.password_hash.into(),
                new.ip_address.into(),
                new.is_validated.into(),
                new.auth.text().into(),
                now_ns.into(),
            ];
            let added = connection.query_one(&sql, &params, machine)?;
            added.ok_or_else(|| {
                StoreError::Exists {
                    what: "machine",
                    name: new.name.to_owned(),
                }
                .into()
            })
        })
    }

    /// The machine of a name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn machine(&self, name: &str) -> Result<Option<Machine>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM machines WHERE name = ?1");
        let found = self.query("read a machine", &sql, &[name.into()], machine)?;
        Ok(found.into_iter().next())
    }

    /// All machines, by number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn machines(&self) -> Result<Vec<Machine>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM machines ORDER BY id");
        self.query("read machines", &sql, &[], machine)
    }

    /// Lets a machine log in.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn validate_machine(&self, name: &str, now_ns: i64) -> Result<(), StoreError> {
        self.change_machine(
            "validate a machine",
            name,
            "is_validated = 1, updated_ns = ?2",
            &[now_ns.into()],
        )
    }

    /// Deletes a machine. Its alerts stay, without an owner.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn delete_machine(&self, name: &str) -> Result<(), StoreError> {
        self.write("delete a machine", |connection| {
            let deleted =
                connection.execute("DELETE FROM machines WHERE name = ?1", &[name.into()])?;
            found(deleted, "machine", name)
        })
    }

    /// Notes that a machine has logged in: from where, with which version, and with which scenarios if it said so.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn set_machine_login(
        &self,
        name: &str,
        ip_address: &str,
        version: &str,
        scenarios: Option<&str>,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.change_machine(
            "note a login",
            name,
            "updated_ns = ?2, ip_address = ?3, version = ?4, scenarios = COALESCE(?5, scenarios)",
            &[
                now_ns.into(),
                ip_address.into(),
                version.into(),
                scenarios.into(),
            ],
        )
    }

    /// Notes that a machine lives.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn set_machine_heartbeat(&self, name: &str, now_ns: i64) -> Result<(), StoreError> {
        self.change_machine(
            "note a heartbeat",
            name,
            "last_heartbeat_ns = ?2",
            &[now_ns.into()],
        )
    }

    /// Notes that a machine has sent alerts.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn set_machine_push(&self, name: &str, now_ns: i64) -> Result<(), StoreError> {
        self.change_machine("note a push", name, "last_push_ns = ?2", &[now_ns.into()])
    }

    /// Gives a machine another password.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn set_machine_password(
        &self,
        name: &str,
        password_hash: &str,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.change_machine(
            "change a password",
            name,
            "password_hash = ?2, updated_ns = ?3",
            &[password_hash.into(), now_ns.into()],
        )
    }

    /// Notes what a machine reports about itself.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn set_machine_usage(
        &self,
        name: &str,
        usage: &MachineUsage,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.change_machine(
            "note what a machine reports",
            name,
            "version = ?2, os_name = ?3, os_family = ?4, os_version = ?5, feature_flags = ?6, hub_state = ?7, \
             datasources = ?8, updated_ns = ?9",
            &[
                usage.version.as_str().into(),
                usage.os_name.as_str().into(),
                usage.os_family.as_str().into(),
                usage.os_version.as_str().into(),
                usage.feature_flags.as_str().into(),
                usage.hub_state.as_str().into(),
                usage.datasources.as_str().into(),
                now_ns.into(),
            ],
        )
    }

    /// Changes a machine. The first value is `?2`.
    fn change_machine(
        &self,
        action: &'static str,
        name: &str,
        changes: &str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        let sql = format!("UPDATE machines SET {changes} WHERE name = ?1");
        let mut params = vec![Value::from(name)];
        params.extend_from_slice(values);
        self.write(action, |connection| {
            found(connection.execute(&sql, &params)?, "machine", name)
        })
    }
}
