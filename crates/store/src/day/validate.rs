//! Checks every figure of a day's rows in `daily_stats`: by adding the windows up again in another
//! way, by merging the day's sketches again, and by the identities that must hold between the rows.
//!
//! In: a [`BusinessDay`]. Out: a [`Validation`]. Changes nothing.
//!
//! ```text
//! each sum of a type in a region = the sum of its windows
//! Σ regions of a type            = its row 'ALL'
//! the busiest region's Σ types   = the row 'most_active'
//! avg_duration_seconds           = total_duration_hours × 3600 / total_events
//! distinct_subscribers           = the estimate of the row's merged sketches; NULL unless these
//!                                  cover exactly the events of its windows
//! avg_data_per_user_mb           = total_data_tb × 1024 × 1024 / distinct_subscribers
//! ```
//!
//! Together these reach every row: a day that passes has counts that add up to those of its windows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, FromRow, Row};
use windowing::{FIGURES, Figure, PerFigure};

use crate::day::batch_runs::day_record;
use crate::day::difference::{Difference, Differences};
use crate::day::recount::{MixedSum, Recount, Recounted, recount};
use crate::day::subscribers::merge_sketches;
use crate::{BusinessDay, ExpiredMinutes, FigureSql, StoreError, expired_minutes, read_figures};

static ROWS: FigureSql = FigureSql::new(include_str!("queries/validate_rows.sql"));

const ALL_REGIONS: &str = "ALL";
const MOST_ACTIVE: &str = "most_active";

/// What came of checking a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// `daily_stats` has no row of that date.
    NoRows,
    /// The rows were computed from something else than there is now, for this reason: no use in
    /// comparing.
    Stale(String),
    /// Minutes that they were computed from have expired: there is nothing to compare them with.
    Expired(ExpiredMinutes),
    /// The rows were compared.
    Compared(Differences),
}

/// One row of `daily_stats`. A NULL count is `None`, any other NULL figure NaN: both agree with
/// nothing.
#[derive(Clone, Debug)]
struct DailyRow {
    event_type: String,
    region: String,
    total_events: Option<i64>,
    figures: PerFigure<f64>,
    avg_duration_seconds: Option<f64>,
    distinct_subscribers: Option<i64>,
    avg_data_per_user_mb: Option<f64>,
}

impl FromRow<'_, PgRow> for DailyRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(DailyRow {
            event_type: row.try_get("event_type")?,
            region: row.try_get("region")?,
            total_events: row.try_get("total_events")?,
            figures: read_figures(row, |figure| figure.day.column)?,
            avg_duration_seconds: row.try_get("avg_duration_seconds")?,
            distinct_subscribers: row.try_get("distinct_subscribers")?,
            avg_data_per_user_mb: row.try_get("avg_data_per_user_mb")?,
        })
    }
}

/// (event_type, region) of a row → its number of subscribers; `None`: it can't be known, and the
/// row must say NULL.
type Subscribers = BTreeMap<(String, String), Option<i64>>;

/// Compares the day's rows with each other and with the windows, in one snapshot.
///
/// # Errors
/// A failed statement; a damaged row of `subscriber_sketches`.
pub async fn validate_day(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<Validation, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::sql("beginning the validation"))?;
    let record = day_record(&mut transaction, day).await?;
    let rows: Vec<DailyRow> = sqlx::query_as(ROWS.text())
        .bind(day.date())
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::sql("reading the day's rows"))?;
    if rows.is_empty() {
        return Ok(Validation::NoRows);
    }
    // Rows that no run of ours has noted were computed without late events.
    let include_late = record.as_ref().is_some_and(|record| record.include_late);
    let span = (day.start(), day.end());
    if let Some(expired) = expired_minutes(&mut transaction, span, include_late).await? {
        return Ok(Validation::Expired(expired));
    }
    if let Some(because) = record.as_ref().and_then(|record| record.stale_because()) {
        return Ok(Validation::Stale(because.to_owned()));
    }
    let counted = recount(&mut transaction, day, include_late).await?;
    let expected_rows = rows_of(&counted);
    let sketches = merge_sketches(&mut transaction, day, &expected_rows).await?;
    transaction.commit().await.map_err(StoreError::sql("ending the validation"))?;
    let subscribers = expected_rows
        .into_iter()
        .map(|(event_type, region, events)| {
            let estimate = sketches.of_row(&event_type, &region, events).ok();
            ((event_type, region), estimate)
        })
        .collect();
    Ok(Validation::Compared(compare(&rows, counted, &subscribers)))
}

