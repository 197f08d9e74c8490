//! Allowlists: whom nothing may be decided against.
//!
//! The lists are asked by the server, which holds them in memory; here they are kept, and [`Store::allowlists_version`]
//! says when they have to be read again. What is added ends the decisions in force that would hit it, in the same
//! transaction: a decision on a block that contains what was added, or lies within it.

use overspill_decision::Block;

use crate::database::{Connection, Row, Said, Value};
use crate::error::{Outcome, StoreError};
use crate::log::{Head, Reason};
use crate::machines::check_name;
use crate::statements::Conditions;
use crate::store::Store;

/// A list to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewAllowlist<'a> {
    /// Its identity, a text that no other list should have.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it is for; may be empty.
    pub description: &'a str,
    /// Whether it is managed elsewhere.
    pub from_console: bool,
}

/// A list as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowlistRow {
    /// Its identity, as it was given.
    pub id: String,
    /// Its name, which no other has.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether it is managed elsewhere.
    pub from_console: bool,
    /// When it was made, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// When it changed last.
    pub updated_ns: i64,
    /// What is on it, in the order in which it was added.
    pub items: Vec<AllowItem>,
}

/// An address or a range that nothing may be decided against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowItem {
    /// The address or range, as it was given.
    pub value: String,
    /// Why; may be empty.
    pub comment: String,
    /// When it ends, in nanoseconds since the Unix epoch; `None` for never.
    pub expires_ns: Option<i64>,
    /// When it was added. Not read where it is added.
    pub created_ns: i64,
}

/// What became of items that were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Added {
    /// Items that are on the list now and were not, not even with another comment or end.
    pub n_added: u64,
    /// Decisions that ended.
    pub n_ended: u64,
}

const LIST_COLUMNS: &str =
    "allowlist_id, name, description, from_console, created_ns, updated_ns, id";

fn list(row: &Row<'_>) -> Said<(i64, AllowlistRow)> {
    let list = AllowlistRow {
        id: row.text(0)?,
        name: row.text(1)?,
        description: row.text(2)?,
        from_console: row.flag(3)?,
        created_ns: row.int(4)?,
        updated_ns: row.int(5)?,
        items: Vec::new(),
    };
    Ok((row.int(6)?, list))
}

