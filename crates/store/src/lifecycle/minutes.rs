//! Minutes of old days, a quarter of an hour in one transaction.
//!
//! A day goes once the whole of it is old enough, so that days of which a part has expired are rare: only a run that was ended leaves one.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use sqlx::postgres::PgConnection;

use super::{Expired, Pass, Step, days, in_one_snapshot};
use crate::{BusinessDay, FigureSql, StoreError};

const QUARTER: TimeDelta = TimeDelta::minutes(15);
const EXPIRING: &str = "deleting minutes that have expired";

static EXPIRE_ON_TIME: FigureSql = FigureSql::new(include_str!("queries/expire_on_time.sql"));
static EXPIRE_LATE: FigureSql = FigureSql::new(include_str!("queries/expire_late.sql"));

/// A table of minutes.
pub(super) struct Minutes {
    next: &'static str,
    count: &'static str,
    expire: &'static FigureSql,
    /// Its figure among (on time, late) of the ledger.
    of_ledger: fn((i64, i64)) -> i64,
}

/// Our rows of `real_time_metrics`.
pub(super) static ON_TIME: Minutes = Minutes {
    next: include_str!("queries/next_on_time.sql"),
    count: include_str!("queries/count_on_time.sql"),
    expire: &EXPIRE_ON_TIME,
    of_ledger: |(on_time, _)| on_time,
};

/// `late_metrics`.
pub(super) static LATE: Minutes = Minutes {
    next: include_str!("queries/next_late.sql"),
    count: include_str!("queries/count_late.sql"),
    expire: &EXPIRE_LATE,
    of_ledger: |(_, late)| late,
};

/// What came of a quarter of an hour.
enum Outcome {
    /// So many rows went.
    Gone(u64),
    /// Its day is still needed, for this reason.
    Needed(String),
    /// Its rows do not add up to the ledger.
    Broken { found: i64, ledger: i64 },
}

/// Goes through the quarters that have minutes, the oldest first.
pub(super) async fn expire(
    connection: &mut PgConnection,
    minutes: &Minutes,
    pass: Pass,
) -> Result<Expired, StoreError> {
    let mut expired = Expired::default();
    // No event is older.
    let mut cursor =
        NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
    while let Some(next) = next_minute(connection, minutes, (cursor, pass.before)).await? {
        let day = BusinessDay::containing(next, pass.zone);
        if day.end() > pass.before {
            break;
        }
        let quarter = quarter_of(next);
        let step = async |transaction: &mut PgConnection| {
            expire_quarter(transaction, minutes, quarter, pass).await
        };
        cursor = quarter + QUARTER;
        match in_one_snapshot(connection, step).await? {
            Some(Outcome::Gone(0)) => {}
            Some(Outcome::Gone(rows)) => {
                expired.rows += rows;
                expired.quarters += 1;
                let first = expired.span.map_or(quarter, |(first, _)| first);
                expired.span = Some((first, quarter + QUARTER));
            }
            Some(Outcome::Needed(because)) => {
                expired.keep(because);
                cursor = cursor.max(day.end());
            }
            Some(Outcome::Broken { found, ledger }) => {
                expired.broken_quarters += 1;
                expired.keep(format!(
                    "the quarter of {quarter} UTC has {found} events, and {ledger} were counted: `streamer verify`"
                ));
            }
            None => expired.keep(format!("the quarter of {quarter} UTC is in use")),
        }
    }
    Ok(expired)
}

/// One quarter, in a transaction that is to be committed or left.
async fn expire_quarter(
    connection: &mut PgConnection,
    minutes: &Minutes,
    quarter: NaiveDateTime,
    pass: Pass,
) -> Result<Step<Outcome>, StoreError> {
    let span = (quarter, quarter + QUARTER);
    if let Some(because) = days::why_needed(connection, span, pass.zone).await? {
        return Ok(Step::Leave(Outcome::Needed(because)));
    }
    let sql = if pass.is_dry { minutes.count } else { minutes.expire.text() };
    let gone: Option<(i64, i64)> = sqlx::query_as(sql)
        .bind(quarter)
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::sql(EXPIRING))?;
    // Another run has been here.
    let Some((rows, found)) = gone else { return Ok(Step::Leave(Outcome::Gone(0))) };
    let ledger = sqlx::query_as(include_str!("queries/quarter_ledger.sql"))
        .bind(quarter)
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql(EXPIRING))?;
    let ledger = (minutes.of_ledger)(ledger);
    // Deleting would not make it right, and would take away what tells where it is wrong.
    if found != ledger {
        return Ok(Step::Leave(Outcome::Broken { found, ledger }));
    }
    let gone = Outcome::Gone(rows.unsigned_abs());
    Ok(if pass.is_dry { Step::Leave(gone) } else { Step::Commit(gone) })
}

async fn next_minute(
    connection: &mut PgConnection,
    minutes: &Minutes,
    (from, to): (NaiveDateTime, NaiveDateTime),
) -> Result<Option<NaiveDateTime>, StoreError> {
    sqlx::query_scalar(minutes.next)
        .bind(from)
        .bind(to)
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql("looking for minutes that have expired"))
}

/// The beginning of the quarter of an hour that holds a moment.
fn quarter_of(moment: NaiveDateTime) -> NaiveDateTime {
    let minute = moment.minute() - moment.minute() % 15;
    moment.date().and_hms_opt(moment.hour(), minute, 0).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_holds_the_minutes_from_its_beginning_to_before_the_next() {
        let time = |text: &str| format!("2025-11-09T{text}").parse::<NaiveDateTime>().unwrap();
        for (moment, quarter) in [
            ("00:00:00", "00:00:00"),
            ("10:14:59.999999", "10:00:00"),
            ("10:15:00", "10:15:00"),
            ("23:59:00", "23:45:00"),
        ] {
            assert_eq!(quarter_of(time(moment)), time(quarter));
        }
    }
}
