//! `--drain`: when is everything stored that the log held at start, how far is it, and what was counted?

use std::time::{Duration, Instant};

use program::duration_text;
use store::{CountedRecords, PgConnection, Session, StoreError, StoredPosition, connect};
use windowing::Position;

use crate::config::RunArgs;
use crate::start::Started;
use operator::Exit;

/// Pause between two looks at the stored positions.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Pause between two lines that say how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// One look may take this long; then it is tried again on a new connection.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How a drain has ended.
pub(crate) struct Drained {
    pub(crate) exit: Exit,
    /// What was counted, for standard output.
    pub(crate) summary: String,
}

/// Completes when each stored position has reached the end that its log had at start, whoever
/// advanced it, or when those that have not are halted. Never completes without `--drain`.
pub(crate) async fn drained(args: &RunArgs, started: &Started) -> Drained {
    if !args.drain {
        return std::future::pending().await;
    }
    let mut connection = None;
    let mut said_at = Instant::now();
    loop {
        let looking = look(&mut connection, args, started, &mut said_at);
        let looked = tokio::time::timeout(LOOK_TIMEOUT, looking)
            .await
            .unwrap_or(Err(StoreError::NoAnswer(LOOK_TIMEOUT)));
        match looked {
            Ok(Some(drained)) => return drained,
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "cannot look at the positions");
                connection = None;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(
    connection: &mut Option<PgConnection>,
    args: &RunArgs,
    started: &Started,
    said_at: &mut Instant,
) -> Result<Option<Drained>, StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(connect(args.database.database_url.expose(), Session::Control).await?),
    };
    let stored = store::stored_positions(connection, &args.kafka.kafka_topic).await?;
    if said_at.elapsed() >= SAY_EVERY {
        *said_at = Instant::now();
        let (done, total) = progress(started, &stored);
        tracing::info!(
            percent = 100 * done / total.max(1),
            records_stored = done,
            records = total,
            time_left = %time_left(done, total, started.at.elapsed()),
            "draining"
        );
    }
    let gone = gone_since(&started.cluster_id, &started.positions, &stored);
    if !gone.is_empty() {
        let topic = &args.kafka.kafka_topic;
        program::report(&format!(
            "not drained: partitions {gone:?} of {topic} were moved or taken out of service meanwhile"
        ));
        return Ok(Some(Drained { exit: Exit::Failed, summary: String::new() }));
    }
    let (mut halted, mut without_row, mut held_up) = (0, 0, Vec::new());
    for (partition, ends) in &started.log_ends {
        let row = stored.iter().find(|row| row.partition == *partition);
        match row {
            // It was so at start.
            Some(row) if row.is_retired => {}
            // Not judged since our start: the log may be another than the position belongs to.
            Some(row) if row.updated_at <= started.database_now => return Ok(None),
            Some(row) if row.halted_reason.is_some() => halted += 1,
            // What is in and behind an open transaction nobody is shown before it ends.
            Some(row) if row.next < ends.stable => return Ok(None),
            Some(row) if row.next < ends.high => held_up.push(held_up_words(row, ends.high)),
            Some(_) => {}
            // One that was added, and gets its row when the topic's cluster is known.
            None => without_row += 1,
        }
    }
    // Where all others are halted, nobody will tell the cluster.
    match halted {
        0 if without_row > 0 => return Ok(None),
        0 => {}
        _ => halted += without_row,
    }
    let counted = store::counted_records(connection, &args.kafka.kafka_topic).await?;
    let summary = summary(started.counted, counted, started.at.elapsed());
    Ok(Some(Drained { exit: say_end(halted, &held_up), summary }))
}

/// Partitions whose positions at start do not say any more what is stored of this log.
fn gone_since(
    cluster_id: &str,
    at_start: &[StoredPosition],
    stored: &[StoredPosition],
) -> Vec<i32> {
    let now = |before: &StoredPosition| stored.iter().find(|row| row.partition == before.partition);
    let is_gone = |row: &StoredPosition| {
        row.is_retired || row.cluster_id.as_deref().is_some_and(|theirs| theirs != cluster_id)
    };
    let in_service = at_start.iter().filter(|before| !before.is_retired);
    let gone = in_service.filter(|before| now(before).is_none_or(is_gone));
    gone.map(|before| before.partition).collect()
}

