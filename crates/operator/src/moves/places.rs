//! Where each partition goes on. What is sought and what is found is decided in [`windowing::PlaceSearch`]; here are the logs.

use store::{MovableRow, MovedPartition};
use windowing::{LogEnds, NoPlace, Place, PlaceSearch, Position, SOUGHT_MAX, Sought, is_copy};

use super::MoveArgs;
use super::logs::Side;

/// So many offsets of the copy are looked at for the first record that was counted.
const FIRST_SOUGHT_OFFSETS: i64 = 10_000;
/// Copies are counted in so many offsets at most.
const COUNTED_OFFSETS_MAX: i64 = 5_000_000;

/// A partition whose place is not sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) partition: i32,
    pub(super) because: Because,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Because {
    NoPlace(NoPlace),
    /// The old log does not hold what was counted.
    AnotherLog,
    /// Records still come into the copy.
    StillWritten,
    /// It is found, and an operator gave another one.
    Found(Position),
    /// It ends there, before all that was counted last, and none of it is known to be a copy.
    PerhapsNoCopy(Position),
    /// What an operator gave lies outside of the log: from, to.
    OutsideLog(Position, Position),
}

/// All places, by partition; or all that are not sure.
pub(super) fn find_places(
    args: &MoveArgs,
    rows: &[MovableRow],
    (old, new): (Option<&Side>, &Side),
) -> anyhow::Result<Result<Vec<MovedPartition>, Vec<Refused>>> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for &partition in &new.partitions {
        let row = rows.iter().find(|row| row.partition == partition);
        let ends = new.ends(partition)?;
        match find_place(args, row, (old, new), (partition, &ends))? {
            Ok(place) => found.push(MovedPartition {
                partition,
                row: row.cloned(),
                place,
                log_end: ends.high,
                not_copied: None,
            }),
            Err(because) => refused.push(Refused { partition, because }),
        }
    }
    // A topic that ends before what was counted may be any older one.
    let is_behind = |moved: &&MovedPartition| moved.place.is_behind;
    if refused.is_empty()
        && found.iter().any(|moved| moved.place.is_behind)
        && !is_shown(new, &found)?
    {
        let is_said = |moved: &&MovedPartition| {
            args.place.contains(&(moved.partition, moved.place.at.offset()))
        };
        refused.extend(found.iter().filter(is_behind).filter(|moved| !is_said(moved)).map(
            |moved| {
                let because = Because::PerhapsNoCopy(moved.place.at);
                Refused { partition: moved.partition, because }
            },
        ));
    }
    if refused.is_empty() {
        for moved in found.iter_mut().filter(|moved| moved.place.is_behind) {
            count_not_copied(new, moved)?;
        }
    }
    Ok(if refused.is_empty() { Ok(found) } else { Err(refused) })
}

/// Counts what was counted and is not in a copy that ends before it: by the copies of all that this life has counted, from the first
/// record on.
fn count_not_copied(new: &Side, moved: &mut MovedPartition) -> anyhow::Result<()> {
    let Some((row, origin)) = moved.row.as_ref().and_then(|row| Some((row, row.origin?))) else {
        return Ok(());
    };
    let Some(millis) = origin.timestamp_ms else { return Ok(()) };
    let ends = new.ends(moved.partition)?;
    let from = new.stretches.at_time(moved.partition, millis, &ends)?;
    if ends.stable.offset() - from.offset() > COUNTED_OFFSETS_MAX {
        return Ok(());
    }
    let (mut is_there, mut copies) = (false, 0);
    new.stretches.show(moved.partition, (from, ends.stable), |record| {
        is_there |= is_copy(&origin, &record);
        copies += i64::from(is_there);
    })?;
    let counted = row.counters.on_time + row.counters.late + row.counters.dead;
    moved.not_copied = is_there.then_some(counted - copies).filter(|count| *count >= 0);
    Ok(())
}

/// Whether any partition shows that the topic is a copy: what was counted last stands in it, or the first record of all.
fn is_shown(new: &Side, found: &[MovedPartition]) -> anyhow::Result<bool> {
    if found.iter().any(|moved| moved.place.fingerprint.is_some() && !moved.place.is_behind) {
        return Ok(true);
    }
    for moved in found {
        let Some(origin) = moved.row.as_ref().and_then(|row| row.origin) else { continue };
        let Some(millis) = origin.timestamp_ms else { continue };
        let ends = new.ends(moved.partition)?;
        let from = new.stretches.at_time(moved.partition, millis, &ends)?;
        let to = Position::at(from.offset() + FIRST_SOUGHT_OFFSETS).min(ends.stable);
        let mut is_there = false;
        new.stretches.show(moved.partition, (from, to), |record| {
            is_there |= is_copy(&origin, &record);
        })?;
        if is_there {
            return Ok(true);
        }
    }
    Ok(false)
}

