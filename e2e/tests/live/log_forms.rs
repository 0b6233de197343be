//! Logs that are not simply one record after another: compressed, and with transactions.

use anyhow::Result;
use e2e::{Pipeline, RawRecord, Scatter, WAIT_TIMEOUT};
use sandbox::{fresh_topic_name, wait_until};

use crate::instant;

#[test]
fn every_compression_is_read() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    let mut scatter = Scatter::new(3, 3, instant("2025-11-09T10:00:00Z"));
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut sender = pipeline.topic.sender(&[("compression.type", codec)])?;
        sender.send(&scatter.take(1_000))?;
    }
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn aborted_transactions_are_skipped_and_so_are_the_control_records_at_the_end() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    let id = fresh_topic_name();
    let mut sender = pipeline.topic.sender(&[("transactional.id", &id)])?;
    let mut scatter = Scatter::new(4, 3, instant("2025-11-09T10:00:00Z"));
    for is_committed in [true, false, true, false, false] {
        sender.begin()?;
        sender.send(&scatter.take(500))?;
        if is_committed { sender.commit()? } else { sender.abort()? }
    }
    pipeline.drain()?;
    let expected = pipeline.expect_recomputed()?;
    for (partition, account) in &expected.accounts {
        let aborted = account.skipped;
        assert!(aborted > 400, "partition {partition}: three of five transactions were aborted");
    }
    // Nothing but control records after the position, and nothing before it.
    let more = [RawRecord::of(0, "x"), RawRecord::of(1, "x"), RawRecord::of(2, "x")];
    sender.begin()?;
    sender.send(&more)?;
    sender.abort()?;
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn what_an_open_transaction_holds_back_counts_when_it_is_committed() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let id = fresh_topic_name();
    let mut transactional = pipeline.topic.sender(&[("transactional.id", &id)])?;
    let mut plain = pipeline.topic.sender(&[])?;
    let mut scatter = Scatter::new(5, 1, instant("2025-11-09T10:00:00Z"));
    plain.send(&scatter.take(200))?;
    transactional.begin()?;
    transactional.send(&scatter.take(200))?;
    plain.send(&scatter.take(200))?;

    let streamer = pipeline.start("streamer", &["--flush-interval", "100ms"])?;
    // And not one more: the next record may still be aborted.
    wait_until("what comes before the transaction is stored", WAIT_TIMEOUT, || {
        pipeline.database.progress() == 200
    })?;
    transactional.commit()?;
    pipeline.wait_until_caught_up()?;
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.accounts[&0].skipped, 1, "the commit's own record");
    Ok(())
}
