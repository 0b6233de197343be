//! What the engine asks for after each thing that happens, written as one line for each effect.

mod contents;
mod continuity;
mod flushes;
mod log_ends;
mod rules;

use super::*;
use crate::testing::{at, call, event, record};
use crate::{
    Delta, FlushBatch, FlushPart, FlushProtocol, FlushReport, PartOutcome, PartReport, Progress,
    RecordTime, Rules, Size,
};

const RULES: Rules = Rules {
    watermark_delay_micros: 120_000_000,
    max_future_skew_micros: 0,
    business_timezone: chrono_tz::Tz::UTC,
};
const WIDE: Bounds = Bounds::NONE
    .with(Limit::Groups, Size::items(100))
    .with(Limit::Subscribers, Size::bytes(100_000))
    .with(Limit::DeadLetters, Size { items: 100, bytes: 10_000 });

/// An engine, the flush that it has handed out, and a clock.
struct Bench {
    engine: Engine,
    flush: Option<FlushBatch>,
    now: EventTime,
}

/// The end of these tests' logs, unless they say otherwise.
const HIGH: i64 = 50;

fn ends(low: i64, high: i64) -> LogEnds {
    open_ends(low, high, high)
}

/// The ends of a log with a transaction that is open from `stable` on.
fn open_ends(low: i64, stable: i64, high: i64) -> LogEnds {
    let [low, stable, high] = [low, stable, high].map(Position::at);
    LogEnds { low, stable, high, asked_at: at(0, 0) }
}

fn stored_at(position: i64) -> Progress {
    Progress::starting_at(Position::at(position))
}

impl Bench {
    fn new(bounds: Bounds) -> Self {
        Bench { engine: Engine::new(bounds), flush: None, now: at(0, 0) }
    }

    fn on_cluster(self, cluster_id: &str) -> Self {
        Bench { engine: self.engine.on_cluster(Some(cluster_id.to_owned())), ..self }
    }

    /// A worker that reads these partitions from offset 0 on.
    fn reading(bounds: Bounds, partitions: &[i32]) -> Self {
        let mut bench = Bench::new(bounds);
        bench.apply(Input::Assigned(partitions));
        for &partition in partitions {
            assert_eq!(bench.load(partition, 0), [format!("read {partition} from 0")]);
        }
        bench
    }

    fn apply(&mut self, input: Input<'_>) -> Vec<String> {
        let mut effects = Vec::new();
        self.engine.apply(input, &mut effects);
        effects.into_iter().map(|effect| self.line(effect)).collect()
    }

    fn line(&mut self, effect: Effect) -> String {
        match effect {
            Effect::Load(partitions) => format!("load {partitions:?}"),
            Effect::Read { partition, from } => format!("read {partition} from {from}"),
            Effect::Halt { partition, reason } => format!("halt {partition}: {reason}"),
            Effect::Examine { partition, origin } => {
                format!(
                    "examine {partition}, origin {:?}",
                    origin.map(|fingerprint| fingerprint.offset)
                )
            }
            Effect::AcceptGap { partition, plan, .. } => {
                let (from, to) = plan.lost;
                let reopen_at = plan.reopen_at.map(Position::offset);
                format!("accept {partition} {from}–{to}, reopen at {reopen_at:?}")
            }
            Effect::AwaitCluster { partition } => format!("await the cluster of {partition}"),
            Effect::LeaveCluster { partition, cluster_id } => {
                format!("leave {partition}, which is of {cluster_id}")
            }
            Effect::Pause => "pause".to_owned(),
            Effect::Resume => "resume".to_owned(),
            Effect::TakeTurn => "take turn".to_owned(),
            Effect::Flush(batch) => {
                let part =
                    |p: &FlushPart| format!(" {}:{}→{}", p.partition, p.stored.next, p.new.next);
                let line = batch.parts.iter().map(part).collect::<String>();
                assert!(self.flush.replace(batch).is_none(), "one flush at a time");
                format!("flush{line}")
            }
        }
    }

    fn load(&mut self, partition: i32, position: i64) -> Vec<String> {
        self.load_row(partition, stored_at(position), ends(0, HIGH))
    }

    fn load_row(&mut self, partition: i32, progress: Progress, ends: LogEnds) -> Vec<String> {
        self.apply(Input::Loaded {
            partition,
            progress: Box::new(progress),
            rules: RULES,
            ownership: Ownership::default(),
            history: Box::default(),
            ends,
        })
    }

    /// An event of a minute of its own, so that it makes a new group.
    fn read(&mut self, partition: i32, offset: i64) -> Vec<String> {
        let time = at(offset, 0);
        let payload = call(time);
        let record = record(offset, RecordTime::LogAppend(time), &payload);
        let now = self.now;
        self.apply(Input::Record { partition, record, now })
    }

