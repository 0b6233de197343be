//! What a data lake has of a day, and what was counted of it: exact sums, which can be held against each other.
//!
//! In: the day's sums by event type and region, as a lake has them. Out: their total, and that of all that was counted. What
//! has expired is there as sums, too.

use std::fmt;

use event_model::MICROS_PER_UNIT;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::{BusinessDay, StoreError};

/// All that a lake has of a day, late events among it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LakeDay {
    /// A row per event type and region, in any order.
    pub pairs: Vec<LakePair>,
}

/// A day's sums of one event type and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakePair {
    /// As the events name it.
    pub event_type: String,
    /// As the events have it.
    pub region: String,
    /// What they come to.
    pub sums: LakeSums,
}

/// What events come to. `Display` says it in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LakeSums {
    /// How many there are.
    pub events: i64,
    /// Duration, whole seconds.
    pub seconds: i64,
    /// Data, 10⁻⁶ MB.
    pub data_mb_millionths: i128,
    /// Tenge, in millionths.
    pub amount_millionths: i128,
}

impl LakeSums {
    /// `None`: more than there can be.
    fn checked_add(self, other: LakeSums) -> Option<LakeSums> {
        Some(LakeSums {
            events: self.events.checked_add(other.events)?,
            seconds: self.seconds.checked_add(other.seconds)?,
            data_mb_millionths: self.data_mb_millionths.checked_add(other.data_mb_millionths)?,
            amount_millionths: self.amount_millionths.checked_add(other.amount_millionths)?,
        })
    }
}

impl fmt::Display for LakeSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LakeSums { events, seconds, .. } = self;
        let [data_mb, amount] = [self.data_mb_millionths, self.amount_millionths].map(decimal);
        write!(f, "{events} events, {seconds} seconds, {data_mb} MB, {amount} tenge")
    }
}

fn decimal(millionths: i128) -> String {
    let unit = u128::from(MICROS_PER_UNIT.unsigned_abs());
    let sign = if millionths < 0 { "-" } else { "" };
    let absolute = millionths.unsigned_abs();
    format!("{sign}{}.{:06}", absolute / unit, absolute % unit)
}

/// One array per column, as daily_of_lake.sql takes them.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    pub(crate) event_types: Vec<&'a str>,
    pub(crate) regions: Vec<&'a str>,
    pub(crate) events: Vec<i64>,
    pub(crate) seconds: Vec<i64>,
    pub(crate) data_mb: Vec<String>,
    pub(crate) amounts: Vec<String>,
}

impl LakeDay {
    /// `None`: more than there can be.
    pub(crate) fn total(&self) -> Option<LakeSums> {
        let mut sums = self.pairs.iter().map(|pair| pair.sums);
        sums.try_fold(LakeSums::default(), LakeSums::checked_add)
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        let mut columns = Columns::default();
        for LakePair { event_type, region, sums } in &self.pairs {
            columns.event_types.push(event_type);
            columns.regions.push(region);
            columns.events.push(sums.events);
            columns.seconds.push(sums.seconds);
            columns.data_mb.push(decimal(sums.data_mb_millionths));
            columns.amounts.push(decimal(sums.amount_millionths));
        }
        columns
    }
}

/// All that was counted of the day, on time and late, whether its minutes are there or have expired.
pub(crate) async fn counted_sums(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<LakeSums, StoreError> {
    let counted: StoredSums = sqlx::query_as(include_str!("queries/lake_counted.sql"))
        .bind(day.start())
        .bind(day.end())
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql("adding up what was counted of the day"))?;
    LakeSums::try_from(counted)
}

#[derive(FromRow)]
struct StoredSums {
    events: i64,
    seconds: i64,
    data_mb_millionths: String,
    amount_millionths: String,
}

impl TryFrom<StoredSums> for LakeSums {
    type Error = StoreError;

    fn try_from(stored: StoredSums) -> Result<Self, StoreError> {
        let millionths = |text: &str| {
            text.parse().map_err(|_| StoreError::BadValue(format!("a sum of minutes = {text}")))
        };
        Ok(LakeSums {
            events: stored.events,
            seconds: stored.seconds,
            data_mb_millionths: millionths(&stored.data_mb_millionths)?,
            amount_millionths: millionths(&stored.amount_millionths)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_said_exactly() {
        let sums = LakeSums {
            events: 3,
            seconds: 70,
            data_mb_millionths: 9_007_199_254_740_993_000_001,
            amount_millionths: -500_000,
        };
        let said = "3 events, 70 seconds, 9007199254740993.000001 MB, -0.500000 tenge";
        assert_eq!(sums.to_string(), said);
    }

    #[test]
    fn more_than_there_can_be_is_no_sum() {
        let most = LakeSums { events: i64::MAX, ..LakeSums::default() };
        let pair = |sums| LakePair { event_type: String::new(), region: String::new(), sums };
        assert_eq!(LakeDay { pairs: vec![pair(most)] }.total(), Some(most));
        assert_eq!(LakeDay { pairs: vec![pair(most), pair(most)] }.total(), None);
    }
}
