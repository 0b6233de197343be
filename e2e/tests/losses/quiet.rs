//! What is no loss must not halt anything; and what an operator may not do is refused.

use anyhow::Result;
use e2e::WAIT_TIMEOUT;
use sandbox::wait_until;

use crate::{OFTEN, counted, drained, end_of, matrix_row, send, wait_until_read};

#[test]
fn retention_that_removes_what_was_read_halts_nothing() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    for partition in [0, 1] {
        pipeline.topic.delete_before(partition, end_of(&pipeline, partition)?)?;
    }
    pipeline.drain()?;
    send(&pipeline, 2, 1_000)?;
    pipeline.drain()?;
    assert_eq!(pipeline.database.halted()?.len(), 0);
    assert_eq!(counted(&mut pipeline)?, 2_000);
    pipeline.verify()?;
    matrix_row("no loss: retention removes what was read", "goes on; all counted once")
}

#[test]
fn an_unchanged_log_is_drained_again_without_counting_the_fingerprint_twice() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    for _ in 0..3 {
        pipeline.drain()?;
    }
    pipeline.expect_recomputed()?;
    matrix_row("no loss: the log is as it was", "goes on; all counted once")
}

#[test]
fn a_loss_can_only_be_accepted_where_there_is_one() -> Result<()> {
    let pipeline = drained(1, 100)?;
    let topic = pipeline.topic.name();
    let arguments = ["accept-gap", "--topic", topic, "--partition", "0"];
    let ended = pipeline.run("streamer", &arguments)?.expect(1)?;
    assert!(ended.log.contains("is not halted"), "{}", ended.log);
    let ended = pipeline.run("streamer", &["retire", "--topic", "no-such-topic"])?.expect(1)?;
    assert!(ended.log.contains("nothing to retire"), "{}", ended.log);
    Ok(())
}

#[test]
fn two_groups_on_one_database_are_told_of_each_other_and_count_each_record_once() -> Result<()> {
    let mut pipeline = drained(1, 100)?;
    let start = |group: &str| pipeline.start_with("streamer", OFTEN, &[("KAFKA_GROUP_ID", group)]);
    let (mut one, mut other) = (start("group-one")?, start("group-other")?);
    one.wait_for_log("assigned")?;
    other.wait_for_log("assigned")?;
    let conflict = "writes this partition's rows too";
    let mut seed = 2;
    wait_until("one group gives up", WAIT_TIMEOUT, || {
        seed += 1;
        send(&pipeline, seed, 200).is_ok()
            && (one.log().contains(conflict) || other.log().contains(conflict))
    })?;
    // Whoever is left goes on; it may be that each holds one partition back.
    let log = format!("{}{}", one.log(), other.log());
    assert!(log.contains("consumer group group-one") || log.contains("consumer group group-other"));
    assert!(one.is_alive() && other.is_alive());
    drop((one, other));
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    matrix_row(
        "two groups write into one database",
        "one halts and names the other; all counted once",
    )
}

#[test]
fn changed_settings_are_taken_over_by_a_running_streamer() -> Result<()> {
    let mut pipeline = drained(1, 1_000)?;
    let mut running = pipeline.start("streamer", OFTEN)?;
    running.wait_for_log("assigned")?;
    pipeline.run("streamer", &["settings", "set", "--watermark-delay", "1h"])?.expect(0)?;
    send(&pipeline, 2, 2_000)?;
    wait_until_read(&mut pipeline, &mut running)?;
    pipeline.verify()?;
    // By the stored watermark of 2 minutes some were late; within the hour none is. The watermark
    // does not go back, so only what comes after the highest event time so far shows it.
    let later = chrono::TimeDelta::hours(3);
    let mut more = e2e::Scatter::new(3, crate::PARTITIONS, crate::noon() + later);
    let late = "SELECT SUM(late)::bigint FROM stream_progress";
    pipeline.topic.sender(&[])?.send(&more.take(1_000))?;
    wait_until_read(&mut pipeline, &mut running)?;
    let before = pipeline.database.number(late)?;
    pipeline.topic.sender(&[])?.send(&more.take(2_000))?;
    wait_until_read(&mut pipeline, &mut running)?;
    assert_eq!(pipeline.database.number(late)?, before, "nothing is late within an hour");
    assert!(before > 0, "with two minutes some were late");
    let shown = pipeline.run("streamer", &["settings", "show"])?.expect(0)?;
    assert!(shown.output.contains("1h"), "{}", shown.output);
    // An explicit flag that differs is refused, and names the way out.
    let ended = pipeline.run("streamer", &["--watermark-delay", "2m"])?.expect(1)?;
    assert!(ended.log.contains("streamer settings set"), "{}", ended.log);
    pipeline.verify()
}
