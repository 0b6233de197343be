//! Deleted, recreated, shrunk: what an administrator or retention does to a topic.

use anyhow::Result;
use e2e::{Database, Pipeline, WAIT_TIMEOUT};
use sandbox::wait_until;

use crate::{
    OFTEN, accept, counted, drained, end_of, expect_halted, expect_reasons, gaps, lives,
    matrix_row, send, wait_until_read,
};

#[test]
fn records_deleted_before_they_were_read_halt_their_partition_alone() -> Result<()> {
    let mut pipeline = drained(1, 2_000)?;
    let (position, before) = (end_of(&pipeline, 0)?, counted(&mut pipeline)?);
    send(&pipeline, 2, 1_000)?;
    pipeline.topic.delete_before(0, position + 40)?;

    let lost = format!("lost are the offsets from {position} to before {}", position + 40);
    expect_halted(&mut pipeline, &[0], &lost)?;
    let others = counted(&mut pipeline)?;
    assert!(others > before, "the other partition goes on");

    accept(&pipeline, 0, &[])?;
    pipeline.drain()?;
    pipeline.verify()?;
    let gap = ("overtaken".to_owned(), position, position + 40);
    assert_eq!(gaps(&mut pipeline)?[&0], gap);
    assert_eq!(lives(&mut pipeline)?[&(0, 0)], (0, end_of(&pipeline, 0)?, 40));
    assert_eq!(counted(&mut pipeline)?, 3_000 - 40, "all the rest is counted");
    matrix_row(
        "records deleted before they were read",
        "its partition halts and names them; the rest counted",
    )
}

#[test]
fn a_topic_recreated_longer_than_the_stored_position_is_noticed() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    pipeline.topic.recreate(2)?;
    send(&pipeline, 2, 3_000)?;
    expect_halted(&mut pipeline, &[0, 1], "the topic was recreated")?;
    assert_eq!(counted(&mut pipeline)?, 1_000, "nothing of it is counted");

    // Permission for one: the other goes on waiting.
    accept(&pipeline, 0, &[])?;
    expect_halted(&mut pipeline, &[1], "the topic was recreated")?;
    accept(&pipeline, 1, &[])?;
    pipeline.drain()?;
    pipeline.verify()?;
    assert_eq!(counted(&mut pipeline)?, 4_000, "both lives, each record once");
    for partition in [0, 1] {
        assert_eq!(gaps(&mut pipeline)?[&partition].0, "recreated");
        let life = lives(&mut pipeline)?[&(partition, 1)];
        assert_eq!(life, (0, end_of(&pipeline, partition)?, 0));
    }
    matrix_row(
        "topic recreated longer than the position",
        "halts before a record is counted; both lives counted once",
    )
}

#[test]
fn a_topic_recreated_shorter_than_the_stored_position_is_noticed() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    pipeline.topic.recreate(2)?;
    send(&pipeline, 2, 100)?;
    expect_halted(&mut pipeline, &[0, 1], "the topic was recreated")?;
    accept(&pipeline, 0, &[])?;
    accept(&pipeline, 1, &[])?;
    pipeline.drain()?;
    pipeline.verify()?;
    assert_eq!(counted(&mut pipeline)?, 1_100);
    matrix_row("topic recreated shorter than the position", "halts; both lives counted once")
}

#[test]
fn a_topic_recreated_while_it_is_read_halts_and_resumes_without_a_restart() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    let mut running = pipeline.start("streamer", OFTEN)?;
    running.wait_for_log("assigned")?;
    pipeline.topic.recreate(2)?;
    send(&pipeline, 2, 3_000)?;
    let database = &mut pipeline.database;
    wait_until("both partitions halt", WAIT_TIMEOUT, || {
        database.halted().is_ok_and(|halted| halted.len() == 2)
    })?;
    expect_reasons(&mut pipeline, &[0, 1], "the topic was recreated")?;
    accept(&pipeline, 0, &[])?;
    accept(&pipeline, 1, &[])?;
    wait_until_read(&mut pipeline, &mut running)?;
    pipeline.verify()?;
    assert_eq!(counted(&mut pipeline)?, 4_000);
    matrix_row(
        "topic recreated while it is read",
        "halts; goes on without a restart; both lives counted once",
    )
}