    fn read_payload(&mut self, partition: i32, offset: i64, payload: &[u8]) -> Vec<String> {
        let record = record(offset, RecordTime::LogAppend(at(0, 0)), payload);
        let now = self.now;
        self.apply(Input::Record { partition, record, now })
    }

    /// Ends the flush under way, all its parts with this outcome, with what the broker said.
    fn finish(&mut self, outcome: &PartOutcome, log_ends: &[(i32, LogEnds)]) -> Vec<String> {
        self.finish_after(Duration::ZERO, outcome, log_ends)
    }

    /// The same, for whose turn it was waited so long.
    fn finish_after(
        &mut self,
        waited: Duration,
        outcome: &PartOutcome,
        log_ends: &[(i32, LogEnds)],
    ) -> Vec<String> {
        let batch = self.flush.take().expect("a flush is under way");
        let report = FlushProtocol::new(batch, log_ends.to_vec()).into_report();
        let (parts, log_ends) = (report.parts, report.log_ends);
        let parts = parts.into_iter().map(|part| PartReport { outcome: outcome.clone(), ..part });
        let report = FlushReport { parts: parts.collect(), log_ends, waited };
        let now = self.now;
        self.apply(Input::Flushed { report, now })
    }

    fn commit(&mut self) -> Vec<String> {
        self.finish(&PartOutcome::Committed, &[])
    }

    fn flushed_deltas(&self) -> Vec<&Delta> {
        self.flush.iter().flat_map(|batch| &batch.parts).map(|part| &part.delta).collect()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn an_assigned_partition_is_loaded_first_and_what_comes_before_that_is_ignored() {
    let mut bench = Bench::new(WIDE);
    assert_eq!(bench.apply(Input::Assigned(&[])), NOTHING, "a rebalance that changes nothing");
    assert_eq!(bench.apply(Input::Assigned(&[0, 2])), ["load [0, 2]"]);
    assert_eq!(bench.read(0, 7), NOTHING);
    assert_eq!(bench.apply(Input::EndOfLog { partition: 0, end: Position::at(9) }), NOTHING);
    assert!(!bench.engine.has_unstored());

    assert_eq!(bench.load(0, 5), ["read 0 from 5"]);
    assert_eq!(bench.load(0, 8), NOTHING, "a second answer changes nothing");
    assert_eq!(bench.engine.positions().collect::<Vec<_>>(), [(0, Position::at(5))]);
    bench.read(0, 5);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:5→6"], "partition 2 is not known yet");
}

#[test]
fn a_partition_that_cannot_be_read_from_its_position_halts_when_it_is_loaded() {
    let broken = Progress { first: Position::at(1), ..stored_at(5) };
    let table = [
        (
            stored_at(5),
            ends(6, 9),
            "records were deleted from the log before they were read: lost are the offsets from 5 \
             to before 6; the log now reaches from 6 to before 9; `streamer accept-gap` goes on \
             in it",
        ),
        (
            broken,
            ends(0, 9),
            "the stored counters do not add up to the position 5: run `streamer verify`",
        ),
    ];
    for (row, ends, reason) in table {
        let mut bench = Bench::new(WIDE);
        bench.apply(Input::Assigned(&[0]));
        let halt = format!("halt 0: {reason}");
        assert_eq!(bench.load_row(0, row, ends), [halt, "flush 0:5→5".to_owned()]);
        let stored =
            bench.flush.as_ref().and_then(|batch| batch.parts[0].new.halted_reason.clone());
        assert_eq!(stored.as_deref(), Some(reason), "it is stored at once");
        assert_eq!(bench.read(0, 5), NOTHING, "what comes is ignored");
        assert_eq!(bench.engine.positions().count(), 0);
        assert_eq!(bench.commit(), NOTHING);
        // It stays assigned, and is judged afresh by the next assignment.
        bench.apply(Input::Assigned(&[0]));
        assert_eq!(bench.load(0, 5), ["read 0 from 5"]);
    }
}

#[test]
fn both_ends_of_the_log_are_positions_to_read_from() {
    for position in [3, 9] {
        let mut bench = Bench::new(WIDE);
        bench.apply(Input::Assigned(&[0]));
        let read = format!("read 0 from {position}");
        assert_eq!(bench.load_row(0, stored_at(position), ends(3, 9)), [read]);
    }
}

#[test]
fn a_stored_reason_goes_with_its_cause() {
    let mut bench = Bench::new(WIDE);
    bench.apply(Input::Assigned(&[0]));
    let row = Progress { halted_reason: Some("overtaken".to_owned()), ..stored_at(5) };
    assert_eq!(bench.load_row(0, row, ends(0, 9)), ["read 0 from 5"]);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:5→5"]);
    let part = &bench.flush.as_ref().expect("just cut").parts[0];
    assert_eq!(part.new.halted_reason, None);
    assert_ne!(part.stored.halted_reason, None, "so that it is written");
}
