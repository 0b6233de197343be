//! A batch that the broker's disk has damaged. The client may not get behind it, or may go on as if it
//! had never been: neither may be taken for offsets that never held a record.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{Pipeline, WAIT_TIMEOUT};
use sandbox::{Kafka, wait_until};

use crate::truncated::data_folder;
use crate::{PARTITIONS, accept, counted, end_of, expect_halted, gaps, lives, matrix_row, send};

/// Length of a batch's head up to and with its length field: base offset, length.
const HEAD: usize = 12;

/// Changes the last byte of the batch that holds this offset.
fn damage(data: &Path, topic: &str, partition: i32, offset: i64) -> Result<()> {
    let segment = data.join(format!("{topic}-{partition}")).join("00000000000000000000.log");
    let mut bytes = fs::read(&segment).with_context(|| segment.display().to_string())?;
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + HEAD) {
        let base = i64::from_be_bytes(head[..8].try_into()?);
        let length = u32::from_be_bytes(head[8..].try_into()?) as usize;
        at += HEAD + length;
        if base == offset {
            bytes[at - 1] ^= 1;
            return Ok(fs::write(&segment, bytes)?);
        }
    }
    anyhow::bail!("no batch of {} begins at {offset}", segment.display())
}

#[test]
fn a_batch_that_the_disk_has_damaged_is_named_and_never_skipped_in_silence() -> Result<()> {
    let mut kafka = Kafka::start()?;
    let database = sandbox::fresh_database()?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &database, PARTITIONS)?;
    // Three batches in each partition; the first one is stored.
    send(&pipeline, 1, 100)?;
    pipeline.drain()?;
    let from = end_of(&pipeline, 0)?;
    send(&pipeline, 2, 100)?;
    let to = end_of(&pipeline, 0)?;
    send(&pipeline, 3, 100)?;
    ensure!(from < to && to < end_of(&pipeline, 0)?, "three batches");

    let data = data_folder(&kafka, pipeline.topic.name())?;
    // In order: after a crash the broker would look at the batch, and cut the log there.
    kafka.stop()?;
    damage(&data, pipeline.topic.name(), 0, from)?;
    kafka.restart()?;
    wait_until("the broker knows the topic", WAIT_TIMEOUT, || {
        pipeline.topic.spans().is_ok_and(|spans| spans.len() == 2)
    })?;

    let reason = format!("the records from offset {from} on can't be read");
    expect_halted(&mut pipeline, &[0], &reason)?;
    assert_eq!(lives(&mut pipeline)?[&(0, 0)].1, from, "it stands before the batch");
    assert_eq!(lives(&mut pipeline)?[&(1, 0)].1, end_of(&pipeline, 1)?, "the other goes on");

    // The way out that the operations page names.
    pipeline.topic.delete_before(0, to)?;
    expect_halted(
        &mut pipeline,
        &[0],
        &format!("lost are the offsets from {from} to before {to}"),
    )?;
    accept(&pipeline, 0, &[])?;
    pipeline.drain()?;
    pipeline.verify()?;
    assert_eq!(gaps(&mut pipeline)?[&0], ("overtaken".to_owned(), from, to));
    assert_eq!(counted(&mut pipeline)?, 300 - (to - from), "all the rest is counted");
    matrix_row(
        "batch damaged on the broker's disk",
        "its partition halts and names it; the rest counted",
    )
}
