//! What all workers share: the logs, the database, the clock, and what was done to them.

use std::collections::{BTreeMap, BTreeSet};

use event_model::EventTime;
use windowing::{Examination, Fingerprint, FoundAt, LogEnds, Place, PlaceSearch, Position, Sought};

use super::database::{Database, Transaction};
use super::faults::{Faults, Kind};
use super::logs::{Cluster, Log, Message, NOW_MICROS};

/// How often things happened that are no faults.
pub(crate) type Met = BTreeMap<&'static str, u64>;

pub(crate) struct Shared {
    pub(crate) logs: Vec<Log>,
    pub(crate) database: Database,
    /// The time of day of brokers and workers; records are judged by another clock, which stands.
    pub(crate) clock: EventTime,
    pub(crate) database_away_until: EventTime,
    pub(crate) brokers_away_until: EventTime,
    /// Until then no schema can be learned.
    pub(crate) registry_away_until: EventTime,
    pub(crate) stranger: Option<Stranger>,
    /// The answer of the next accepted gap's COMMIT gets lost.
    pub(crate) loses_gap_answer: bool,
    /// A load takes until the worker's next turn.
    pub(crate) loads_slowly: bool,
    pub(crate) faults: Faults,
    pub(crate) met: Met,
    /// Faults of which no effect was seen yet, by partition.
    pending: BTreeSet<(usize, i32)>,
    /// What happened, one line each; `None`: nobody reads it.
    pub(crate) trace: Option<Vec<String>>,
}

/// As an operator looks for the last records before a position.
const SOUGHT_SHOWN: usize = 5;
/// How often a stranger comes again for the turn.
const STRANGER_RETURNS: u32 = 3;

/// Somebody else who holds the turn, or waits for it.
pub(crate) struct Stranger {
    transaction: Transaction,
    pub(crate) until: EventTime,
    /// For how long each time.
    micros: i64,
    pub(crate) returns: u32,
}

impl Shared {
    pub(crate) fn new(logs: Vec<Log>, is_traced: bool) -> Self {
        let start = EventTime::from_micros(NOW_MICROS);
        Shared {
            logs,
            database: Database::default(),
            clock: start,
            database_away_until: start,
            brokers_away_until: start,
            registry_away_until: start,
            stranger: None,
            loses_gap_answer: false,
            loads_slowly: false,
            faults: Faults::default(),
            met: Met::new(),
            pending: BTreeSet::new(),
            trace: is_traced.then(Vec::new),
        }
    }

