//! What became of many days.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use chrono::NaiveDate;

/// How many days a failure names; the others are counted.
const FAILED_NAMED_MAX: usize = 10;

/// What became of the days.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) computed: usize,
    pub(crate) provisional: usize,
    pub(crate) up_to_date: usize,
    pub(crate) no_data: BTreeSet<NaiveDate>,
    pub(crate) failed: BTreeSet<NaiveDate>,
    /// Stale days whose minutes have expired, as of the last look: only a data lake can give them.
    pub(crate) expired: BTreeSet<NaiveDate>,
    /// The last days in a row that have no data and of which nothing was said yet: from and to.
    pub(crate) empty: Option<(NaiveDate, NaiveDate)>,
    /// Stale days that can still change and were left, as of the last look.
    pub(crate) left_open: usize,
}

impl Tally {
    /// Fails, naming the first of them, if any day could not be computed.
    pub(crate) fn fail_if_any_failed(&self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        let named: Vec<String> =
            self.failed.iter().take(FAILED_NAMED_MAX).map(NaiveDate::to_string).collect();
        let more = if self.failed.len() > FAILED_NAMED_MAX { " and more" } else { "" };
        bail!("{} days were not computed: {}{more}", self.failed.len(), named.join(", "));
    }
}
