//! One worker's process: the real [`Engine`] and [`Timers`], and what carries out what they ask for
//! as the streamer's loop does: readers, loads, examinations, and a writer with one flush.
//!
//! It believes to own what it was told. Whether that is still true, only the database knows.

mod carry_out;
mod contents;
mod faults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use event_model::EventTime;
use windowing::{
    ALERT_FLUSH_EVERY, Bounds, Due, Effect, Engine, FlushReport, Input, PartOutcome, PartReport,
    Position, Timers,
};

use super::database::{LoadedRow, Tape};
use super::faults::Kind;
use super::logs::{Cluster, NOW_MICROS};
use super::reader::{Polled, Reader, poll};
use super::shared::Shared;
use super::writer::{Step, Writer, outcome_name};
pub(crate) use contents::AWAITED;

/// What records are judged by where their time is not the broker's.
const NOW: EventTime = EventTime::from_micros(NOW_MICROS);
/// How long a flush before leaving is waited for.
const FLUSH_BEFORE_LEAVING_MICROS: i64 = 5_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) bounds: Bounds,
    pub(crate) flush_interval: Duration,
    /// Whether the interval varies, as the streamer's does.
    pub(crate) is_jittered: bool,
    /// What rules of one partition may remember.
    pub(crate) rule_bytes: usize,
    /// A release that knows no rules: it moves positions, and leaves the rest as it is.
    pub(crate) is_older: bool,
}

/// A change of the group's assignment.
#[derive(Clone, Debug)]
pub(crate) enum Rebalance {
    Assigned(Vec<i32>),
    /// To be given up, after a flush.
    Revoked(Vec<i32>),
    /// They are somebody else's already.
    Lost(Vec<i32>),
}

pub(crate) struct Worker {
    number: usize,
    pub(crate) group: &'static str,
    pub(crate) cluster: Cluster,
    options: Options,
    engine: Engine,
    timers: Timers,
    started_at: EventTime,
    turns: u32,
    effects: Vec<Effect>,
    /// By assigned partition.
    readers: BTreeMap<i32, Reader>,
    /// Where the reader has come to the end, and nothing came since.
    at_end: BTreeMap<i32, (i64, usize)>,
    /// The schemas that this process has learned.
    schemas: BTreeSet<i64>,
    /// Where what stands in a record was not known, and the schema that it needs.
    awaited: BTreeMap<i32, i64>,
    to_read: Vec<(i32, Position)>,
    /// Which version of the log each position has moved over, since the row was loaded.
    tapes: BTreeMap<i32, (i64, Tape)>,
    pub(crate) mailbox: VecDeque<Rebalance>,
    /// What the group's coordinator has yet to learn: given up.
    pub(crate) released: Vec<i32>,
    blocked: Option<Blocked>,
    writer: Option<Writer>,
    /// Its turn has come, and the loop has not heard of it.
    turn_came: bool,
    report: Option<FlushReport>,
    pub(crate) frozen_at: Option<EventTime>,
    /// Its partitions were given away while it was frozen.
    is_zombie: bool,
    /// It was frozen, and has stored nothing since.
    was_frozen: bool,
    /// A position was refused without need.
    is_refused: bool,
    pub(crate) has_stopped: bool,
}

/// What the worker's thread waits for.
enum Blocked {
    /// Rows were read; the logs' ends have yet to be asked for. Then these are taken over.
    Load(Vec<LoadedRow>, Vec<i32>),
    /// The last flush, before these are given up, or all of them.
    Leaving { partitions: Option<Vec<i32>>, deadline: EventTime },
}

