//! Checks a day's rows in `daily_stats` by adding the windows up again in another way, and by the
//! identities that must hold between the rows.
//!
//! In: a [`BusinessDay`]. Out: a [`Validation`]. Changes nothing.
//!
//! ```text
//! each figure of a type in a region = the sum of its windows
//! Σ regions of a type               = its row 'ALL'
//! the busiest region's Σ types      = the row 'most_active'
//! avg_duration_seconds              = total_duration_hours × 3600 / total_events
//! ```
//!
//! Together these reach every row: a day that passes has counts that add up to those of its windows.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};

use crate::batch_runs::day_record;
use crate::difference::{Difference, Differences};
use crate::recount::{MixedSum, Recount, Recounted, recount};
use crate::{BusinessDay, StoreError};

const ALL_REGIONS: &str = "ALL";
const MOST_ACTIVE: &str = "most_active";
const SECONDS_PER_HOUR: f64 = 3600.0;
const MB_PER_TB: f64 = 1024.0 * 1024.0;

/// What came of checking a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// `daily_stats` has no row of that date.
    NoRows,
    /// The rows were computed from something else than there is now, for this reason: no use in
    /// comparing.
    Stale(String),
    /// The rows were compared.
    Compared(Differences),
}

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

/// Compares the day's rows with each other and with the windows, in one snapshot.
///
/// # Errors
/// A failed statement.
pub async fn validate_day(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<Validation, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::sql("beginning the validation"))?;
    let record = day_record(&mut transaction, day).await?;
    let rows: Vec<DailyRow> = sqlx::query_as(include_str!("queries/validate_rows.sql"))
        .bind(day.date())
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::sql("reading the day's rows"))?;
    if rows.is_empty() {
        return Ok(Validation::NoRows);
    }
    if let Some(because) = record.as_ref().and_then(|record| record.stale_because()) {
        return Ok(Validation::Stale(because.to_owned()));
    }
    // Rows that no run of ours has noted were computed without late events.
    let include_late = record.is_some_and(|record| record.include_late);
    let counted = recount(&mut transaction, day, include_late).await?;
    transaction.commit().await.map_err(StoreError::sql("ending the validation"))?;
    Ok(Validation::Compared(compare(&rows, counted)))
}

fn compare(rows: &[DailyRow], counted: Recount) -> Differences {
    let mut differences = Differences::default();
    let pairs = || rows.iter().filter(|row| !row.is_all() && !row.is_most_active());
    compare_with_windows(pairs(), counted, &mut differences);

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

/// Every pair's figures are those of its windows, and no pair is missing or made up.
fn compare_with_windows<'a>(
    pairs: impl Iterator<Item = &'a DailyRow>,
    mut counted: Recount,
    differences: &mut Differences,
) {
    for row in pairs {
        match counted.remove(&(row.event_type.clone(), row.region.clone())) {
            Some(recounted) => Totals::from(&recounted).compare_with(row, differences),
            None => differences.push(row_expected(&row.event_type, &row.region, "no row", "one")),
        }
    }
    for (event_type, region) in counted.keys() {
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
            Some(events) if events != 0 => {
                Some(self.total_duration_hours * SECONDS_PER_HOUR / events as f64)
            }
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
    /// How often a sum was rounded.
    roundings: u32,
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

impl From<&Recounted> for Totals {
    fn from(recounted: &Recounted) -> Self {
        let exact = |value: f64| Sum { value, magnitude: value.abs() };
        let mixed = |sum: &MixedSum, unit: f64| Sum {
            value: sum.value() / unit,
            magnitude: sum.magnitude() / unit,
        };
        let Recounted { events, seconds, data_mb, amount } = recounted;
        Totals {
            // One more for the division by the unit.
            roundings: data_mb.roundings().max(amount.roundings()).saturating_add(1),
            events: *events,
            hours: exact(*seconds as f64 / SECONDS_PER_HOUR),
            data_tb: mixed(data_mb, MB_PER_TB),
            amount: mixed(amount, 1.0),
        }
    }
}

impl Totals {
    fn add(&mut self, row: &DailyRow) {
        self.roundings += 1;
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
            if !nearly_equal(sum.value, found, sum.magnitude, self.roundings) {
                let expected = sum.value.to_string();
                differences.push(row.difference(what, expected, found.to_string()));
            }
        }
    }
}

/// Whether a sum, of terms whose magnitudes add up to `magnitude`, equals `found` up to rounding. Each
/// term and `found` were rounded once, and each addition rounds once more:
/// |error| ≤ roundings × ε/2 × magnitude + ε/2 × |found|. Twice that is allowed.
fn nearly_equal(sum: f64, found: f64, magnitude: f64, roundings: u32) -> bool {
    let allowed = f64::EPSILON * (f64::from(roundings) * magnitude + found.abs());
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

    /// The same figures, added up from windows of our own.
    fn recounted(events: i64, seconds: i64, mb: f64) -> Recounted {
        Recounted {
            events: events.into(),
            seconds: seconds.into(),
            data_mb: MixedSum::of_micros((mb * 1e6).round() as i128),
            amount: MixedSum::of_micros(i128::from(events) * 100_000),
        }
    }

    /// Two types in three regions; the last two regions are equally busy.
    fn day() -> (Vec<DailyRow>, Recount) {
        let mut rows = Vec::new();
        let mut counted = Recount::new();
        for (event_type, region, events, seconds, mb) in [
            ("call", "Алматы", 3, 100, 0.1),
            ("call", "Osh", 10, 200, 0.2),
            ("sms", "Aral", 12, 0, 0.3),
            ("sms", "Osh", 2, 0, 0.7),
        ] {
            rows.push(row(event_type, region, events, seconds, mb));
            let key = (event_type.to_owned(), region.to_owned());
            counted.insert(key, recounted(events, seconds, mb));
        }
        rows.push(row("call", ALL_REGIONS, 13, 300, 0.3));
        rows.push(row("sms", ALL_REGIONS, 14, 0, 1.0));
        rows.push(row(MOST_ACTIVE, "Aral", 12, 0, 0.3));
        (rows, counted)
    }

    #[test]
    fn a_right_day_has_no_differences() {
        let (rows, counted) = day();
        assert_eq!(compare(&rows, counted).listed(), []);
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
                let found = compare(&damaged, counted.clone());
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
            assert!(!compare(&without, counted.clone()).is_empty(), "without {gone:?}");
        }
        for additional in [
            row("mms", "Osh", 0, 0, 0.0),
            row("mms", ALL_REGIONS, 0, 0, 0.0),
            row(MOST_ACTIVE, "Osh", 12, 200, 0.9),
        ] {
            let mut with = rows.clone();
            with.push(additional.clone());
            assert!(!compare(&with, counted.clone()).is_empty(), "with {additional:?}");
        }
    }

    #[test]
    fn a_tie_goes_to_the_first_region_by_code_point() {
        let (mut rows, counted) = day();
        *rows.last_mut().unwrap() = row(MOST_ACTIVE, "Osh", 12, 200, 0.9);
        let found = compare(&rows, counted);
        let difference = &found.listed()[0];
        assert_eq!((difference.expected.as_str(), difference.found.as_str()), ("Aral", "Osh"));
        assert_eq!(found.total(), 1);
    }

    #[test]
    fn a_row_inserted_without_a_name_is_found() {
        let (rows, mut counted) = day();
        counted.insert(("NULL".to_owned(), "Osh".to_owned()), recounted(1, 0, 0.0));
        assert_eq!(compare(&rows, counted).listed()[0].place, "NULL, Osh");
    }
}
