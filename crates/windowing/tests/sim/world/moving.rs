//! The topic is moved to its mirror while workers at home go on: an operator looks for the places, and moves it if nothing has
//! changed since.

use windowing::{LogEnds, Place, Progress};

use super::super::faults::Kind;
use super::super::logs::Cluster;
use super::super::shared::Shared;
use super::super::worker::Worker;
use super::{OURS, World, number};

/// What an operator has found.
pub(super) struct Found {
    places: Vec<(Progress, Place, LogEnds)>,
    source_is_gone: bool,
}

impl World {
    pub(super) fn copy(&mut self, partition: usize, records: usize) {
        let now = self.shared.clock;
        if self.written == Cluster::Home {
            self.shared.logs[partition].copy(records, now);
        }
    }

    /// The streamers of a release that knows of no clusters end; those that are started from now on know of them.
    pub(super) fn upgrade(&mut self, is_quiet: bool) {
        if !std::mem::take(&mut self.knows_no_cluster) {
            return;
        }
        for index in 0..self.workers.len() {
            if !self.workers[index].has_stopped {
                self.workers[index].kill(false, &mut self.shared);
                self.let_go_of(index);
            }
        }
        if let Some(mut rival) = self.rival.take() {
            rival.kill(false, &mut self.shared);
        }
        let Shared { database, logs, .. } = &mut self.shared;
        database.settle(logs);
        database.forget_cluster();
        for (partition, log) in (0..).zip(logs).filter(|_| is_quiet) {
            let next = database.current(partition).map(|row| row.next.offset());
            if let Some(next) = next.filter(|next| *next > log.current().low) {
                log.retain_from(next);
            }
        }
        self.backup = None;
        self.shared.meet("a release that knows of no clusters has ended");
    }

    pub(super) fn find_places(&mut self, source_is_gone: bool) {
        if !self.is_mirrored || self.knows_no_cluster || self.cluster == Cluster::Mirror {
            return;
        }
        let partitions = 0..number(self.owners.len());
        let find = |partition| {
            let (place, ends) = self.shared.find_place(partition, source_is_gone)?;
            Some((self.shared.database.current(partition)?.clone(), place, ends))
        };
        let places: Option<Vec<_>> = partitions.map(find).collect();
        self.shared.meet(if places.is_some() { "places found" } else { "no place found" });
        self.found = places.map(|places| Found { places, source_is_gone });
    }

    pub(super) fn move_topic(&mut self) {
        let Some(Found { places, source_is_gone }) = self.found.take() else { return };
        // Where nobody is left who could copy, a copy that still grows says that somebody is.
        let mut ends = |partition| self.shared.ask_log_ends(Cluster::Mirror, partition);
        let is_still = (0..).zip(&places).all(|(partition, (_, _, then))| {
            ends(partition).is_some_and(|now| (now.stable, now.high) == (then.stable, then.high))
        });
        if source_is_gone && !is_still {
            return self.shared.meet("not moved: the mirror grows");
        }
        let mut low = |partition| self.shared.ask_log_ends(Cluster::Mirror, partition);
        let holds_places = (0..).zip(&places).all(|(partition, (_, place, _))| {
            low(partition).is_some_and(|now| now.low <= place.at)
        });
        if !holds_places {
            return self.shared.meet("not moved: the mirror has lost a place");
        }
        let shared = &mut self.shared;
        match shared.database.move_to(&places, source_is_gone, &shared.logs) {
            None => return,
            Some(false) => return shared.meet("not moved: positions have changed"),
            Some(true) => {}
        }
        let is_behind = places.iter().any(|(_, place, _)| place.is_behind);
        shared.meet(match (source_is_gone, is_behind) {
            (false, _) => "moved",
            (true, false) => "moved, the source gone",
            (true, true) => "moved to a mirror that was behind",
        });
        self.cluster = Cluster::Mirror;
        if source_is_gone {
            self.written = Cluster::Mirror;
        }
        // As with settings.
        self.backup = None;
        self.leave_home();
    }

    /// Streamers are started at the mirror; those at home know nothing of it.
    fn leave_home(&mut self) {
        let clock = self.shared.clock;
        // Who was at the wrong cluster is at the right one now, but in no group with the others.
        for stray in &mut self.strays {
            stray.kill(false, &mut self.shared);
        }
        self.strays.clear();
        let new = |(index, options)| Worker::new(index, (OURS, Cluster::Mirror), options, clock);
        let new = self.options.iter().copied().enumerate().map(new).collect();
        let old = std::mem::replace(&mut self.workers, new);
        self.strays.extend(old.into_iter().chain(self.rival.take()));
        self.strays.retain(|stray| !stray.has_stopped);
        for (holder, is_asked) in self.holders.iter_mut().zip(&mut self.is_asked) {
            (*holder, *is_asked) = (None, false);
        }
        for _ in &self.strays {
            self.shared.faults.inject(Kind::Strayed);
        }
    }
}
