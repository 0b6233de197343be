//! What one event costs, without Kafka and PostgreSQL: decode, count, encode.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_model::{Direction, Event, EventTime, EventType, decode};
use windowing::{
    Bounds, Engine, Input, LogEnds, Position, Progress, Record, RecordTime, Rules, Standing,
};

const EVENTS: usize = 1_000;
const RULES: Rules =
    Rules { watermark_delay_micros: 120_000_000, max_future_skew_micros: 300_000_000 };

fn event(number: usize) -> Event {
    const REGIONS: [&str; 4] = ["Almaty", "Astana", "Shymkent", "Aktobe"];
    let index = u32::try_from(number).unwrap_or(0);
    let kind = number % 4;
    Event {
        event_id: format!("3f1c6d0e-8a52-4f0b-9d55-{number:012}"),
        msisdn: "7701234****".to_owned(),
        event_type: [
            EventType::DataSession,
            EventType::Call,
            EventType::Sms,
            EventType::BalanceRecharge,
        ][kind],
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

fn payloads() -> Vec<Vec<u8>> {
    let encoded = |number| {
        let mut payload = Vec::new();
        event(number).encode(&mut payload);
        payload
    };
    (0..EVENTS).map(encoded).collect()
}

fn decoding(criterion: &mut Criterion) {
    let own = payloads();
    // The same events as another program would write them: a blank after each colon and comma.
    let spaced: Vec<Vec<u8>> = own
        .iter()
        .map(|payload| String::from_utf8_lossy(payload).replace(",\"", ", \"").into_bytes())
        .collect();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, payloads) in [("own layout", &own), ("another layout", &spaced)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                payloads.iter().filter(|payload| decode(black_box(payload)).is_ok()).count()
            });
        });
    }
    group.finish();
}

fn counting(criterion: &mut Criterion) {
    let payloads = payloads();
    let mut engine = Engine::new(Bounds::default());
    let mut effects = Vec::new();
    let at = |offset| Position::at(offset);
    let ends = LogEnds { low: at(0), high: at(0), asked_at: EventTime::from_micros(0) };
    engine.apply(Input::Assigned(&[0]), &mut effects);
    let loaded = Input::Loaded {
        partition: 0,
        progress: Box::new(Progress::starting_at(at(0))),
        rules: RULES,
        standing: Standing::default(),
        ends,
    };
    engine.apply(loaded, &mut effects);
    let written_at = EventTime::from_micros(1_762_689_700_000_000);
    let mut offset = 0;
    let mut group = criterion.benchmark_group("count");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("decode and add to its group", |bencher| {
        bencher.iter(|| {
            for payload in &payloads {
                let record = Record {
                    offset,
                    time: RecordTime::LogAppend(written_at),
                    key: Some(b"00c0ffee00c0ffee"),
                    payload: Some(payload),
                    headers: &Vec::new,
                };
                let input = Input::Record { partition: 0, record, now: written_at };
                engine.apply(input, &mut effects);
                offset += 1;
            }
        });
    });
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let events: Vec<Event> = (0..EVENTS).map(event).collect();
    let mut out = Vec::with_capacity(1 << 20);
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("one line", |bencher| {
        bencher.iter(|| {
            out.clear();
            for event in &events {
                event.encode(&mut out);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decoding, counting, encoding);
criterion_main!(benches);
