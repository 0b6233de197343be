//! The simulated topic: each partition's log in all its versions. Records come out of order, late,
//! too far ahead or unusable; control records take an offset without being shown to anyone. So do the
//! records of a transaction that was aborted, and of one that is open nobody is shown any yet, nor
//! what follows them.
//!
//! A truncation, a recreation or a compaction makes a new version; the former ones are kept, because
//! what was read from them may still be stored. A record is drawn from its partition, version and
//! offset alone, so that leaving a step out of a schedule leaves the other records as they are.

use std::rc::Rc;

use event_model::EventTime;
use windowing::{Header, Record, RecordTime};

use super::dice::Dice;

/// 2025-11-09T18:50:00Z: where the logs' record times begin, ten minutes before midnight in Almaty.
pub(crate) const BASE_MICROS: i64 = 1_762_714_200_000_000;
/// The clock by which records are judged, which stands still: on a topic with CreateTime the future
/// guard depends on it.
pub(crate) const NOW_MICROS: i64 = BASE_MICROS + 600 * SECOND;
/// How far an event may be ahead.
pub(crate) const SKEW_MICROS: i64 = 300 * SECOND;

const SECOND: i64 = 1_000_000;
/// No two versions of a log have record times in common, as no two lives of a topic have.
const VERSION_MICROS: i64 = 7_000;
/// Few, so that one is met again in other partitions and after flushes.
const SUBSCRIBERS: [Option<&str>; 5] =
    [None, Some("00c0ffee00c0ffee"), Some("0123456789abcdef"), Some(""), Some("7701234****")];
const EVENT_TYPES: [&str; 2] = ["call", "sms"];
/// Few names, so that one comes twice within a window; what has escapes in JSON is one as well.
const EVENT_IDS: [Option<&str>; 5] = [None, None, Some("1"), Some("2"), Some("\n")];
const SUBTYPES: [Option<&str>; 3] = [None, Some("incoming"), Some("outgoing")];
const COUNTERPARTIES: [Option<&str>; 3] = [None, Some("00c0ffee00c0ffee"), Some("bank")];
const REGIONS: [&str; 3] = ["Almaty", "Astana", "Шымкент"];