impl Worker {
    pub(crate) fn new(
        number: usize,
        (group, cluster): (&'static str, Cluster),
        options: Options,
        now: EventTime,
    ) -> Self {
        Worker {
            number,
            group,
            cluster,
            options,
            engine: Engine::new(options.bounds)
                .in_group(group.to_owned())
                .on_cluster(Some(cluster.id().to_owned()))
                .with_rule_bytes(options.rule_bytes)
                .flushing_every(options.flush_interval),
            timers: Timers::new(options.flush_interval),
            started_at: now,
            turns: 0,
            effects: Vec::new(),
            readers: BTreeMap::new(),
            at_end: BTreeMap::new(),
            schemas: BTreeSet::new(),
            awaited: BTreeMap::new(),
            to_read: Vec::new(),
            tapes: BTreeMap::new(),
            mailbox: VecDeque::new(),
            released: Vec::new(),
            blocked: None,
            writer: None,
            turn_came: false,
            report: None,
            frozen_at: None,
            is_zombie: false,
            was_frozen: false,
            is_refused: false,
            has_stopped: false,
        }
    }

    /// The same; an operator may have said that its cluster is the one on which the topic was counted.
    pub(crate) fn vouched_for(self, is_vouched_for: bool) -> Self {
        Worker { engine: self.engine.vouched_for(is_vouched_for), ..self }
    }

    /// One round of the loop: reports, timers, at most `records` records, rebalances.
    pub(crate) fn turn(&mut self, records: usize, shared: &mut Shared) {
        if self.frozen_at.is_some() || self.has_stopped {
            return;
        }
        match self.blocked.take() {
            Some(Blocked::Load(rows, to_take_over)) => {
                self.finish_load(rows, shared);
                self.carry_out_effects(shared);
                self.take_over(&to_take_over, shared);
            }
            Some(Blocked::Leaving { partitions, deadline }) => {
                return self.wait_for_flush(partitions, deadline, shared);
            }
            None => {}
        }
        self.serve_turn(shared);
        self.serve_report(shared);
        self.serve_timers(shared);
        self.carry_out_effects(shared);
        if self.blocked.is_none() {
            self.poll(records, shared);
        }
        while self.blocked.is_none()
            && let Some(rebalance) = self.mailbox.pop_front()
        {
            self.serve_rebalance(rebalance, shared);
        }
    }

    /// The writer's thread takes one step. `false`: it has nothing to do, or has to wait.
    pub(crate) fn write(&mut self, fault: &mut Option<Kind>, shared: &mut Shared) -> bool {
        if self.frozen_at.is_some() {
            return false;
        }
        let Some(writer) = self.writer.take() else { return false };
        let is_in_haste = matches!(self.blocked, Some(Blocked::Leaving { .. }));
        let (writer, step) = writer.step(fault, is_in_haste, shared);
        self.writer = writer;
        match step {
            Step::TurnCame => {
                self.turn_came = true;
                true
            }
            Step::Went => true,
            Step::Waits => false,
            Step::Done(report) => {
                self.report = Some(report);
                true
            }
        }
    }

    /// Asked to stop: flushes what there is, then leaves.
    pub(crate) fn stop(&mut self, shared: &mut Shared) {
        if self.frozen_at.is_none() && self.blocked.is_none() && !self.has_stopped {
            self.begin_leaving(None, Input::FlushDue, shared);
        }
    }

    /// Nothing is held back or waited for.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.has_stopped
            || (!self.engine.has_unstored()
                && !self.engine.is_paused()
                && self.blocked.is_none()
                && self.mailbox.is_empty())
    }

