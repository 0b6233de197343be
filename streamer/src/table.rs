//! Aligned tables on standard output.

#![allow(clippy::print_stdout, reason = "a table is a command's output")]

pub(crate) use runtime::{Align, Table, table};

/// Prints a head and rows.
pub(crate) fn print_table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    print!("{}", table(head, rows));
}
