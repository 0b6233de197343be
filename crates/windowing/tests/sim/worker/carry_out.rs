//! What the engine asks for, carried out: rows are loaded, readers start and stop, gaps are accepted,
//! flushes handed to the writer.

use windowing::results::Alerts;
use windowing::{
    DeadLetter, Effect, FlushBatch, GapPlan, History, Input, Limit, LogEnds, Position, Progress,
    ResultKind as _,
};

use super::super::database::{Identity, LoadedRow, Tape};
use super::super::faults::Kind;
use super::super::reader::Reader;
use super::super::shared::Shared;
use super::super::writer::{REFUSAL, Writer};
use super::{Blocked, Options, Worker};

/// At most so many alerts come with one record: there are so many subscribers and rules.
const ALERTS_OF_A_RECORD: usize = 16;

impl Worker {
    pub(super) fn carry_out(&mut self, effect: Effect, shared: &mut Shared) {
        match effect {
            Effect::Load(partitions) => {
                if let Some(due) = self.timers.load(partitions, self.elapsed(shared)) {
                    self.carry_out_due(due, shared);
                }
            }
            Effect::Read { partition, from } => self.read(partition, from, shared),
            Effect::Examine { partition, origin } => self.timers.examine(partition, origin),
            Effect::AcceptGap { partition, stored, plan } => {
                self.accept_gap(partition, &stored, &plan, shared);
            }
            Effect::Halt { partition, reason } => self.halt(partition, &reason, shared),
            Effect::AwaitCluster { .. } => shared.meet("waited for its cluster to be known"),
            Effect::LeaveCluster { .. } => self.leave_cluster(shared),
            Effect::Pause => {
                shared.meet("paused");
                self.readers.values_mut().for_each(Reader::pause);
            }
            Effect::Resume => self.readers.values_mut().for_each(|one| one.is_paused = false),
            Effect::TakeTurn => {
                assert!(self.writer.is_none() && self.report.is_none(), "one flush at a time");
                let Options { is_older, .. } = self.options;
                self.writer = Some(Writer::new(self.identity(), is_older, None));
            }
            Effect::Flush(batch) => self.begin_flush(batch, shared),
        }
    }

    fn identity(&self) -> Identity {
        Identity { group: self.group, cluster: self.cluster }
    }

    fn read(&mut self, partition: i32, from: Position, shared: &mut Shared) {
        self.at_end.remove(&partition);
        let Some(reader) = self.readers.get_mut(&partition) else {
            return self.to_read.push((partition, from));
        };
        if reader.is_silent {
            shared.observe_at(Kind::FellSilent, partition);
        }
        if std::mem::take(&mut self.is_refused) {
            shared.faults.observe(Kind::Refused);
        }
        let is_paused = self.engine.is_paused();
        *reader =
            Reader::starting_at(from.offset(), shared.log(self.cluster, partition), is_paused);
    }

    fn halt(&mut self, partition: i32, reason: &str, shared: &mut Shared) {
        if let Some(reader) = self.readers.get_mut(&partition) {
            reader.is_held_back = true;
        }
        if reason == REFUSAL {
            shared.observe_at(Kind::ValueRefused, partition);
        }
        if reason.contains("`streamer accept-gap") {
            for kind in [Kind::Overtaken, Kind::Truncated, Kind::Recreated] {
                shared.observe_at(kind, partition);
            }
        }
        shared.meet("halted");
    }

    /// Where a reader of committed records is shown no more, nothing comes: that is no fault of the log.
    pub(super) fn expect_no_halt_at_the_end(&self, log_ends: &[(i32, LogEnds)]) {
        for effect in &self.effects {
            let Effect::Halt { partition, reason } = effect else { continue };
            let ends = log_ends.iter().find(|(id, _)| id == partition).map(|(_, ends)| ends);
            let next = self.tapes.get(partition).map(|(next, _)| *next);
            if let (Some(ends), Some(next), true) = (ends, next, reason.contains("no record comes"))
            {
                assert!(next < ends.stable.offset(), "halted behind an open transaction: {reason}");
            }
        }
    }

    fn accept_gap(
        &mut self,
        partition: i32,
        stored: &Progress,
        plan: &GapPlan,
        shared: &mut Shared,
    ) {
        if shared.database_answers() {
            let Shared { database, logs, .. } = shared;
            let done = database.carry_out_gap(partition, stored, plan, self.identity(), logs);
            if done == Some(true) {
                shared.meet("gap accepted");
                if std::mem::take(&mut shared.loses_gap_answer) {
                    shared.inject_at(Kind::GapAnswerLost, partition);
                }
            }
        }
        self.timers.load_soon(self.elapsed(shared));
        self.apply(Input::RowChanged(partition), shared);
    }