/// Says whether everything is stored, and if not, what is in the way.
fn say_end(halted: usize, held_up: &[String]) -> Exit {
    if !held_up.is_empty() {
        tracing::warn!(
            held_up = %held_up.join(", "),
            "not everything that the log held at start is stored: a Kafka transaction that was still open \
             then holds up the rest. It is counted by the next run after the transaction's end, and no day that \
             it may belong to is complete before"
        );
    }
    if halted == 0 && held_up.is_empty() {
        tracing::info!("drained: every record that the log held at start is stored");
    }
    if halted == 0 {
        return Exit::Done;
    }
    program::report(&format!(
        "drained, but {halted} partitions are halted; see stream_progress.halted_reason"
    ));
    Exit::DrainedButHalted
}

/// What has become of the topic's records since the start, whichever streamer counted them.
fn summary(before: CountedRecords, now: CountedRecords, taken: Duration) -> String {
    let on_time = now.on_time - before.on_time;
    let late = now.late - before.late;
    let dead = now.dead - before.dead;
    let all = on_time + late + dead;
    let seconds = taken.as_secs_f64().max(1e-3);
    format!(
        "records counted: {all} ({on_time} on time, {late} late, {dead} dead letters) in {seconds:.1} s, \
         {:.0} a second\n",
        all as f64 / seconds
    )
}

/// How many records are stored, of all between the positions at the start and the ends that the log had then.
fn progress(started: &Started, stored: &[StoredPosition]) -> (i64, i64) {
    let position = |rows: &[StoredPosition], partition| {
        let in_service = |row: &&StoredPosition| row.partition == partition && !row.is_retired;
        rows.iter().find(in_service).map(|row| row.next.offset())
    };
    let (mut done, mut total) = (0, 0);
    for (partition, ends) in &started.log_ends {
        let end = ends.stable.offset();
        let first = position(&started.positions, *partition).unwrap_or(end).min(end);
        total += end - first;
        done += position(stored, *partition).unwrap_or(end).clamp(first, end) - first;
    }
    (done, total)
}

/// As if it went on as it has gone so far.
fn time_left(done: i64, total: i64, taken: Duration) -> String {
    if done == 0 {
        return "not known yet".to_owned();
    }
    let seconds = taken.as_secs_f64() * (total - done) as f64 / done as f64;
    duration_text(Duration::from_secs(seconds.ceil() as u64))
}

fn held_up_words(row: &StoredPosition, high: Position) -> String {
    let records = high.offset() - row.next.offset();
    format!("{records} records of partition {} from offset {} on", row.partition, row.next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_says_how_long_it_may_still_take() {
        for (done, total, seconds, expected) in [
            (0, 100, 5, "not known yet"),
            (25, 100, 30, "1m 30s"),
            (99, 100, 99, "1s"),
            (100, 100, 99, "0s"),
        ] {
            assert_eq!(time_left(done, total, Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_drain_ends_with_what_it_has_counted_and_not_with_what_was_counted_before() {
        let before = CountedRecords { on_time: 5, late: 1, dead: 1 };
        let now = CountedRecords { on_time: 105, late: 4, dead: 3 };
        assert_eq!(
            summary(before, now, Duration::from_secs(2)),
            "records counted: 105 (100 on time, 3 late, 2 dead letters) in 2.0 s, 52 a second\n"
        );
    }

    #[test]
    fn what_was_moved_or_retired_meanwhile_is_not_drained() {
        let row = |partition, cluster_id: Option<&str>, is_retired| StoredPosition {
            partition,
            next: Position::at(5),
            halted_reason: None,
            updated_at: chrono::NaiveDateTime::default(),
            cluster_id: cluster_id.map(str::to_owned),
            is_retired,
        };
        let before: Vec<_> = (0..5).map(|partition| row(partition, None, partition == 4)).collect();
        let now = [
            row(0, Some("ours"), false),
            row(1, Some("theirs"), false),
            row(2, None, true),
            row(3, None, false),
            row(4, Some("ours"), true),
        ];
        assert_eq!(gone_since("ours", &before, &now), [1, 2]);
    }
}
