//! Small things by name, and locks that are given up when their owner is gone.

use crate::error::StoreError;
use crate::machines::check_name;
use crate::store::Store;

impl Store {
    /// The value of a name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn item(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found = self.query(
            "read an item",
            "SELECT value FROM items WHERE name = ?1",
            &[name.into()],
            |row| row.text(0),
        )?;
        Ok(found.into_iter().next())
    }

    /// Gives a name a value.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] when it is no name; [`StoreError`] when the database fails.
    pub fn set_item(&self, name: &str, value: &str) -> Result<(), StoreError> {
        check_name("the name of an item", name)?;
        self.write("write an item", |connection| {
            connection.execute(
                "INSERT INTO items (name, value) VALUES (?1, ?2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                &[name.into(), value.into()],
            )?;
            Ok(())
        })
    }

    /// Gives a name a value if it has none; answers the value that it has now. Of several nodes that start, all get the
    /// same.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] when it is no name; [`StoreError`] when the database fails.
    pub fn item_or(&self, name: &str, value: &str) -> Result<String, StoreError> {
        check_name("the name of an item", name)?;
        self.write("write an item", |connection| {
            connection.execute(
                "INSERT INTO items (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                &[name.into(), value.into()],
            )?;
            let found = connection.query_one(
                "SELECT value FROM items WHERE name = ?1",
                &[name.into()],
                |row| row.text(0),
            )?;
            Ok(found.unwrap_or_else(|| value.to_owned()))
        })
    }

    /// Takes a lock, or keeps it; answers whether it is `owner`'s now. One that was last taken `stale_after_ns` ago or
    /// earlier is taken from whoever has it.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] when it is no name; [`StoreError`] when the database fails.
    pub fn try_lock(
        &self,
        name: &str,
        owner: &str,
        stale_after_ns: i64,
        now_ns: i64,
    ) -> Result<bool, StoreError> {
        check_name("the name of a lock", name)?;
        self.write("take a lock", |connection| {
            let taken = connection.execute(
                "INSERT INTO locks (name, owner, taken_ns) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, taken_ns = excluded.taken_ns \
                 WHERE locks.owner = excluded.owner OR locks.taken_ns <= ?4",
                &[
                    name.into(),
                    owner.into(),
                    now_ns.into(),
                    now_ns.saturating_sub(stale_after_ns).into(),
                ],
            )?;
            Ok(taken > 0)
        })
    }

    /// Gives a lock up, if it is `owner`'s.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn unlock(&self, name: &str, owner: &str) -> Result<(), StoreError> {
        self.write("give up a lock", |connection| {
            connection.execute(
                "DELETE FROM locks WHERE name = ?1 AND owner = ?2",
                &[name.into(), owner.into()],
            )?;
            Ok(())
        })
    }
}
