//! The end of every schedule: all faults end, and every record must be stored within a bounded time.
//! An operator accepts what is lost, and starts anew what says that it needs that.

use super::super::logs::Log;
use super::super::steps::start_from;
use super::super::worker::{AWAITED, Worker};
use super::{World, number};

/// How long one round of all workers takes.
const ROUND_MICROS: i64 = 250_000;

impl World {
    /// All faults end; everything must be stored within a bounded time. Returns after how many rounds.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn drain(&mut self) -> u64 {
        self.shared.note(|| "all faults end".to_owned());
        self.end_faults();
        let entries: i64 =
            self.shared.logs.iter().map(|log| log.of(self.cluster).current().len()).sum();
        // At least one record is stored in two rounds, after some for timers: the longest are that a
        // silent reader is read anew after 10 s, and that loads are tried again after 5 s.
        let rounds_max = self.rounds_until_abort + 400 + 2 * u64::try_from(entries).expect("≥ 0");
        let mut anew = vec![false; self.workers.len()];
        let mut last_fault = 0;
        for round in 0..rounds_max {
            (0..self.owners.len()).for_each(|partition| self.copy(partition, usize::MAX));
            if round == self.rounds_until_abort {
                // As the broker does with what its producer never ends.
                (0..self.owners.len()).for_each(|partition| self.end_transaction(partition, false));
                last_fault = round;
            }
            if self.is_drained() {
                self.shared.database.check(&self.shared.logs);
                self.shared.database.check_generations(&self.shared.logs, self.cluster);
                return round - last_fault;
            }
            self.pass(ROUND_MICROS);
            for index in 0..self.workers.len() {
                if self.workers[index].has_stopped {
                    self.start(index);
                }
                let (worker, shared) = self.worker(index);
                worker.turn(usize::MAX, shared);
                while worker.write(&mut None, shared) {}
            }
            self.coordinate();
            if round % 8 == 0 {
                self.operate(&mut anew);
            }
        }
        panic!(
            "not everything is stored {rounds_max} rounds after the last fault:\n{}",
            self.standing()
        );
    }

    fn end_faults(&mut self) {
        if self.rival.is_some() {
            self.toggle_rival();
        }
        for mut stray in std::mem::take(&mut self.strays) {
            if !stray.has_stopped {
                stray.kill(false, &mut self.shared);
            }
        }
        let shared = &mut self.shared;
        shared.database.settle(&shared.logs);
        if let Some(stranger) = &mut shared.stranger {
            (stranger.until, stranger.returns) = (shared.clock, 0);
        }
        shared.database_away_until = shared.clock;
        shared.brokers_away_until = shared.clock;
        shared.registry_away_until = shared.clock;
        shared.loses_gap_answer = false;
        for worker in &mut self.workers {
            worker.thaw(shared);
        }
    }

    /// What an operator does: accepts losses, and starts the streamer again where a reason to halt
    /// says so, or can't go away by itself. Once: it must not be needed again.
    fn operate(&mut self, anew: &mut [bool]) {
        for partition in 0..self.owners.len() {
            let row = self.shared.database.current(number(partition));
            let Some(reason) = row.and_then(|row| row.halted_reason.clone()) else { continue };
            // It goes on by itself.
            if reason == AWAITED {
                continue;
            }
            if reason.contains("--not-a-copy") && !self.is_vouched_for {
                self.shared.meet("an operator vouched for the log");
                self.is_vouched_for = true;
                anew.fill(false);
            } else if reason.contains("`streamer accept-gap") {
                self.shared.database.accept_gap(number(partition), start_from(0));
                continue;
            }
            let owner = self.owners[partition];
            if !std::mem::replace(&mut anew[owner], true) {
                self.shared.note(|| format!("worker {owner} is started again: {reason}"));
                self.workers[owner].kill(false, &mut self.shared);
                self.let_go_of(owner);
                self.start(owner);
                self.coordinate();
            }
        }
    }

    fn is_drained(&self) -> bool {
        let is_stored = (0..).zip(&self.shared.logs).all(|(partition, log)| {
            self.shared.database.current(partition).is_some_and(|row| {
                row.next.offset() == log.of(self.cluster).current().high()
                    && row.halted_reason.is_none()
            })
        });
        is_stored && self.workers.iter().all(Worker::is_at_rest)
    }

    fn standing(&self) -> String {
        let line = |(partition, log): (i32, &Log)| {
            let log = log.of(self.cluster).current();
            let (low, high) = (log.low, log.high());
            let row = self.shared.database.current(partition);
            let at = row.map(|row| (row.generation, row.next.offset(), row.halted_reason.clone()));
            format!("partition {partition}: log {low}–{high}, row {at:?}\n")
        };
        let rests = self.workers.iter().map(Worker::is_at_rest).collect::<Vec<_>>();
        let lines: String = (0..).zip(&self.shared.logs).map(line).collect();
        format!("{lines}workers at rest: {rests:?}")
    }
}
