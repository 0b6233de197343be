//! Whether a day may be taken from a data lake.
//!
//! In: what the lake has of the day. Out: nothing, if the day's minutes have expired and the lake's sums are those of all
//! that was counted of it; else why not. A lake that lacks an event, or has one too many, is never believed (I-7).

use sqlx::postgres::PgConnection;

use super::error::DailyError;
use crate::day::lake::{LakeDay, counted_sums};
use crate::{BusinessDay, expired_minutes};

/// Makes sure that nothing but a lake can give the day's figures.
///
/// # Errors
/// [`DailyError::MinutesThere`]; a failed statement.
pub async fn ensure_expired(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<(), DailyError> {
    match expired_minutes(connection, (day.start(), day.end()), true).await? {
        Some(_) => Ok(()),
        None => Err(DailyError::MinutesThere { date: day.date() }),
    }
}

/// Makes sure that the lake has all that was counted of the day, and nothing else.
pub(super) async fn ensure_whole(
    connection: &mut PgConnection,
    day: &BusinessDay,
    lake: &LakeDay,
) -> Result<(), DailyError> {
    ensure_expired(connection, day).await?;
    let counted = counted_sums(connection, day).await?;
    let found = lake.total();
    if found == Some(counted) {
        return Ok(());
    }
    let found = found.map_or_else(|| "more than there can be".to_owned(), |sums| sums.to_string());
    Err(DailyError::LakeDiffers { date: day.date(), found, counted })
}
