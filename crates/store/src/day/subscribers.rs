//! The distinct subscribers of a day's rows in `daily_stats`.
//!
//! In: the day's rows as they were just written, and its sketches, in one snapshot. Out:
//! `distinct_subscribers` and `avg_data_per_user_mb` of the rows whose sketches cover exactly their
//! events, and what to say of the others: NULL, never a made-up number (I-7). A row over several
//! regions or types counts a subscriber once, so sketches are merged, not their estimates added.

use std::collections::HashMap;

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;
use windowing::{SubscriberSketch, SubscriberUnion};

use crate::flush::results::SketchRow;
use crate::{BusinessDay, StoreError};

/// What the day's numbers of subscribers rest on.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubscriberCoverage {
    rows: usize,
    uncovered: Vec<Uncovered>,
    events_by_msisdn: i64,
}

/// A row of `daily_stats` whose number of subscribers is not known.
#[derive(Clone, Debug)]
struct Uncovered {
    event_type: String,
    region: String,
    events: i64,
    covered: i64,
}

impl SubscriberCoverage {
    /// Says what is not known, and what is less than certain.
    pub(crate) fn warn(&self, date: NaiveDate) {
        if let Some(Uncovered { event_type, region, events, covered }) = self.uncovered.first() {
            tracing::warn!(
                %date,
                null_rows = self.uncovered.len(),
                rows = self.rows,
                first_type = %event_type,
                first_region = %region,
                first_events = events,
                first_covered = covered,
                "avg_data_per_user_mb is NULL in some rows, because their subscribers were not counted for exactly \
                 their events"
            );
        }
        if self.events_by_msisdn > 0 {
            tracing::warn!(
                %date,
                events = self.events_by_msisdn,
                "events name no subscriber_id; their subscribers were told apart by msisdn, which several share \
                 because it is masked"
            );
        }
    }
}

/// By type and region: events, subscribers.
pub(crate) type Former = HashMap<(String, String), (i64, i64)>;

/// What is known of the subscribers of the day's rows as they are.
pub(crate) async fn former_subscribers(
    connection: &mut PgConnection,
    date: NaiveDate,
) -> Result<Former, StoreError> {
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT event_type, region, total_events, distinct_subscribers FROM daily_stats
         WHERE date = $1 AND total_events IS NOT NULL AND distinct_subscribers IS NOT NULL",
    )
    .bind(date)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading the day's former subscribers"))?;
    let known =
        |(event_type, region, events, subscribers)| ((event_type, region), (events, subscribers));
    Ok(rows.into_iter().map(known).collect())
}

/// Sets the subscribers of the day's rows. Events are never taken out of a day, so a row that has as many as the `former` one has
/// the same: where its sketches are gone, what was known stays.
pub(crate) async fn fill_subscribers(
    connection: &mut PgConnection,
    day: &BusinessDay,
    former: &Former,
) -> Result<SubscriberCoverage, StoreError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT event_type, region, total_events FROM daily_stats WHERE date = $1 ORDER BY 1, 2",
    )
    .bind(day.date())
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::sql("reading the day's rows"))?;
    let counts = merge_sketches(connection, day, &rows).await?;

    let mut coverage = SubscriberCoverage {
        rows: rows.len(),
        uncovered: Vec::new(),
        events_by_msisdn: counts.events_by_msisdn,
    };
    let (mut event_types, mut regions, mut subscribers) = (Vec::new(), Vec::new(), Vec::new());
    for (event_type, region, events) in rows {
        let counted = counts.of_row(&event_type, &region, events);
        let kept = || former.get(&(event_type.clone(), region.clone()));
        let known = counted.or_else(|covered| match kept() {
            Some((same, subscribers)) if *same == events => Ok(*subscribers),
            _ => Err(covered),
        });
        match known {
            Ok(estimate) => {
                event_types.push(event_type);
                regions.push(region);
                subscribers.push(estimate);
            }
            Err(covered) => {
                coverage.uncovered.push(Uncovered { event_type, region, events, covered });
            }
        }
    }
    sqlx::query(include_str!("queries/daily_subscribers.sql"))
        .bind(day.date())
        .bind(event_types)
        .bind(regions)
        .bind(subscribers)
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing the day's subscribers"))?;
    Ok(coverage)
}

/// The subscribers of a day's rows.
#[derive(Default)]
pub(crate) struct Counts {
    /// By type, then region: events covered, estimate.
    by_pair: HashMap<String, HashMap<String, (i64, i64)>>,
    /// By the type whose row is over all regions; `most_active` is the region's over all types.
    merged: HashMap<String, Merged>,
    events_by_msisdn: i64,
}

/// Several sketches as one.
#[derive(Default)]
struct Merged {
    union: SubscriberUnion,
    /// One of them does not cover exactly the events of its own row.
    is_broken: bool,
}

impl Counts {
    /// The estimate of a row, or, if not exactly its events are covered, how many are.
    pub(crate) fn of_row(&self, event_type: &str, region: &str, events: i64) -> Result<i64, i64> {
        let is_merged = region == "ALL" || event_type == "most_active";
        let (covered, estimate, is_broken) = if is_merged {
            self.merged.get(event_type).map_or((0, 0, false), |Merged { union, is_broken }| {
                (union.events(), union.estimate(), *is_broken)
            })
        } else {
            let pair = self.by_pair.get(event_type).and_then(|regions| regions.get(region));
            pair.map_or((0, 0, false), |(covered, estimate)| (*covered, *estimate, false))
        };
        if covered == events && !is_broken { Ok(estimate) } else { Err(covered) }
    }

    fn add(&mut self, row: SketchRow, sketch: &SubscriberSketch, is_exact: bool, busiest: &str) {
        let mut merge = |into: &str| {
            let merged = self.merged.entry(into.to_owned()).or_default();
            merged.union.add(sketch);
            merged.is_broken |= !is_exact;
        };
        merge(&row.event_type);
        if row.region == busiest {
            merge("most_active");
        }
        self.events_by_msisdn += sketch.events_by_msisdn;
        let pair = (sketch.events(), sketch.estimate());
        self.by_pair.entry(row.event_type).or_default().insert(row.region, pair);
    }
}

/// The subscribers of a day's `rows`: (event_type, region, events). Reads the sketches one by one: a
/// day can have more than should be held at once.
pub(crate) async fn merge_sketches(
    connection: &mut PgConnection,
    day: &BusinessDay,
    rows: &[(String, String, i64)],
) -> Result<Counts, StoreError> {
    let reading = "reading the day's subscribers";
    let events: HashMap<(&str, &str), i64> = rows
        .iter()
        .map(|(event_type, region, events)| ((event_type.as_str(), region.as_str()), *events))
        .collect();
    let most_active = rows.iter().find(|(event_type, _, _)| event_type == "most_active");
    let busiest = most_active.map_or("", |(_, region, _)| region);

    let mut counts = Counts::default();
    let mut sketches = sqlx::query_as(include_str!("queries/daily_sketches.sql"))
        .bind(day.date())
        .bind(day.zone().name())
        .fetch(connection);
    while let Some(row) = sketches.try_next().await.map_err(StoreError::sql(reading))? {
        let mut row: SketchRow = row;
        let Some(sketch) = row.read()? else { continue };
        let is_exact =
            events.get(&(row.event_type.as_str(), row.region.as_str())) == Some(&sketch.events());
        counts.add(row, &sketch, is_exact, busiest);
    }
    Ok(counts)
}
