//! Statements that are put together: conditions, and many rows at once.

use overspill_decision::{Block, Family};

use crate::database::{Connection, Said, Value};

/// Values that one statement may have at most. SQLite takes 32 766, PostgreSQL 65 535.
const VALUES_MAX: usize = 32_000;

/// Conditions that all must hold, and the values in them.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    clauses: Vec<String>,
    params: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// The placeholder of another value.
    pub(crate) fn bind(&mut self, value: impl Into<Value<'a>>) -> String {
        self.params.push(value.into());
        format!("?{}", self.params.len())
    }

    /// Another condition. Its placeholders come from [`Self::bind`].
    pub(crate) fn and(&mut self, clause: String) {
        self.clauses.push(clause);
    }

    /// A condition with one value, which stands where `{}` does.
    pub(crate) fn and_value(&mut self, clause: &str, value: impl Into<Value<'a>>) {
        let placeholder = self.bind(value);
        self.and(clause.replace("{}", &placeholder));
    }

    /// That a column is one of some values. The number of placeholders is a power of two, so that there are few
    /// different statements.
    pub(crate) fn and_in(&mut self, column: &str, values: impl IntoIterator<Item = Value<'a>>) {
        let list = self.list(values);
        self.and(format!("{column} IN ({list})"));
    }

    fn list(&mut self, values: impl IntoIterator<Item = Value<'a>>) -> String {
        let mut placeholders: Vec<String> =
            values.into_iter().map(|value| self.bind(value)).collect();
        if placeholders.is_empty() {
            placeholders.push(self.bind(Value::Null));
        }
        let n_padded = placeholders.len().next_power_of_two();
        while placeholders.len() < n_padded
            && let Some(value) = self.params.last().cloned()
        {
            placeholders.push(self.bind(value));
        }
        placeholders.join(", ")
    }

    /// That a decision's value is this text.
    pub(crate) fn and_decision_value(&mut self, value: &'a str) {
        // The first half is what the index has; the second decides.
        let placeholder = self.bind(value);
        self.and(format!(
            "substr(value, 1, 128) = substr(CAST({placeholder} AS TEXT), 1, 128) AND value = {placeholder}"
        ));
    }

    /// A clause for decisions on a block that contains this one.
    pub(crate) fn around(&mut self, block: Block) -> String {
        // Every block is a network, so one around this begins at this one's address with some bits cleared.
        let firsts = (0..=block.prefix_bits()).map(|bits| block.widened(bits).first());
        let mut firsts: Vec<u128> = firsts.collect();
        firsts.dedup();
        let family = self.bind(family_number(Some(block)));
        let last = self.bind(block.last().to_be_bytes());
        let list = self.list(firsts.into_iter().map(|first| first.to_be_bytes().into()));
        format!("(family = {family} AND first_ip IN ({list}) AND last_ip >= {last})")
    }

    /// A clause for decisions on a block within this one.
    pub(crate) fn within(&mut self, block: Block) -> String {
        let family = self.bind(family_number(Some(block)));
        let first = self.bind(block.first().to_be_bytes());
        let last = self.bind(block.last().to_be_bytes());
        format!(
            "(family = {family} AND first_ip >= {first} AND first_ip <= {last} AND last_ip <= {last})"
        )
    }

    /// All conditions, as what follows `WHERE`.
    pub(crate) fn clause(&self) -> String {
        if self.clauses.is_empty() {
            "1 = 1".to_owned()
        } else {
            self.clauses.join(" AND ")
        }
    }

    /// The values.
    pub(crate) fn params(&self) -> &[Value<'a>] {
        &self.params
    }
}

/// The column `family` of a decision.
pub(crate) fn family_number(block: Option<Block>) -> i64 {
    match block.map(Block::family) {
        None => 0,
        Some(Family::V4) => 4,
        Some(Family::V6) => 6,
    }
}

/// Where rows are inserted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The table and its columns, in parentheses.
    pub(crate) table: &'a str,
    /// What follows the rows: what to do when there is one already.
    pub(crate) tail: &'a str,
    /// How many columns there are.
    pub(crate) n_columns: usize,
}

/// Inserts rows. As many go into a statement as a power of two that is at most `rows_max`, or `rows_max` itself, so that
/// there are few different statements.
pub(crate) fn insert(
    connection: &mut Connection,
    target: Target<'_>,
    values: &[Value<'_>],
    rows_max: usize,
) -> Said<()> {
    let columns = target.n_columns.max(1);
    let rows_max = rows_max.clamp(1, VALUES_MAX / columns);
    let mut rest = values;
    while !rest.is_empty() {
        let n_rows = rows_now(rest.len() / columns, rows_max);
        let (now, later) = rest.split_at((n_rows * columns).min(rest.len()));
        connection.execute(&insertion(target, n_rows), now)?;
        rest = later;
    }
    Ok(())
}

/// How many rows of those that are left go into the next statement.
fn rows_now(n_rows: usize, rows_max: usize) -> usize {
    if n_rows >= rows_max {
        rows_max
    } else {
        (n_rows / 2 + 1).next_power_of_two().min(n_rows).max(1)
    }
}

fn insertion(target: Target<'_>, n_rows: usize) -> String {
    let mut sql = format!("INSERT INTO {} VALUES ", target.table);
    let mut number = 0;
    for row in 0..n_rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..target.n_columns {
            number += 1;
            if column > 0 {
                sql.push_str(", ");
            }
            sql.push('?');
            sql.push_str(&number.to_string());
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(target.tail);
    sql
}

/// The beginning of a text, at most this many bytes and no half character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_powers_of_two() {
        for (n_rows, expected) in [(1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (50, 32), (999, 512)] {
            assert_eq!(rows_now(n_rows, 1_000), expected, "{n_rows}");
        }
        assert_eq!(rows_now(2_500, 1_000), 1_000);
    }

    #[test]
    fn lists_are_padded() {
        let mut conditions = Conditions::default();
        conditions.and_in("id", [1i64, 2, 3].map(Value::from));
        assert_eq!(conditions.clause(), "id IN (?1, ?2, ?3, ?4)");
        assert_eq!(conditions.params().last(), Some(&Value::Int(3)));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("añb", 30), "añb");
    }
}
