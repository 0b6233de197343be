//! `archiver vacuum`: files that nobody needs any more, and days that are older than RETAIN_EVENTS.
//!
//! The Delta crate's full vacuum would delete files of a batch that is under way, and its commit would then name
//! files that are gone. So this one begins with a commit that names what every append and every rewrite names:
//!
//! ```text
//!   batch read against version 7 ──► commit: refused, the vacuum's commit is 8
//!   vacuum: commit 8 ─► list ─► delete what version 8 does not hold and was written against less than 8
//!   batch read against version 8 ──► its files are called v8-…: left alone
//! ```
//!
//! No clock decides what is deleted, but for files that were removed by a commit: readers of older versions have
//! them for the retention.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{Days, NaiveDate, Utc};
use deltalake_core::kernel::Action;
use deltalake_core::protocol::DeltaOperation;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::config::VacuumArgs;
use crate::dates::{day_of_path, days_since_1970};
use crate::store::{Name, address, folder};
use crate::table::{APPEND, Committed, RETAINED, REWRITE, Table};

/// How often the first commit is tried.
const ATTEMPTS_MAX: usize = 20;

/// Removes what is too old, and deletes what nobody needs.
pub(crate) async fn run(args: VacuumArgs) -> anyhow::Result<ExitCode> {
    let lake_url = &args.lake.lake_url;
    let url = address(lake_url, Name::Events)?;
    let Some(mut table) = Table::open(&url).await? else {
        bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    if let Some(days) = args.retain_events {
        let cutoff = Utc::now().date_naive().checked_sub_days(Days::new(days.get()));
        let removed = remove_before(&mut table, cutoff.unwrap_or(NaiveDate::MIN)).await?;
        program::print(format!("{removed} files of days older than {days} days were removed\n"))?;
    }
    let deleted = vacuum(&mut table, args.retention).await?;
    program::print(format!("{deleted} files of {url} were deleted\n"))?;
    let url = address(lake_url, Name::Subscribers)?;
    if let Some(mut table) = Table::open(&url).await? {
        let deleted = vacuum(&mut table, args.retention).await?;
        program::print(format!("{deleted} files of {url} were deleted\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes all days before this one from the table.
async fn remove_before(table: &mut Table, cutoff: NaiveDate) -> anyhow::Result<usize> {
    let is_old = |path: &str| day_of_path(path).is_some_and(|day| day < cutoff);
    for _ in 0..ATTEMPTS_MAX {
        table.refresh().await?;
        let removes = table.removes(is_old, true)?;
        if removes.is_empty() {
            return Ok(0);
        }
        let count = removes.len();
        let operation =
            DeltaOperation::Delete { predicate: Some(format!("event_date < '{cutoff}'")) };
        let before = table.retained_from().await?;
        let retained = i64::from(days_since_1970(cutoff)).max(before.unwrap_or(i64::MIN));
        let versions = vec![(REWRITE.to_owned(), 1), (RETAINED.to_owned(), retained)];
        let actions = removes.into_iter().map(Action::Remove).collect();
        if table.commit(actions, versions, operation).await? != Committed::Refused {
            return Ok(count);
        }
    }
    bail!(
        "days before {cutoff} could not be removed: other commits came first {ATTEMPTS_MAX} times"
    )
}

/// Deletes files that the table does not hold and nobody can commit any more; those that a commit has removed, once
/// they are older than the retention. Says how many.
pub(crate) async fn vacuum(table: &mut Table, retention: Duration) -> anyhow::Result<usize> {
    let fence = fence(table).await?;
    table.refresh().await?;
    let held: HashSet<String> = table.paths()?.into_iter().collect();
    let removed = table.removed().await?;
    let cutoff = Utc::now().timestamp_millis() - i64::try_from(retention.as_millis())?;
    let is_free = |path: &str| {
        let is_kept = removed.get(path).is_some_and(|removed_at| *removed_at > cutoff);
        !held.contains(path) && !is_kept && base_of(path).is_some_and(|base| base < fence)
    };
    let store = table.store();
    let mut listed = store.list(None);
    let mut free: Vec<Path> = Vec::new();
    while let Some(object) = listed.try_next().await.context("listing the lake's files")? {
        if is_free(object.location.as_ref()) {
            free.push(object.location);
        }
    }
    drop(listed);
    let mut deleted = 0;
    for path in &free {
        match store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => deleted += 1,
            Err(error) => return Err(error).with_context(|| format!("deleting {path}")),
        }
    }
    Ok(deleted + delete_unfinished(table, fence)?)
}

/// Commits so that whoever has read an older version is refused; says which version that is.
async fn fence(table: &mut Table) -> anyhow::Result<u64> {
    for _ in 0..ATTEMPTS_MAX {
        table.refresh().await?;
        let versions = vec![(APPEND.to_owned(), 1), (REWRITE.to_owned(), 1)];
        let operation = DeltaOperation::VacuumStart {
            retention_check_enabled: false,
            specified_retention_millis: None,
            default_retention_millis: 0,
        };
        if let Committed::As(version) = table.commit(Vec::new(), versions, operation).await? {
            return Ok(version);
        }
    }
    bail!("the vacuum could not begin: other commits came first {ATTEMPTS_MAX} times")
}

/// The table's version that a file was written against, by its name.
fn base_of(path: &str) -> Option<u64> {
    if path.starts_with("_delta_log") {
        return None;
    }
    let name = path.rsplit('/').next()?;
    name.strip_prefix('v')?.split('-').next()?.parse().ok()
}

/// On a disk, what a killed process has left of files that it was writing: the store does not list them.
fn delete_unfinished(table: &Table, fence: u64) -> anyhow::Result<usize> {
    let Some(root) = folder(table.url()) else { return Ok(0) };
    let mut folders: Vec<PathBuf> = vec![root];
    let mut deleted = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "_delta_log" {
                folders.push(path);
            } else if name.contains('#') && base_of(name).is_some_and(|base| base < fence) {
                std::fs::remove_file(&path)?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_ours_have_a_base_and_none_of_the_log_has() {
        for (path, base) in [
            ("event_date=2025-11-09/v12-0b1c.zstd.parquet", Some(12)),
            ("v0-0b1c.zstd.parquet", Some(0)),
            ("v12-0b1c.zstd.parquet#1", Some(12)),
            ("event_date=2025-11-09/part-0000.parquet", None),
            ("event_date=2025-11-09/vx-1.parquet", None),
            ("_delta_log/v1-x.json", None),
            ("_delta_log/00000000000000000001.json", None),
        ] {
            assert_eq!(base_of(path), base, "{path}");
        }
    }
}
