//! Programs that are killed, or asked to stop, in the middle of their work.

use anyhow::Result;
use e2e::{Pipeline, RawRecord, SLOW_READER, Scatter};

use crate::instant;

const PARTITIONS: i32 = 3;
const RECORDS: usize = 20_000;
const KILLS: usize = 10;

#[test]
fn killed_ten_times_in_the_middle_of_a_backlog_it_counts_every_record_once() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(21, PARTITIONS, instant("2025-11-09T00:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(RECORDS))?;
    let end = pipeline.topic.end()?;
    for life in 0..KILLS {
        let before = pipeline.database.progress();
        // The group waits 6 s for a dead member; a group of its own lets each life begin at once.
        // Positions don't come from the group, so it makes no other difference.
        let group = format!("{}-{life}", pipeline.topic.name());
        let variables = [("KAFKA_GROUP_ID", group.as_str()), ("KAFKA_PROPERTIES", SLOW_READER)];
        let flush_often = ["--flush-interval", "50ms"];
        let streamer = pipeline.start_with("streamer", &flush_often, &variables)?;
        pipeline.wait_for_progress_from(before)?;
        streamer.kill()?;
        assert!(pipeline.database.progress() < end, "life {life} has read the whole backlog");
        pipeline.verify()?;
        let spans = pipeline.stored_spans()?;
        pipeline.expect_recomputed_over(&spans)?;
    }
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    Ok(())
}

/// So many dead letters make the streamer flush before its time; as many again make it pause while
/// that flush is under way.
const FLUSH_EARLY: usize = 10_000;

#[test]
fn on_sigterm_all_that_was_read_is_stored_before_it_ends() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let unusable: Vec<RawRecord> = vec![RawRecord::of(0, "x"); 3 * FLUSH_EARLY];
    pipeline.drain()?;
    pipeline.topic.sender(&[])?.send(&unusable)?;
    // The first flush has to wait, so it is known what was read meanwhile: enough to pause.
    let locked = pipeline.database.hold("SELECT 1 FROM stream_progress FOR UPDATE")?;
    let streamer = pipeline.start("streamer", &["--flush-interval", "1h"])?;
    streamer.wait_for_log("reading pauses")?;
    assert_eq!(pipeline.database.progress(), 0);
    streamer.terminate()?;
    streamer.wait_for_log("SIGTERM")?;
    drop(locked);
    streamer.end()?.expect(0)?;
    let stored = pipeline.database.progress();
    assert!(stored >= 2 * FLUSH_EARLY as i64, "{stored} of those it had read");
    pipeline.verify()?;

    pipeline.drain()?;
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.dead.len(), unusable.len());
    Ok(())
}
