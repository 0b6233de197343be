//! Is this still the log that we have read from? What has happened to it if not, and how reading
//! can go on once an operator has accepted the loss.
//!
//! Two records are remembered: the last one read (the fingerprint) and the first one of this generation
//! (the origin).
//!
//! | fingerprint | origin | the log was |
//! |---|---|---|
//! | there | – | left alone |
//! | removed by retention | – | left alone: retention may do that |
//! | missing or another | there | truncated |
//! | missing or another | missing or another | recreated |
//! | missing or another | removed by retention | unknown: the operator must say |
//!
//! Keeps I-7: what is lost is named, and stays named in `gaps`.

use crate::{LogEnds, Position, Progress};

/// What stands in the log at the offset of a remembered record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundAt {
    /// The remembered record itself.
    Same,
    /// A record with another fingerprint.
    Different,
    /// No record, although the log reaches there.
    Absent,
    /// Nothing any more: the log begins after it. Also when there never was a record to remember.
    Removed,
}

/// Why it is not certain that the log is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The position is beyond the end of the log.
    BeyondEnd,
    /// The fingerprint is not at its offset.
    FingerprintMissing,
    /// Another record is at the fingerprint's offset.
    FingerprintDiffers,
    /// A record stands between the fingerprint and the position, where there was none.
    Intruder,
}

/// What was found out about a doubt.
#[derive(Clone, Copy, Debug)]
pub struct Examination {
    /// What stands at the origin's offset.
    pub origin: FoundAt,
    /// Whether the topic is compacted: single records may be missing then.
    pub is_compacted: bool,
    /// The log's ends, asked for after what stands at the origin.
    pub ends: LogEnds,
}

/// What has happened to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBreak {
    /// Records were deleted before we had read them.
    Overtaken,
    /// Its end was cut off, and perhaps written anew.
    Truncated,
    /// The topic was deleted and made again.
    Recreated,
    /// One of the last two; nothing is left to tell which.
    Unknown,
}

impl LogBreak {
    /// The stable name, as stored in `gaps.cause`.
    pub const fn code(self) -> &'static str {
        match self {
            LogBreak::Overtaken => "overtaken",
            LogBreak::Truncated => "truncated",
            LogBreak::Recreated => "recreated",
            LogBreak::Unknown => "unknown",
        }
    }
}

/// Where an operator wants reading to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeAt {
    /// At the oldest record kept.
    Earliest,
    /// At the end.
    Latest,
    /// At this offset, or the nearest one that the log has.
    Offset(i64),
}

/// An operator's permission to go on behind lost records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapPermission {
    /// Which row of `gaps`.
    pub id: i64,
    /// Needed when nothing tells where the log goes on.
    pub start_from: Option<ResumeAt>,
}

/// How a permission is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapPlan {
    /// What the operator permitted, and for which halt.
    pub permission: GapPermission,
    /// What has happened.
    pub cause: LogBreak,
    /// The old position, and the one up to which offsets count as lost.
    pub lost: (Position, Position),
    /// Where the next generation begins; `None`: this generation goes on after the lost range.
    pub reopen_at: Option<Position>,
}

/// Decides a doubt. `None`: the log is the same after all.
pub(crate) fn log_break_of(doubt: Doubt, examination: &Examination) -> Option<LogBreak> {
    // Compaction may remove the fingerprint; it never puts a record where none or another one was.
    let may_be_compaction = examination.is_compacted && doubt == Doubt::FingerprintMissing;
    if may_be_compaction && examination.origin != FoundAt::Different {
        return None;
    }
    Some(match examination.origin {
        FoundAt::Same => LogBreak::Truncated,
        FoundAt::Different => LogBreak::Recreated,
        FoundAt::Absent if examination.is_compacted => LogBreak::Unknown,
        FoundAt::Absent => LogBreak::Recreated,
        FoundAt::Removed => LogBreak::Unknown,
    })
}

/// How to go on after a break; `None` when the operator has to say where.
pub(crate) fn plan_gap(
    progress: &Progress,
    ends: &LogEnds,
    cause: LogBreak,
    permission: GapPermission,
) -> Option<GapPlan> {
    let next = progress.next;
    let log_end_seen = progress.log_end_seen.map_or(next, |seen| seen.max(next));
    let (lost_to, reopen_at) = match cause {
        // The log is the same: only what was deleted is lost.
        LogBreak::Overtaken => (ends.low, None),
        LogBreak::Recreated => (log_end_seen, Some(ends.low)),
        // Never lower than the position, or what was counted already would be counted again. One case is
        // left: an unclean election that cuts off the marker of a transaction opens it again, so the stable
        // end lies before records that were counted. If it is then committed, they come a second time.
        LogBreak::Truncated => (log_end_seen, Some(next.min(ends.stable))),
        LogBreak::Unknown => {
            let from = match permission.start_from? {
                ResumeAt::Earliest => ends.low,
                // What an open transaction holds back is read once it ends.
                ResumeAt::Latest => ends.stable,
                ResumeAt::Offset(offset) => Position::at(offset).clamp(ends.low, ends.stable),
            };
            (log_end_seen, Some(from))
        }
    };
    Some(GapPlan { permission, cause, lost: (next, lost_to), reopen_at })
}

