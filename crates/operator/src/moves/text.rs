//! What `streamer move` says.

use chrono::DateTime;
use program::table;
use store::{Move, MovedPartition};
use windowing::{Fingerprint, NoPlace};

use super::places::{Because, Refused};

/// Where each partition goes on, and what will never come.
pub(super) fn places(order: &Move, is_done: bool) -> String {
    let Move { topic, to_topic, to_cluster_id, partitions, .. } = order;
    let head = ["partition", "position", "goes on at", "the new log ends at"];
    let rows = partitions.iter().map(|moved| {
        let position = moved.row.as_ref().map_or("-".to_owned(), |row| row.next.to_string());
        [
            moved.partition.to_string(),
            position,
            moved.place.at.to_string(),
            moved.log_end.to_string(),
        ]
    });
    let losses: String = match order.source_is_gone {
        true => partitions.iter().filter_map(loss).collect(),
        false => String::new(),
    };
    let end = if is_done {
        format!(
            "moved: {topic} goes on as {to_topic} on cluster {to_cluster_id}. Start the streamers with KAFKA_BOOTSTRAP_SERVERS \
             and KAFKA_TOPIC of there, and stop those that still read the old log: they store nothing any more. A release from \
             before migration 22 knows nothing of clusters: where the name is the same, none may run any more, and none starts\n"
        )
    } else {
        "nothing was changed: it was a --dry-run\n".to_owned()
    };
    format!("{}{losses}{end}", table(head, rows))
}

/// What a partition has lost, where the old log is gone.
fn loss(moved: &MovedPartition) -> Option<String> {
    let (row, partition) = (moved.row.as_ref()?, moved.partition);
    let mut said = match moved.lost() {
        0 => String::new(),
        lost => format!(
            "partition {partition}: up to {lost} records behind the position were seen in the old log and will never come\n"
        ),
    };
    if moved.place.is_behind {
        let count = moved.not_copied.map_or("all".to_owned(), |count| format!("{count} records"));
        said += &format!(
            "partition {partition}: the copy ends before what was counted: {count} counted between its last record ({}) and the last \
             one counted ({}) are not in it. Nothing may be copied into it any more\n",
            time_of(moved.place.fingerprint),
            time_of(row.fingerprint),
        );
    }
    Some(said)
}

fn time_of(record: Option<Fingerprint>) -> String {
    let at = record.and_then(|record| DateTime::from_timestamp_millis(record.timestamp_ms?));
    at.map_or("none".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string())
}

/// All partitions whose place is not sure, with the way out.
pub(super) fn refusals(refused: &[Refused]) -> String {
    let line = |one: &Refused| format!("\n  partition {}: {}", one.partition, why(&one.because));
    refused.iter().map(line).collect()
}

fn why(because: &Because) -> String {
    match because {
        Because::NoPlace(NoPlace::Behind(missing)) => format!(
            "the copy has not come so far yet: of the last records before the position, {missing} are missing at its end; \
             run this again when they are there"
        ),
        Because::NoPlace(NoPlace::Several(offsets)) => format!(
            "what was counted last stands in the copy more than once, at the offsets {offsets:?}: say where to go on \
             with --place PARTITION=OFFSET"
        ),
        Because::NoPlace(NoPlace::Repeated { at, again_at }) => format!(
            "it would go on at {at}, but a record that was counted comes again at offset {again_at}: the copy was made \
             twice in part; say where to go on with --place PARTITION=OFFSET"
        ),
        Because::NoPlace(NoPlace::Missing) => {
            "what was counted last does not stand in the copy, which goes on with other records: say where to go on \
             with --place PARTITION=OFFSET"
                .to_owned()
        }
        Because::NoPlace(NoPlace::Unknown) => {
            "nothing tells what of the copy was counted: say where to go on with --place PARTITION=OFFSET, or begin \
             at its first record with --count-again"
                .to_owned()
        }
        Because::AnotherLog => {
            "the old log is not the one that was counted, or was cut: its last record before the position is another"
                .to_owned()
        }
        Because::StillWritten => {
            "a transaction is open in the copy: stop whoever copies into it first".to_owned()
        }
        Because::Found(at) => format!("it goes on at {at}: leave --place out"),
        Because::PerhapsNoCopy(at) => format!(
            "the new topic ends at {at}, before what was counted last, and nothing shows that it is a copy; if it is one: \
             --place PARTITION={at}"
        ),
        Because::OutsideLog(low, end) => {
            format!("--place has to lie between {low} and {end}")
        }
    }
}
