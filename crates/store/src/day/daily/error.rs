//! Why a day could not be computed, and what that means: for the other days of a range, and for what
//! is noted in `batch_runs`.

use std::fmt;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use humantime::format_duration;
use sqlx::FromRow;
use thiserror::Error;

use super::COMMITTING;
use crate::{ExpiredMinutes, LakeSums, StoreError};

/// Why a day could not be computed.
#[derive(Debug, Error)]
pub enum DailyError {
    /// A row that can't be part of any sum.
    #[error(transparent)]
    UnusableRow(UnusableRow),
    /// Windows were deleted since they were counted.
    #[error(
        "{date} has windows of {found} events, but {version} were counted: windows have been \
         deleted, and daily_stats is left as it was"
    )]
    WindowsMissing {
        /// The business day that was to be computed.
        date: NaiveDate,
        /// Events that the day's windows hold.
        found: i64,
        /// Events that the ledger says were counted.
        version: i64,
    },
    /// Minutes of the day have expired.
    #[error(
        "{date} can't be computed from its minutes any more, and daily_stats is left as it is: {expired}; \
         a data lake may still have the day: `batcher {date} --from-lake`"
    )]
    MinutesExpired {
        /// The business day that was to be computed.
        date: NaiveDate,
        /// How many quarters of an hour, and their events.
        expired: ExpiredMinutes,
    },
    /// A lake was asked for a day that its minutes can give.
    #[error(
        "the minutes of {date} have not expired, so nothing is taken from the lake: \
         `batcher {date} --include-late` computes the same from them"
    )]
    MinutesThere {
        /// The business day that was to be computed.
        date: NaiveDate,
    },
    /// A lake lacks something of the day, or has too much.
    #[error(
        "the lake does not have what was counted of {date}, and daily_stats is left as it is: it has {found}; \
         counted were {counted}. `archiver status` says whether it has come to where the warehouse is"
    )]
    LakeDiffers {
        /// The business day that was to be computed.
        date: NaiveDate,
        /// What the lake has.
        found: String,
        /// What was counted, on time and late.
        counted: LakeSums,
    },
    /// Somebody else holds the date.
    #[error(
        "another run has been working on {date} for more than {}; \
         let it finish or end it, or wait longer with --lock-wait",
        format_duration(*waited)
    )]
    Busy {
        /// The business day that was to be computed.
        date: NaiveDate,
        /// How long we waited.
        waited: Duration,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A row of `real_time_metrics` that someone else inserted and that can't be used.
#[derive(Clone, Debug, PartialEq, Error, FromRow)]
pub struct UnusableRow {
    window_start: NaiveDateTime,
    event_type: Option<String>,
    region: Option<String>,
    /// A column that holds NaN or is infinite.
    not_a_number: Option<String>,
}

impl fmt::Display for UnusableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| match value {
            Some(value) => format!("'{value}'"),
            None => "NULL".to_owned(),
        };
        let problem = match (self.event_type.as_deref(), self.region.as_deref()) {
            (None, _) => "event_type is NULL".to_owned(),
            (_, None) => "region is NULL".to_owned(),
            (Some("most_active"), _) => {
                "event_type 'most_active' is reserved for daily_stats".to_owned()
            }
            (_, Some("ALL")) => "region 'ALL' is reserved for daily_stats".to_owned(),
            _ => {
                let column = self.not_a_number.as_deref().unwrap_or("a figure");
                format!("{column} is NaN or infinite")
            }
        };
        write!(
            f,
            "real_time_metrics has a row that can't be part of the day's figures: window_start \
             {}, event_type {}, region {}: {problem}; correct the row or delete it",
            self.window_start,
            text(&self.event_type),
            text(&self.region),
        )
    }
}

impl DailyError {
    /// Whether the same may go well for another day: not the database is at fault, but this day.
    pub fn is_of_one_day(&self) -> bool {
        match self {
            DailyError::UnusableRow(_)
            | DailyError::WindowsMissing { .. }
            | DailyError::MinutesExpired { .. }
            | DailyError::MinutesThere { .. }
            | DailyError::LakeDiffers { .. }
            | DailyError::Busy { .. } => true,
            DailyError::Store(error) => error.is_refused_value(),
        }
    }

    pub(super) fn may_have_committed(&self) -> bool {
        match self {
            DailyError::Store(error @ StoreError::Sql { doing, .. }) => {
                *doing == COMMITTING && error.sqlstate().is_none()
            }
            _ => false,
        }
    }

    /// The error and what caused it, for `batch_runs.error`.
    pub(super) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let message = error.to_string();
            // sqlx repeats the server's words in its own.
            if !text.ends_with(&message) {
                text = format!("{text}: {message}");
            }
            cause = error.source();
        }
        text
    }
}
