//! Why there is no forecast. Whoever gets one of these stores nothing, so the former model and the former scores stay.

use chrono::NaiveDate;

/// What is wrong with the days or with what came of them, and the way out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The history is shorter than outcome and longest window.
    #[error(
        "history too short: it begins on {first}, and {needed} days before {as_of} are needed ({outcome} for the outcome and {window} for the longest window), from {from} on; wait, or take a shorter window"
    )]
    HistoryTooShort {
        /// The first day that there is.
        first: NaiveDate,
        /// The day of the question.
        as_of: NaiveDate,
        /// Days needed in all.
        needed: u32,
        /// Days that decide the outcome; 0 when nothing is trained.
        outcome: u32,
        /// Days of the longest window.
        window: u32,
        /// The first day needed.
        from: NaiveDate,
    },
    /// A day has no rows.
    #[error("missing day: there are no subscriber-days of {day}; run `archiver subscribers {day}`")]
    MissingDay {
        /// The business day.
        day: NaiveDate,
    },
    /// A day's rows were made before all of its events were counted.
    #[error(
        "stale day: the subscriber-days of {day} hold {rows} events, and the ledger of the day has {ledger}; run `archiver subscribers {day}` again"
    )]
    StaleDay {
        /// The business day.
        day: NaiveDate,
        /// Events in the rows, and of those erased since.
        rows: u64,
        /// On time and late, by the ledger.
        ledger: u64,
    },
    /// Nearly all subscribers have other names from one day to the next.
    #[error(
        "change of key epoch: of the subscribers of {day} only {known_percent} % had been met in the 7 days before; with another SUBSCRIBER_KEY or SUBSCRIBER_KEY_EPOCH everybody seems to have left. Wait until {until}, when all needed days have the new names"
    )]
    KeyEpochChanged {
        /// The last such day.
        day: NaiveDate,
        /// How many of 100 were known.
        known_percent: u32,
        /// From when on it can be tried again.
        until: NaiveDate,
    },
    /// The model was trained under another epoch.
    #[error(
        "change of key epoch: the model of {trained} was trained in epoch {of_model}, and SUBSCRIBER_KEY_EPOCH is {now}; train again when there is enough history in the new one"
    )]
    OtherKeyEpoch {
        /// As of which day the model was trained.
        trained: NaiveDate,
        /// The model's epoch.
        of_model: u32,
        /// The epoch that this run was given.
        now: u32,
    },
    /// Too few leave for a model to learn from.
    #[error(
        "too few positives: {positives} of {population} subscribers left, and {least} are needed; a longer history has more"
    )]
    TooFewPositives {
        /// How many left.
        positives: usize,
        /// How many were asked about.
        population: usize,
        /// The least number.
        least: usize,
    },
    /// The search for coefficients did not end.
    #[error("no model: the search for coefficients did not converge ({cause})")]
    NotConverged {
        /// What the library or the check of the gradient said.
        cause: String,
    },
}
