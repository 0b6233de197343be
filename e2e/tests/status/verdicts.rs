//! Each verdict of `streamer status`: what leads to it, its exit code, and what is said of the
//! partitions.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use e2e::{Pipeline, RawRecord, Topic, WAIT_TIMEOUT};
use sandbox::wait_until;
use serde_json::{Value, json};

use crate::{OFTEN, events, look};

/// Long enough for a busy machine.
const PATIENT: &str = "60s";
/// For servers that will not answer, however long one waits.
const BRIEF: &str = "300ms";
/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

/// Partition 0 holds four events, partition 1 none; all is stored, nobody reads any more.
fn drained() -> Result<Pipeline> {
    let pipeline = Pipeline::new(2)?;
    pipeline.topic.sender(&[])?.send(&events(0, 4))?;
    pipeline.drain()?;
    Ok(pipeline)
}

/// The state of each partition.
fn states(report: &Value) -> Vec<&str> {
    let partitions = report["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    partitions.iter().filter_map(|partition| partition["state"].as_str()).collect()
}

fn expect(report: &Value, verdict: &str, exit: i64, reason: &str, expected: &[&str]) -> Result<()> {
    ensure!(report["verdict"] == verdict, "{verdict} expected: {report}");
    ensure!(report["exit_code"] == exit, "{exit} expected: {report}");
    let said = report["reason"].as_str().context("no reason")?;
    ensure!(said.contains(reason), "{reason:?} expected: {report}");
    ensure!(states(report) == expected, "{expected:?} expected: {report}");
    Ok(())
}

#[test]
fn a_running_streamer_is_healthy_and_its_figures_are_those_of_the_tables() -> Result<()> {
    let pipeline = Pipeline::new(2)?;
    let streamer = pipeline.start("streamer", OFTEN)?;
    let mut records = events(0, 2);
    records.push(RawRecord::of(0, "not JSON"));
    pipeline.topic.sender(&[])?.send(&records)?;
    let mut report = Value::Null;
    wait_until("all is stored, and the empty partition is idle", WAIT_TIMEOUT, || {
        report = look(&pipeline, &[], PATIENT).unwrap_or_default();
        let partitions = &report["partitions"];
        partitions[0]["next_offset"] == 3 && partitions[1]["idle"] == true
    })?;
    expect(&report, "healthy", 0, "2 partitions, 0 records", &["up_to_date", "up_to_date"])?;
    let [read, empty] = [&report["partitions"][0], &report["partitions"][1]];
    for (field, expected) in [
        ("topic", json!(pipeline.topic.name())),
        ("partition", json!(0)),
        ("generation", json!(0)),
        ("group_id", json!(pipeline.topic.name())),
        ("lag_records", json!(0)),
        ("lag_seconds", json!(0.0)),
        ("on_time", json!(2)),
        ("late", json!(0)),
        ("dead", json!(1)),
        ("gap", json!(0)),
        ("skipped", json!(0)),
        ("watermark", json!("2025-11-09T11:58:00.000000Z")),
        ("max_ahead_ms", json!(0)),
        ("halted_reason", json!(null)),
    ] {
        ensure!(read[field] == expected, "{field}: {expected} expected: {read}");
    }
    let owner = read["owner"].as_str().unwrap_or_default();
    ensure!(owner.ends_with(&format!(":{}:0", streamer.pid())), "{owner}");
    // Both events were sent long after they happened, each by the same time but for moments.
    let behind = |field: &str| read[field].as_f64().unwrap_or_default();
    ensure!(behind("max_behind_ms") >= behind("mean_behind_ms"), "{read}");
    ensure!(behind("mean_behind_ms") > 0.0, "{read}");
    for field in ["watermark", "mean_behind_ms"] {
        ensure!(empty[field].is_null(), "{field}: nothing is known: {empty}");
    }
    let topic = &report["topics"][0];
    ensure!(topic["topic"] == pipeline.topic.name() && topic["complete_through"].is_string());

    let page = pipeline.run("streamer", &["status", "--wait", PATIENT])?.expect(0)?.output;
    ensure!(page.starts_with("healthy: 2 partitions, 0 records since the last flush\n"), "{page}");
    for column in ["owner", "lag seconds", "watermark (UTC)", "idle", "skipped", "mean behind"] {
        ensure!(page.contains(column), "{column}: {page}");
    }
    Ok(())
}

#[test]
fn what_is_stored_and_what_the_log_holds_give_the_verdict() -> Result<()> {
    let mut pipeline = drained()?;
    pipeline.topic.sender(&[])?.send(&events(0, 3))?;
    // Both partitions were written just now, and partition 0 has three records unread.
    let reset = "DELETE FROM stream_progress WHERE partition > 1;
                 UPDATE stream_progress SET updated_at = now(), caught_up_at = now(),
                     halted_reason = NULL, retired_at = NULL,
                     next_offset = CASE partition WHEN 0 THEN 4 ELSE 0 END;
                 UPDATE stream_progress SET";
    for (then, verdict, exit, reason, expected) in [
        ("gap = 0", "healthy", 0, "3 records since", ["up_to_date", "up_to_date"]),
        (
            "caught_up_at = NULL, witness_timestamp_ms = 0 WHERE partition = 0",
            "catching_up",
            1,
            "partition 0: 3 records unread, the oldest for at most",
            ["catching_up", "up_to_date"],
        ),
        (
            "updated_at = now() - INTERVAL '11 minutes' WHERE partition = 0",
            "stalled",
            1,
            "partition 0: 3 records unread",
            ["stalled", "up_to_date"],
        ),
        (
            "updated_at = now() - INTERVAL '11 minutes' WHERE partition = 1",
            "stalled",
            1,
            "partition 1: nothing is unread, but the row was last written 11m",
            ["up_to_date", "unattended"],
        ),
        (
            "next_offset = 9 WHERE partition = 1",
            "stalled",
            1,
            "partition 1: the position 9 is beyond the end of the log, 0",
            ["up_to_date", "beyond_end"],
        ),
        (
            "halted_reason = 'lost: 4 to before 7', updated_at = now() - INTERVAL '11 minutes'
             WHERE partition = 0",
            "halted",
            1,
            "partition 0: lost: 4 to before 7",
            ["halted", "up_to_date"],
        ),
        (
            "halted_reason = 'lost: 4 to before 7', retired_at = now() WHERE partition = 0",
            "healthy",
            0,
            "1 partitions, 0 records since",
            ["retired", "up_to_date"],
        ),
    ] {
        pipeline.database.execute(&format!("{reset} {then}"))?;
        expect(&look(&pipeline, &[], PATIENT)?, verdict, exit, reason, &expected)?;
    }
    Ok(())
}

#[test]
fn a_log_that_lost_its_beginning_and_partitions_that_come_and_go_are_named() -> Result<()> {
    let mut pipeline = drained()?;
    pipeline.topic.sender(&[])?.send(&events(0, 3))?;
    pipeline.topic.delete_before(0, 6)?;
    let lost = "partition 0: offsets 4 to before 6 have been deleted from the log";
    let report = look(&pipeline, &[], PATIENT)?;
    expect(&report, "stalled", 1, lost, &["overtaken", "up_to_date"])?;

    let accepted = "UPDATE stream_progress SET next_offset = 7, gap = 3 WHERE partition = 0";
    pipeline.database.execute(accepted)?;
    pipeline.topic.grow_to(3)?;
    let added = "partition 2: no streamer has met this partition yet";
    // The broker takes a moment to show it.
    wait_until("the partition is seen", WAIT_TIMEOUT, || {
        let seen = look(&pipeline, &[], PATIENT).unwrap_or_default();
        expect(&seen, "catching_up", 1, added, &["up_to_date", "up_to_date", "not_taken_up"])
            .is_ok()
    })?;

    pipeline.database.execute(
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset)
         SELECT topic, 0, n, 0, 0 FROM stream_progress, (VALUES (2), (3)) AS new (n)
         WHERE partition = 0",
    )?;
    let states = ["up_to_date", "up_to_date", "up_to_date", "missing"];
    let gone = "partition 3: Kafka has no such partition";
    expect(&look(&pipeline, &[], PATIENT)?, "stalled", 1, gone, &states)
}