/// Payloads that are no event, with the reason.
pub(crate) const UNUSABLE: [(Option<&str>, &str); 4] = [
    (None, "null_payload"),
    (Some("{"), "not_json"),
    (Some(r#"{"event_type": "call", "region": "ALL"}"#), "reserved_name"),
    (Some(r#"{"event_type": "call", "region": "Almaty"}"#), "missing"),
];

/// No copy stands where its original does: the mirror's offsets lie above those of any log at home, or all of home's begin
/// above those of the longest mirror. (If one did, going on from there would even be right.)
pub(crate) const MARKS_BELOW_COPIES: usize = 70;
pub(crate) const FIRST_ABOVE_COPIES: i64 = 300;

/// A Kafka cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    Home,
    /// Has copies of what home has.
    Mirror,
}

impl Cluster {
    pub(crate) fn id(self) -> &'static str {
        match self {
            Cluster::Home => "home",
            Cluster::Mirror => "mirror",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Cluster::Home => Cluster::Mirror,
            Cluster::Mirror => Cluster::Home,
        }
    }
}

/// What takes one offset.
#[derive(Clone)]
pub(crate) enum Entry {
    Record(Rc<Message>),
    /// Never held a record for us.
    Control,
    /// Compaction has removed the record.
    Compacted,
    /// Belonged to a transaction that was aborted.
    Aborted,
}

/// One record, and what it was made from.
#[derive(Clone)]
pub(crate) struct Message {
    /// Which version of the log it was written to; with the offset that it had there, its name.
    pub(crate) written_in: usize,
    pub(crate) written_at: i64,
    pub(crate) offset: i64,
    pub(crate) time: RecordTime,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
    pub(crate) content: Content,
    /// The event's time, where it is one.
    pub(crate) event_micros: i64,
}

#[derive(Clone)]
pub(crate) enum Content {
    /// An index of [`UNUSABLE`].
    Unusable(usize),
    Event(EventPlan),
}

fn schema_of(offset: i64) -> Option<i64> {
    Some(offset % SCHEMAS).filter(|schema| *schema > 0)
}

/// Text as bytes that nobody takes for JSON, and such bytes as text.
pub(crate) fn in_other_format(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x80).collect()
}

/// So many schemas there are; the records of the first stand in no format that needs one.
const SCHEMAS: i64 = 4;

impl Message {
    /// The schema that has to be known to read it; `None`: it needs none.
    pub(crate) fn schema(&self) -> Option<i64> {
        schema_of(self.written_at)
    }

    pub(crate) fn as_record<'a>(&'a self, headers: &'a dyn Fn() -> Vec<Header>) -> Record<'a> {
        Record {
            offset: self.offset,
            time: self.time,
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            content: windowing::Content::Payload,
            headers,
        }
    }
}

#[derive(Clone)]
pub(crate) struct EventPlan {
    pub(crate) event_type: &'static str,
    pub(crate) region: &'static str,
    pub(crate) seconds: i64,
    pub(crate) mb_hundredths: i64,
    pub(crate) tenge: i64,
    pub(crate) subscriber_id: Option<&'static str>,
    pub(crate) msisdn: Option<&'static str>,
    pub(crate) event_id: Option<&'static str>,
    pub(crate) event_subtype: Option<&'static str>,
    pub(crate) counterparty_id: Option<&'static str>,
    pub(crate) tower: Option<u32>,
}

/// One version of a partition's log.
pub(crate) struct Version {
    /// The oldest offset that it ever had.
    base: i64,
    /// The oldest offset that is kept.
    pub(crate) low: i64,
    entries: Vec<Entry>,
    /// When each of them was written, by the clock of brokers and workers.
    written_at: Vec<EventTime>,
    /// The offsets of the transaction that is open; empty: none is.
    open: Vec<i64>,
    /// Up to here it is the same as the version before it.
    shared_until: i64,
    /// The record time of the last entry.
    record_micros: i64,
}

impl Version {
    /// The offset after the last entry.
    pub(crate) fn high(&self) -> i64 {
        self.base + i64::try_from(self.entries.len()).expect("logs are short")
    }

    /// How many entries it ever had.
    pub(crate) fn len(&self) -> i64 {
        self.high() - self.base
    }

    /// Up to here readers are shown records: the last stable offset.
    pub(crate) fn stable(&self) -> i64 {
        self.open.first().map_or(self.high(), |first| self.low.max(*first))
    }

    /// The first offset from here on that was written before `at`.
    pub(crate) fn written_before(&self, at: EventTime, from: i64) -> Option<i64> {
        let written = (self.base..).zip(&self.written_at);
        written.filter(|(offset, _)| *offset >= from).find(|(_, then)| **then < at).map(|w| w.0)
    }

    /// What is or was at this offset.
    pub(crate) fn entry(&self, offset: i64) -> Option<&Entry> {
        self.entries.get(usize::try_from(offset - self.base).ok()?)
    }

    pub(crate) fn record(&self, offset: i64) -> Option<&Rc<Message>> {
        match self.entry(offset)? {
            Entry::Record(message) => Some(message),
            Entry::Control | Entry::Compacted | Entry::Aborted => None,
        }
    }

    /// The records that readers are shown between these offsets.
    pub(crate) fn shown(
        &self,
        from: i64,
        to: i64,
    ) -> impl DoubleEndedIterator<Item = &Rc<Message>> {
        (from.max(self.low)..to.min(self.stable())).filter_map(|offset| self.record(offset))
    }

    /// All records that it ever had.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Rc<Message>> {
        (self.base..self.high()).filter_map(|offset| self.record(offset))
    }

    fn push(&mut self, entry: Entry, now: EventTime) {
        self.entries.push(entry);
        self.written_at.push(now);
    }
}

/// One partition's log, in all its versions.
pub(crate) struct Log {
    pub(crate) seed: u64,
    partition: u64,
    /// Whether single records may disappear.
    pub(crate) is_compacted: bool,
    pub(crate) versions: Vec<Version>,
    /// The log of that partition on the other cluster.
    mirror: Option<Box<Log>>,
    /// What stands before it has been copied there.
    copied_to: i64,
}

impl Log {
    pub(crate) fn empty(seed: u64, partition: usize, first: i64, is_compacted: bool) -> Self {
        let version = Version {
            base: first,
            low: first,
            entries: Vec::new(),
            written_at: Vec::new(),
            open: Vec::new(),
            shared_until: i64::MIN,
            record_micros: BASE_MICROS,
        };
        Log {
            seed,
            partition: partition as u64,
            is_compacted,
            versions: vec![version],
            mirror: None,
            copied_to: first,
        }
    }

    /// The same, with a mirror that has none of its records yet.
    pub(crate) fn mirrored(self, marks_before_copies: usize, now: EventTime) -> Self {
        let (partition, copied_to) = (self.partition, self.current().low);
        let partition = usize::try_from(partition).expect("there are few");
        let mut mirror = Log::empty(self.seed, partition, 0, false);
        let version = mirror.versions.last_mut().expect("there is always one");
        (0..marks_before_copies).for_each(|_| version.push(Entry::Control, now));
        Log { mirror: Some(Box::new(mirror)), copied_to, ..self }
    }

