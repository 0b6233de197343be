//! A run: one life of the sender after the other, until all is read or somebody says stop.
//!
//! A life is begun by introducing ourselves to the brokers, then reading the journal. Any failure ends it, and what it
//! had under way is aborted by the begin of the next. Nothing else is retried, so nothing can be sent twice.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use intake::{Mapper, Mapping};
use program::{ensure_topic, print, serve_metrics};

use crate::config::{RunArgs, read_mapping};
use crate::files::{self, Files};
use crate::journal;
use crate::life::{RunResult, Work, recall};
use crate::metrics::IntakeMetrics;
use crate::raw;

pub(crate) async fn run(
    args: RunArgs,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<ExitCode> {
    let mut shutdown = std::pin::pin!(shutdown);
    // What is wrong with the arguments is said before anybody is asked anything.
    let mapping = read_mapping(&args.map)?;
    args.key.key(needs_secret(&args, &mapping))?;
    let metrics = IntakeMetrics::new();
    let is_ready = Arc::new(AtomicBool::new(false));
    let _serving = serve_metrics(&args.metrics, &metrics.registry, Arc::clone(&is_ready)).await?;
    tokio::select! {
        biased;
        () = &mut shutdown => return Ok(ExitCode::SUCCESS),
        prepared = prepare(&args) => prepared?,
    }
    is_ready.store(true, Ordering::Relaxed);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, reports) = (Arc::clone(&stop), metrics.clone());
    let mut work = tokio::task::spawn_blocking(move || work(&args, &stopped, &reports));
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = &mut shutdown => {
            stop.store(true, Ordering::Relaxed);
            work.await
        }
    };
    let result = ended.context("the working thread panicked")??;
    let mut text = result.counts.to_string();
    result.lines.iter().for_each(|line| text.push_str(&format!("\n{line}")));
    print(format!("{text}\n"))?;
    Ok(if result.has_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether pseudonyms are made here that leave.
fn needs_secret(args: &RunArgs, mapping: &Mapping) -> bool {
    !args.dry_run && mapping.makes_pseudonyms()
}

/// The topics are there.
async fn prepare(args: &RunArgs) -> anyhow::Result<()> {
    ensure_topic(&args.kafka, args.wait).await?;
    journal::ensure_journal(&args.kafka, &args.journal).await
}

fn work(
    args: &RunArgs,
    stop: &Arc<AtomicBool>,
    metrics: &IntakeMetrics,
) -> anyhow::Result<RunResult> {
    let mapping = read_mapping(&args.map)?;
    let mapper = Mapper::new(&mapping, args.key.key(needs_secret(args, &mapping))?);
    let name = args.name.as_deref().unwrap_or(&mapping.name);
    let work = Work { args, mapper: &mapper, name, stop, metrics };
    if args.dry_run {
        return files::rehearse(&work, recall(&work)?);
    }
    let mut result = RunResult::default();
    match &args.from_topic {
        None => {
            let mut files = Files::new(&work);
            work.live_on(&mut result, |life, result| files.read(life, result))?;
            files.report(&mut result);
        }
        Some(topic) => {
            work.live_on(&mut result, |life, result| raw::read(&work, topic, life, result))?
        }
    }
    Ok(result)
}