    pub(crate) fn log(&self, cluster: Cluster, partition: i32) -> &Log {
        self.logs[usize::try_from(partition).expect("≥ 0")].of(cluster)
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    pub(crate) fn meet(&mut self, name: &'static str) {
        *self.met.entry(name).or_default() += 1;
    }

    /// A fault whose effect shows at this partition.
    pub(crate) fn inject_at(&mut self, kind: Kind, partition: i32) {
        self.faults.inject(kind);
        self.expect_at(kind, partition);
    }

    /// Its effect may also show at this partition.
    pub(crate) fn expect_at(&mut self, kind: Kind, partition: i32) {
        self.pending.insert((kind as usize, partition));
    }

    /// If such a fault was injected at this partition, its effect was seen now.
    pub(crate) fn observe_at(&mut self, kind: Kind, partition: i32) {
        if self.pending.remove(&(kind as usize, partition)) {
            self.faults.observe(kind);
        }
    }

    /// The same for a fault that was injected once, and may show at several partitions.
    pub(crate) fn observe_once(&mut self, kind: Kind, partition: i32) {
        if self.pending.contains(&(kind as usize, partition)) {
            self.pending.retain(|(pending, _)| *pending != kind as usize);
            self.faults.observe(kind);
        }
    }

    /// A stranger wants the turn for so long, and again when it has had it; one at a time. Who waited for it once asks for
    /// its turn first the next time, and waits then with a batch that is not cut.
    pub(crate) fn hold_turn(&mut self, micros: i64) {
        if self.stranger.is_none() {
            self.let_stranger_in(micros, STRANGER_RETURNS);
        }
    }

    fn let_stranger_in(&mut self, micros: i64, returns: u32) {
        let transaction = self.database.begin();
        self.database.ask_turn(transaction);
        let until = self.clock.plus_micros(micros);
        self.stranger = Some(Stranger { transaction, until, micros, returns });
        self.inject_at(Kind::TurnHeld, 0);
    }

    /// What ends by itself as time passes.
    pub(crate) fn let_strangers_go(&mut self) {
        let Some(gone) = self.stranger.take_if(|stranger| self.clock >= stranger.until) else {
            return;
        };
        self.database.rollback(gone.transaction);
        if let Some(returns) = gone.returns.checked_sub(1) {
            self.let_stranger_in(gone.micros, returns);
        }
    }

    /// Whether the database answers. A caller whom it does not answer has noticed.
    pub(crate) fn database_answers(&mut self) -> bool {
        let answers = self.clock >= self.database_away_until;
        if !answers {
            self.observe_at(Kind::DatabaseAway, 0);
        }
        answers
    }

    /// The ends of a log, when a broker answers.
    pub(crate) fn ask_log_ends(&mut self, cluster: Cluster, partition: i32) -> Option<LogEnds> {
        if self.clock < self.brokers_away_until {
            self.observe_at(Kind::BrokerAway, 0);
            return None;
        }
        let version = self.log(cluster, partition).current();
        Some(LogEnds {
            low: Position::at(version.low),
            stable: Position::at(version.stable()),
            high: Position::at(version.high()),
            asked_at: self.clock,
        })
    }

    /// Where a partition goes on in the mirror, by the code under test.
    pub(crate) fn find_place(
        &mut self,
        partition: i32,
        source_is_gone: bool,
    ) -> Option<(Place, LogEnds)> {
        let row = self.database.current(partition)?.clone();
        let is_untouched =
            row.generation == 0 && row.first == Position::at(0) && row.next == row.first;
        let ends = self.ask_log_ends(Cluster::Mirror, partition)?;
        let (home, mirror) =
            (self.log(Cluster::Home, partition), self.log(Cluster::Mirror, partition));
        let (home, mirror) = (home.current(), mirror.current());
        let all = |message: &std::rc::Rc<Message>| fingerprint_of(message);
        let sought = if source_is_gone {
            Sought::without_log(row.fingerprint, is_untouched)
        } else {
            // A short row of them is found as well, or twice.
            let mut records: Vec<_> =
                home.shown(0, row.next.offset()).rev().take(SOUGHT_SHOWN).map(all).collect();
            records.reverse();
            Sought::in_log(row.fingerprint, is_untouched, records, Position::at(home.low))?
        };
        let mut search = PlaceSearch::new(sought);
        mirror.shown(0, i64::MAX).map(all).for_each(|record| search.show(record));
        let origin = mirror.shown(0, i64::MAX).next().map(all);
        let place = search.finish(&ends, origin).ok()?;
        (source_is_gone || !place.is_behind).then_some((place, ends))
    }

    /// What stands where the first record was.
    pub(crate) fn examine(
        &mut self,
        cluster: Cluster,
        partition: i32,
        origin: Option<Fingerprint>,
    ) -> Option<Examination> {
        let ends = self.ask_log_ends(cluster, partition)?;
        let version = self.log(cluster, partition).current();
        let origin = match origin {
            None => FoundAt::Removed,
            Some(origin) if origin.offset < version.low => FoundAt::Removed,
            Some(origin) => match version.record(origin.offset) {
                None => FoundAt::Absent,
                Some(found) if fingerprint_of(found) == origin => FoundAt::Same,
                Some(_) => FoundAt::Different,
            },
        };
        Some(Examination { origin, is_compacted: self.log(cluster, partition).is_compacted, ends })
    }
}

/// What the code under test remembers of this record.
pub(crate) fn fingerprint_of(message: &Message) -> Fingerprint {
    windowing::fingerprint_of(&message.as_record(&|| Vec::new()))
}
