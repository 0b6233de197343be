//! What a check found: one line for each place where two figures that must agree do not.

use std::fmt;

/// A check lists at most this many differences (I-6); the rest are counted.
pub const DIFFERENCES_LISTED_MAX: usize = 100;

/// Two figures that must agree and do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In words: a figure, or a row that only one side has.
    pub what: String,
    /// Whose figure: a partition, a quarter of an hour, a row.
    pub place: String,
    /// What it should be.
    pub expected: String,
    /// What was found instead.
    pub found: String,
}

/// Differences, at most [`DIFFERENCES_LISTED_MAX`] of them, and how many there are in all.
/// `Display` is an aligned table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    listed: Vec<Difference>,
    total: u64,
}

impl Differences {
    /// Whether everything agreed.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many differences there are, those not listed included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first of them.
    pub fn listed(&self) -> &[Difference] {
        &self.listed
    }

    /// Counts a difference, and lists it while there is room.
    pub fn push(&mut self, difference: Difference) {
        self.total += 1;
        if self.listed.len() < DIFFERENCES_LISTED_MAX {
            self.listed.push(difference);
        }
    }

    /// Counts differences that nobody described.
    pub fn count_unlisted(&mut self, more: u64) {
        self.total += more;
    }

    /// How many more would be listed.
    pub fn room(&self) -> usize {
        DIFFERENCES_LISTED_MAX - self.listed.len()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "where", "expected", "found"];
        let rows = self.listed.iter().map(Difference::cells);
        let mut widths = head.map(|cell| cell.chars().count());
        for row in rows.clone() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in std::iter::once(head).chain(rows) {
            let [what, place, expected, found] = row;
            let [what_width, place_width, expected_width, found_width] = widths;
            writeln!(
                f,
                "{what:what_width$}  {place:place_width$}  \
                 {expected:>expected_width$}  {found:>found_width$}"
            )?;
        }
        match self.total - self.listed.len() as u64 {
            0 => Ok(()),
            unlisted => writeln!(f, "… and {unlisted} more"),
        }
    }
}

impl Difference {
    fn cells(&self) -> [&str; 4] {
        [&self.what, &self.place, &self.expected, &self.found]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(place: &str, found: &str) -> Difference {
        Difference {
            what: "late".to_owned(),
            place: place.to_owned(),
            expected: "7".to_owned(),
            found: found.to_owned(),
        }
    }

    #[test]
    fn the_table_is_aligned_by_characters() {
        let mut differences = Differences::default();
        differences.push(difference("Алматы", "12345678"));
        differences.push(difference("Osh", "9"));
        let expected = "\
what  where   expected     found
late  Алматы         7  12345678
late  Osh            7         9
";
        assert_eq!(differences.to_string(), expected);
    }

    #[test]
    fn differences_beyond_the_bound_are_counted_and_not_listed() {
        let mut differences = Differences::default();
        for _ in 0..DIFFERENCES_LISTED_MAX + 2 {
            differences.push(difference("x", "1"));
        }
        differences.count_unlisted(3);
        assert_eq!(differences.listed().len(), DIFFERENCES_LISTED_MAX);
        assert_eq!(differences.total(), 105);
        assert!(differences.to_string().ends_with("… and 5 more\n"));
    }
}
