//! Kafka transactions of others: what an open one hides is not counted yet, so nothing says that a day
//! is complete, and whoever asks is told what is in the way. One that follows the other, with hardly a
//! moment without any, keeps no day from being complete.

use anyhow::{Result, ensure};
use e2e::{Pipeline, Sender, WAIT_TIMEOUT};
use sandbox::{fresh_topic_name, wait_until};

use crate::{OFTEN, events, look};

/// The day of the events.
const DAY: &str = "2025-11-09";

fn transactional(pipeline: &Pipeline) -> Result<Sender> {
    pipeline.topic.sender(&[("transactional.id", &fresh_topic_name())])
}

fn check(pipeline: &Pipeline, exit: i32) -> Result<()> {
    pipeline.run("batcher", &["check", DAY])?.expect(exit)?;
    Ok(())
}

#[test]
fn a_day_behind_an_open_transaction_is_not_final_and_its_end_makes_it_so() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let mut plain = pipeline.topic.sender(&[])?;
    let mut hanging = transactional(&pipeline)?;
    plain.send(&events(0, 3))?;
    hanging.begin()?;
    hanging.send(&events(0, 1))?;
    plain.send(&events(0, 9))?;

    let drained = pipeline.run("streamer", &["--drain"])?.expect(0)?;
    for said in [
        "a Kafka transaction that was still open then holds up the rest",
        "held_up=10 records of partition 0 from offset 3 on",
    ] {
        ensure!(drained.log.contains(said), "{}", drained.log);
    }
    ensure!(!drained.log.contains("every record that the log held"), "{}", drained.log);
    ensure!(pipeline.database.progress() == 3, "what comes before the transaction is stored");
    check(&pipeline, 75)?;
    pipeline.run("batcher", &[DAY])?.expect(0)?;
    let finals = "SELECT COUNT(*) FROM day_states WHERE state = 'final'";
    ensure!(pipeline.database.number(finals)? == 0, "final, with 3 of 12 events");

    let report = look(&pipeline, &[], "60s")?;
    let partition = &report["partitions"][0];
    ensure!(partition["held_up_at"] == 3, "{report}");
    ensure!(partition["open_transaction_records"] == 10, "{report}");
    ensure!(partition["lag_records"] == 10, "{report}");

    // A streamer that goes on takes it for no fault of the log.
    let streamer = pipeline.start("streamer", OFTEN)?;
    wait_until("the partition is looked at", WAIT_TIMEOUT, || {
        let owner = format!(
            "SELECT COUNT(*) FROM stream_progress WHERE owner LIKE '%:{}:0'",
            streamer.pid()
        );
        pipeline.database.number(&owner).is_ok_and(|rows| rows == 1)
    })?;
    check(&pipeline, 75)?;
    hanging.abort()?;
    pipeline.wait_until_caught_up()?;
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.accounts[&0].skipped, 2, "the aborted record, and the abort's own");
    assert_eq!(expected.accounts[&0].on_time, 12);

    let drained = pipeline.run("streamer", &["--drain"])?.expect(0)?;
    ensure!(drained.log.contains("every record that the log held at start is stored"));
    check(&pipeline, 0)?;
    pipeline.run("batcher", &[DAY])?.expect(0)?;
    ensure!(pipeline.database.number(finals)? == 1);
    Ok(())
}

/// Begins its next transaction before the other one ends its own.
#[test]
fn senders_of_which_one_always_has_a_transaction_open_keep_no_day_from_being_complete() -> Result<()>
{
    let mut pipeline = Pipeline::new(1)?;
    let mut senders = [transactional(&pipeline)?, transactional(&pipeline)?];
    senders[0].begin()?;
    senders[0].send(&events(0, 1))?;
    let streamer = pipeline.start("streamer", OFTEN)?;
    let (mut turn, mut failed) = (0, None);
    let complete = "SELECT COUNT(*) FROM completeness WHERE complete_through >= '2025-11-10'";
    wait_until("the day is complete", WAIT_TIMEOUT, || {
        turn += 1;
        let [one, other] = &mut senders;
        let (open, next) = if turn % 2 == 1 { (one, other) } else { (other, one) };
        let mut take_turns = || {
            next.begin()?;
            next.send(&events(0, 1))?;
            open.commit()
        };
        failed = take_turns().err();
        failed.is_some() || pipeline.database.number(complete).is_ok_and(|rows| rows == 1)
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    ensure!(turn > 1, "the day was complete before anything was committed");
    check(&pipeline, 0)?;
    let report = look(&pipeline, &[], "60s")?;
    ensure!(report["partitions"][0]["open_transaction_records"] != 0, "none is open: {report}");
    senders[turn % 2].commit()?;
    pipeline.wait_until_caught_up()?;
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    pipeline.expect_recomputed()?;
    Ok(())
}