#[test]
fn before_the_first_start_it_says_what_is_missing_and_makes_nothing() -> Result<()> {
    let pipeline = Pipeline::new(1)?;
    let report = look(&pipeline, &[], PATIENT)?;
    expect(&report, "database_away", 3, "has no tables of the pipeline yet", &[])?;
    pipeline.run("streamer", &["migrate"])?.expect(0)?;
    let unread = "partition 0: no streamer has read this topic yet";
    expect(&look(&pipeline, &[], PATIENT)?, "stalled", 1, unread, &["stalled"])?;

    let absent = sandbox::fresh_topic_name();
    let report = look(&pipeline, &[("KAFKA_TOPIC", &absent)], PATIENT)?;
    expect(&report, "stalled", 1, "there is nothing to read", &[])?;
    let spans = Topic::at(pipeline.topic.bootstrap(), &absent).spans().unwrap_or_default();
    ensure!(spans.is_empty(), "looking has created the topic");
    Ok(())
}

#[test]
fn a_database_that_is_away_refuses_or_never_answers_is_down() -> Result<()> {
    let pipeline = drained()?;
    // Takes connections and says nothing: only our own patience ends this.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent_url = format!("postgres://u:hunter2@{}/d", silent.local_addr()?);
    let nowhere_url = format!("postgres://u:hunter2@{NOWHERE}/d");
    let wrong_user = pipeline.database.url().replace("telecom_user:", "nobody_we_know:");
    for (url, wait, reason) in [
        (nowhere_url.as_str(), PATIENT, "cannot connect to PostgreSQL u@127.0.0.1:1/d"),
        (&silent_url, BRIEF, "PostgreSQL has not answered within 300ms"),
        (&wrong_user, PATIENT, "nobody_we_know"),
        ("nonsense", PATIENT, "DATABASE_URL"),
    ] {
        let report = look(&pipeline, &[("DATABASE_URL", url)], wait)?;
        expect(&report, "database_away", 3, reason, &[])?;
        ensure!(!report.to_string().contains("hunter2"), "a password is shown: {report}");
    }
    let both = [("DATABASE_URL", nowhere_url.as_str()), ("KAFKA_BOOTSTRAP_SERVERS", NOWHERE)];
    expect(&look(&pipeline, &both, BRIEF)?, "database_away", 3, "; and no answer from Kafka", &[])
}

