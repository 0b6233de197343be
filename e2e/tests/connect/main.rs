//! From an exchange's table through a real worker of Kafka Connect to rows of the warehouse: every row once, whatever is killed,
//! and no number in any topic. `make test-connect`; TORTURE_WORKER_KILLS and TORTURE_BROKER_KILLS for other numbers of kills, and
//! TORTURE_SECONDS for a run in pieces: after so long no more are begun, and what was killed so far is told.

mod bench;
mod exchange;
mod latency;
mod search;
mod worker;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{RawRecord, Running, Tally, Topic, volume};
use sandbox::wait_until;

use bench::{Bench, HISTORY, KEY, PASSWORD, PATIENCE};
use exchange::{Exchange, UNUSABLE_EVERY, insert, notations, row};
use search::search;

/// Fails unless none of the numbers of the first rows, and no secret, is in any topic.
fn expect_no_number(bench: &Bench, known: usize) -> Result<()> {
    let found = search(bench.kafka.bootstrap(), known, &[KEY, PASSWORD])?;
    for topic in [bench::RAW, bench.pipeline.topic.name(), "connect_configs", "connect_offsets"] {
        ensure!(
            found.records.contains_key(topic),
            "nothing was found in {topic}: {:?}",
            found.records
        );
    }
    ensure!(found.leaks.is_empty(), "{} leaks: {:#?}", found.leaks.len(), found.leaks.first());
    Ok(())
}

/// Kills, each after rows have come through and in the middle of others. Broker kills are spread among them.
fn kill(
    bench: &mut Bench,
    intake: &mut Running,
    workers: usize,
    brokers: usize,
) -> Result<[Tally; 2]> {
    let mut tallies =
        [Tally::of("Connect worker: kill -9"), Tally::of("Connect's broker: kill -9")];
    let (begun, seconds) = (Instant::now(), volume("SECONDS", 7_200, 7_200) as u64);
    for turn in 0..workers.max(brokers) {
        if begun.elapsed() > Duration::from_secs(seconds) {
            break;
        }
        bench.keep_intake(intake)?;
        // More than the marks of transactions that were aborted, and never the same moment.
        bench.wait_for_more(10 + turn as i64 * 7 % 40)?;
        if turn < workers {
            bench.kill_worker()?;
            tallies[0].inject(1);
            bench.start_worker()?;
            bench.wait_for_more(10)?;
            tallies[0].observe(1);
        }
        // One broker for every five workers, if there are 50 and 10.
        if turn * brokers / workers.max(brokers) != (turn + 1) * brokers / workers.max(brokers) {
            bench.kafka.kill()?;
            tallies[1].inject(1);
            bench.kafka.restart()?;
            bench.wait_for_more(10)?;
            tallies[1].observe(1);
        }
    }
    Ok(tallies)
}

#[test]
fn rows_are_events_and_dead_letters_once_whatever_is_killed() -> Result<()> {
    let mut bench = Bench::start()?;
    // From before the worker, and after the slot.
    insert(&mut bench.source, &[(HISTORY, format!("row-{HISTORY}"))])?;
    bench.start_reading()?;
    let exchange = Exchange::open(bench.source.url(), HISTORY + 1);
    bench.wait_for_raw()?;
    let mut programs = bench.start_pipeline()?;

    let (workers, brokers) = (volume("WORKER_KILLS", 50, 50), volume("BROKER_KILLS", 10, 10));
    let tallies = kill(&mut bench, &mut programs[0], workers, brokers)?;

    let known = exchange.close()?;
    let written = (known - HISTORY) as i64;
    let mut kept = Ok(());
    wait_until("every row is counted", PATIENCE, || {
        kept = bench.keep_intake(&mut programs[0]);
        kept.is_err() || bench.accounted() >= written
    })?;
    kept?;
    for mut program in programs {
        ensure!(program.is_alive(), "nobody has restarted it:\n{}", program.log());
        program.terminate()?;
        program.end()?.expect(0)?;
    }
    bench.kill_worker()?;

    // Source rows = rows of the raw topic = events + dead letters.
    let in_table = bench.source.number("SELECT count(*) FROM cdr WHERE uniqueid LIKE 'row-%'")?;
    ensure!(in_table == written, "{in_table} rows in the table, {written} were written");
    let expected: BTreeMap<String, usize> =
        (HISTORY..known).map(|index| (format!("row-{index}"), 1)).collect();
    bench.expect_rows(&expected)?;
    let dead = bench
        .pipeline
        .database
        .number("SELECT count(*) FROM dead_letters WHERE reason = 'not_mapped'")?;
    let unusable = (HISTORY..known).filter(|index| index % UNUSABLE_EVERY == 0).count() as i64;
    ensure!(dead == unusable, "{dead} dead letters, {unusable} rows without a time");
    let counted = bench.accounted();
    ensure!(counted == in_table, "{counted} events and dead letters for {in_table} rows");
    // The marks of the last transaction stand behind the last record.
    bench.pipeline.drain()?;
    bench.pipeline.expect_recomputed()?;
    expect_no_number(&bench, known)?;
    let held = format!(
        "{in_table} rows = events + {dead} dead letters, each once; no number in any topic"
    );
    let [workers, brokers] = &tallies;
    let (workers, brokers) = (workers.injected(), brokers.injected());
    writeln!(std::io::stderr(), "{workers} kills of the worker, {brokers} of the broker: {held}")?;
    for tally in tallies {
        if tally.injected() > 0 {
            tally.end(&held)?;
        }
    }
    Ok(())
}

#[test]
fn the_search_finds_a_number_in_every_notation_wherever_it_stands() -> Result<()> {
    let topic = Topic::create(sandbox::kafka_bootstrap()?, &sandbox::fresh_topic_name(), 1)?;
    let mut sender = topic.sender(&[])?;
    let numbers = notations("7010000007");
    let record = |payload: String| RawRecord::of(0, payload);
    let mut records: Vec<RawRecord> = numbers
        .iter()
        .map(|number| record(serde_json::json!({ "src": number, "event_id": number }).to_string()))
        .collect();
    records.push(record(row(7, "id")));
    records.push(record(KEY.to_owned()));
    records.push(RawRecord { key: Some(numbers[0].clone().into()), ..record("{}".to_owned()) });
    let header = ("number".to_owned(), Some(numbers[1].clone().into()));
    records.push(RawRecord { headers: vec![header], ..record("{}".to_owned()) });
    let expected = records.len();
    // These hold digits, and none of a number that was given.
    records.push(record(r#"{"calldate":1762701000000700,"src":"7701000****"}"#.to_owned()));
    records.push(record(row(8, "id")));
    sender.send(&records)?;
    let found = search(topic.bootstrap(), 8, &[KEY])?;
    let here = found.leaks.iter().filter(|(name, _)| name == topic.name()).count();
    ensure!(here == expected, "{here} of {expected} found: {:#?}", found.leaks);
    Ok(())
}