fn lists(
    connection: &mut Connection,
    clause: &str,
    params: &[Value<'_>],
) -> Outcome<Vec<AllowlistRow>> {
    let sql = format!("SELECT {LIST_COLUMNS} FROM allowlists WHERE {clause} ORDER BY id");
    let found = connection.query(&sql, params, list)?;
    let mut lists = Vec::with_capacity(found.len());
    for (id, mut list) in found {
        list.items = connection.query(
            "SELECT value, comment, expires_ns, created_ns FROM allowlist_items WHERE list_id = ?1 ORDER BY id",
            &[id.into()],
            |row| {
                Ok(AllowItem {
                    value: row.text(0)?,
                    comment: row.text(1)?,
                    expires_ns: row.optional_int(2)?,
                    created_ns: row.int(3)?,
                })
            },
        )?;
        lists.push(list);
    }
    Ok(lists)
}

/// Number of a list, which is changed now.
fn touch(connection: &mut Connection, head: &mut Head, name: &str, now_ns: i64) -> Outcome<i64> {
    let touched = connection.query_one(
        "UPDATE allowlists SET updated_ns = ?2 WHERE name = ?1 RETURNING id",
        &[name.into(), now_ns.into()],
        |row| row.int(0),
    )?;
    head.allowlists_version += 1;
    touched.ok_or_else(|| {
        StoreError::NotFound {
            what: "allowlist",
            name: name.to_owned(),
        }
        .into()
    })
}

/// The items with their blocks.
fn checked(items: &[AllowItem]) -> Result<Vec<(&AllowItem, Block)>, StoreError> {
    items
        .iter()
        .map(|item| {
            let block = Block::parse(&item.value).ok_or_else(|| StoreError::Filter {
                what: "an allowlist's item",
                value: item.value.clone(),
            })?;
            Ok((item, block))
        })
        .collect()
}

impl Store {
    /// Makes a list, with nothing on it.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::TooLong`] when it is no name; [`StoreError`] when
    /// the database fails.
    pub fn create_allowlist(&self, new: &NewAllowlist<'_>, now_ns: i64) -> Result<(), StoreError> {
        check_name("the name of an allowlist", new.name)?;
        self.write("make an allowlist", |connection| {
            let mut head = Head::lock(connection)?;
            let made = connection.execute(
                "INSERT INTO allowlists (allowlist_id, name, description, from_console, created_ns, updated_ns) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (name) DO NOTHING",
                &[
                    new.id.into(),
                    new.name.into(),
                    new.description.into(),
                    new.from_console.into(),
                    now_ns.into(),
                ],
            )?;
            if made == 0 {
                return Err(StoreError::Exists {
                    what: "allowlist",
                    name: new.name.to_owned(),
                }
                .into());
            }
            head.allowlists_version += 1;
            head.save(connection)
        })
    }

    /// Deletes a list and what is on it. Decisions that it ended stay so.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that name; [`StoreError`] when the database fails.
    pub fn delete_allowlist(&self, name: &str) -> Result<(), StoreError> {
        self.write("delete an allowlist", |connection| {
            let mut head = Head::lock(connection)?;
            let deleted =
                connection.execute("DELETE FROM allowlists WHERE name = ?1", &[name.into()])?;
            crate::machines::found(deleted, "allowlist", name)?;
            head.allowlists_version += 1;
            head.save(connection)
        })
    }

    /// All lists with what is on them, in the order in which they were made; with the version that this is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn allowlists(&self) -> Result<(u64, Vec<AllowlistRow>), StoreError> {
        self.read("read allowlists", |connection| {
            let version = Head::read(connection)?.allowlists_version;
            let lists = lists(connection, "1 = 1", &[])?;
            Ok((u64::try_from(version).unwrap_or(0), lists))
        })
    }

    /// The list of a name, with what is on it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn allowlist(&self, name: &str) -> Result<Option<AllowlistRow>, StoreError> {
        self.read("read an allowlist", |connection| {
            let found = lists(connection, "name = ?1", &[name.into()])?;
            Ok(found.into_iter().next())
        })
    }

    /// A number that is another one after every change of a list.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn allowlists_version(&self) -> Result<u64, StoreError> {
        let sql = "SELECT allowlists_version FROM head";
        let found = self.query("read the allowlists' version", sql, &[], |row| row.count(0))?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// Puts items on a list. One whose value is on it already gets the new comment and end. Decisions in force that would
    /// hit an item that has not ended end with reason [`Reason::Allowlisted`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such list, [`StoreError::Filter`] when a value is neither an address nor
    /// a range; [`StoreError`] when the database fails. Then nothing is added.
    pub fn add_allow_items(
        &self,
        name: &str,
        items: &[AllowItem],
        now_ns: i64,
    ) -> Result<Added, StoreError> {
        let items = checked(items)?;
        self.write("add to an allowlist", |connection| {
            let mut head = Head::lock(connection)?;
            let list_id = touch(connection, &mut head, name, now_ns)?;
            let mut added = Added::default();
            for (item, block) in &items {
                added.n_added += add_item(connection, list_id, item, now_ns)?;
                if item.expires_ns.is_some_and(|end| end <= now_ns) {
                    continue;
                }
                let mut conditions = Conditions::default();
                let around = conditions.around(*block);
                let within = conditions.within(*block);
                let clause = format!("{around} OR {within}");
                let params = conditions.params();
                added.n_ended +=
                    head.end(connection, &clause, params, Reason::Allowlisted, now_ns)?;
            }
            head.save(connection)?;
            Ok(added)
        })
    }

    /// Takes values off a list; answers how many were on it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such list; [`StoreError`] when the database fails. Then nothing is
    /// taken off.
    pub fn remove_allow_items(
        &self,
        name: &str,
        values: &[&str],
        now_ns: i64,
    ) -> Result<u64, StoreError> {
        self.write("take from an allowlist", |connection| {
            let mut head = Head::lock(connection)?;
            let list_id = touch(connection, &mut head, name, now_ns)?;
            let mut removed = 0;
            for value in values {
                removed += connection.execute(
                    "DELETE FROM allowlist_items WHERE list_id = ?1 AND value = ?2",
                    &[list_id.into(), (*value).into()],
                )?;
            }
            head.save(connection)?;
            Ok(removed)
        })
    }
}

/// Adds an item or changes the one of its value; answers 1 if there was none.
fn add_item(
    connection: &mut Connection,
    list_id: i64,
    item: &AllowItem,
    now_ns: i64,
) -> Outcome<u64> {
    let added = connection.execute(
        "INSERT INTO allowlist_items (list_id, value, comment, expires_ns, created_ns) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (list_id, value) DO NOTHING",
        &[
            list_id.into(),
            item.value.as_str().into(),
            item.comment.as_str().into(),
            item.expires_ns.into(),
            now_ns.into(),
        ],
    )?;
    if added == 0 {
        connection.execute(
            "UPDATE allowlist_items SET comment = ?3, expires_ns = ?4 WHERE list_id = ?1 AND value = ?2",
            &[
                list_id.into(),
                item.value.as_str().into(),
                item.comment.as_str().into(),
                item.expires_ns.into(),
            ],
        )?;
    }
    Ok(added)
}