/// The rows that the windows call for, each with its events: what the sketches must cover. Were the
/// stored rows' own events taken, one changed count would call right subscribers wrong, too.
fn rows_of(counted: &Recount) -> Vec<(String, String, i64)> {
    let mut by_row: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    let mut by_region: BTreeMap<&str, i128> = BTreeMap::new();
    for ((event_type, region), sums) in counted {
        *by_row.entry((event_type, region)).or_default() += sums.events;
        *by_row.entry((event_type, ALL_REGIONS)).or_default() += sums.events;
        *by_region.entry(region).or_default() += sums.events;
    }
    let busiest = busiest(by_region.iter().map(|(region, events)| (*region, *events)));
    if let Some(region) = busiest {
        by_row.insert((MOST_ACTIVE, region), by_region[region]);
    }
    by_row
        .into_iter()
        .map(|((event_type, region), events)| {
            // No sketch covers more events than the column of daily_stats can hold.
            let events = i64::try_from(events).unwrap_or(i64::MAX);
            (event_type.to_owned(), region.to_owned(), events)
        })
        .collect()
}

/// The region with the most events; of equals the first. The regions come by code point.
fn busiest<'a>(regions: impl Iterator<Item = (&'a str, i128)>) -> Option<&'a str> {
    // Of equals `min_by_key` takes the first.
    regions.min_by_key(|(_, events)| Reverse(*events)).map(|(region, _)| region)
}

fn compare(rows: &[DailyRow], counted: Recount, subscribers: &Subscribers) -> Differences {
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
        // A row that there should not be has been reported as such.
        if let Some(expected) = subscribers.get(&(row.event_type.clone(), row.region.clone())) {
            row.compare_subscribers(*expected, &mut differences);
        }
        row.compare_averages(&mut differences);
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
    let busiest = busiest(by_region.iter().map(|(region, totals)| (*region, totals.events)));
    let Some(region) = busiest else { return };
    let totals = by_region[region];
    let mut found = rows.iter().filter(|row| row.is_most_active());
    match (found.next(), found.next()) {
        (Some(row), None) if row.region == region => totals.compare_with(row, differences),
        (Some(row), None) => differences.push(Difference {
            what: "region with the most events".to_owned(),
            place: MOST_ACTIVE.to_owned(),
            expected: region.to_owned(),
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

    fn difference(&self, what: &str, expected: String, found: String) -> Difference {
        let place = format!("{}, {}", self.event_type, self.region);
        Difference { what: what.to_owned(), place, expected, found }
    }

    fn compare_subscribers(&self, expected: Option<i64>, differences: &mut Differences) {
        let found = self.distinct_subscribers;
        if found != expected {
            let difference = self.difference(
                "distinct_subscribers",
                text_or_null(expected),
                text_or_null(found),
            );
            differences.push(difference);
        }
    }

    /// An average is the quotient of two other columns; NULL where it would be one by NULL or zero.
    fn compare_averages(&self, differences: &mut Differences) {
        let [seconds, data_mb] = [Figure::SECONDS, Figure::DATA_MB]
            .map(|at| self.figures[at] * f64::from(FIGURES[at].day.units));
        let (by_events, by_subscribers) = (self.total_events, self.distinct_subscribers);
        for (what, sum, count, found) in [
            ("avg_duration_seconds", seconds, by_events, self.avg_duration_seconds),
            ("avg_data_per_user_mb", data_mb, by_subscribers, self.avg_data_per_user_mb),
        ] {
            let expected = count.filter(|count| *count != 0).map(|count| sum / count as f64);
            let agrees = match (expected, found) {
                (None, None) => true,
                // Three roundings on either side at most.
                (Some(expected), Some(found)) => nearly_equal(expected, found, expected.abs(), 3),
                _ => false,
            };
            if !agrees {
                let difference = self.difference(what, text_or_null(expected), text_or_null(found));
                differences.push(difference);
            }
        }
    }
}

fn text_or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}

/// Sums of some rows' figures, with what is needed to bound their rounding errors.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    /// How often a sum was rounded.
    roundings: u32,
    events: i128,
    figures: PerFigure<Sum>,
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
        let Recounted { events, figures } = recounted;
        let mut sums = PerFigure::<Sum>::default();
        for ((sum, counted), figure) in sums.iter_mut().zip(figures).zip(&FIGURES) {
            let units = f64::from(figure.day.units);
            *sum = Sum { value: counted.value() / units, magnitude: counted.magnitude() / units };
        }
        let roundings = figures.iter().map(MixedSum::roundings).max().unwrap_or_default();
        // One more for the division by the unit.
        Totals { roundings: roundings.saturating_add(1), events: *events, figures: sums }
    }
}

impl Totals {
    fn add(&mut self, row: &DailyRow) {
        self.roundings += 1;
        self.events += i128::from(row.total_events.unwrap_or(0));
        for (sum, term) in self.figures.iter_mut().zip(row.figures) {
            sum.add(term);
        }
    }

    fn compare_with(&self, row: &DailyRow, differences: &mut Differences) {
        if Some(self.events) != row.total_events.map(i128::from) {
            let expected = self.events.to_string();
            differences.push(row.difference(
                "total_events",
                expected,
                text_or_null(row.total_events),
            ));
        }
        for ((sum, found), figure) in self.figures.iter().zip(row.figures).zip(&FIGURES) {
            if !nearly_equal(sum.value, found, sum.magnitude, self.roundings) {
                let expected = sum.value.to_string();
                differences.push(row.difference(figure.day.column, expected, found.to_string()));
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
mod tests;
