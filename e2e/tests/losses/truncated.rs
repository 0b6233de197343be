//! A broker that loses the end of its log: its last segment is cut while it is down.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::{Pipeline, WAIT_TIMEOUT};
use sandbox::{Kafka, wait_until};

use crate::{PARTITIONS, accept, counted, expect_halted, gaps, lives, matrix_row, send};

/// Cuts the segment of this partition to two thirds. What is left of the batch at the cut is
/// removed by the broker's own recovery.
fn truncate(data: &Path, topic: &str, partition: i32) -> Result<()> {
    let segment = data.join(format!("{topic}-{partition}")).join("00000000000000000000.log");
    let length = fs::metadata(&segment).with_context(|| format!("{}", segment.display()))?.len();
    OpenOptions::new().write(true).open(&segment)?.set_len(length * 2 / 3)?;
    Ok(())
}

/// Folders below the broker's own that hold this topic's partitions.
pub(crate) fn data_folder(kafka: &Kafka, topic: &str) -> Result<PathBuf> {
    let root = kafka.log_path().parent().context("the broker has a folder")?.to_owned();
    let holds = |folder: &Path| folder.join(format!("{topic}-0")).is_dir();
    if holds(&root) {
        return Ok(root);
    }
    for entry in fs::read_dir(&root)? {
        let folder = entry?.path();
        if holds(&folder) {
            return Ok(folder);
        }
    }
    anyhow::bail!("no data of {topic} below {}", root.display())
}

#[test]
fn a_truncated_log_is_told_from_a_recreated_one_even_when_it_was_filled_again() -> Result<()> {
    let mut kafka = Kafka::start()?;
    let database = sandbox::fresh_database()?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &database, PARTITIONS)?;
    // Small batches, so that a cut leaves some of them.
    for seed in 1..20 {
        send(&pipeline, seed, 100)?;
    }
    pipeline.drain()?;
    let stored = lives(&mut pipeline)?;
    let before = counted(&mut pipeline)?;

    let data = data_folder(&kafka, pipeline.topic.name())?;
    kafka.kill()?;
    for partition in 0..PARTITIONS {
        truncate(&data, pipeline.topic.name(), partition)?;
    }
    kafka.restart()?;
    // A broker that has just started knows its topics a moment later.
    let mut cut = BTreeMap::new();
    wait_until("the broker knows the topic", WAIT_TIMEOUT, || {
        cut = pipeline.topic.spans().unwrap_or_default();
        cut.len() == 2
    })?;
    for partition in 0..PARTITIONS {
        let next = cut[&partition].next;
        assert!(0 < next && next < stored[&(partition, 0)].1, "it was cut: {cut:?}");
    }
    expect_halted(&mut pipeline, &[0, 1], "the log was truncated")?;

    // Filled again beyond the position: another record stands where the fingerprint was.
    for seed in 20..40 {
        send(&pipeline, seed, 100)?;
    }
    let filled = pipeline.topic.spans()?;
    for partition in 0..PARTITIONS {
        assert!(filled[&partition].next > stored[&(partition, 0)].1, "filled again");
    }
    expect_halted(&mut pipeline, &[0, 1], "the log was truncated")?;
    accept(&pipeline, 0, &[])?;
    accept(&pipeline, 1, &[])?;
    pipeline.drain()?;
    pipeline.verify()?;
    let mut read = 0;
    for partition in 0..PARTITIONS {
        assert_eq!(gaps(&mut pipeline)?[&partition].0, "truncated");
        // Never lower than the position, or something would be counted twice.
        let position = stored[&(partition, 0)].1;
        let next = filled[&partition].next;
        assert_eq!(lives(&mut pipeline)?[&(partition, 1)], (position, next, 0));
        read += next - position;
    }
    assert_eq!(counted(&mut pipeline)?, before + read);
    matrix_row("truncated, and filled again", "halts; goes on at the cut, nothing counted twice")
}
