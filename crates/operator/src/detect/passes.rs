//! The detector's passes over the tables: what became complete is judged, and incidents are stored.
//!
//! In: a session. Out: rows of `anomalies`, `detector_notes` and `detector_progress`, all in one transaction, so
//! that a detector which is killed goes on where the rows are. Keeps I-6: [`PASS_WINDOWS_MAX`] and [`SERIES_MAX`]
//! bound what a pass reads and holds.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use anomaly::calendar::Basis;
use anomaly::{
    Budget, Calendar, Counts, DetectionWindow, Detector, Direction, HolidayPattern, Incident,
    Knowledge, Measure, Series,
};
use chrono::{Duration, NaiveDateTime};
use fail_point::fail_point;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use store::StoreError;

/// A pass judges so many windows at most: an hour. Behind that, passes follow each other.
pub const PASS_WINDOWS_MAX: i64 = 12;
/// So many series of region and type are judged at most, the largest ones.
pub const SERIES_MAX: i64 = 2_000;
/// A detector that has never judged anything begins so many windows before the newest complete one.
const FIRST_WINDOWS: i64 = 12;
/// Held by the transaction of the only pass that is under way. "detect" in ASCII.
const DETECTOR_LOCK: i64 = 0x6465_7465_6374;

const DOING: &str = "detecting anomalies";

/// What came of a pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Pass {
    /// Another detector's pass is under way.
    Busy,
    /// Nothing is complete yet: no streamer has read all partitions.
    NothingComplete,
    /// All that is complete has been judged.
    Judged(PassReport),
}

/// A pass that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct PassReport {
    /// Windows that it judged.
    pub windows: u64,
    /// Every window that ends by then has been judged, UTC.
    pub judged_through: NaiveDateTime,
    /// How far all partitions are complete, UTC.
    pub complete_through: NaiveDateTime,
    /// Whether complete windows are left for the next pass.
    pub is_behind: bool,
    /// Incidents that it opened, changed or closed, as they are now.
    pub changed: Vec<Incident>,
    /// Series of the last window it judged, in the order of [`Knowledge::ALL`].
    pub series: [u64; 3],
    /// Incidents that are open now.
    pub open: Vec<Incident>,
}

#[derive(FromRow)]
struct State {
    judged_through: Option<NaiveDateTime>,
    complete_through: Option<NaiveDateTime>,
    begins: Option<NaiveDateTime>,
    business_timezone: Option<String>,
}

/// Judges the windows that are complete and were not judged yet, [`PASS_WINDOWS_MAX`] at most, and stores
/// what came of it, all in one transaction.
///
/// # Errors
/// A failed statement; nothing was stored, or the answer to COMMIT was lost: the next pass sees which.
pub async fn detect_pass(
    connection: &mut PgConnection,
    holidays: &[HolidayPattern],
    budget: Budget,
) -> Result<Pass, StoreError> {
    let mut transaction = connection.begin().await.map_err(StoreError::sql(DOING))?;
    let pass = carry_out(&mut transaction, holidays, budget).await?;
    // Also where nothing was written: a transaction that idles would keep the lock.
    transaction.commit().await.map_err(StoreError::sql(DOING))?;
    fail_point("detect-after-commit");
    Ok(pass)
}

/// A pass within its transaction.
async fn carry_out(
    transaction: &mut PgConnection,
    holidays: &[HolidayPattern],
    budget: Budget,
) -> Result<Pass, StoreError> {
    // First of all: what is read below must be what the last pass left.
    let is_alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(DETECTOR_LOCK)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::sql(DOING))?;
    if !is_alone {
        return Ok(Pass::Busy);
    }
    let state: State = sqlx::query_as(include_str!("queries/detector_state.sql"))
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::sql(DOING))?;
    let Some(complete_through) = state.complete_through else { return Ok(Pass::NothingComplete) };
    let zone = match state.business_timezone {
        None => return Err(StoreError::NoSettings),
        Some(name) => name
            .parse()
            .map_err(|_| StoreError::BadValue(format!("settings.business_timezone = {name}")))?,
    };
    let calendar = Calendar { zone, holidays: holidays.to_vec() };
    // The first window that is not complete.
    let end = DetectionWindow::holding(complete_through);
    let from = state.judged_through.map_or(end.plus(-FIRST_WINDOWS), DetectionWindow::holding);
    let to = end.min(from.plus(PASS_WINDOWS_MAX));
    let open = rows::open(transaction, SERIES_MAX).await?;
    let mut report = PassReport {
        windows: to.since(from).max(0).unsigned_abs(),
        judged_through: from.start(),
        complete_through,
        is_behind: to < end,
        changed: Vec::new(),
        series: [0; 3],
        open: Vec::new(),
    };
    if to <= from {
        report.open = open;
        return Ok(Pass::Judged(report));
    }
    let mut detector = Detector::restored(budget, rows::notes(transaction).await?, open);
    let begins = state.begins.map(DetectionWindow::holding);
    let counts = read_counts(transaction, &calendar, begins, (from, to)).await?;
    report.judged_through = to.start();
    let expired = rows::expired_windows(transaction, span(from, to)).await?;
    if let (Some(first), Some(last)) = (expired.first(), expired.last()) {
        tracing::warn!(
            from = %first.start(),
            to = %last.end(),
            "traffic is not judged: its minutes expired before the detector came to it"
        );
    }
    let windows = windows_of((from, to)).filter(|window| !expired.contains(window));
    judge_windows(&mut detector, &counts, &calendar, windows, &mut report);
    let mut notes = detector.notes();
    notes.retain(|(_, notes)| notes.last().is_some_and(|last| last >= from));
    fail_point("detect-before-the-rows");
    rows::store(transaction, &report.changed).await?;
    rows::store_notes(transaction, &notes, report.judged_through).await?;
    rows::store_progress(transaction, report.judged_through, report.series).await?;
    fail_point("detect-before-commit");
    report.open = detector.open().cloned().collect();
    Ok(Pass::Judged(report))
}

