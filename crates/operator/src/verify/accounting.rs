//! Checks the whole accounting (I-1) and the sums kept twice (I-5), in one snapshot.
//!
//! In: a connection. Out: a [`VerifyReport`]. Changes nothing. Time is walked day by day, skipping
//! what is empty, so that the work of one statement does not grow with the age of the database.
//!
//! ```text
//! stream_progress   position − first_offset = on_time + late + dead + gap + skipped
//! day_ledger        Σ of a partition = its on_time, its late
//! ledger_days       of a partition and UTC day = Σ ledger
//! real_time_metrics Σ of a quarter of an hour, our rows + what has expired = Σ ledger on_time; late_metrics: late
//! dead_letters      rows of a partition = its dead
//! DOUBLE columns    = the NUMERIC beside them
//! ```

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use store::{Difference, Differences, FigureSql, StoreError};

static SUMS: FigureSql = FigureSql::new(include_str!("queries/verify_sums.sql"));

const VERIFYING: &str = "verifying the accounting";

/// What [`verify`] looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Lives of partitions: rows of `stream_progress`.
    pub partitions: u64,
    /// UTC days that have windows or ledger rows.
    pub days: u64,
    /// What does not agree.
    pub differences: Differences,
}

/// One line of a check's answer. `total` counts the lines before LIMIT.
#[derive(FromRow)]
struct CheckRow {
    what: String,
    place: String,
    expected: String,
    found: String,
    total: i64,
}

/// Checks every partition, quarter of an hour and window.
///
/// # Errors
/// A failed statement. A broken accounting is no error here: it is in the report.
pub async fn verify(connection: &mut PgConnection) -> Result<VerifyReport, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::sql(VERIFYING))?;
    let mut report = VerifyReport::default();
    let partitions: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM stream_progress")
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::sql(VERIFYING))?;
    report.partitions = partitions.unsigned_abs();
    for check in [
        include_str!("queries/verify_positions.sql"),
        include_str!("queries/verify_ledger.sql"),
        include_str!("queries/verify_dead_letters.sql"),
    ] {
        report.check(&mut transaction, check, None).await?;
    }
    report.check_spans(&mut transaction).await?;
    transaction.commit().await.map_err(StoreError::sql(VERIFYING))?;
    Ok(report)
}

/// A half-open stretch of UTC time.
#[derive(Clone, Copy)]
struct Span {
    start: NaiveDateTime,
    end: NaiveDateTime,
}

impl VerifyReport {
    /// Walks the days that have anything, and what is outside the range of event times: no row of
    /// ours belongs there, and one that is there must not escape.
    async fn check_spans(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let [storable_from, events_from, events_to, storable_to] =
            [(-4000, 1), (2000, 1), (2100, 1), (200_000, 1)].map(|(year, month)| {
                let date = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or_default();
                date.and_time(NaiveTime::MIN)
            });
        self.check_span(connection, Span { start: storable_from, end: events_from }).await?;
        let mut cursor = events_from;
        while let Some(next) = next_moment(connection, cursor, events_to).await? {
            let start = next.date().and_time(NaiveTime::MIN);
            let end = start + Days::new(1);
            self.check_span(connection, Span { start, end }).await?;
            self.days += 1;
            cursor = end;
        }
        self.check_span(connection, Span { start: events_to, end: storable_to }).await
    }

    async fn check_span(
        &mut self,
        connection: &mut PgConnection,
        span: Span,
    ) -> Result<(), StoreError> {
        for check in [
            include_str!("queries/verify_quarters.sql"),
            include_str!("queries/verify_days.sql"),
            SUMS.text(),
        ] {
            self.check(connection, check, Some(span)).await?;
        }
        Ok(())
    }

    /// Runs one check. Its parameters: how many lines to answer, and the span where it has one.
    async fn check(
        &mut self,
        connection: &mut PgConnection,
        sql: &'static str,
        span: Option<Span>,
    ) -> Result<(), StoreError> {
        // One line is always asked for: it carries the total.
        let limit = self.differences.room().max(1) as i64;
        let mut query = sqlx::query_as::<_, CheckRow>(sql).bind(limit);
        if let Some(span) = span {
            query = query.bind(span.start).bind(span.end);
        }
        let rows = query.fetch_all(connection).await.map_err(StoreError::sql(VERIFYING))?;
        let total = rows.first().map_or(0, |row| row.total.unsigned_abs());
        self.differences.count_unlisted(total - rows.len() as u64);
        for row in rows {
            let CheckRow { what, place, expected, found, .. } = row;
            self.differences.push(Difference { what, place, expected, found });
        }
        Ok(())
    }
}

/// The first moment from `from` on, and before `to`, that has a window of ours, a ledger row, a sum of
/// these or an expired quarter.
async fn next_moment(
    connection: &mut PgConnection,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> Result<Option<NaiveDateTime>, StoreError> {
    sqlx::query_scalar(include_str!("queries/verify_next_moment.sql"))
        .bind(from)
        .bind(to)
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql(VERIFYING))
}