    /// The log on this cluster.
    pub(crate) fn of(&self, cluster: Cluster) -> &Log {
        match cluster {
            Cluster::Home => self,
            Cluster::Mirror => self.mirror.as_ref().expect("only who has a mirror is read there"),
        }
    }

    /// The same, to be changed.
    pub(crate) fn of_mut(&mut self, cluster: Cluster) -> &mut Log {
        match cluster {
            Cluster::Home => self,
            Cluster::Mirror => self.mirror.as_mut().expect("only who has a mirror is read there"),
        }
    }

    /// Copies at most so many records that readers are shown to the mirror, in a transaction. Returns how many.
    pub(crate) fn copy(&mut self, count: usize, now: EventTime) -> usize {
        let Some(mut mirror) = self.mirror.take() else { return 0 };
        let copies = mirror.versions.last_mut().expect("there is always one");
        let mut copied = 0;
        while self.copied_to < self.current().stable() && copied < count {
            if let Some(message) = self.current().record(self.copied_to) {
                let time = match message.time {
                    RecordTime::LogAppend(at) | RecordTime::Create(at) => RecordTime::Create(at),
                    RecordTime::Unknown => RecordTime::Unknown,
                };
                let copy = Message { offset: copies.high(), time, ..Message::clone(message) };
                copies.push(Entry::Record(Rc::new(copy)), now);
                copied += 1;
            }
            self.copied_to += 1;
        }
        if copied > 0 {
            copies.push(Entry::Control, now);
        }
        self.mirror = Some(mirror);
        copied
    }

    pub(crate) fn current(&self) -> &Version {
        self.versions.last().expect("there is always one")
    }

    /// The number of the current version.
    pub(crate) fn number(&self) -> usize {
        self.versions.len() - 1
    }

    /// Up to which offset the current version is what `version` was.
    pub(crate) fn shared_since(&self, version: usize) -> i64 {
        let later = self.versions[version + 1..].iter().map(|version| version.shared_until);
        later.min().unwrap_or(i64::MAX)
    }

    /// Writes more entries; `in_transaction`: as part of the one that is open, or of a new one. Returns
    /// how many of them are control records.
    pub(crate) fn append(&mut self, count: usize, in_transaction: bool, now: EventTime) -> u64 {
        let (seed, partition, number) = (self.seed, self.partition, self.number());
        let version = self.versions.last_mut().expect("there is always one");
        let mut controls = 0;
        for _ in 0..count {
            let offset = version.high();
            let stream = partition << 40 | (number as u64) << 24 | offset.unsigned_abs();
            let mut dice = Dice::seeded(seed, stream + 1);
            // The logs cross several minutes, and most of them a quarter of an hour.
            version.record_micros += dice.within(0, 90) * SECOND;
            let entry = draw(&mut dice, number, offset, version.record_micros);
            controls += u64::from(matches!(entry, Entry::Control));
            version.push(entry, now);
            if in_transaction {
                version.open.push(offset);
            }
        }
        controls
    }

    /// The transaction that is open ends, with a control record. Returns whether there was one.
    pub(crate) fn end_transaction(&mut self, commits: bool, now: EventTime) -> bool {
        let version = self.versions.last_mut().expect("there is always one");
        let open = std::mem::take(&mut version.open);
        if open.is_empty() {
            return false;
        }
        for offset in open {
            let index = usize::try_from(offset - version.base).expect("it is in the log");
            if !commits {
                version.entries[index] = Entry::Aborted;
            }
        }
        version.push(Entry::Control, now);
        true
    }

    /// The end is cut off.
    pub(crate) fn truncate(&mut self, cut: i64) {
        let kept = usize::try_from(cut - self.current().base).expect("the cut is in the log");
        let entries = self.current().entries[..kept].to_vec();
        self.add_version(self.current().base, self.current().low, entries, cut);
    }

    /// The topic is deleted and made again.
    pub(crate) fn recreate(&mut self) {
        self.add_version(0, 0, Vec::new(), i64::MIN);
    }

    /// Some records that readers may see disappear, never the last one. Returns how many.
    pub(crate) fn compact(&mut self, mut dice: Dice) -> usize {
        let mut entries = self.current().entries.clone();
        let mut removed = 0;
        let stable = usize::try_from(self.current().stable() - self.current().base);
        let last = stable.expect("it is in the log").min(entries.len().saturating_sub(1));
        for entry in &mut entries[..last] {
            if matches!(entry, Entry::Record(_)) && dice.one_in(4) {
                *entry = Entry::Compacted;
                removed += 1;
            }
        }
        if removed > 0 {
            self.add_version(self.current().base, self.current().low, entries, i64::MAX);
        }
        removed
    }

