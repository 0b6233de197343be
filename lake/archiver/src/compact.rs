//! `archiver compact`: a day's many small files become few large ones, beside whoever appends.

use std::process::ExitCode;

use anyhow::bail;
use chrono::NaiveDate;
use deltalake_core::kernel::Action;
use deltalake_core::protocol::DeltaOperation;

use crate::config::CompactArgs;
use crate::dates::{day_of_path, days_since_1970};
use crate::read;
use crate::rewrite::Rewriter;
use crate::store::{Name, address};
use crate::table::{Committed, REWRITE, Table};

/// Files of at least this share of the wished size are left as they are.
const LARGE_ENOUGH: f64 = 0.75;
/// How often a day is begun again because somebody else has rewritten files meanwhile.
const ATTEMPTS_MAX: usize = 5;

/// Compacts one day, or all that have several small files.
pub(crate) async fn run(args: CompactArgs) -> anyhow::Result<ExitCode> {
    let url = address(&args.lake.lake_url, Name::Events)?;
    let Some(mut table) = Table::open(&url).await? else {
        bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    let days: Vec<NaiveDate> = match args.day {
        Some(day) => vec![day],
        None => {
            let mut days: Vec<_> =
                table.paths()?.iter().filter_map(|path| day_of_path(path)).collect();
            days.sort_unstable();
            days.dedup();
            days
        }
    };
    for day in days {
        let (before, after) = compact(&mut table, day, args.file_size).await?;
        if before > 0 {
            program::print(format!("{day}: {before} files became {after}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Compacts a day; says how many files were replaced by how many.
async fn compact(
    table: &mut Table,
    day: NaiveDate,
    file_size: usize,
) -> anyhow::Result<(usize, usize)> {
    for _ in 0..ATTEMPTS_MAX {
        table.refresh().await?;
        // Sizes are far below 2⁵³.
        let enough = (file_size as f64 * LARGE_ENOUGH) as i64;
        let small: Vec<String> = table
            .files()?
            .into_iter()
            .filter(|file| day_of_path(&file.path) == Some(day) && file.size < enough)
            .map(|file| file.path)
            .collect();
        if small.len() < 2 {
            return Ok((0, 0));
        }
        let mut rewriter = Rewriter::new(table, days_since_1970(day), file_size, false);
        for path in &small {
            let mut batches = read::batches(table.store(), path, None).await?;
            while let Some(batch) = read::next(&mut batches).await? {
                rewriter.push(&batch).await?;
            }
        }
        let adds = rewriter.finish().await?;
        let after = adds.len();
        let removes = table.removes(|path| small.iter().any(|small| small == path), false)?;
        let actions =
            removes.into_iter().map(Action::Remove).chain(adds.into_iter().map(Action::Add));
        let target_size = i64::try_from(file_size)?;
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        let versions = vec![(REWRITE.to_owned(), 1)];
        match table.commit(actions.collect(), versions, operation).await? {
            Committed::As(_) => return Ok((small.len(), after)),
            Committed::Refused => {
                tracing::info!(%day, "other files were rewritten meanwhile; once more")
            }
        }
    }
    bail!(
        "{day} could not be compacted: others have rewritten files {ATTEMPTS_MAX} times meanwhile"
    )
}
