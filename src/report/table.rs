//! Plain tables: columns as wide as needed, the last one clipped to the terminal.

use super::term::{Paint, Style, clip, safe};

/// Spaces between columns.
const GAP: usize = 2;
/// Columns but the last are clipped at this width.
const COLUMN_MAX: usize = 44;

/// A table under construction.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; what is not printable is made visible.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.iter().map(|cell| safe(cell)).collect());
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, indented by two.
    #[must_use]
    pub fn render(&self, style: &Style) -> String {
        let n_columns = self.head.len();
        let widths: Vec<usize> = (0..n_columns)
            .map(|at| {
                let cells = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(at))
                    .map(String::as_str);
                let widest = cells
                    .chain([self.head[at]])
                    .map(|cell| cell.chars().count())
                    .max();
                widest.unwrap_or(0).min(COLUMN_MAX)
            })
            .collect();
        let before_last: usize = widths.iter().take(n_columns.saturating_sub(1)).sum();
        let used = 2 + before_last + GAP * n_columns.saturating_sub(1);
        let last_width = style.width.saturating_sub(used).max(10);
        let line = |cells: &[String]| {
            let mut out = String::from("  ");
            for (at, cell) in cells.iter().enumerate().take(n_columns) {
                if at + 1 == n_columns {
                    out.push_str(&clip(cell, last_width));
                } else {
                    let cell = clip(cell, widths[at]);
                    let fill = widths[at] - cell.chars().count() + GAP;
                    out.push_str(&cell);
                    out.extend(std::iter::repeat_n(' ', fill));
                }
            }
            out.trim_end().to_owned()
        };
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let mut out = style.paint(Paint::Dim, &line(&head));
        for row in &self.rows {
            out.push('\n');
            out.push_str(&line(row));
        }
        out.push('\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_last_is_clipped() {
        let mut table = Table::new(&["a", "long head", "text"]);
        table.row(vec!["1".into(), "x".into(), "y".repeat(100)]);
        table.row(vec!["22".into(), "zz".into(), "\x1b[2J".into()]);
        let text = table.render(&Style::plain(60));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  a   long head  text");
        assert!(lines[1].starts_with("  1   x          yyyy"));
        assert!(lines.iter().all(|line| line.chars().count() <= 60));
        assert_eq!(lines[2], "  22  zz         \u{fffd}[2J");
    }
}
