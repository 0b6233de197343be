//! Checks a day's rows in `daily_stats` by the identities that must hold between them, and by
//! counting the windows again.
//!
//! In: a [`BusinessDay`]. Out: the [`Differences`]. Changes nothing.
//!
//! ```text
//! Σ regions of a type          = its row 'ALL'
//! the busiest region's Σ types = the row 'most_active'
//! total_events of a row        = Σ event_count of its windows
//! avg_duration_seconds         = total_duration_hours × 3600 / total_events
//! ```

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};

use crate::difference::{Difference, Differences};
use crate::{BusinessDay, StoreError};

const ALL_REGIONS: &str = "ALL";
const MOST_ACTIVE: &str = "most_active";

/// One row of `daily_stats`. A NULL count is `None`, any other NULL figure NaN: both agree with
/// nothing.
#[derive(Clone, Debug, FromRow)]
struct DailyRow {
    event_type: String,
    region: String,
    total_events: Option<i64>,
    total_duration_hours: f64,
    total_data_tb: f64,
    total_amount: f64,
    avg_duration_seconds: Option<f64>,
}

/// The events of one (event_type, region), counted from the windows. Rows that someone else
/// inserted may lack either name.
#[derive(Clone, Debug, FromRow)]
struct CountedPair {
    event_type: Option<String>,
    region: Option<String>,
    events: i64,
}

/// Compares the day's rows with each other and with the windows, in one snapshot. `None`:
/// `daily_stats` has no row of that date.
///
/// # Errors
/// A failed statement.
pub async fn validate_day(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<Option<Differences>, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::sql("beginning the validation"))?;
    let rows: Vec<DailyRow> = sqlx::query_as(include_str!("queries/validate_rows.sql"))
        .bind(day.date())
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::sql("reading the day's rows"))?;
    let counted: Vec<CountedPair> = sqlx::query_as(include_str!("queries/validate_counts.sql"))
        .bind(day.start())
        .bind(day.end())
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::sql("counting the day's windows"))?;
    transaction.commit().await.map_err(StoreError::sql("ending the validation"))?;
    Ok((!rows.is_empty()).then(|| compare(&rows, &counted)))
}

fn compare(rows: &[DailyRow], counted: &[CountedPair]) -> Differences {
    let mut differences = Differences::default();
    let pairs = || rows.iter().filter(|row| !row.is_all() && !row.is_most_active());
    compare_counts(pairs(), counted, &mut differences);

    let mut by_type: BTreeMap<&str, Totals> = BTreeMap::new();
    let mut by_region: BTreeMap<&str, Totals> = BTreeMap::new();
    for row in pairs() {
        by_type.entry(&row.event_type).or_default().add(row);
        by_region.entry(&row.region).or_default().add(row);
    }
    let all_rows: BTreeMap<&str, &DailyRow> = rows
        .iter()
        .filter(|row| row.is_all() && !row.is_most_active())
        .map(|row| (row.event_type.as_str(), row))
        .collect();
    for (event_type, totals) in &by_type {
        match all_rows.get(event_type) {
            Some(row) => totals.compare_with(row, &mut differences),
            None => differences.push(row_expected(event_type, ALL_REGIONS, "a row", "none")),
        }
    }
    for event_type in all_rows.keys().filter(|event_type| !by_type.contains_key(*event_type)) {
        differences.push(row_expected(event_type, ALL_REGIONS, "no row", "one"));
    }
    compare_most_active(rows, &by_region, &mut differences);
    for row in rows {
        row.compare_average(&mut differences);
    }
    differences
}

/// Every pair's events are those of its windows, and no pair is missing or made up.
fn compare_counts<'a>(
    pairs: impl Iterator<Item = &'a DailyRow>,
    counted: &[CountedPair],
    differences: &mut Differences,
) {
    let key = |pair: &CountedPair| {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "NULL".to_owned());
        (name(&pair.event_type), name(&pair.region))
    };
    let mut events_of: BTreeMap<(String, String), i64> =
        counted.iter().map(|pair| (key(pair), pair.events)).collect();
    for row in pairs {
        let pair = (row.event_type.clone(), row.region.clone());
        match events_of.remove(&pair) {
            Some(events) if Some(events) == row.total_events => {}
            Some(events) => {
                let expected = events.to_string();
                differences.push(row.difference("events counted again", expected, row.events()));
            }
            None => differences.push(row_expected(&pair.0, &pair.1, "no row", "one")),
        }
    }
    for (event_type, region) in events_of.keys() {
        differences.push(row_expected(event_type, region, "a row", "none"));
    }
}

