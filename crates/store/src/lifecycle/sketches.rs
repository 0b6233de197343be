//! Sketches of old days: they go behind their minutes, so that no day can be computed from one without the other.

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use sqlx::postgres::PgConnection;

use super::{Expired, Pass, Step, days, in_one_snapshot};
use crate::{BusinessDay, StoreError};

const EXPIRING: &str = "deleting sketches of subscribers that have expired";

/// Goes through the days that have sketches, also those of former time zones.
pub(super) async fn expire(
    connection: &mut PgConnection,
    pass: Pass,
) -> Result<Expired, StoreError> {
    let sketched: Vec<(NaiveDate, String)> =
        sqlx::query_as(include_str!("queries/sketch_days.sql"))
            .bind(pass.before.date())
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::sql("looking for sketches that have expired"))?;
    let mut expired = Expired::default();
    for (date, zone) in sketched {
        let zone: Tz = zone.parse().map_err(|_| {
            StoreError::BadValue(format!("subscriber_sketches.business_timezone = {zone}"))
        })?;
        let day = BusinessDay::new(date, zone);
        if day.end() > pass.before {
            continue;
        }
        let step = async |transaction: &mut PgConnection| expire_day(transaction, &day, pass).await;
        match in_one_snapshot(connection, step).await? {
            Some(Ok(rows)) => expired.rows += rows,
            Some(Err(because)) => expired.keep(because),
            None => expired.keep(format!("the sketches of {date} are in use")),
        }
    }
    Ok(expired)
}

/// One day: how many sketches went, or why they are kept.
async fn expire_day(
    connection: &mut PgConnection,
    day: &BusinessDay,
    pass: Pass,
) -> Result<Step<Result<u64, String>>, StoreError> {
    if let Some(because) = days::why_needed(connection, (day.start(), day.end()), pass.zone).await?
    {
        return Ok(Step::Leave(Err(because)));
    }
    let first_minute: Option<NaiveDateTime> =
        sqlx::query_scalar(include_str!("queries/next_on_time.sql"))
            .bind(day.start())
            .bind(day.end())
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::sql(EXPIRING))?;
    let would_be_gone = pass.gone_before.is_some_and(|before| day.end() <= before);
    if first_minute.is_some() && !would_be_gone {
        let because = format!("minutes of {} are still there (RETAIN_MINUTES)", day.date());
        return Ok(Step::Leave(Err(because)));
    }
    let rows: i64 = sqlx::query_scalar(include_str!("queries/expire_sketches.sql"))
        .bind(day.date())
        .bind(day.zone().name())
        .bind(pass.is_dry)
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql(EXPIRING))?;
    Ok(Step::Commit(Ok(rows.unsigned_abs())))
}
