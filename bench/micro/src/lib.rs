//! What is measured: the same thousand events, and a worker's state that counts them.

mod layouts;
mod rules;

pub use layouts::{LAYOUTS, Layout};

use event_model::{Direction, Event, EventTime, EventType};
use windowing::{
    Bounds, Effect, Engine, Input, LogEnds, Ownership, Position, Progress, Record, RecordTime,
    Rules,
};

pub use rules::RuleRun;

/// How many different events there are.
pub const EVENTS: usize = 1_000;

const RULES: Rules = Rules {
    watermark_delay_micros: 120_000_000,
    max_future_skew_micros: 300_000_000,
    business_timezone: chrono_tz::Asia::Almaty,
};
/// 2025-11-09 12:01:40 UTC: after the last event.
const WRITTEN_AT: EventTime = EventTime::from_micros(1_762_689_700_000_000);

/// The event of this number: types and regions alternate, twenty events a second.
pub fn event(number: usize) -> Event {
    const REGIONS: [&str; 4] = ["Almaty", "Astana", "Shymkent", "Aktobe"];
    const TYPES: [EventType; 4] =
        [EventType::DataSession, EventType::Call, EventType::Sms, EventType::BalanceRecharge];
    let index = u32::try_from(number).unwrap_or(0);
    let kind = number % 4;
    Event {
        event_id: format!("3f1c6d0e-8a52-4f0b-9d55-{number:012}"),
        msisdn: "7701234****".to_owned(),
        event_type: TYPES[kind],
        event_subtype: (kind == 1).then_some(Direction::Incoming),
        duration_seconds: (kind < 2).then_some(index * 7 % 3_600),
        data_hundredths_mb: (kind == 0).then_some(index * 31 % 100_000),
        amount: (kind == 3).then_some(500 + index % 9_000),
        region: REGIONS[number / 4 % 4].to_owned(),
        cell_tower_id: Some(index % 10_000),
        timestamp: chrono::DateTime::from_timestamp(
            1_762_689_600 + i64::from(index) / 20,
            123_456_000,
        )
        .unwrap_or_default(),
        subscriber_id: format!("{:016x}", number * 7_919),
        counterparty_id: (kind == 1).then(|| format!("{:016x}", number * 104_729)),
    }
}

/// The events as the producer writes them.
pub fn payloads() -> Vec<Vec<u8>> {
    let encoded = |number| {
        let mut payload = Vec::new();
        event(number).encode(&mut payload);
        payload
    };
    (0..EVENTS).map(encoded).collect()
}

/// A worker that reads one partition.
pub struct Counter {
    engine: Engine,
    effects: Vec<Effect>,
    offset: i64,
}

impl Default for Counter {
    fn default() -> Self {
        let start = Position::at(0);
        let loaded = Input::Loaded {
            partition: 0,
            progress: Box::new(Progress::starting_at(start)),
            rules: RULES,
            ownership: Ownership::default(),
            history: Box::default(),
            ends: LogEnds { low: start, stable: start, high: start, asked_at: WRITTEN_AT },
        };
        let mut counter =
            Counter { engine: Engine::new(Bounds::default()), effects: Vec::new(), offset: 0 };
        counter.engine.apply(Input::Assigned(&[0]), &mut counter.effects);
        counter.engine.apply(loaded, &mut counter.effects);
        counter.effects.clear();
        counter
    }
}

impl Counter {
    /// Decodes one record and adds it to its group.
    ///
    /// # Panics
    ///
    /// When something else comes of it: that would not be what is to be measured.
    pub fn count(&mut self, payload: &[u8]) {
        let record = Record {
            offset: self.offset,
            time: RecordTime::LogAppend(WRITTEN_AT),
            key: Some(b"00c0ffee00c0ffee"),
            payload: Some(payload),
            content: windowing::Content::Payload,
            headers: &Vec::new,
        };
        let input = Input::Record { partition: 0, record, now: WRITTEN_AT };
        self.engine.apply(input, &mut self.effects);
        assert!(self.effects.is_empty(), "{:?}", self.effects);
        self.offset += 1;
    }

    /// How many records were counted.
    pub fn counted(&self) -> i64 {
        self.engine.positions().map(|(_, next)| next.offset()).sum()
    }
}
