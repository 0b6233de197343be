//! `streamer move`: a topic goes on in a copy of it, on another cluster or under another name.
//!
//! In: the positions in the database, the old log if it is still there, the copy. Out: positions in the copy, behind exactly the
//! records that were counted; or nothing is changed, and each partition whose place is not sure is named. Keeps I-15.
//!
//! ```text
//!   rows ─► what is sought (old log) ─► its copy (new log) ─► places ─► one transaction, if rows and log are still the same
//! ```

mod args;
mod logs;
mod places;
mod text;

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use program::print;
use store::{LAST_LOOK_MAX, MovableRow, Move, Moved, MovedPartition, movable_rows, move_topic};
use tokio::task::spawn_blocking;

pub use self::args::MoveArgs;
use self::logs::Side;
use self::places::{Refused, find_places};
use crate::Exit;

/// Places are looked for so often while a streamer goes on moving the positions.
const ATTEMPTS_MAX: u32 = 3;

/// `streamer move`
pub async fn run(args: &MoveArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let new = Arc::new(Side::open(&args.new_cluster(), args.database.wait).await?);
    let old = match args.source_is_gone {
        true => None,
        false => {
            Some(Arc::new(Side::open(&args.old_cluster(), args.database.wait).await.context(
                "the topic's old log can't be read; if it is lost for good: --source-is-gone",
            )?))
        }
    };
    new.expect_the_times_of_the_original().await?;
    for _ in 0..ATTEMPTS_MAX {
        let rows = movable_rows(&mut connection, &args.topic).await?;
        if !rows.is_empty() && rows.iter().all(|row| row.is_retired) {
            let there = movable_rows(&mut connection, args.to_topic()).await?;
            let is_counted = |row: &MovableRow| {
                !row.is_retired && row.cluster_id.as_ref() == Some(&new.cluster_id)
            };
            ensure!(
                !there.iter().any(is_counted),
                "there is nothing to move: {} is out of service, and {} is counted on cluster {} already",
                args.topic,
                args.to_topic(),
                new.cluster_id
            );
        }
        expect_movable(args, &rows, old.as_deref(), &new)?;
        let (asked, sides) = (args.clone(), (old.clone(), Arc::clone(&new)));
        let find = move || find_places(&asked, &rows, (sides.0.as_deref(), &sides.1));
        let found = spawn_blocking(find).await.context("looking for the places")??;
        let partitions = match found {
            Ok(partitions) => partitions,
            Err(refused) => return refuse(&refused),
        };
        let order = Move {
            topic: args.topic.clone(),
            to_topic: args.to_topic().to_owned(),
            to_cluster_id: new.cluster_id.clone(),
            partitions,
            source_is_gone: args.source_is_gone,
            older_are_stopped: args.older_stopped,
            reason: args.reason.clone(),
            by: args.by.clone(),
        };
        if args.dry_run {
            print(text::places(&order, false))?;
            return Ok(Exit::Done);
        }
        let (looked_at, side, is_gone) =
            (order.partitions.clone(), Arc::clone(&new), args.source_is_gone);
        let look = async move || {
            let look = move || is_as_before(&side, &looked_at, is_gone);
            spawn_blocking(look).await.is_ok_and(|is_as_before| is_as_before)
        };
        match move_topic(&mut connection, &order, look).await? {
            Moved::Done => {
                print(text::places(&order, true))?;
                return Ok(Exit::Done);
            }
            Moved::RowsChanged => tracing::info!("positions have moved on meanwhile: once more"),
            Moved::LogChanged => bail!(
                "nothing was moved: the new log changes, or can't be asked; with --source-is-gone whoever copies into it has to be \
                 stopped first"
            ),
            Moved::TargetKnown => bail!(
                "nothing was moved: the database has positions of topic {} already",
                order.to_topic
            ),
            Moved::OlderMayRun => bail!(
                "nothing was moved: a release from before migration 22 has written rows of {}, and one that still runs would go on at \
                 the old cluster by the positions of the new one: stop all streamers of such releases, then run this again with \
                 --older-stopped; or move to another name with --to-topic",
                order.topic
            ),
        }
    }
    bail!(
        "nothing was moved: a streamer goes on moving the positions of {}; stop it, and run this again",
        args.topic
    )
}

/// What has to be so before any place is looked for.
fn expect_movable(
    args: &MoveArgs,
    rows: &[MovableRow],
    old: Option<&Side>,
    new: &Side,
) -> anyhow::Result<()> {
    let topic = &args.topic;
    ensure!(
        rows.iter().any(|row| !row.is_retired),
        "there is nothing to move: the database has no partition of {topic} in service"
    );
    let known = rows.iter().find_map(|row| row.cluster_id.as_deref());
    let is_there = known == Some(&new.cluster_id) && args.to_topic() == topic;
    ensure!(!is_there, "{topic} is counted on cluster {} already", new.cluster_id);
    if let Some(old) = old {
        let is_one_log = old.cluster_id == new.cluster_id && args.to_topic() == topic;
        ensure!(!is_one_log, "--to leads to the cluster on which {topic} is read now");
        ensure!(
            known.is_none_or(|known| known == old.cluster_id),
            "{topic} is counted on cluster {}, and KAFKA_BOOTSTRAP_SERVERS leads to cluster {}",
            known.unwrap_or_default(),
            old.cluster_id
        );
    }
    let lacking: Vec<i32> = rows
        .iter()
        .map(|row| row.partition)
        .filter(|partition| !new.partitions.contains(partition))
        .collect();
    ensure!(
        lacking.is_empty(),
        "{} has no partitions {lacking:?}: it is no copy of {topic}, whose records stand in them",
        args.to_topic()
    );
    if let Some(odd) = args.place.iter().find(|(partition, _)| !new.partitions.contains(partition))
    {
        bail!("--place names partition {}, which {} does not have", odd.0, args.to_topic());
    }
    Ok(())
}

/// Whether the places still are what they were. Where the old log is gone, nobody may be writing.
fn is_as_before(new: &Side, partitions: &[MovedPartition], source_is_gone: bool) -> bool {
    let Ok(ends) = new.all_ends(LAST_LOOK_MAX / 5) else { return false };
    partitions.iter().all(|moved| {
        let Some((_, ends)) = ends.iter().find(|(id, _)| *id == moved.partition) else {
            return false;
        };
        let is_still = ends.stable == moved.log_end && ends.high == moved.log_end;
        let holds_place = ends.low <= moved.place.at && moved.place.at <= ends.stable;
        holds_place && (is_still || !source_is_gone)
    })
}

fn refuse(refused: &[Refused]) -> anyhow::Result<Exit> {
    bail!("nothing was moved: {}", text::refusals(refused))
}
