//! What has expired of a stretch of time: every figure of it that is made from minutes would be too small.

use std::fmt;

use chrono::NaiveDateTime;
use sqlx::postgres::PgConnection;

use crate::StoreError;

/// Minutes that are there as sums alone. `Display` says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiredMinutes {
    /// Quarters of an hour of which minutes have expired.
    pub quarters: i64,
    /// Events of these minutes; late ones only where they were asked for.
    pub events: i64,
}

impl fmt::Display for ExpiredMinutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExpiredMinutes { quarters, events } = self;
        write!(f, "minutes expired: those of {quarters} quarters of an hour, with {events} events")
    }
}

/// What has expired of [start, end), in UTC, late events included if they are asked for; `None`: nothing.
///
/// # Errors
/// A failed statement.
pub async fn expired_minutes(
    connection: &mut PgConnection,
    (start, end): (NaiveDateTime, NaiveDateTime),
    with_late: bool,
) -> Result<Option<ExpiredMinutes>, StoreError> {
    let (quarters, events): (i64, i64) =
        sqlx::query_as(include_str!("queries/expired_of_span.sql"))
            .bind(start)
            .bind(end)
            .bind(with_late)
            .fetch_one(connection)
            .await
            .map_err(StoreError::sql("asking which minutes have expired"))?;
    Ok((quarters > 0).then_some(ExpiredMinutes { quarters, events }))
}
