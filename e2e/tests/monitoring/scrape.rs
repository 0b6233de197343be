//! A scrape has the figures that are true, promtool finds no fault with it, and health says what is.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use e2e::{Pipeline, WAIT_TIMEOUT};
use sandbox::{Postgres, wait_until};

use super::tools::{prometheus_program, repository_file, run_with_input};
use super::{
    CALLER, SERVED, get, sample_value, served_at, served_pipeline, traffic, wait_for_sample,
};

#[test]
fn a_streamer_says_what_it_has_counted() -> Result<()> {
    let (pipeline, traffic, streamer, address) = served_pipeline()?;
    let topic = pipeline.topic.name();
    let per_process = "streamer_records_stored_total{outcome=";
    for (sample, value) in [
        ("streamer_records_read_total{worker=\"0\"}".to_owned(), traffic.records.len() as i64),
        (format!("{per_process}\"on_time\",worker=\"0\"}}"), traffic.on_time),
        (format!("{per_process}\"late\",worker=\"0\"}}"), traffic.late),
        (format!("{per_process}\"dead\",worker=\"0\"}}"), traffic.dead),
        ("streamer_dead_letters_total{reason=\"not_json\"}".to_owned(), 1),
        ("streamer_dead_letters_total{reason=\"not_an_object\"}".to_owned(), 1),
        ("streamer_partitions_read{worker=\"0\"}".to_owned(), 2),
        ("streamer_rule_events_total{worker=\"0\"}".to_owned(), traffic.on_time),
        ("streamer_alert_hits_total{mode=\"live\",rule=\"many_calls\"}".to_owned(), 25),
        ("streamer_partitions_rewinding{worker=\"0\"}".to_owned(), 0),
        ("streamer_rule_events_held{worker=\"0\"}".to_owned(), 64),
        ("pipeline_pattern_gaps_total{reason=\"retention\"}".to_owned(), 1),
        ("pipeline_pattern_gaps_total{reason=\"memory\"}".to_owned(), 0),
        ("pipeline_verdict{verdict=\"healthy\"}".to_owned(), 1),
        (
            of(topic, "pipeline_records_total{outcome=\"on_time\",partition=\"0\"", ""),
            traffic.on_time,
        ),
        (of(topic, "pipeline_records_total{outcome=\"dead\",partition=\"1\"", ""), traffic.dead),
        (of(topic, "pipeline_lag_records{partition=\"0\"", ""), 0),
        (of(topic, "pipeline_partition_halted{partition=\"1\"", ""), 0),
        ("pipeline_watermark_delay_seconds".to_owned(), 120),
        ("pipeline_yesterday_computed".to_owned(), 0),
    ] {
        wait_for_sample(&address, &sample, value as f64)?;
    }
    for (path, answer) in [("healthz", "alive\n"), ("readyz", "ready; the pipeline is healthy\n")] {
        ensure!(get(&format!("{address}/{path}"))? == (200, answer.to_owned()), "{path}");
    }
    let (_, text) = get(&format!("{address}/metrics"))?;
    ensure!(
        sample_value(&text, "streamer_flush_duration_seconds_count{worker=\"0\"}") >= Some(1.0)
    );
    let alerts = "streamer_alerts_written_total{mode=\"live\",rule=\"many_calls\"}";
    ensure!(sample_value(&text, alerts) >= Some(1.0), "{text}");
    ensure!(sample_value(&text, "streamer_rule_memory_bytes{worker=\"0\"}") > Some(64.0));
    ensure!(!text.contains(CALLER), "a subscriber's name among the metrics:\n{text}");
    check_scrape(&text)?;
    expect_no_secret(&pipeline, &address)?;
    drop(streamer);
    Ok(())
}

/// A sample of a topic: labels are printed by name.
fn of(topic: &str, start: &str, end: &str) -> String {
    format!("{start},topic=\"{topic}\"{end}}}")
}

fn expect_no_secret(pipeline: &Pipeline, address: &str) -> Result<()> {
    let url = pipeline.database.url();
    let user =
        url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).context(url.to_owned())?;
    let (_, password) = user.0.split_once(':').context("the sandbox's database has a password")?;
    for path in ["", "live.json", "day.json", "metrics", "healthz", "readyz"] {
        let (_, body) = get(&format!("{address}/{path}"))?;
        ensure!(!body.contains(password), "/{path} has the database's password");
    }
    Ok(())
}