    /// Everything before `low` is deleted.
    pub(crate) fn retain_from(&mut self, low: i64) {
        self.versions.last_mut().expect("there is always one").low = low;
    }

    fn add_version(&mut self, base: i64, low: i64, entries: Vec<Entry>, shared_until: i64) {
        let current = self.current();
        let record_micros = current.record_micros + VERSION_MICROS;
        let written_at = current.written_at[..entries.len()].to_vec();
        let kept = base + i64::try_from(entries.len()).expect("logs are short");
        let open = current.open.iter().copied().filter(|offset| *offset < kept).collect();
        self.versions.push(Version {
            base,
            low,
            entries,
            written_at,
            open,
            shared_until,
            record_micros,
        });
    }
}

fn draw(dice: &mut Dice, written_in: usize, offset: i64, record_micros: i64) -> Entry {
    let written_at = EventTime::from_micros(record_micros);
    let (time, event_micros, payload, content) = match dice.weighted(&[8, 1, 1]) {
        0 => {
            let event_micros = record_micros + draw_ahead(dice);
            let time = match dice.weighted(&[4, 1, 1]) {
                0 => RecordTime::LogAppend(written_at),
                1 => RecordTime::Create(written_at),
                _ => RecordTime::Unknown,
            };
            let event = draw_event(dice);
            (time, event_micros, Some(json(&event, event_micros)), Content::Event(event))
        }
        1 => {
            let index = dice.index(UNUSABLE.len());
            let payload = UNUSABLE[index].0.map(str::to_owned);
            (RecordTime::LogAppend(written_at), 0, payload, Content::Unusable(index))
        }
        _ => return Entry::Control,
    };
    let header = ("offset".to_owned(), Some(offset.to_string().into_bytes()));
    Entry::Record(Rc::new(Message {
        written_in,
        written_at: offset,
        offset,
        time,
        key: (offset % 2 == 0).then(|| offset.to_be_bytes().to_vec()),
        payload: payload.map(|payload| match schema_of(offset) {
            Some(_) => in_other_format(payload.as_bytes()),
            None => payload.into_bytes(),
        }),
        headers: vec![header, ("none".to_owned(), None)],
        content,
        event_micros,
    }))
}

/// Event time − record time.
fn draw_ahead(dice: &mut Dice) -> i64 {
    match dice.weighted(&[6, 3, 1, 1, 1]) {
        0 => dice.within(-90, 0) * SECOND,
        1 => dice.within(-900, -60) * SECOND,
        2 => dice.within(0, 300) * SECOND,
        3 => SKEW_MICROS + dice.within(0, 1),
        _ => dice.within(301, 3_000) * SECOND,
    }
}

fn draw_event(dice: &mut Dice) -> EventPlan {
    EventPlan {
        event_type: dice.pick(&EVENT_TYPES),
        region: dice.pick(&REGIONS),
        seconds: dice.within(0, 7_199),
        mb_hundredths: dice.within(0, 49_999),
        tenge: dice.within(0, 9_999),
        subscriber_id: dice.pick(&SUBSCRIBERS),
        msisdn: dice.pick(&SUBSCRIBERS),
        event_id: dice.pick(&EVENT_IDS),
        event_subtype: dice.pick(&SUBTYPES),
        counterparty_id: dice.pick(&COUNTERPARTIES),
        tower: dice.pick(&[None, Some(0), Some(1)]),
    }
}

fn json(event: &EventPlan, event_micros: i64) -> String {
    let EventPlan { event_type, region, seconds, mb_hundredths, tenge, .. } = event;
    let text_or_null = |text: Option<&str>| text.map_or("null".into(), |text| format!("{text:?}"));
    let (subscriber_id, msisdn) = (text_or_null(event.subscriber_id), text_or_null(event.msisdn));
    let [event_id, event_subtype, counterparty_id] =
        [event.event_id, event.event_subtype, event.counterparty_id].map(text_or_null);
    let tower = event.tower.map_or("null".into(), |tower| tower.to_string());
    let (whole, hundredths) = (mb_hundredths / 100, mb_hundredths % 100);
    let timestamp = EventTime::from_micros(event_micros);
    format!(
        r#"{{"event_type": "{event_type}", "region": "{region}", "timestamp": "{timestamp}",
            "duration_seconds": {seconds}, "data_mb": {whole}.{hundredths:02}, "amount": {tenge},
            "subscriber_id": {subscriber_id}, "msisdn": {msisdn}, "event_id": {event_id},
            "event_subtype": {event_subtype}, "counterparty_id": {counterparty_id},
            "cell_tower_id": {tower}}}"#
    )
}