/// There is one row 'most_active'; it names the right region and has that region's figures.
fn compare_most_active(
    rows: &[DailyRow],
    by_region: &BTreeMap<&str, Totals>,
    differences: &mut Differences,
) {
    // The map goes by code point, and of equals `min_by_key` takes the first: the contract's ties.
    let busiest = by_region.iter().min_by_key(|(_, totals)| std::cmp::Reverse(totals.events));
    let Some((region, totals)) = busiest else { return };
    let mut found = rows.iter().filter(|row| row.is_most_active());
    match (found.next(), found.next()) {
        (Some(row), None) if row.region == *region => totals.compare_with(row, differences),
        (Some(row), None) => differences.push(Difference {
            what: "region with the most events".to_owned(),
            place: MOST_ACTIVE.to_owned(),
            expected: (*region).to_owned(),
            found: row.region.clone(),
        }),
        (None, _) => differences.push(row_expected(MOST_ACTIVE, region, "a row", "none")),
        (Some(_), Some(_)) => {
            differences.push(row_expected(MOST_ACTIVE, region, "one row", "several"));
        }
    }
}

fn row_expected(event_type: &str, region: &str, expected: &str, found: &str) -> Difference {
    Difference {
        what: "row of daily_stats".to_owned(),
        place: format!("{event_type}, {region}"),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

impl DailyRow {
    fn is_all(&self) -> bool {
        self.region == ALL_REGIONS
    }

    fn is_most_active(&self) -> bool {
        self.event_type == MOST_ACTIVE
    }

    fn events(&self) -> String {
        self.total_events.map_or_else(|| "NULL".to_owned(), |events| events.to_string())
    }

    fn difference(&self, what: &str, expected: String, found: String) -> Difference {
        let place = format!("{}, {}", self.event_type, self.region);
        Difference { what: what.to_owned(), place, expected, found }
    }

    /// The average is the quotient of two other columns; NULL without events.
    fn compare_average(&self, differences: &mut Differences) {
        let expected = match self.total_events {
            Some(events) if events != 0 => Some(self.total_duration_hours * 3600.0 / events as f64),
            _ => None,
        };
        let agrees = match (expected, self.avg_duration_seconds) {
            (None, None) => true,
            // Three roundings on either side at most.
            (Some(expected), Some(found)) => nearly_equal(expected, found, expected.abs(), 3),
            _ => false,
        };
        if !agrees {
            let text =
                |value: Option<f64>| value.map_or_else(|| "NULL".to_owned(), |v| v.to_string());
            let found = text(self.avg_duration_seconds);
            differences.push(self.difference("avg_duration_seconds", text(expected), found));
        }
    }
}

/// Sums of some rows' figures, with what is needed to bound their rounding errors.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    rows: u32,
    events: i128,
    hours: Sum,
    data_tb: Sum,
    amount: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: f64,
    magnitude: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
    }
}

impl Totals {
    fn add(&mut self, row: &DailyRow) {
        self.rows += 1;
        self.events += i128::from(row.total_events.unwrap_or(0));
        self.hours.add(row.total_duration_hours);
        self.data_tb.add(row.total_data_tb);
        self.amount.add(row.total_amount);
    }

    fn compare_with(&self, row: &DailyRow, differences: &mut Differences) {
        if Some(self.events) != row.total_events.map(i128::from) {
            let expected = self.events.to_string();
            differences.push(row.difference("total_events", expected, row.events()));
        }
        for (what, sum, found) in [
            ("total_duration_hours", self.hours, row.total_duration_hours),
            ("total_data_tb", self.data_tb, row.total_data_tb),
            ("total_amount", self.amount, row.total_amount),
        ] {
            if !nearly_equal(sum.value, found, sum.magnitude, self.rows) {
                let expected = sum.value.to_string();
                differences.push(row.difference(what, expected, found.to_string()));
            }
        }
    }
}

