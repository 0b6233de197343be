//! Incidents and counts as rows.

use std::collections::BTreeSet;

use anomaly::{
    Counts, DetectionWindow, Direction, Figures, Incident, Measure, Moved, Notes, Peak, Series,
    WINDOW_MINUTES,
};
use chrono::NaiveDateTime;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use store::StoreError;

use super::{DOING, SERIES_MAX, span};

#[derive(FromRow)]
struct IncidentRow {
    region: String,
    event_type: String,
    measure: String,
    direction: String,
    first_window: NaiveDateTime,
    opened_at: NaiveDateTime,
    last_window: NaiveDateTime,
    closed_at: Option<NaiveDateTime>,
    calm_windows: i32,
    peak_observed: i64,
    peak_expected: f64,
    peak_score: f64,
    also_moved: String,
}

/// One series in one window.
#[derive(FromRow)]
struct CountRow {
    number: i64,
    region: String,
    event_type: String,
    events: i64,
    seconds: i64,
    megabyte_hundredths: i64,
    tenge_hundredths: i64,
}

/// The incidents that are open, the worst first.
pub(super) async fn open(
    connection: &mut PgConnection,
    most: i64,
) -> Result<Vec<Incident>, StoreError> {
    let rows: Vec<IncidentRow> = sqlx::query_as(include_str!("../queries/open_anomalies.sql"))
        .bind(most)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading open anomalies"))?;
    rows.into_iter().map(incident).collect()
}

fn incident(row: IncidentRow) -> Result<Incident, StoreError> {
    let direction = Direction::named(&row.direction)
        .ok_or_else(|| StoreError::BadValue(format!("anomalies.direction = {}", row.direction)))?;
    let measure = Measure::named(&row.measure)
        .ok_or_else(|| StoreError::BadValue(format!("anomalies.measure = {}", row.measure)))?;
    let moved: Vec<Moved> = serde_json::from_str(&row.also_moved)
        .map_err(|error| StoreError::BadValue(format!("anomalies.also_moved: {error}")))?;
    Ok(Incident {
        series: Series::new(&row.region, &row.event_type),
        measure,
        direction,
        first: DetectionWindow::holding(row.first_window),
        opened: DetectionWindow::holding(row.opened_at).plus(-1),
        last: DetectionWindow::holding(row.last_window),
        closed: row.closed_at.map(|end| DetectionWindow::holding(end).plus(-1)),
        calm_windows: row.calm_windows.unsigned_abs(),
        peak: Peak {
            observed: row.peak_observed.unsigned_abs(),
            expected: row.peak_expected,
            score: row.peak_score,
        },
        moved,
    })
}

/// Stores incidents as they are now.
pub(super) async fn store(
    connection: &mut PgConnection,
    incidents: &[Incident],
) -> Result<(), StoreError> {
    if incidents.is_empty() {
        return Ok(());
    }
    // A series has one open row at a time (`anomalies_open`), also between two rows of one statement: where a
    // drop turns into a spike, the one is closed before the other is there.
    let (closed, open): (Vec<&Incident>, Vec<&Incident>) =
        incidents.iter().partition(|incident| incident.closed.is_some());
    let incidents = [closed, open].concat();
    fn column<T>(incidents: &[&Incident], pick: impl Fn(&Incident) -> T) -> Vec<T> {
        incidents.iter().map(|incident| pick(incident)).collect()
    }
    let moved = incidents
        .iter()
        .map(|incident| serde_json::to_string(&incident.moved))
        .collect::<Result<Vec<String>, _>>()
        .map_err(|error| StoreError::BadValue(error.to_string()))?;
    sqlx::query(include_str!("../queries/upsert_anomalies.sql"))
        .bind(column(&incidents, |incident| incident.series.region.clone()))
        .bind(column(&incidents, |incident| incident.series.event_type.clone()))
        .bind(column(&incidents, |incident| incident.direction.name()))
        .bind(column(&incidents, |incident| incident.first.start()))
        .bind(column(&incidents, |incident| incident.opened.end()))
        .bind(column(&incidents, |incident| incident.last.start()))
        .bind(column(&incidents, |incident| incident.closed.map(DetectionWindow::end)))
        .bind(column(&incidents, |incident| incident.calm_windows as i32))
        .bind(column(&incidents, |incident| incident.peak.observed as i64))
        .bind(column(&incidents, |incident| incident.peak.expected))
        .bind(column(&incidents, |incident| incident.peak.score))
        .bind(column(&incidents, |incident| incident.measure.name()))
        .bind(moved)
        .execute(connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    Ok(())
}

/// What was learned of each series, of [`SERIES_MAX`] and the country at most.
pub(super) async fn notes(
    connection: &mut PgConnection,
) -> Result<Vec<(Series, Notes)>, StoreError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(include_str!("../queries/detector_notes.sql"))
            .fetch_all(connection)
            .await
            .map_err(StoreError::sql("reading what the detector has learned"))?;
    let notes = rows.into_iter().map(|(region, event_type, notes)| {
        let series = Series::new(&region, &event_type);
        let bad = |error| {
            let row = format!("({region}, {event_type})");
            StoreError::BadValue(format!(
                "detector_notes.notes of {row} ({error}): DELETE FROM detector_notes lets it learn again"
            ))
        };
        Ok((series, serde_json::from_str(&notes).map_err(bad)?))
    });
    notes.collect()
}

