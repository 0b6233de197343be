//! The streamer aborted at each step of its work: assign, decode, flush, revoke, stop.

use anyhow::{Result, ensure};
use e2e::{Pipeline, Running, Scatter, Tally, WAIT_TIMEOUT, WITH_FAIL_POINTS, volume};
use sandbox::wait_until;

use crate::{QUICK, RECOMPUTED, noon, settle};

const PARTITIONS: i32 = 3;
const RECORDS_A_LIFE: usize = 300;

/// Reached by a streamer that has something to read.
const WHILE_READING: [&str; 13] = [
    "assign_begun",
    "assign_loaded",
    "assign_done",
    "record_polled",
    "record_counted",
    "flush_cut",
    "flush_begun",
    "flush_locked",
    "flush_upserted",
    "flush_before_commit",
    "flush_commit_sent",
    "flush_committed",
    "flush_reported",
];
/// Reached when another member comes and takes its share.
const WHILE_SHARING: [&str; 3] = ["revoke_begun", "revoke_flushed", "revoke_done"];
/// Reached after SIGTERM.
const WHILE_STOPPING: [&str; 3] = ["stop_asked", "stop_flushed", "stop_left"];

/// Brings a streamer to its end, once it is started; `None`: nothing has to be done. What it returns
/// lives as long as the streamer.
type Provoke = fn(&Pipeline, &Running, group: &str) -> Result<Option<Running>>;

#[test]
fn aborted_at_any_step_of_reading_and_flushing_it_counts_every_record_once() -> Result<()> {
    WHILE_READING.iter().try_for_each(|point| abort_at(point, |_, _, _| Ok(None)))
}

#[test]
fn aborted_while_it_gives_partitions_up_it_counts_every_record_once() -> Result<()> {
    let provoke: Provoke = |pipeline, life, group| {
        life.wait_for_log("assigned partitions=[0")?;
        start(pipeline, "streamer", group, None).map(Some)
    };
    WHILE_SHARING.iter().try_for_each(|point| abort_at(point, provoke))
}

#[test]
fn aborted_while_it_stops_it_counts_every_record_once() -> Result<()> {
    let provoke: Provoke = |_, life, _| {
        life.wait_for_log("assigned partitions=[0")?;
        life.terminate()?;
        Ok(None)
    };
    WHILE_STOPPING.iter().try_for_each(|point| abort_at(point, provoke))
}

fn abort_at(point: &str, provoke: Provoke) -> Result<()> {
    let mut tally = Tally::of(format!("abort at {point}"));
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(61, PARTITIONS, noon());
    let mut sender = pipeline.topic.sender(&[])?;
    for life in 0..volume("ABORTS", 1, 20) {
        sender.send(&scatter.take(RECORDS_A_LIFE))?;
        // A group of its own, so that it does not wait for the dead member's timeout.
        let group = format!("{}-{life}", pipeline.topic.name());
        let pass = pass_of(point, life);
        let order = format!("{point}:abort:{pass}");
        let mut streamer = start(&pipeline, WITH_FAIL_POINTS, &group, Some(&order))?;
        tally.inject(1);
        let other = provoke(&pipeline, &streamer, &group)?;
        // Always something to flush.
        wait_until(&format!("{order} is reached"), WAIT_TIMEOUT, || {
            !streamer.is_alive() || sender.send(&scatter.take(10)).is_err()
        })?;
        let ended = streamer.end()?;
        let said = format!("fail point {point}, pass {pass}: Abort");
        let is_aborted = ended.code.is_none() && ended.log.contains(&said);
        ensure!(is_aborted, "{order}: exit code {:?}\n{}", ended.code, ended.log);
        tally.observe(1);
        drop(other);
        pipeline.verify()?;
    }
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

/// Not always at the first time.
fn pass_of(point: &str, life: usize) -> usize {
    match point.split_once('_').map(|(step, _)| step) {
        Some("record") => 1 + life * 37 % RECORDS_A_LIFE,
        Some("flush") => 1 + life % 4,
        _ => 1,
    }
}

fn start(pipeline: &Pipeline, program: &str, group: &str, order: Option<&str>) -> Result<Running> {
    let mut variables = vec![("KAFKA_GROUP_ID", group), QUICK];
    variables.extend(order.map(|order| ("FAIL_POINT", order)));
    pipeline.start_with(program, &["--flush-interval", "50ms"], &variables)
}
