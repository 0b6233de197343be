//! What the batcher says about days. Pure: values in, text out.

use std::fmt::Write;

use chrono::NaiveDate;
use store::{BusinessDay, ComputedDay, DayRecord, DayState, Differences, ExpiredMinutes};

use crate::tally::Tally;

/// After a run.
pub(crate) fn computed(day: &BusinessDay, computed: &ComputedDay) -> String {
    let finality = if computed.state.is_complete() { "final" } else { "provisional" };
    let late = if computed.include_late { ", with late events" } else { "" };
    let corrected = match computed.changed_after_final {
        Some(before) => format!(
            ", corrected: {before} events when it had been complete, {} now",
            computed.version
        ),
        None => String::new(),
    };
    let source = match computed.lake_sums {
        None => format!("{} windows", computed.windows),
        Some(sums) => {
            format!("{sums} sums of the lake and {} rows of others", computed.windows - sums)
        }
    };
    format!(
        "{}: {} rows from {source}, {finality}{late}{corrected} ({})\n",
        day.date(),
        computed.rows,
        bounds(day)
    )
}

/// After the runs of a range.
pub(crate) fn range(first: NaiveDate, last: NaiveDate, tally: &Tally) -> String {
    let Tally { computed, provisional, up_to_date, no_data, failed, .. } = tally;
    format!(
        "{first} to {last}: {computed} days computed, {provisional} of them provisional, \
         {up_to_date} were up to date, {} without data, {} failed\n",
        no_data.len(),
        failed.len()
    )
}

/// Before a stale day is computed again.
pub(crate) fn is_stale(date: NaiveDate, because: &str) -> String {
    format!("{date}: stale: {because}\n")
}

/// After the stale days were computed; some may be stale again.
pub(crate) fn corrections(tally: &Tally, still_stale: &[DayRecord]) -> String {
    let mut text = format!(
        "stale days: {} computed, {} without data, {} failed, {} left because they can still change\n",
        tally.computed,
        tally.no_data.len(),
        tally.failed.len(),
        tally.left_open
    );
    if let (Some(first), Some(last)) = (tally.expired.first(), tally.expired.last()) {
        writeln!(
            text,
            "{} stale days stay as they are, {first} to {last}: their minutes expired, so only a data lake can give them \
             (`batcher {first} --from-lake`)",
            tally.expired.len()
        )
        .expect("a String takes any text");
    }
    for record in still_stale {
        let because = record.stale_because().unwrap_or_default();
        writeln!(text, "{}: changes faster than it is computed: {because}", record.date)
            .expect("a String takes any text");
    }
    text
}

/// After a run that found nothing on time.
pub(crate) fn no_data(day: &BusinessDay, late_events: i64) -> String {
    let late = match late_events {
        0 => String::new(),
        events => format!(
            "; it has {events} events that came late: `batcher --include-late {}` counts them",
            day.date()
        ),
    };
    format!(
        "{}: real_time_metrics has no window of that day ({}){late}; daily_stats is as it was\n",
        day.date(),
        bounds(day)
    )
}

/// During the runs of a range, of days in a row that have nothing at all.
pub(crate) fn no_data_between(first: NaiveDate, last: NaiveDate) -> String {
    let days = (last - first).num_days() + 1;
    format!(
        "{first} to {last}: {days} days without any window in real_time_metrics; daily_stats is as it was\n"
    )
}

/// The answer of `check` on a new system.
pub(crate) fn nothing_yet(day: &BusinessDay) -> String {
    format!(
        "{}: no event was ever counted in this database: there is nothing to compute yet\n",
        day.date()
    )
}

/// The answer of `check`: whether the day can still change, and whether its rows are out of date.
pub(crate) fn completeness(
    day: &BusinessDay,
    state: &DayState,
    record: Option<&DayRecord>,
) -> String {
    let mut text = if state.is_complete() {
        format!("{}: complete ({})\n", day.date(), bounds(day))
    } else {
        format!("{}: not complete: {}\n", day.date(), why_open(day, state))
    };
    if let Some(because) = record.and_then(DayRecord::stale_because) {
        text.push_str(&is_stale(day.date(), because));
    }
    if record.is_some_and(|record| record.minutes_expired) {
        writeln!(
            text,
            "{0}: its minutes expired, so it can't be computed again, unless a data lake has it (`batcher {0} --from-lake`)",
            day.date()
        )
        .expect("a String takes any text");
    }
    text
}

/// Why a day can still change.
pub(crate) fn why_open(day: &BusinessDay, state: &DayState) -> String {
    if state.partitions == 0 {
        return "no partition has been read yet; has the streamer been started?".to_owned();
    }
    let mut text = format!(
        "{} of {} partitions can still bring events of that day, which ends at {} UTC",
        state.holding_back.len(),
        state.partitions,
        day.end()
    );
    for partition in &state.holding_back {
        write!(text, "\n  {partition}").expect("a String takes any text");
    }
    text
}

/// `validate` or `report` on a day that was never computed.
pub(crate) fn not_computed(day: &BusinessDay) -> String {
    format!("{0}: daily_stats has no row of that date; compute it with `batcher {0}`\n", day.date())
}

/// `validate` on a day whose minutes have expired.
pub(crate) fn expired(day: &BusinessDay, expired: &ExpiredMinutes) -> String {
    format!("{}: can't be checked any more: {expired}; its rows stay as they are\n", day.date())
}

/// `validate` on a day that has changed since.
pub(crate) fn stale(day: &BusinessDay, because: &str) -> String {
    format!("{0}: changed since it was computed: {because}; run `batcher {0}` again\n", day.date())
}

/// The answer of `validate`.
pub(crate) fn validation(day: &BusinessDay, differences: &Differences) -> String {
    match differences.total() {
        0 => format!("{}: valid ({})\n", day.date(), bounds(day)),
        total => format!("{}: not valid, differences: {total}\n{differences}", day.date()),
    }
}

fn bounds(day: &BusinessDay) -> String {
    format!("{} to {} UTC, a day in {}", day.start(), day.end(), day.zone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_day_says_which_partitions_hold_it_back_and_why() {
        let day = BusinessDay::new("2025-11-09".parse().unwrap(), "Asia/Almaty".parse().unwrap());
        let nothing = DayState { partitions: 0, holding_back: vec![] };
        assert_eq!(
            completeness(&day, &nothing, None),
            "2025-11-09: not complete: no partition has been read yet; has the streamer been started?\n"
        );
        let partition = store::PartitionCompleteness {
            topic: "telecom_events".to_owned(),
            generation: 1,
            partition: 2,
            complete_through: Some("2025-11-09T18:58:00".parse().unwrap()),
            watermark: None,
            caught_up_at: None,
            halted_reason: Some("offset 7 is gone".to_owned()),
            owner: None,
            updated_at: "2025-11-09T19:00:00".parse().unwrap(),
        };
        let one = DayState { partitions: 3, holding_back: vec![partition] };
        assert_eq!(
            completeness(&day, &one, None),
            "2025-11-09: not complete: 1 of 3 partitions can still bring events of that day, \
             which ends at 2025-11-09 19:00:00 UTC\n  telecom_events partition 2 (generation 1): \
             complete through 2025-11-09 18:58:00 UTC: halted: offset 7 is gone\n"
        );
    }
}