#[test]
fn a_producer_says_what_it_has_sent_and_a_batcher_that_it_runs() -> Result<()> {
    let pipeline = Pipeline::new(1)?;
    let flags =
        ["--rate", "200", "--count", "100000", "--seed", "7", "--metrics-addr", "127.0.0.1:0"];
    let producer = pipeline.start("producer", &flags)?;
    let address = served_at(&producer)?;
    let delivered = |text: &str| sample_value(text, "producer_events_delivered_total");
    let mut text = String::new();
    wait_until("events are delivered", WAIT_TIMEOUT, || {
        text = get(&format!("{address}/metrics")).map(|(_, text)| text).unwrap_or_default();
        delivered(&text) >= Some(50.0)
    })?;
    ensure!(sample_value(&text, "producer_events_sent_total") >= delivered(&text));
    ensure!(sample_value(&text, "producer_events_failed_total") == Some(0.0));
    check_scrape(&text)?;
    ensure!(get(&format!("{address}/readyz"))? == (200, "ready\n".to_owned()));
    producer.kill()?;

    pipeline.drain()?;
    // It can't read a window before this is dropped.
    let held = pipeline.database.hold("LOCK TABLE real_time_metrics IN ACCESS EXCLUSIVE MODE")?;
    let flags = ["2020-01-01", "--metrics-addr", "127.0.0.1:0"];
    let batcher = pipeline.start("batcher", &flags)?;
    let address = served_at(&batcher)?;
    let (status, text) = get(&format!("{address}/metrics"))?;
    ensure!(status == 200 && text.contains("\nbatcher_run_started_timestamp_seconds "), "{text}");
    check_scrape(&text)?;
    drop(held);
    // That day has no events.
    batcher.end()?.expect(4)?;
    Ok(())
}

#[test]
fn while_the_database_is_away_a_streamer_is_alive_and_not_ready() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("away")?;
    let pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, 1)?;
    let streamer = pipeline.start("streamer", SERVED)?;
    let address = served_at(&streamer)?;
    let ready = || get(&format!("{address}/readyz")).unwrap_or_default();
    wait_until("it is ready", WAIT_TIMEOUT, || ready().0 == 200)?;
    postgres.stop(true)?;
    wait_until("it is not ready", WAIT_TIMEOUT, || ready().0 == 503)?;
    let (_, reason) = ready();
    ensure!(reason.contains("cannot connect to PostgreSQL"), "{reason}");
    wait_for_sample(&address, "pipeline_verdict{verdict=\"database_away\"}", 1.0)?;
    // What comes meanwhile can't be stored, and that is counted.
    pipeline.topic.sender(&[])?.send(&traffic(Utc::now()).records[..1])?;
    let failed = "streamer_flush_failed_attempts_total{worker=\"0\"}";
    wait_until("flushes fail", WAIT_TIMEOUT, || {
        get(&format!("{address}/metrics"))
            .is_ok_and(|(_, text)| sample_value(&text, failed) >= Some(1.0))
    })?;
    let (status, _) = get(&format!("{address}/healthz"))?;
    ensure!(status == 200, "restarting would not bring the database back");
    let (_, text) = get(&format!("{address}/metrics"))?;
    check_scrape(&text)?;
    expect_no_secret(&pipeline, &address)?;
    postgres.restart()?;
    wait_until("it is ready again", WAIT_TIMEOUT, || ready().0 == 200)
}

#[test]
fn an_address_in_use_ends_the_start_and_is_named() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let pipeline = Pipeline::new(1)?;
    for (program, arguments) in
        [("streamer", &[][..]), ("producer", &[]), ("batcher", &["yesterday"])]
    {
        let arguments = [arguments, &["--metrics-addr", &address]].concat();
        let ended = pipeline.run(program, &arguments)?.expect(1)?;
        ensure!(
            ended.log.contains(&format!("can't listen on --metrics-addr {address}")),
            "{}",
            ended.log
        );
    }
    Ok(())
}

/// Promtool finds no fault, and whatever is not the process's own is documented, with this help.
fn check_scrape(text: &str) -> Result<()> {
    let (code, said) =
        run_with_input(&prometheus_program("promtool")?, &["check", "metrics"], text)?;
    ensure!(code == 0 && said.is_empty(), "promtool: {code} {said}");
    let page = repository_file("docs/metrics.md")?;
    let mut helps = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) =
            line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        {
            helps.insert(name, help);
        }
    }
    ensure!(helps.len() > 2, "a scrape without metrics:\n{text}");
    for (name, help) in helps.iter().filter(|(name, _)| !name.starts_with("process_")) {
        let is_documented = page.lines().any(|line| {
            line.contains(&format!("`{name}`")) && line.ends_with(&format!("| {help} |"))
        });
        ensure!(is_documented, "docs/metrics.md does not have {name}: {help}");
    }
    Ok(())
}
