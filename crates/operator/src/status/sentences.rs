//! Why a partition is in its state, and what else should be known of it, in sentences.

use super::gather::LogEnds;
use super::report::{PartitionReport, State};
use super::rows::{PartitionStatus, RECENT_OFFSETS};

/// A greater share of late events is worth a word.
const LATE_SHARE_MAX: f64 = 0.05;

/// Much comes late: the figures that people look at miss it, and all is well otherwise.
pub(super) fn remark_on_late_events(report: &PartitionReport) -> Option<String> {
    let row = report.stored.as_ref().filter(|row| !row.is_retired)?;
    let share = row.recent.late_share().filter(|share| *share > LATE_SHARE_MAX)?;
    Some(format!(
        "{} partition {}: {:.0} % of the newest events, or of their seconds, came late: they are in \
         late_metrics, not in daily_stats; `streamer late` sums them up",
        report.key.0,
        report.key.1,
        share * 100.0
    ))
}

/// What is said of a partition; empty where its state says all.
pub(super) fn detail(report: &PartitionReport, ends: Option<LogEnds>) -> String {
    let Some(row) = &report.stored else { return String::new() };
    let next = row.next_offset;
    let written = format!(
        "last written {} ago by {}",
        report.written_seconds_ago.map_or_else(String::new, span),
        row.owner.as_deref().unwrap_or("nobody yet"),
    );
    let unread = || {
        let age = match report.lag_seconds {
            Some(seconds) => format!("the oldest for at most {}", span(seconds)),
            None => "for how long is not known".to_owned(),
        };
        format!("{} records unread, {age}", report.lag_records.unwrap_or_default())
    };
    match (report.state, ends) {
        (State::UpToDate | State::Retired | State::Unknown | State::NotTakenUp, _) => String::new(),
        (State::Halted, _) => row.halted_reason.clone().unwrap_or_default(),
        (State::Blocked, _) => row.flush_blocked.clone().unwrap_or_default(),
        (State::Refusing, _) => format!(
            "{} of its last {} records were refused (timestamp_in_future): they lie ahead of the \
             records' times or of this host's clock, by up to {} so far; the clock of the broker, of a sender \
             or of a streamer's host is wrong",
            row.refused_lately,
            recent_records(row),
            span(row.max_ahead_ms as f64 / 1_000.0)
        ),
        (State::CatchingUp, _) => unread(),
        (State::HeldUp, _) => {
            let since = report.held_up_at.unwrap_or_default();
            format!("a Kafka transaction that is open since offset {since} holds up {}", unread())
        }
        (State::Stalled, _) => format!("{}, {written}", unread()),
        (State::Unattended, _) => format!("nothing is unread, but the row was {written}"),
        (State::Overtaken, Some(LogEnds { low, .. })) => format!(
            "offsets {next} to before {low} have been deleted from the log before they were \
             stored; {written}"
        ),
        (State::BeyondEnd, Some(LogEnds { stable, .. })) => {
            format!("the position {next} is beyond the end of the log, {stable}; {written}")
        }
        (State::Missing | State::Overtaken | State::BeyondEnd, _) => {
            format!("Kafka has no such partition, and its position is {next}; {written}")
        }
    }
}

/// The partition's latest records, as far as is looked back.
pub(super) fn recent_records(row: &PartitionStatus) -> i64 {
    (row.on_time + row.late + row.dead).min(RECENT_OFFSETS)
}

/// A length of time in its two largest units.
pub(super) fn span(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..MINUTE => format!("{seconds:.1}s"),
        MINUTE..HOUR => format!("{}m {}s", whole / MINUTE, whole % MINUTE),
        HOUR..DAY => format!("{}h {}m", whole / HOUR, whole % HOUR / MINUTE),
        _ => format!("{}d {}h", whole / DAY, whole % DAY / HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        for (seconds, expected) in [
            (0.0, "0.0s"),
            (0.25, "0.2s"),
            (59.0, "59.0s"),
            (60.0, "1m 0s"),
            (3_599.9, "59m 59s"),
            (3_600.0, "1h 0m"),
            (86_399.0, "23h 59m"),
            (90_000.0, "1d 1h"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }
}
