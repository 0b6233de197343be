//! Aligned tables on standard output.

#![allow(clippy::print_stdout, reason = "a table is a command's output")]

/// Prints a head and rows.
pub(crate) fn print_table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) {
    print!("{}", table(head, rows));
}

/// A head and rows as lines, each column as wide as its widest cell.
pub(crate) fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut all = vec![head.map(str::to_owned)];
    all.extend(rows);
    let mut widths = [0; COLUMNS];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &all {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["1".to_owned(), "ә".to_owned()], ["1000".to_owned(), String::new()]];
        assert_eq!(table(["n", "name"], rows), "n     name\n1     ә\n1000\n");
    }
}