#[test]
fn without_kafka_what_is_stored_is_shown_all_the_same() -> Result<()> {
    let mut pipeline = drained()?;
    let halt = "UPDATE stream_progress SET halted_reason = 'lost' WHERE partition = 1";
    pipeline.database.execute(halt)?;
    for (variable, value, reason) in [
        ("KAFKA_BOOTSTRAP_SERVERS", NOWHERE, "no answer from Kafka at 127.0.0.1:1 within"),
        ("KAFKA_PROPERTIES", "group.id=x", "`group.id` can't be set here"),
    ] {
        // Long enough for the database on a busy machine; Kafka takes all of it.
        let report = look(&pipeline, &[(variable, value)], "10s")?;
        expect(&report, "kafka_away", 3, reason, &["unknown", "halted"])?;
        let partition = &report["partitions"][0];
        ensure!(partition["next_offset"] == 4, "{partition}");
        ensure!(partition["lag_records"].is_null(), "{partition}");
    }
    Ok(())
}

#[test]
fn watching_looks_again_until_it_is_stopped_and_ends_as_the_last_look() -> Result<()> {
    let mut pipeline = drained()?;
    let arguments = ["status", "--watch", "--stalled-after", "10m", "--wait", PATIENT];
    let watching = pipeline.start("streamer", &arguments)?;
    wait_until("two looks", WAIT_TIMEOUT, || watching.output().contains("\n\nhealthy: "))?;
    let halt = "UPDATE stream_progress SET halted_reason = 'lost'";
    pipeline.database.execute(halt)?;
    wait_until("another verdict", WAIT_TIMEOUT, || {
        watching.output().contains("\n\nhalted: 2 of 2 partitions")
    })?;
    watching.terminate()?;
    watching.end()?.expect(1)?;

    let arguments = ["status", "--watch", "--json", "--wait", PATIENT];
    let watching = pipeline.start("streamer", &arguments)?;
    wait_until("two lines", WAIT_TIMEOUT, || watching.output().lines().count() >= 2)?;
    watching.terminate()?;
    for line in watching.end()?.output.lines() {
        let report: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(report["verdict"] == "halted", "{report}");
    }
    Ok(())
}
