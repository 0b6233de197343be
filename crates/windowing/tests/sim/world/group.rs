//! The group's coordinator: who is to read what, and who is taken for dead.

use super::super::faults::Kind;
use super::super::worker::Rebalance;
use super::{World, number};

impl World {
    pub(super) fn rebalance(&mut self, partition: usize, to: usize) {
        let (partition, to) = (self.partition(partition), to % self.workers.len());
        if self.owners[partition] != to && self.is_member(to) {
            self.owners[partition] = to;
            self.shared.inject_at(Kind::Rebalanced, number(partition));
        }
    }

    /// Whether the group takes this worker for alive.
    pub(super) fn is_member(&self, index: usize) -> bool {
        let worker = &self.workers[index];
        let is_taken_for_dead = worker.frozen_at.is_some() && worker.is_expelled();
        !worker.has_stopped && !is_taken_for_dead
    }

    /// The group takes this worker's partitions away without asking it.
    pub(super) fn let_go_of(&mut self, index: usize) {
        for (holder, is_asked) in self.holders.iter_mut().zip(&mut self.is_asked) {
            if *holder == Some(index) {
                (*holder, *is_asked) = (None, false);
            }
        }
    }

    /// What the group's coordinator does about the changes: asks for partitions that are to move,
    /// and assigns those that nobody holds.
    pub(super) fn coordinate(&mut self) {
        for index in 0..self.workers.len() {
            for partition in std::mem::take(&mut self.workers[index].released) {
                let partition = usize::try_from(partition).expect("≥ 0");
                if self.holders[partition] == Some(index) && self.is_asked[partition] {
                    (self.holders[partition], self.is_asked[partition]) = (None, false);
                }
            }
            if self.workers[index].has_stopped {
                self.let_go_of(index);
            }
        }
        let Some(member) = (0..self.workers.len()).find(|index| self.is_member(*index)) else {
            return;
        };
        for partition in 0..self.owners.len() {
            if !self.is_member(self.owners[partition]) {
                self.owners[partition] = member;
            }
            let (owner, ids) = (self.owners[partition], vec![number(partition)]);
            match self.holders[partition] {
                None => {
                    self.holders[partition] = Some(owner);
                    self.workers[owner].mailbox.push_back(Rebalance::Assigned(ids));
                }
                Some(holder) if holder != owner && !self.is_asked[partition] => {
                    self.is_asked[partition] = true;
                    self.workers[holder].mailbox.push_back(Rebalance::Revoked(ids));
                }
                Some(_) => {}
            }
        }
    }
}