fn find_place(
    args: &MoveArgs,
    row: Option<&MovableRow>,
    (old, new): (Option<&Side>, &Side),
    (partition, ends): (i32, &LogEnds),
) -> anyhow::Result<Result<Place, Because>> {
    if old.is_none() && ends.stable < ends.high {
        return Ok(Err(Because::StillWritten));
    }
    let given = args.place.iter().find(|(id, _)| *id == partition).map(|(_, at)| Position::at(*at));
    let sought = match (row.filter(|row| !row.is_retired), old) {
        // Nobody has ever read it, or nobody is to.
        (None, _) => Sought::Nothing,
        (Some(row), None) => Sought::without_log(row.fingerprint, row.is_untouched()),
        (Some(row), Some(old)) => match sought_in(old, row)? {
            Some(sought) => sought,
            None => return Ok(Err(Because::AnotherLog)),
        },
    };
    let searched = search(new, sought, partition, ends)?;
    // Where nothing was sought no record was shown, so none behind the place was counted.
    let searched = match searched {
        Ok(place) if !place.is_behind && place.records_after == 0 => {
            Ok(Place { records_after: records_from(new, place.at, (partition, ends))?, ..place })
        }
        searched => searched,
    };
    Ok(match searched {
        // The old log is there: what is behind will come, and be counted a second time behind any place that is given now.
        Ok(place) if place.is_behind && old.is_some() => Err(Because::NoPlace(NoPlace::Behind(1))),
        Err(NoPlace::Behind(missing)) => Err(Because::NoPlace(NoPlace::Behind(missing))),
        Ok(place) => match given.filter(|given| *given != place.at) {
            Some(_) => Err(Because::Found(place.at)),
            None => Ok(place),
        },
        Err(no_place) => match given {
            Some(given) => return given_place(new, given, (partition, ends)),
            None if no_place == NoPlace::Unknown && args.count_again => {
                let (at, is_behind) = (ends.low, false);
                let records_after = records_from(new, at, (partition, ends))?;
                Ok(Place { at, fingerprint: None, origin: None, is_behind, records_after })
            }
            None => Err(Because::NoPlace(no_place)),
        },
    })
}

/// Where an operator wants it to go on.
fn given_place(
    new: &Side,
    at: Position,
    (partition, ends): (i32, &LogEnds),
) -> anyhow::Result<Result<Place, Because>> {
    if at < ends.low || at > ends.stable {
        return Ok(Err(Because::OutsideLog(ends.low, ends.stable)));
    }
    let fingerprint = new.stretches.last_before(partition, at, ends, 1)?.pop();
    let origin = new.stretches.first_before(partition, at, ends)?;
    let records_after = records_from(new, at, (partition, ends))?;
    Ok(Ok(Place { at, fingerprint, origin, is_behind: false, records_after }))
}

/// How many records the new log has from there on.
fn records_from(
    new: &Side,
    at: Position,
    (partition, ends): (i32, &LogEnds),
) -> anyhow::Result<i64> {
    let mut records = 0;
    new.stretches.show(partition, (at, ends.stable), |_| records += 1)?;
    Ok(records)
}

/// The last records before the position; `None`: it is not the log that was counted.
fn sought_in(old: &Side, row: &MovableRow) -> anyhow::Result<Option<Sought>> {
    let ends = old.ends(row.partition)?;
    if row.next > ends.stable {
        return Ok(None);
    }
    let position = row.next.max(ends.low);
    let records = old.stretches.last_before(row.partition, position, &ends, SOUGHT_MAX)?;
    Ok(Sought::in_log(row.fingerprint, row.is_untouched(), records, ends.low))
}

fn search(
    new: &Side,
    sought: Sought,
    partition: i32,
    ends: &LogEnds,
) -> anyhow::Result<Result<Place, NoPlace>> {
    let mut search = PlaceSearch::new(sought);
    if search.needs_records() {
        let from = match search.from_millis() {
            Some(millis) => new.stretches.at_time(partition, millis, ends)?,
            None => ends.low,
        };
        // What stands before is none of what is sought; the last of it is what a copy ends with that has come no further.
        if let Some(last) = new.stretches.last_before(partition, from, ends, 1)?.pop() {
            search.show(last);
        }
        new.stretches.show(partition, (from, ends.stable), |record| search.show(record))?;
    }
    let origin = new.stretches.first_before(partition, ends.stable, ends)?;
    Ok(search.finish(ends, origin))
}
