//! Aligned tables, for what commands answer.

use std::fmt::{self, Write as _};

/// A head and rows as lines, each column as wide as its widest cell.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new(head.map(|name| (name, Align::Left)));
    rows.into_iter().for_each(|row| table.push(row));
    table.to_string()
}

/// Three parts of a row as one, for rows whose middle is a list from elsewhere.
pub fn row_of<T, const A: usize, const B: usize, const C: usize, const N: usize>(
    first: [T; A],
    middle: [T; B],
    last: [T; C],
) -> [T; N] {
    const { assert!(A + B + C == N, "the row has another number of cells than its parts") };
    let mut cells = first.into_iter().chain(middle).chain(last);
    std::array::from_fn(|_| cells.next().expect("the parts have N cells: asserted above"))
}

/// How the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text: cells begin at the left edge.
    Left,
    /// Numbers: cells end at the right edge, so that digits stand under each other.
    Right,
}

/// Rows under a head, aligned by characters. `Display` ends each line without trailing spaces.
#[derive(Clone, Debug)]
pub struct Table<'h, const N: usize> {
    columns: [(&'h str, Align); N],
    rows: Vec<[String; N]>,
}

impl<'h, const N: usize> Table<'h, N> {
    /// An empty table.
    pub fn new(columns: [(&'h str, Align); N]) -> Self {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

impl<const N: usize> fmt::Display for Table<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.columns.map(|(name, _)| name.to_owned());
        let lines = || std::iter::once(&head).chain(&self.rows);
        let width = |index: usize| lines().map(|row| row[index].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        for row in lines() {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(widths).zip(self.columns) {
                match align {
                    Align::Left => write!(line, "{cell:width$}  ")?,
                    Align::Right => write!(line, "{cell:>width$}  ")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_by_characters_and_has_no_trailing_spaces() {
        let mut table =
            Table::new([("region", Align::Left), ("events", Align::Right), ("", Align::Left)]);
        table.push(["Алматы".to_owned(), "7".to_owned(), String::new()]);
        table.push(["Osh".to_owned(), "12345678".to_owned(), "x".to_owned()]);
        assert_eq!(table.to_string(), "region    events\nАлматы         7\nOsh     12345678  x\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["1".to_owned(), "ә".to_owned()], ["1000".to_owned(), String::new()]];
        assert_eq!(table(["n", "name"], rows), "n     name\n1     ә\n1000\n");
    }
}