/// Whether a sum of `terms` doubles, whose magnitudes add up to `magnitude`, equals `found` up to
/// rounding. Each term and `found` were rounded once, and each addition rounds once more:
/// |error| ≤ terms × ε/2 × magnitude + ε/2 × |found|. Twice that is allowed.
fn nearly_equal(sum: f64, found: f64, magnitude: f64, terms: u32) -> bool {
    let allowed = f64::EPSILON * (f64::from(terms) * magnitude + found.abs());
    // A comparison with NaN is false: a figure that is NULL or NaN agrees with nothing.
    (sum - found).abs() <= allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row whose figures follow from a few whole numbers.
    fn row(event_type: &str, region: &str, events: i64, seconds: i64, mb: f64) -> DailyRow {
        DailyRow {
            event_type: event_type.to_owned(),
            region: region.to_owned(),
            total_events: Some(events),
            total_duration_hours: seconds as f64 / 3600.0,
            total_data_tb: mb / 1024.0 / 1024.0,
            total_amount: 0.1 * events as f64,
            avg_duration_seconds: (events != 0).then(|| seconds as f64 / events as f64),
        }
    }

    /// Two types in three regions; the last two regions are equally busy.
    fn day() -> (Vec<DailyRow>, Vec<CountedPair>) {
        let pairs = vec![
            row("call", "Алматы", 3, 100, 0.1),
            row("call", "Osh", 10, 200, 0.2),
            row("sms", "Aral", 12, 0, 0.3),
            row("sms", "Osh", 2, 0, 0.7),
        ];
        let counted = pairs
            .iter()
            .map(|pair| CountedPair {
                event_type: Some(pair.event_type.clone()),
                region: Some(pair.region.clone()),
                events: pair.total_events.unwrap(),
            })
            .collect();
        let mut rows = pairs;
        rows.push(row("call", ALL_REGIONS, 13, 300, 0.3));
        rows.push(row("sms", ALL_REGIONS, 14, 0, 1.0));
        rows.push(row(MOST_ACTIVE, "Aral", 12, 0, 0.3));
        (rows, counted)
    }

    #[test]
    fn a_right_day_has_no_differences() {
        let (rows, counted) = day();
        assert_eq!(compare(&rows, &counted).listed(), []);
    }

    #[test]
    fn each_figure_changed_by_hand_is_found() {
        // (what is done to the row, figures that must be reported)
        type Damage = fn(&mut DailyRow);
        let damages: [(&str, Damage); 7] = [
            ("total_events", |row| row.total_events = row.total_events.map(|n| n + 1)),
            ("total_events", |row| row.total_events = None),
            ("total_duration_hours", |row| row.total_duration_hours += 1e-6),
            ("total_data_tb", |row| row.total_data_tb *= 1.0 + 1e-12),
            ("total_amount", |row| row.total_amount = f64::NAN),
            ("avg_duration_seconds", |row| {
                row.avg_duration_seconds = row.avg_duration_seconds.map(|avg| avg * 1.001 + 1.0);
            }),
            ("avg_duration_seconds", |row| row.avg_duration_seconds = None),
        ];
        let (rows, counted) = day();
        for index in 0..rows.len() {
            for (what, damage) in damages {
                let mut damaged = rows.clone();
                damage(&mut damaged[index]);
                let found = compare(&damaged, &counted);
                let whats: Vec<_> = found.listed().iter().map(|one| one.what.as_str()).collect();
                assert!(whats.contains(&what), "{:?} {what}: {whats:?}", rows[index]);
            }
        }
    }

    #[test]
    fn a_missing_or_additional_row_is_found() {
        let (rows, counted) = day();
        for index in 0..rows.len() {
            let mut without = rows.clone();
            let gone = without.remove(index);
            assert!(!compare(&without, &counted).is_empty(), "without {gone:?}");
        }
        for additional in [
            row("mms", "Osh", 0, 0, 0.0),
            row("mms", ALL_REGIONS, 0, 0, 0.0),
            row(MOST_ACTIVE, "Osh", 12, 200, 0.9),
        ] {
            let mut with = rows.clone();
            with.push(additional.clone());
            assert!(!compare(&with, &counted).is_empty(), "with {additional:?}");
        }
    }

    #[test]
    fn a_tie_goes_to_the_first_region_by_code_point() {
        let (mut rows, counted) = day();
        *rows.last_mut().unwrap() = row(MOST_ACTIVE, "Osh", 12, 200, 0.9);
        let found = compare(&rows, &counted);
        let difference = &found.listed()[0];
        assert_eq!((difference.expected.as_str(), difference.found.as_str()), ("Aral", "Osh"));
        assert_eq!(found.total(), 1);
    }

    #[test]
    fn a_row_inserted_without_a_name_is_found() {
        let (rows, mut counted) = day();
        counted.push(CountedPair { event_type: None, region: Some("Osh".to_owned()), events: 1 });
        assert_eq!(compare(&rows, &counted).listed()[0].place, "NULL, Osh");
    }
}
