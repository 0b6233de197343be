//! A topic that takes small batches only, as small offers of hosted Kafka do: each event would fit, and
//! a client fills its batches.

use anyhow::{Result, ensure};
use e2e::Pipeline;

const BATCH_BYTES_MAX: usize = 2_000;
const SMALLER: (&str, &str) = ("KAFKA_PROPERTIES", "batch.size=1500");

#[test]
fn where_a_topic_takes_small_batches_only_the_setting_that_makes_them_is_named() -> Result<()> {
    let mut pipeline = Pipeline::new(2)?;
    pipeline.topic.limit_batches(BATCH_BYTES_MAX)?;
    let day = ["--from", "2025-11-09", "--to", "2025-11-10", "--seed", "1", "--count", "2000"];
    let refused = pipeline.run("producer", &day)?.expect(1)?;
    ensure!(refused.log.contains("give batch.size in KAFKA_PROPERTIES"), "{}", refused.log);

    let before = pipeline.topic.end()?;
    pipeline.start_with("producer", &day, &[SMALLER])?.end()?.expect(0)?;
    ensure!(pipeline.topic.end()? >= before + 2000);
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    Ok(())
}
