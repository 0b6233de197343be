//! Rows of text, aligned for a terminal.

/// What a query answered, every value as text.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// One line per row; columns of numbers are aligned to the right.
    pub(crate) fn to_text(&self) -> String {
        if self.rows.is_empty() {
            return "  (no rows)\n".to_owned();
        }
        let columns: Vec<Column> = (0..self.header.len()).map(|index| self.column(index)).collect();
        let rule: Vec<String> = columns.iter().map(|column| "─".repeat(column.width)).collect();
        [&self.header, &rule]
            .into_iter()
            .chain(&self.rows)
            .map(|cells| line(cells, &columns))
            .collect()
    }

    fn column(&self, index: usize) -> Column {
        let cells = || self.rows.iter().filter_map(|row| row.get(index));
        let header_width = self.header.get(index).map_or(0, |name| name.chars().count());
        Column {
            width: cells().map(|cell| cell.chars().count()).fold(header_width, usize::max),
            is_numeric: cells().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok()),
        }
    }
}

struct Column {
    width: usize,
    is_numeric: bool,
}

fn line(cells: &[String], columns: &[Column]) -> String {
    let mut line = String::new();
    for (cell, column) in cells.iter().zip(columns) {
        let width = column.width;
        let padded = if column.is_numeric {
            format!("  {cell:>width$}")
        } else {
            format!("  {cell:<width$}")
        };
        line.push_str(&padded);
    }
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(header: &[&str], rows: &[&[&str]]) -> String {
        let owned = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        Table { header: owned(header), rows: rows.iter().map(|row| owned(row)).collect() }.to_text()
    }

    #[test]
    fn text_is_aligned_left_and_numbers_right() {
        let text = table(&["region", "events"], &[&["Almaty", "9"], &["Ақтөбе қаласы", "12345"]]);
        let expected = "  region         events
  ─────────────  ──────
  Almaty              9
  Ақтөбе қаласы   12345
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_table_without_rows_says_so() {
        assert_eq!(table(&["region"], &[]), "  (no rows)\n");
    }
}