    pub(crate) fn transaction_holds_rows(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::holds_rows)
    }

    fn elapsed(&self, shared: &Shared) -> Duration {
        let micros = shared.clock.micros() - self.started_at.micros();
        Duration::from_micros(micros.unsigned_abs())
    }

    fn serve_turn(&mut self, shared: &mut Shared) {
        if std::mem::take(&mut self.turn_came) {
            self.skip_to_ends(shared);
            self.apply(Input::TurnCame, shared);
            self.carry_out_effects(shared);
        }
    }

    fn serve_report(&mut self, shared: &mut Shared) {
        let Some(report) = self.report.take() else { return };
        for PartReport { partition, outcome, .. } in &report.parts {
            shared.meet(outcome_name(outcome));
            match outcome {
                PartOutcome::Fenced => self.see_fence(*partition, shared),
                PartOutcome::TooLarge => {
                    for kind in [Kind::TooSlow, Kind::TooSlowInDoubt] {
                        shared.observe_once(kind, *partition);
                    }
                }
                PartOutcome::Committed if std::mem::take(&mut self.was_frozen) => {
                    shared.faults.observe(Kind::FrozenBriefly);
                }
                _ => {}
            }
        }
        let log_ends = report.log_ends.clone();
        self.apply(Input::Flushed { report, now: shared.clock }, shared);
        self.expect_no_halt_at_the_end(&log_ends);
        self.carry_out_effects(shared);
        self.is_refused = false;
    }

    fn see_fence(&mut self, partition: i32, shared: &mut Shared) {
        if std::mem::take(&mut self.is_zombie) {
            shared.faults.observe(Kind::Frozen);
        }
        shared.observe_once(Kind::SettingsChanged, partition);
        shared.observe_once(Kind::RulesChanged, partition);
        shared.observe_once(Kind::RivalGroup, partition);
        shared.observe_once(Kind::DatabaseRewound, partition);
    }

    fn serve_timers(&mut self, shared: &mut Shared) {
        self.skip_to_ends(shared);
        self.turns += 1;
        if self.engine.holds_live_alerts() {
            let usual = self.timers.until_flush(self.elapsed(shared));
            self.timers.flush_soon();
            let until = self.timers.until_flush(self.elapsed(shared));
            assert!(until <= ALERT_FLUSH_EVERY, "an alert waits {until:?} for a flush");
            if until < usual {
                shared.meet("flushed early for an alert");
            }
        }
        let share = if self.options.is_jittered { 100 - self.turns * 7 % 20 } else { 100 };
        let due = self.timers.due(self.elapsed(shared), self.engine.flush_interval() * share / 100);
        for due in due {
            self.carry_out_due(due, shared);
        }
    }

    fn carry_out_due(&mut self, due: Due, shared: &mut Shared) {
        match due {
            Due::Flush => self.apply(Input::FlushDue, shared),
            Due::Load(partitions) => self.load(&partitions, shared),
            Due::JudgeHaltedAgain => {
                self.judge_contents(shared);
                self.apply(Input::JudgeHaltedAgain, shared);
            }
            Due::Examine(partition, origin) => {
                match shared.examine(self.cluster, partition, origin) {
                    Some(examination) => {
                        self.apply(Input::Examined { partition, examination }, shared)
                    }
                    None => self.timers.examine_later(partition, origin, self.elapsed(shared)),
                }
            }
        }
    }

    fn skip_to_ends(&mut self, shared: &mut Shared) {
        for (partition, (end, version)) in std::mem::take(&mut self.at_end) {
            self.apply(Input::EndOfLog { partition, end: Position::at(end) }, shared);
            self.advance_tape(partition, version);
        }
    }

    fn poll(&mut self, records: usize, shared: &mut Shared) {
        let mut partitions: Vec<i32> = self.readers.keys().copied().collect();
        if !partitions.is_empty() {
            let first = self.turns as usize % partitions.len();
            partitions.rotate_left(first);
        }
        let mut left = records;
        for partition in partitions {
            while left > 0 && self.effects.is_empty() {
                let Some(reader) = self.readers.get_mut(&partition) else { break };
                match poll(reader, (self.cluster, partition), shared) {
                    Polled::Nothing => break,
                    Polled::Refused => self.apply(Input::ResetRefused, shared),
                    Polled::End(end, version) => {
                        self.at_end.insert(partition, (end, version));
                        self.apply(Input::ReachedEnd(partition), shared);
                    }
                    Polled::Record(message, version) => {
                        self.at_end.remove(&partition);
                        let headers = || message.headers.clone();
                        let record = message.as_record(&headers);
                        let is_known = self
                            .tapes
                            .get(&partition)
                            .is_some_and(|(next, _)| record.offset < *next);
                        self.show(partition, &message, record, shared);
                        self.advance_tape(partition, version);
                        if is_known {
                            shared.observe_at(Kind::Redelivered, partition);
                        }
                        left -= 1;
                    }
                }
            }
        }
        self.carry_out_effects(shared);
    }

    /// Notes from which version of the log the position was moved on.
    fn advance_tape(&mut self, partition: i32, version: usize) {
        let next = self.engine.positions().find(|(id, _)| *id == partition);
        let Some((_, next)) = next else { return };
        let Some((at, tape)) = self.tapes.get_mut(&partition) else { return };
        if next.offset() > *at {
            tape.push((*at, next.offset(), version));
            *at = next.offset();
        }
    }

    fn serve_rebalance(&mut self, rebalance: Rebalance, shared: &mut Shared) {
        match rebalance {
            Rebalance::Assigned(partitions) => {
                self.apply(Input::Assigned(&partitions), shared);
                self.timers.load_at_once(self.elapsed(shared));
                self.carry_out_effects(shared);
                match &mut self.blocked {
                    Some(Blocked::Load(_, to_take_over)) => to_take_over.extend(partitions),
                    _ => self.take_over(&partitions, shared),
                }
            }
            Rebalance::Revoked(partitions) => {
                self.begin_leaving(Some(partitions), Input::FlushNow, shared);
            }
            Rebalance::Lost(partitions) => self.give_up(&partitions, shared),
        }
        self.carry_out_effects(shared);
    }

    fn take_over(&mut self, partitions: &[i32], shared: &Shared) {
        let positions = std::mem::take(&mut self.to_read);
        for partition in partitions {
            let position = positions.iter().find(|(id, _)| id == partition);
            let reader = position.map_or_else(Reader::held_back, |(_, from)| {
                let log = shared.log(self.cluster, *partition);
                Reader::starting_at(from.offset(), log, self.engine.is_paused())
            });
            self.readers.insert(*partition, reader);
        }
    }

    fn give_up(&mut self, partitions: &[i32], shared: &mut Shared) {
        self.apply(Input::Revoked(partitions), shared);
        self.timers.revoked(partitions);
        for partition in partitions {
            self.at_end.remove(partition);
            self.readers.remove(partition);
            self.tapes.remove(partition);
        }
        self.released.extend(partitions);
    }

    fn begin_leaving(
        &mut self,
        partitions: Option<Vec<i32>>,
        first: Input<'_>,
        shared: &mut Shared,
    ) {
        self.skip_to_ends(shared);
        self.apply(first, shared);
        self.carry_out_effects(shared);
        let deadline = shared.clock.plus_micros(FLUSH_BEFORE_LEAVING_MICROS);
        self.wait_for_flush(partitions, deadline, shared);
    }

    fn wait_for_flush(
        &mut self,
        partitions: Option<Vec<i32>>,
        deadline: EventTime,
        shared: &mut Shared,
    ) {
        if self.turn_came || self.report.is_some() {
            self.serve_turn(shared);
            self.serve_report(shared);
            self.apply(Input::FlushNow, shared);
            self.carry_out_effects(shared);
        }
        if self.engine.is_flushing() && shared.clock < deadline {
            self.blocked = Some(Blocked::Leaving { partitions, deadline });
            return;
        }
        if self.engine.is_flushing() {
            shared.meet("left without its last flush");
        }
        match partitions {
            Some(partitions) => self.give_up(&partitions, shared),
            None => {
                // Whether the flush under way was committed is left open.
                if let Some(writer) = self.writer.take() {
                    writer.give_up(shared);
                }
                self.has_stopped = true;
            }
        }
    }

    /// The rows are of another cluster: the process ends, and stores nothing more.
    fn leave_cluster(&mut self, shared: &mut Shared) {
        shared.meet("left for another cluster");
        shared.faults.observe(Kind::Strayed);
        if let Some(writer) = self.writer.take() {
            writer.give_up(shared);
        }
        self.effects.clear();
        self.has_stopped = true;
    }

    fn apply(&mut self, input: Input<'_>, shared: &mut Shared) {
        let first = self.effects.len();
        self.engine.apply(input, &mut self.effects);
        for effect in &self.effects[first..] {
            shared.note(|| format!("    worker {}: {}", self.number, line(effect)));
        }
    }

    fn carry_out_effects(&mut self, shared: &mut Shared) {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                if self.has_stopped {
                    return;
                }
                self.carry_out(effect, shared);
            }
        }
    }
}

fn line(effect: &Effect) -> String {
    match effect {
        Effect::Flush(batch) => {
            let parts = batch
                .parts
                .iter()
                .map(|part| format!(" {}: {}→{}", part.partition, part.stored.next, part.new.next));
            format!("flush{}", parts.collect::<String>())
        }
        Effect::TakeTurn => "take turn".to_owned(),
        Effect::AcceptGap { partition, plan, .. } => format!("accept gap of {partition}: {plan:?}"),
        other => format!("{other:?}"),
    }
}
