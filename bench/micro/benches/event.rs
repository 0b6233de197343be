//! What one event costs, without Kafka and PostgreSQL: decode, count, encode.

use std::hint::black_box;

use bench_micro::{Counter, EVENTS, LAYOUTS, event, payloads};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_model::{Event, decode};

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for layout in &LAYOUTS {
        let payloads = layout.payloads();
        group.bench_function(layout.name, |bencher| {
            bencher.iter(|| {
                payloads.iter().filter(|payload| decode(black_box(payload)).is_ok()).count()
            });
        });
    }
    group.finish();
}

fn counting(criterion: &mut Criterion) {
    let payloads = payloads();
    let mut counter = Counter::default();
    let mut group = criterion.benchmark_group("count");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("decode and add to its group", |bencher| {
        bencher.iter(|| payloads.iter().for_each(|payload| counter.count(payload)));
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
