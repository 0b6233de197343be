//! Many days, one after the other: a range of them, or those that are stale.
//!
//! In: a range, or what `batch_runs` and the ledger say. Out: a line per day that was computed, and
//! a last line that counts them. Each day is a transaction of its own, so whatever ends the program
//! leaves whole days; the same command goes on with the others. A day that can't be computed does
//! not keep the rest waiting (I-7: it is named, and the program fails at the end).

use std::io::Write;

use anyhow::{Result, ensure};
use chrono::NaiveDate;
use chrono_tz::Tz;
use indicatif::{ProgressBar, ProgressStyle};
use store::{BusinessDay, Condition, Dates, DayRecord, DayRun, PgConnection, RunOptions};

use crate::tally::Tally;
use crate::{Exit, messages, warn_of_correction, write};

/// How often stale days are looked for again after all were computed: some may have changed
/// meanwhile.
const LOOKS_MAX: usize = 5;

/// What many days are computed with.
pub(crate) struct Batch<'a, W> {
    pub(crate) connection: &'a mut PgConnection,
    pub(crate) zone: Tz,
    pub(crate) options: RunOptions<'a>,
    pub(crate) output: &'a mut W,
}

impl<W: Write> Batch<'_, W> {
    /// Computes the days from `first` to `last`, both included.
    pub(crate) async fn compute_range(mut self, first: NaiveDate, last: NaiveDate) -> Result<Exit> {
        ensure!(first <= last, "--from is after --to: {first}, {last}");
        let dates = first.iter_days().take_while(|date| *date <= last);
        let days = (last - first).num_days() + 1;
        let bar = progress_bar(days.unsigned_abs());
        let mut tally = Tally::default();
        for date in dates {
            self.compute(date, &bar, &mut tally).await?;
            bar.inc(1);
        }
        self.say_empty(&bar, &mut tally)?;
        bar.finish_and_clear();
        write(self.output, &messages::range(first, last, &tally))?;
        tally.fail_if_any_failed()?;
        let has_data = tally.computed + tally.up_to_date > 0;
        Ok(if has_data { Exit::Done } else { Exit::NoData })
    }

    /// Computes the days that are stale and complete, or all that are stale.
    ///
    /// Days are looked for again afterwards, until none is left: one may have changed after its
    /// figures were read. Its version was read with them, so it can't be missed.
    pub(crate) async fn compute_stale(mut self, include_open: bool) -> Result<Exit> {
        let mut tally = Tally::default();
        let mut due = self.stale_days(&mut tally, include_open).await?;
        for _ in 0..LOOKS_MAX {
            let bar = progress_bar(due.len() as u64);
            for record in &due {
                if let Some(because) = record.stale_because() {
                    self.say(&bar, &messages::is_stale(record.date, because))?;
                }
                self.compute(record.date, &bar, &mut tally).await?;
                bar.inc(1);
            }
            bar.finish_and_clear();
            // Open days change all the time: once is enough.
            due = self.stale_days(&mut tally, false).await?;
            if due.is_empty() {
                break;
            }
        }
        write(self.output, &messages::corrections(&tally, &due))?;
        tally.fail_if_any_failed()?;
        Ok(if due.is_empty() { Exit::Done } else { Exit::Incomplete })
    }

    /// Stale days, in order, without those that can't be computed, and those whose minutes have expired.
    /// Open ones are left out, and counted, unless they are wanted.
    async fn stale_days(&mut self, tally: &mut Tally, with_open: bool) -> Result<Vec<DayRecord>> {
        let records = store::day_records(self.connection, Dates::All, self.zone).await?;
        let mut due = Vec::new();
        tally.left_open = 0;
        tally.expired.clear();
        for record in records.into_iter().filter(|record| record.stale_because().is_some()) {
            if tally.failed.contains(&record.date) || tally.no_data.contains(&record.date) {
                continue;
            }
            if record.minutes_expired {
                tally.expired.insert(record.date);
                continue;
            }
            let day = BusinessDay::new(record.date, self.zone);
            if with_open || store::day_state(self.connection, &day).await?.is_complete() {
                due.push(record);
            } else {
                tally.left_open += 1;
            }
        }
        Ok(due)
    }

    /// Computes one day, says so, and counts it. Fails only when the next day would fail too.
    async fn compute(
        &mut self,
        date: NaiveDate,
        bar: &ProgressBar,
        tally: &mut Tally,
    ) -> Result<()> {
        let day = BusinessDay::new(date, self.zone);
        match store::compute_day(self.connection, &day, self.options).await {
            Ok(DayRun::Computed(computed)) => {
                self.say_empty(bar, tally)?;
                tally.computed += 1;
                tally.provisional += usize::from(!computed.state.is_complete());
                bar.suspend(|| warn_of_correction(&day, &computed));
                self.say(bar, &messages::computed(&day, &computed))
            }
            Ok(DayRun::NotNeeded) => {
                tally.up_to_date += 1;
                self.say_empty(bar, tally)
            }
            Ok(DayRun::NoData { late_events }) => {
                tally.no_data.insert(date);
                if late_events == 0 && self.options.condition != Condition::IfStale {
                    // One line for all of them, once it is known how many there are.
                    tally.empty = Some((tally.empty.map_or(date, |(first, _)| first), date));
                    return Ok(());
                }
                self.say_empty(bar, tally)?;
                self.say(bar, &messages::no_data(&day, late_events))
            }
            Err(error) if error.is_of_one_day() => {
                self.say_empty(bar, tally)?;
                tally.failed.insert(date);
                let error = program::chain(&anyhow::Error::new(error));
                bar.suspend(|| tracing::error!(%date, %error, "a day was not computed"));
                Ok(())
            }
            Err(error) => Err(anyhow::Error::new(error).context(format!("computing {date}"))),
        }
    }

    /// Says which days in a row had nothing, now that another one has come.
    fn say_empty(&mut self, bar: &ProgressBar, tally: &mut Tally) -> Result<()> {
        match tally.empty.take() {
            None => Ok(()),
            Some((first, last)) if first == last => {
                self.say(bar, &messages::no_data(&BusinessDay::new(first, self.zone), 0))
            }
            Some((first, last)) => self.say(bar, &messages::no_data_between(first, last)),
        }
    }

    fn say(&mut self, bar: &ProgressBar, text: &str) -> Result<()> {
        bar.suspend(|| write(self.output, text))
    }
}

/// Drawn on standard error, and not at all where that is no terminal.
fn progress_bar(days: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_bar} {percent} %, {pos} of {len} days, {eta} left")
            .expect("the template is a constant that is right");
    ProgressBar::new(days).with_style(style)
}
