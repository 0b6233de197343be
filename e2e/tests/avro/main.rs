//! Records in Avro, by a schema registry, through the whole streamer: they count as the JSON with the same members does, a schema
//! that is not known holds its partition alone, and nothing of it ever becomes a dead letter.
//!
//! The bodies are written here by hand, or by Confluent's own serializer, and the registry is one of the test's own: none of them
//! shares code with the programs.

mod encoder;
mod registry;
mod serializer;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use e2e::{Pipeline, RawRecord, Running, Scatter, WAIT_TIMEOUT};
use registry::Registry;
use sandbox::wait_until;

const PARTITIONS: i32 = 2;
const EVENTS: usize = 2_000;
const KNOWN: u32 = 7;
const UNKNOWN: u32 = 8;

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// Events alone: what is unusable in JSON can't be written in Avro.
fn events(seed: u64) -> Vec<RawRecord> {
    let mut records = Scatter::new(seed, PARTITIONS, noon()).take(EVENTS);
    records.retain(|record| {
        let payload = record.payload.as_deref().unwrap_or_default();
        serde_json::from_slice::<serde_json::Value>(payload).is_ok()
    });
    records
}

fn in_avro(records: &[RawRecord], schema: u32) -> Result<Vec<RawRecord>> {
    let encoded = |record: &RawRecord| -> Result<RawRecord> {
        let payload = record.payload.as_deref().context("an event")?;
        Ok(RawRecord { payload: Some(encoder::framed(schema, payload)?), ..record.clone() })
    };
    records.iter().map(encoded).collect()
}

fn streamer(pipeline: &Pipeline, registry: &Registry, arguments: &[&str]) -> Result<Running> {
    let address = registry.address();
    pipeline.start_with("streamer", arguments, &[("SCHEMA_REGISTRY_URL", &address)])
}

/// All that was counted, as text.
fn counted(pipeline: &mut Pipeline) -> Result<String> {
    let rows = pipeline.database.rows(
        "SELECT string_agg(metrics::text, E'\\n' ORDER BY metrics::text) FROM (
             SELECT window_start, event_type, region, event_count, total_duration, total_data_mb, total_amount, false AS late
             FROM real_time_metrics
             UNION ALL
             SELECT window_start, event_type, region, event_count, total_duration, total_data_mb, total_amount, true
             FROM late_metrics
         ) AS metrics",
    )?;
    let row = rows.first().context("a row")?;
    Ok(sqlx::Row::try_get::<Option<String>, _>(row, 0)?.unwrap_or_default())
}

fn dead_letters(pipeline: &mut Pipeline) -> Result<i64> {
    pipeline.database.number("SELECT COUNT(*) FROM dead_letters")
}

fn wait_for_reason(pipeline: &mut Pipeline, partition: i32, reason: &str) -> Result<()> {
    let mut last = None;
    wait_until("the partition says what it waits for", WAIT_TIMEOUT, || {
        last = pipeline.database.halted().ok();
        let halted = last.as_ref().and_then(|halted| halted.get(&partition));
        halted.is_some_and(|said| said.contains(reason))
    })
    .with_context(|| format!("{reason:?} expected: {last:?}"))
}

fn wait_for_position(pipeline: &mut Pipeline, partition: i32, position: i64) -> Result<()> {
    wait_until("the position is reached", WAIT_TIMEOUT, || {
        pipeline.database.positions().get(&partition) == Some(&position)
    })
}

/// Counts the same records in both formats.
fn expect_the_same(
    registry: &Registry,
    in_json: &[RawRecord],
    in_avro: &[RawRecord],
) -> Result<()> {
    let mut json = Pipeline::new(PARTITIONS)?;
    json.topic.sender(&[])?.send(in_json)?;
    streamer(&json, registry, &["--drain"])?.end()?.expect(0)?;
    let mut avro = Pipeline::new(PARTITIONS)?;
    avro.topic.sender(&[])?.send(in_avro)?;
    streamer(&avro, registry, &["--drain"])?.end()?.expect(0)?;
    let (expected, found) = (counted(&mut json)?, counted(&mut avro)?);
    ensure!(!expected.is_empty() && expected == found, "{expected}\n\nin JSON, in Avro\n\n{found}");
    ensure!(dead_letters(&mut avro)? == 0, "dead letters of events");
    avro.verify()
}

#[test]
fn events_in_avro_count_as_the_same_events_in_json_do() -> Result<()> {
    let registry = Registry::start()?;
    registry.put(KNOWN, encoder::SCHEMA);
    let records = events(1);
    expect_the_same(&registry, &records, &in_avro(&records, KNOWN)?)
}

#[test]
fn events_by_confluents_own_serializer_count_as_the_same_events_in_json_do() -> Result<()> {
    let registry = Registry::start()?;
    let records = events(4);
    let serialized = serializer::serialized(&registry.address(), &records)?;
    expect_the_same(&registry, &records, &serialized)
}