    fn begin_flush(&mut self, batch: FlushBatch, shared: &mut Shared) {
        let is_awaited = self.writer.as_ref().is_none_or(Writer::is_uncut);
        assert!(is_awaited && self.report.is_none(), "one flush at a time");
        let bounds = self.options.bounds;
        let deltas = || batch.parts.iter().map(|part| &part.delta);
        let groups: usize = deltas().map(|delta| delta.on_time.len() + delta.late.len()).sum();
        let letters: usize = deltas().map(|delta| delta.dead_letters.len()).sum();
        assert!(groups <= bounds.of(Limit::Groups).items, "I-6: {groups} groups held");
        let alerts: usize = deltas().map(Alerts::row_count).sum();
        let most = bounds.of(Limit::Alerts).items.saturating_add(ALERTS_OF_A_RECORD);
        assert!(alerts <= most, "I-6: {alerts} alerts held");
        let letters_max = bounds.of(Limit::DeadLetters);
        assert!(letters <= letters_max.items, "I-6: {letters} dead letters held");
        // The record that reaches a bound in bytes is held as well.
        let all_letters = || deltas().flat_map(|delta| &delta.dead_letters).map(DeadLetter::bytes);
        let (letter_bytes, largest) = (all_letters().sum::<usize>(), all_letters().max());
        assert!(
            letter_bytes < letters_max.bytes + largest.unwrap_or(1),
            "I-6: {letter_bytes} bytes of dead letters held"
        );
        let tapes = self.tapes.iter().map(|(partition, (_, tape))| (*partition, tape.clone()));
        let tapes = tapes.collect();
        let identity = self.identity();
        match &mut self.writer {
            Some(writer) => writer.take(batch, shared),
            none => *none = Some(Writer::new(identity, self.options.is_older, Some(batch))),
        }
        self.writer.as_mut().expect("just made").read_from(tapes);
    }

    fn see_rewind(&self, partition: i32, begins_at: Position, shared: &mut Shared) {
        let is_rewound = self.effects.iter().any(|effect| {
            matches!(effect, Effect::Read { partition: id, from } if *id == partition && *from < begins_at)
        });
        if is_rewound {
            shared.meet("rewound");
        }
        if self.engine.has_waiting() {
            shared.meet("waited to be rewound");
        }
    }

    pub(super) fn load(&mut self, partitions: &[i32], shared: &mut Shared) {
        if matches!(self.blocked, Some(Blocked::Load(..))) {
            return;
        }
        let mut rows = Vec::new();
        if shared.database_answers() {
            let made = shared.database.ensure_partitions(&shared.logs, self.cluster);
            let Some(made) = made else { return self.leave_cluster(shared) };
            for partition in made {
                shared.observe_at(Kind::PartitionAdded, partition);
            }
            rows.extend(partitions.iter().filter_map(|partition| shared.database.load(*partition)));
        }
        if shared.loads_slowly && !rows.is_empty() {
            self.blocked = Some(Blocked::Load(rows, Vec::new()));
            return;
        }
        self.finish_load(rows, shared);
    }

    pub(super) fn finish_load(&mut self, rows: Vec<LoadedRow>, shared: &mut Shared) {
        for LoadedRow { partition, progress, rules, ownership, mut history } in rows {
            let Some(ends) = shared.ask_log_ends(self.cluster, partition) else { continue };
            self.timers.loaded(partition);
            self.tapes.insert(partition, (progress.next.offset(), Tape::new()));
            for kind in [Kind::Killed, Kind::KilledInTransaction, Kind::DatabaseRewound] {
                shared.observe_once(kind, partition);
            }
            for kind in [Kind::Rebalanced, Kind::GapAnswerLost] {
                shared.observe_at(kind, partition);
            }
            if progress
                .fingerprint
                .is_some_and(|fingerprint| fingerprint.offset < ends.low.offset())
            {
                shared.observe_at(Kind::RetainedBehind, partition);
            }
            if self.options.is_older {
                *history = History::default();
            }
            let begins_at = progress
                .fingerprint
                .map_or(progress.next, |fingerprint| Position::at(fingerprint.offset));
            let loaded = Input::Loaded { partition, progress, rules, ownership, history, ends };
            self.apply(loaded, shared);
            self.see_rewind(partition, begins_at, shared);
        }
        self.timers.load_ended(self.elapsed(shared));
    }
}