/// Stores what was learned, and forgets series that have ended.
pub(super) async fn store_notes(
    connection: &mut PgConnection,
    notes: &[(Series, Notes)],
    judged_through: NaiveDateTime,
) -> Result<(), StoreError> {
    let text = |notes: &Notes| {
        serde_json::to_string(notes).map_err(|error| StoreError::BadValue(error.to_string()))
    };
    let texts = notes.iter().map(|(_, notes)| text(notes)).collect::<Result<Vec<_>, _>>()?;
    let column = |pick: fn(&Series) -> &str| -> Vec<String> {
        notes.iter().map(|(series, _)| pick(series).to_owned()).collect()
    };
    sqlx::query(include_str!("../queries/upsert_detector_notes.sql"))
        .bind(column(|series| &series.region))
        .bind(column(|series| &series.event_type))
        .bind(texts)
        .bind(judged_through)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    sqlx::query(include_str!("../queries/expire_detector_notes.sql"))
        .bind(judged_through)
        .execute(connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    Ok(())
}

/// Stores how far detection has come.
pub(super) async fn store_progress(
    connection: &mut PgConnection,
    judged_through: NaiveDateTime,
    series: [u64; 3],
) -> Result<(), StoreError> {
    // SERIES_MAX and one for each type at most.
    let [judged, small, warming_up] = series.map(|count| count as i32);
    sqlx::query(include_str!("../queries/set_detector_progress.sql"))
        .bind(judged_through)
        .bind(judged)
        .bind(small)
        .bind(warming_up)
        .execute(connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    Ok(())
}

/// Adds the counts of these windows, each of which is read once.
pub(super) async fn add_counts(
    connection: &mut PgConnection,
    windows: Vec<DetectionWindow>,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    let (starts, ends): (Vec<NaiveDateTime>, Vec<NaiveDateTime>) =
        spans(windows).into_iter().map(|(first, end)| span(first, end)).unzip();
    let (Some(first), Some(end)) = (starts.first(), ends.last()) else { return Ok(()) };
    let expired = expired_windows(connection, (*first, *end)).await?;
    let rows: Vec<CountRow> = sqlx::query_as(include_str!("../queries/detector_counts.sql"))
        .bind(starts)
        .bind(ends)
        .bind(60 * WINDOW_MINUTES)
        .bind(SERIES_MAX)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading the windows to judge"))?;
    for row in rows {
        let window = DetectionWindow::number(row.number);
        if expired.contains(&window) {
            continue;
        }
        let series = Series::new(&row.region, &row.event_type);
        let figures = Figures {
            events: row.events.unsigned_abs(),
            seconds: row.seconds.unsigned_abs(),
            megabyte_hundredths: row.megabyte_hundredths.unsigned_abs(),
            tenge_hundredths: row.tenge_hundredths.unsigned_abs(),
        };
        counts.add_figures(window, &series, figures);
    }
    Ok(())
}

/// The windows of [start, end) whose minutes have expired: what is in them came later, and is not what was counted.
pub(super) async fn expired_windows(
    connection: &mut PgConnection,
    (start, end): (NaiveDateTime, NaiveDateTime),
) -> Result<BTreeSet<DetectionWindow>, StoreError> {
    let quarters: Vec<NaiveDateTime> = sqlx::query_scalar(
        "SELECT quarter_start FROM expired_quarters
         WHERE relation = 'real_time_metrics'
           AND quarter_start > $1 - INTERVAL '15 minutes' AND quarter_start < $2",
    )
    .bind(start)
    .bind(end)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading which minutes have expired"))?;
    const WINDOWS: i64 = 15 / WINDOW_MINUTES;
    let windows = |quarter| (0..WINDOWS).map(move |n| DetectionWindow::holding(quarter).plus(n));
    Ok(quarters.into_iter().flat_map(windows).collect())
}

/// Half-open stretches that hold these windows, without overlap.
fn spans(mut windows: Vec<DetectionWindow>) -> Vec<(DetectionWindow, DetectionWindow)> {
    windows.sort_unstable();
    windows.dedup();
    let mut spans: Vec<(DetectionWindow, DetectionWindow)> = Vec::new();
    for window in windows {
        match spans.last_mut() {
            Some((_, end)) if *end == window => *end = window.plus(1),
            _ => spans.push((window, window.plus(1))),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_become_stretches_that_hold_each_of_them_once() {
        let window = DetectionWindow::number;
        let windows = [7, 3, 4, 4, 9, 8].map(window).to_vec();
        assert_eq!(spans(windows), [(window(3), window(5)), (window(7), window(10))]);
        assert_eq!(spans(Vec::new()), []);
    }
}
