//! What one record costs from its bytes to the delta: decoding, judging, adding up, counting
//! subscribers. No Kafka, no PostgreSQL.
//!
//! In: events of a day's mixture, made from a fixed seed. Out: nanoseconds a record, the best of
//! several rounds, since everything else on the machine can only add to it.
//! `cargo run --release -p windowing --example records`.
#![expect(clippy::print_stdout, reason = "the figure is what it is for")]

use std::time::Instant;

use event_model::EventTime;
use windowing::{
    Bounds, Effect, Engine, FlushAction, FlushAnswer, FlushBatch, FlushProtocol, Input, LockedRow,
    LogEnds, Position, Progress, Record, RecordTime, Rules, Standing,
};

const RECORDS: i64 = 300_000;
const ROUNDS: usize = 15;
const PARTITIONS: i32 = 3;
/// A flush interval's worth at full speed.
const FLUSH_EVERY: i64 = 100_000;
const MINUTES: i64 = 20;
const NOON_MICROS: i64 = 1_762_689_600_000_000;
const RULES: Rules = Rules {
    watermark_delay_micros: 120_000_000,
    max_future_skew_micros: 300_000_000,
    business_timezone: chrono_tz::Asia::Almaty,
};
const EVENT_TYPES: [&str; 4] = ["data_session", "call", "sms", "balance_recharge"];
const REGIONS: [&str; 10] = [
    "Almaty",
    "Astana",
    "Shymkent",
    "Karaganda",
    "Aktobe",
    "Taraz",
    "Pavlodar",
    "Semey",
    "Atyrau",
    "Kostanay",
];

fn main() {
    // The more subscribers, the less often a sketch has met the next one.
    for subscribers in [1_000, 100_000, 10_000_000] {
        let payloads = payloads(subscribers);
        let best = (0..ROUNDS).map(|_| round(&payloads)).fold(f64::INFINITY, f64::min);
        println!("{subscribers:>10} subscribers: {best:6.1} ns a record");
    }
}

/// Nanoseconds a record.
fn round(payloads: &[String]) -> f64 {
    let mut engine = Engine::new(Bounds { groups: usize::MAX, ..Bounds::default() });
    let mut effects = Vec::new();
    engine.apply(Input::Assigned(&[0, 1, 2]), &mut effects);
    let ends = LogEnds {
        low: Position::at(0),
        high: Position::at(i64::MAX),
        asked_at: EventTime::from_micros(0),
    };
    for partition in 0..PARTITIONS {
        let progress = Box::new(Progress::starting_at(Position::at(0)));
        let standing = Standing::default();
        let loaded = Input::Loaded { partition, progress, rules: RULES, standing, ends };
        engine.apply(loaded, &mut effects);
    }
    effects.clear();

    let started = Instant::now();
    for (number, payload) in (0..).zip(payloads) {
        let now = event_time(number);
        let record = Record {
            offset: number / i64::from(PARTITIONS),
            time: RecordTime::LogAppend(now),
            key: None,
            payload: Some(payload.as_bytes()),
            headers: &Vec::new,
        };
        let partition = (number % i64::from(PARTITIONS)) as i32;
        engine.apply(Input::Record { partition, record, now }, &mut effects);
        if number % FLUSH_EVERY == FLUSH_EVERY - 1 {
            engine.apply(Input::FlushDue, &mut effects);
        }
        for effect in effects.drain(..) {
            if let Effect::Flush(batch) = effect {
                let report = committed(batch);
                engine.apply(Input::Flushed { report, now }, &mut Vec::new());
            }
        }
    }
    started.elapsed().as_nanos() as f64 / payloads.len() as f64
}

/// A flush that costs nothing.
fn committed(batch: FlushBatch) -> windowing::FlushReport {
    let mut protocol = FlushProtocol::new(batch, Vec::new());
    let rows = protocol.pending().map(|part| LockedRow {
        partition: part.partition,
        generation: part.stored.generation,
        position: part.stored.next.offset(),
        epoch: part.stored.epoch,
        witness: part.stored.witness,
        counters: part.stored.counters,
    });
    let rows = rows.collect();
    assert_eq!(protocol.next(FlushAnswer::Locked(rows)), FlushAction::StoreAndCommit);
    assert_eq!(protocol.next(FlushAnswer::Committed), FlushAction::Done);
    protocol.into_report()
}

fn event_time(number: i64) -> EventTime {
    EventTime::from_micros(NOON_MICROS + number * (MINUTES * 60_000_000 / RECORDS))
}

fn payloads(subscribers: u64) -> Vec<String> {
    let mut seed = 1_u64;
    let mut draw = |below: u64| {
        // The multiplier and addend of Knuth's MMIX; the high bits are the good ones.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 20) % below
    };
    (0..RECORDS)
        .map(|number| {
            let event_type = EVENT_TYPES[draw(4) as usize];
            let region = REGIONS[draw(10) as usize];
            // Spread over all 16 digits, as a pseudonym is.
            let subscriber = draw(subscribers).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (seconds, hundredths) = (draw(7_200), draw(50_000));
            format!(
                r#"{{"event_id":"0f8fad5b-d9cb-469f-a165-70867728950e","msisdn":"7701234****","event_type":"{event_type}","event_subtype":null,"duration_seconds":{seconds},"data_mb":{}.{:02},"amount":null,"region":"{region}","cell_tower_id":1234,"timestamp":"{}","subscriber_id":"{subscriber:016x}","counterparty_id":null}}"#,
                hundredths / 100,
                hundredths % 100,
                event_time(number),
            )
        })
        .collect()
}