#[test]
fn a_body_that_does_not_fit_is_a_dead_letter_with_its_own_bytes() -> Result<()> {
    let registry = Registry::start()?;
    registry.put(KNOWN, encoder::SCHEMA);
    let mut pipeline = Pipeline::new(1)?;
    let broken = [&[0][..], &KNOWN.to_be_bytes(), &[8, b'c']].concat();
    pipeline.topic.sender(&[])?.send(&[RawRecord::of(0, broken)])?;
    streamer(&pipeline, &registry, &["--drain"])?.end()?.expect(0)?;
    let kept = "SELECT COUNT(*) FROM dead_letters WHERE payload = '\\x00000000070863' AND detail LIKE '%schema 7%'";
    ensure!(pipeline.database.number(kept)? == 1, "the record as it came");
    pipeline.verify()
}

#[test]
fn an_unknown_schema_holds_its_partition_alone_until_it_is_known_and_no_record_is_dead()
-> Result<()> {
    let registry = Registry::start()?;
    registry.put(KNOWN, encoder::SCHEMA);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let records = events(2);
    let mut sender = pipeline.topic.sender(&[])?;
    // Partition 0 begins with a record whose schema nobody has registered.
    let unknown = in_avro(&[RawRecord { partition: 0, ..records[0].clone() }], UNKNOWN)?;
    sender.send(&unknown)?;
    sender.send(&in_avro(&records, KNOWN)?)?;
    let first = streamer(&pipeline, &registry, &["--flush-interval", "100ms"])?;
    wait_for_reason(&mut pipeline, 0, "the record at offset 0: the schema registry at")?;
    wait_for_reason(&mut pipeline, 0, "knows no schema 8")?;
    let ends = pipeline.topic.spans()?;
    wait_for_position(&mut pipeline, 1, ends[&1].next)?;
    ensure!(pipeline.database.positions()[&0] == 0, "nothing of partition 0 is counted");
    // It holds through a kill, and goes on by itself.
    first.kill()?;
    let second = streamer(&pipeline, &registry, &["--flush-interval", "100ms"])?;
    wait_for_reason(&mut pipeline, 0, "knows no schema 8")?;
    registry.put(UNKNOWN, encoder::SCHEMA);
    wait_for_position(&mut pipeline, 0, ends[&0].next)?;
    ensure!(pipeline.database.halted()?.is_empty(), "nothing is halted any more");
    second.terminate()?;
    second.end()?.expect(0)?;
    ensure!(dead_letters(&mut pipeline)? == 0, "a record that was waited for is dead");
    pipeline.verify()
}

#[test]
fn a_registry_that_is_away_is_waited_for_and_json_is_not() -> Result<()> {
    let registry = Registry::start()?;
    registry.put(KNOWN, encoder::SCHEMA);
    registry.go_away(true);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let records = events(3);
    let mut sender = pipeline.topic.sender(&[])?;
    let of = |wanted: i32| {
        records.iter().filter(|one| one.partition == wanted).cloned().collect::<Vec<_>>()
    };
    sender.send(&in_avro(&of(0), KNOWN)?)?;
    sender.send(&of(1))?;
    let running = streamer(&pipeline, &registry, &["--flush-interval", "100ms"])?;
    wait_for_reason(&mut pipeline, 0, "waits for schema 7: the schema registry at")?;
    let ends = pipeline.topic.spans()?;
    wait_for_position(&mut pipeline, 1, ends[&1].next)?;
    registry.go_away(false);
    wait_for_position(&mut pipeline, 0, ends[&0].next)?;
    running.terminate()?;
    running.end()?.expect(0)?;
    ensure!(dead_letters(&mut pipeline)? == 0, "a record that was waited for is dead");
    pipeline.verify()
}

#[test]
fn the_registrys_password_reaches_the_registry_and_is_neither_printed_nor_logged() -> Result<()> {
    let registry = Registry::start()?;
    registry.put(KNOWN, encoder::SCHEMA);
    let pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.topic.sender(&[])?.send(&in_avro(&events(5), KNOWN)?)?;
    // user:hunter2
    let (login, encoded) = ("user:hunter2@", "dXNlcjpodW50ZXIy");
    let right = registry.address().replace("http://", &format!("http://{login}"));
    let away = format!("http://{login}127.0.0.1:1/");
    let no_address = format!("http:/{login}/");
    for url in [&right, &away, &no_address] {
        let variables = [("SCHEMA_REGISTRY_URL", url.as_str()), ("RUST_LOG", "trace")];
        let ended = pipeline.start_with("streamer", &["--drain"], &variables)?.end()?;
        for secret in ["hunter2", encoded] {
            let is_said = ended.output.contains(secret) || ended.log.contains(secret);
            ensure!(!is_said, "{secret} with {url}:\n{}\n{}", ended.output, ended.log);
        }
    }
    ensure!(
        registry.authorization() == Some(format!("Basic {encoded}")),
        "the login as it is sent"
    );
    Ok(())
}