#[test]
fn a_log_of_which_nothing_old_is_left_needs_to_be_told_where_to_go_on() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    pipeline.topic.recreate(2)?;
    send(&pipeline, 2, 3_000)?;
    // The origin's place is gone, the fingerprint's is not.
    pipeline.topic.delete_before(0, 10)?;
    pipeline.topic.delete_before(1, 10)?;
    expect_halted(&mut pipeline, &[0, 1], "nothing is left to tell which")?;
    accept(&pipeline, 0, &[])?;
    expect_halted(&mut pipeline, &[0, 1], "accept-gap --from earliest|latest|OFFSET")?;
    let topic = pipeline.topic.name().to_owned();
    let accept_gap = ["accept-gap", "--topic", &topic, "--partition", "0", "--from", "earliest"];
    let refused = pipeline.run("streamer", &accept_gap)?.expect(1)?;
    assert!(refused.log.contains("--count-again"), "{}", refused.log);
    accept(&pipeline, 0, &["--from", "earliest", "--count-again"])?;
    accept(&pipeline, 1, &["--from", "100", "--count-again"])?;
    pipeline.drain()?;
    pipeline.verify()?;
    assert_eq!(lives(&mut pipeline)?[&(0, 1)], (10, end_of(&pipeline, 0)?, 0));
    assert_eq!(lives(&mut pipeline)?[&(1, 1)], (100, end_of(&pipeline, 1)?, 0));
    assert_eq!(gaps(&mut pipeline)?[&1].0, "unknown");
    matrix_row(
        "topic recreated, its first records deleted",
        "halts; goes on only where it is told to",
    )
}

#[test]
fn a_partition_that_the_topic_has_no_more_is_named_until_it_is_retired() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    pipeline.topic.recreate(1)?;
    let reason = "the topic has no partition 1 any more";
    pipeline.run("streamer", &["--drain"])?.expect(3)?;
    let halted = pipeline.database.halted()?;
    assert!(halted[&1].contains(reason), "{halted:?}");
    assert!(halted[&0].contains("the topic was recreated"), "{halted:?}");

    accept(&pipeline, 0, &[])?;
    let topic = pipeline.topic.name().to_owned();
    pipeline.run("streamer", &["retire", "--topic", &topic, "--partition", "1"])?.expect(0)?;
    pipeline.drain()?;
    assert_eq!(pipeline.database.number("SELECT COUNT(*) FROM current_progress")?, 1);
    pipeline.verify()?;
    matrix_row("topic recreated with fewer partitions", "the missing one halts until it is retired")
}

#[test]
fn a_database_restored_from_before_a_recreation_is_noticed() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    let backup = sandbox::fresh_database()?;
    copy_database(&mut pipeline, &backup)?;
    pipeline.topic.recreate(2)?;
    send(&pipeline, 2, 3_000)?;
    expect_halted(&mut pipeline, &[0, 1], "the topic was recreated")?;
    accept(&pipeline, 0, &[])?;
    accept(&pipeline, 1, &[])?;
    pipeline.drain()?;

    pipeline.database = Database::at(&backup)?;
    expect_halted(&mut pipeline, &[0, 1], "the topic was recreated")?;
    matrix_row("topic recreated, then an older database", "halts before a record is counted")
}

/// Makes the database at this address what the pipeline's is now.
fn copy_database(pipeline: &mut Pipeline, backup: &str) -> Result<()> {
    let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let (from, to) = (name(pipeline.database.url()), name(backup));
    let mut admin = Database::at(sandbox::postgres_url()?)?;
    admin.execute(&format!("DROP DATABASE {to}"))?;
    // A template may have no other session.
    admin.execute(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"
    ))?;
    admin.execute(&format!("CREATE DATABASE {to} TEMPLATE {from}"))
}