/// The incidents that are open, the worst first, `most` at most.
///
/// # Errors
/// A failed statement, or a row that no detector wrote.
pub async fn open_anomalies(
    connection: &mut PgConnection,
    most: i64,
) -> Result<Vec<Incident>, StoreError> {
    rows::open(connection, most).await
}

/// How far detection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct DetectorProgress {
    /// Every window that ends by then has been judged, UTC.
    pub judged_through: NaiveDateTime,
    /// How much of what is complete has not been judged, seconds; `None`: nothing is known to be complete.
    pub behind_seconds: Option<i64>,
    /// Series judged in the last window.
    pub series_judged: i32,
    /// Series that were too small to judge.
    pub series_small: i32,
    /// Series of which too little is known yet.
    pub series_warming_up: i32,
}

/// How far detection has come; `None`: no detector has ever run here.
///
/// # Errors
/// A failed statement.
pub async fn detector_progress(
    connection: &mut PgConnection,
) -> Result<Option<DetectorProgress>, StoreError> {
    sqlx::query_as(include_str!("queries/detector_progress.sql"))
        .fetch_optional(connection)
        .await
        .map_err(StoreError::sql("reading how far detection has come"))
}

fn windows_of(
    (from, to): (DetectionWindow, DetectionWindow),
) -> impl Iterator<Item = DetectionWindow> {
    (0..to.since(from)).map(move |step| from.plus(step))
}

/// The pure part: these windows, one after the other.
fn judge_windows(
    detector: &mut Detector,
    counts: &Counts,
    calendar: &Calendar,
    windows: impl Iterator<Item = DetectionWindow>,
    report: &mut PassReport,
) {
    let mut changed: BTreeMap<(Series, Direction, DetectionWindow), Incident> = BTreeMap::new();
    for window in windows {
        let outcome = detector.take(window, counts, calendar);
        for incident in outcome.changed {
            let key = (incident.series.clone(), incident.direction, incident.first);
            changed.insert(key, incident);
        }
        report.series = Knowledge::ALL.map(|kind| {
            let of_events = outcome.judgements.iter().filter(|it| it.measure == Measure::Events);
            of_events.filter(|it| it.knowledge == kind).count() as u64
        });
    }
    report.changed = changed.into_values().collect();
}

/// The counts that judging [from, to) needs: also of the former weeks. Days are read only where there are
/// too few weeks.
async fn read_counts(
    connection: &mut PgConnection,
    calendar: &Calendar,
    begins: Option<DetectionWindow>,
    (from, to): (DetectionWindow, DetectionWindow),
) -> Result<Counts, StoreError> {
    let judged = || windows_of((from, to));
    let former = |basis| {
        let of_one = move |window| {
            let unclocked = calendar.unclocked_units(window, basis).unwrap_or_default();
            calendar.units(window, basis).into_iter().chain(unclocked)
        };
        judged().flat_map(of_one).flatten().collect::<Vec<_>>()
    };
    let mut counts = Counts::default();
    if let Some(begins) = begins {
        counts.begins_by(begins);
    }
    let windows = judged().chain(former(Basis::Weeks)).collect();
    rows::add_counts(connection, windows, &mut counts).await?;
    let is_young = |window| {
        let former = calendar.former(window, counts.begins(), |then| counts.has(then));
        former.basis == Basis::Days
    };
    if judged().any(is_young) {
        let read: BTreeSet<DetectionWindow> = judged().chain(former(Basis::Weeks)).collect();
        let mut windows = former(Basis::Days);
        windows.retain(|window| !read.contains(window));
        rows::add_counts(connection, windows, &mut counts).await?;
    }
    Ok(counts)
}

/// A stretch of windows in UTC.
fn span(first: DetectionWindow, end: DetectionWindow) -> (NaiveDateTime, NaiveDateTime) {
    (first.start(), first.start() + Duration::minutes(anomaly::WINDOW_MINUTES * end.since(first)))
}