/// Tells the operator what has happened and what is lost.
pub(crate) fn describe(progress: &Progress, ends: &LogEnds, cause: LogBreak) -> String {
    let next = progress.next;
    let log_end_seen = progress.log_end_seen.map_or(next, |seen| seen.max(next));
    let lost = match cause {
        LogBreak::Overtaken => ends.low,
        _ => log_end_seen,
    };
    let what = match cause {
        LogBreak::Overtaken => "records were deleted from the log before they were read",
        LogBreak::Truncated => "the log was truncated",
        LogBreak::Recreated => "the topic was recreated",
        LogBreak::Unknown => "the log was truncated or recreated, nothing is left to tell which",
    };
    let how = match cause {
        LogBreak::Unknown => "`streamer accept-gap --from earliest|latest|OFFSET`",
        _ => "`streamer accept-gap`",
    };
    let lost = if lost > next {
        format!("lost are the offsets from {next} to before {lost}")
    } else {
        format!("nothing after position {next} was seen in the old log, so nothing may be lost")
    };
    format!(
        "{what}: {lost}; the log now reaches from {} to before {}; {how} goes on in it",
        ends.low, ends.high
    )
}

#[cfg(test)]
mod tests {
    use event_model::EventTime;

    use super::*;

    fn ends(low: i64, high: i64) -> LogEnds {
        let asked_at = EventTime::from_micros(0);
        let high = Position::at(high);
        LogEnds { low: Position::at(low), stable: high, high, asked_at }
    }

    #[test]
    fn the_origin_tells_what_happened_to_a_log_whose_fingerprint_is_gone() {
        use Doubt::{BeyondEnd, FingerprintDiffers, FingerprintMissing, Intruder};
        use FoundAt::{Absent, Different, Removed, Same};
        use LogBreak::{Recreated, Truncated, Unknown};
        for (doubt, origin, is_compacted, expected) in [
            (BeyondEnd, Same, false, Some(Truncated)),
            (BeyondEnd, Different, false, Some(Recreated)),
            (BeyondEnd, Absent, false, Some(Recreated)),
            (BeyondEnd, Absent, true, Some(Unknown)),
            (BeyondEnd, Removed, false, Some(Unknown)),
            (FingerprintDiffers, Same, false, Some(Truncated)),
            (FingerprintDiffers, Same, true, Some(Truncated)),
            (FingerprintDiffers, Different, false, Some(Recreated)),
            (FingerprintMissing, Same, false, Some(Truncated)),
            (FingerprintMissing, Same, true, None),
            (FingerprintMissing, Absent, true, None),
            (FingerprintMissing, Different, true, Some(Recreated)),
            (Intruder, Same, true, Some(Truncated)),
            (Intruder, Removed, true, Some(Unknown)),
        ] {
            let examination = Examination { origin, is_compacted, ends: ends(0, 10) };
            assert_eq!(
                log_break_of(doubt, &examination),
                expected,
                "{doubt:?} {origin:?} {is_compacted}"
            );
        }
    }

    #[test]
    fn a_permission_is_carried_out_as_the_cause_says() {
        let permission = |start_from| GapPermission { id: 7, start_from };
        let mut progress = Progress::starting_at(Position::at(0));
        progress.next = Position::at(100);
        progress.log_end_seen = Some(Position::at(130));
        for (cause, log, start_from, expected) in [
            (LogBreak::Overtaken, ends(120, 140), None, Some((120, None))),
            (LogBreak::Recreated, ends(0, 40), None, Some((130, Some(0)))),
            (LogBreak::Recreated, ends(20, 400), None, Some((130, Some(20)))),
            (LogBreak::Truncated, ends(0, 60), None, Some((130, Some(60)))),
            (LogBreak::Truncated, ends(0, 400), None, Some((130, Some(100)))),
            (LogBreak::Unknown, ends(5, 60), None, None),
            (LogBreak::Unknown, ends(5, 60), Some(ResumeAt::Earliest), Some((130, Some(5)))),
            (LogBreak::Unknown, ends(5, 60), Some(ResumeAt::Latest), Some((130, Some(60)))),
            (LogBreak::Unknown, ends(5, 60), Some(ResumeAt::Offset(50)), Some((130, Some(50)))),
            (LogBreak::Unknown, ends(5, 60), Some(ResumeAt::Offset(1)), Some((130, Some(5)))),
            (LogBreak::Unknown, ends(5, 60), Some(ResumeAt::Offset(99)), Some((130, Some(60)))),
        ] {
            let plan = plan_gap(&progress, &log, cause, permission(start_from));
            let found = plan.map(|plan| {
                assert_eq!(plan.lost.0, Position::at(100));
                (plan.lost.1.offset(), plan.reopen_at.map(Position::offset))
            });
            assert_eq!(found, expected, "{cause:?} {start_from:?}");
        }
    }
}
