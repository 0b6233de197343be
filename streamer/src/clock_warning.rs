//! Says, not too often, that records are refused because their events lie ahead of them: then a clock
//! is wrong, of the broker, of a sender or of this host, and every event that it concerns is a dead
//! letter.
//!
//! Keeps I-7: that is stored with each letter, but nobody looks there while all seems well.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use event_model::DeadReason;
use windowing::{FlushBatch, FlushReport, PartOutcome};

/// At most so often.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// A smaller share of a partition's records may be anybody's slip …
const REFUSED_PERCENT_MAX: u64 = 5;
/// … and so may fewer of them. The same as those of `streamer status`.
const REFUSED_MIN: u64 = 10;

/// What one worker has to say.
#[derive(Debug, Default)]
pub(crate) struct ClockWarning {
    /// Whether something was said when the tallies were begun.
    said: bool,
    /// When the tallies were begun.
    since: Option<Instant>,
    /// By partition, of the last minute or since it was said.
    tallies: BTreeMap<i32, Tally>,
}

/// What became of one partition's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) partition: i32,
    pub(crate) records: u64,
    pub(crate) refused: u64,
    /// How far the furthest of them was ahead so far, of all that this partition has seen.
    pub(crate) max_ahead_ms: i64,
}

/// What each part of a batch would store, noted before the flush: afterwards it is gone.
pub(crate) fn tallies(batch: &FlushBatch) -> Vec<Tally> {
    let of_part = |part: &windowing::FlushPart| {
        let counted = |counters: &windowing::Counters| {
            u64::try_from(counters.on_time + counters.late + counters.dead).unwrap_or_default()
        };
        let reason = DeadReason::TimestampInFuture.code();
        let letters = part.delta.dead_letters.iter();
        Tally {
            partition: part.partition,
            records: counted(&part.new.counters) - counted(&part.stored.counters),
            refused: letters.filter(|letter| letter.reason == reason).count() as u64,
            max_ahead_ms: part.new.skew.max_ahead_ms,
        }
    };
    batch.parts.iter().map(of_part).collect()
}

impl ClockWarning {
    /// Takes in what was stored of this, and returns what is due to be said.
    pub(crate) fn note(
        &mut self,
        tallies: Vec<Tally>,
        report: &FlushReport,
        now: Instant,
    ) -> Vec<Tally> {
        for (tally, part) in tallies.into_iter().zip(&report.parts) {
            if part.outcome == PartOutcome::Committed {
                let sum = self.tallies.entry(tally.partition).or_default();
                let (records, refused) = (sum.records + tally.records, sum.refused + tally.refused);
                *sum = Tally { records, refused, ..tally };
            }
        }
        let since = *self.since.get_or_insert(now);
        let is_old = now.duration_since(since) >= SAY_EVERY;
        if self.said && !is_old {
            return Vec::new();
        }
        let concerned = |sum: &&Tally| {
            sum.refused >= REFUSED_MIN && sum.refused * 100 > sum.records * REFUSED_PERCENT_MAX
        };
        let said: Vec<Tally> = self.tallies.values().filter(concerned).copied().collect();
        if !said.is_empty() || is_old {
            self.said = !said.is_empty();
            self.since = Some(now);
            self.tallies.clear();
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use windowing::{PartReport, Position};

    use super::*;

    fn stored(outcome: PartOutcome) -> FlushReport {
        let as_stored = windowing::Progress::starting_at(Position::at(0));
        let part = PartReport { partition: 3, incarnation: 0, as_stored, outcome };
        FlushReport { parts: vec![part], ..FlushReport::default() }
    }

    #[test]
    fn a_wrong_clock_is_told_of_at_once_and_then_once_a_minute_with_what_came_since() {
        let (mut warning, start) = (ClockWarning::default(), Instant::now());
        let tally =
            |refused| Tally { partition: 3, records: 100, refused, max_ahead_ms: 3_600_999 };
        let told = |refused, records| vec![Tally { records, ..tally(refused) }];
        let committed = PartOutcome::Committed;
        for (second, refused, outcome, expected) in [
            (0, 5, &committed, vec![]), // a slip
            (1, 100, &PartOutcome::Fenced, vec![]),
            (2, 6, &committed, told(11, 200)),
            (3, 100, &committed, vec![]),
            (61, 50, &committed, vec![]),
            (62, 50, &committed, told(200, 300)),
            (200, 5, &committed, vec![]),
        ] {
            let now = start + Duration::from_secs(second);
            let said = warning.note(vec![tally(refused)], &stored(outcome.clone()), now);
            assert_eq!(said, expected, "second {second}");
        }
    }
}
