//! `--drain`: when is everything stored that the log held at start?

use std::time::Duration;

use store::{PgConnection, Session, StoreError, StoredPosition, connect};
use windowing::Position;

use crate::config::RunArgs;
use crate::start::Started;
use operator::Exit;

/// Pause between two looks at the stored positions.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One look may take this long; then it is tried again on a new connection.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Completes when each stored position has reached the end that its log had at start, whoever
/// advanced it, or when those that have not are halted. Never completes without `--drain`.
pub(crate) async fn drained(args: &RunArgs, started: &Started) -> Exit {
    if !args.drain {
        return std::future::pending().await;
    }
    let mut connection = None;
    loop {
        let looking = look(&mut connection, args, started);
        let looked = tokio::time::timeout(LOOK_TIMEOUT, looking)
            .await
            .unwrap_or(Err(StoreError::NoAnswer(LOOK_TIMEOUT)));
        match looked {
            Ok(Some(exit)) => return exit,
            Ok(None) => {}
            Err(error) => {
                tracing::debug!("cannot look at the positions: {error}");
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
) -> Result<Option<Exit>, StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(connect(args.database.database_url.expose(), Session::Control).await?),
    };
    let stored = store::stored_positions(connection, &args.kafka.kafka_topic).await?;
    let (mut halted, mut held_up) = (0, Vec::new());
    for (partition, ends) in &started.log_ends {
        let row = stored.iter().find(|row| row.partition == *partition);
        match row {
            // Not judged since our start: the log may be another than the position belongs to.
            Some(row) if row.updated_at <= started.database_now => return Ok(None),
            Some(row) if row.halted_reason.is_some() => halted += 1,
            // What is in and behind an open transaction nobody is shown before it ends.
            Some(row) if row.next < ends.stable => return Ok(None),
            Some(row) if row.next < ends.high => held_up.push(held_up_words(row, ends.high)),
            Some(_) => {}
            // Every partition has got a row at start: this one was retired.
            None => {}
        }
    }
    if !held_up.is_empty() {
        tracing::warn!(
            "not everything that the log held at start is stored: a Kafka transaction that was still open \
             then holds up {}. It is counted by the next run after the transaction's end, and no day that \
             it may belong to is complete before",
            held_up.join(", ")
        );
    }
    if halted == 0 && held_up.is_empty() {
        tracing::info!("drained: every record that the log held at start is stored");
    }
    if halted == 0 {
        return Ok(Some(Exit::Done));
    }
    program::report(&format!(
        "drained, but {halted} partitions are halted; see stream_progress.halted_reason"
    ));
    Ok(Some(Exit::DrainedButHalted))
}

fn held_up_words(row: &StoredPosition, high: Position) -> String {
    let records = high.offset() - row.next.offset();
    format!("{records} records of partition {} from offset {} on", row.partition, row.next)
}
