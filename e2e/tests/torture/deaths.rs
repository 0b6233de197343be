//! Streamers that are killed in the middle of a backlog.

use anyhow::{Result, ensure};
use e2e::{Pipeline, SLOW_READER, Scatter, Tally, volume};

use crate::{RECOMPUTED, noon, settle};

const PARTITIONS: i32 = 3;
/// More than a life reads.
const RECORDS_A_LIFE: usize = 2_000;
/// Between two comparisons of all rows with the log; the accounting is verified after each.
const LIVES_A_COMPARISON: usize = 20;

#[test]
fn killed_again_and_again_in_the_middle_of_a_backlog_it_counts_every_record_once() -> Result<()> {
    let mut tally = Tally::of("streamer: kill -9 while it reads and flushes");
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(81, PARTITIONS, noon());
    let mut sender = pipeline.topic.sender(&[])?;
    for life in 0..volume("KILLS", 5, 100) {
        sender.send(&scatter.take(RECORDS_A_LIFE))?;
        let before = pipeline.database.progress();
        let group = format!("{}-{life}", pipeline.topic.name());
        let variables = [("KAFKA_GROUP_ID", group.as_str()), ("KAFKA_PROPERTIES", SLOW_READER)];
        let streamer =
            pipeline.start_with("streamer", &["--flush-interval", "50ms"], &variables)?;
        pipeline.wait_for_progress_from(before)?;
        tally.inject(1);
        streamer.kill()?;
        // It died in the middle of its work, not after it.
        let is_hit = pipeline.database.progress() < pipeline.topic.end()?;
        tally.observe(usize::from(is_hit));
        pipeline.verify()?;
        if life % LIVES_A_COMPARISON == 0 {
            let spans = pipeline.stored_spans()?;
            pipeline.expect_recomputed_over(&spans)?;
        }
    }
    settle(&mut pipeline)?;
    ensure!(tally.observed() > 0, "each life has read the whole backlog");
    tally.end(RECOMPUTED)
}
