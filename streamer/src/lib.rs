//! Counts telecom events in 1-minute event-time windows, exactly once.
//!
//! In: the records of a Kafka topic. Out: rows of `real_time_metrics`, `late_metrics`,
//! `dead_letters` and `day_ledger`, and the positions that belong to them.
//!
//! Reading order: [`run`] starts a pool of workers → `worker` is the loop between Kafka and the core in crate
//! `windowing` → `writer` carries out flushes. What librdkafka is asked is in crate `log-reader`; the operator's commands,
//! the page that `--metrics-addr` serves and the detector are in crate `operator`.

#![allow(missing_docs, reason = "a program: no other crate reads its interface")]

mod clock_warning;
mod config;
mod contents;
mod drain;
mod examples;
mod loader;
mod metrics;
mod pool;
mod start;
mod worker;
mod writer;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use drain::Drained;
use operator::settings::SettingsCommand;
use operator::{
    Exit, compare, dead_letters, detect, erase, fraud, gaps, health, late, live, migrate, moves,
    rules, settings, status, verify,
};
use program::{Serving, ensure_files, print, report_failure, run_program, shutdown_requested};

pub use config::{Cli, Command, RunArgs};
pub use contents::RegistryArgs;
pub use metrics::metrics;

/// Files that streaming keeps open, by measurement with room to spare: 32 and 16 for each worker, with
/// one broker, the detector and the metrics.
const FILES: usize = 40;
const FILES_PER_WORKER: usize = 20;

/// The whole program: arguments, logging, signals, exit code.
pub fn program() -> ExitCode {
    log_reader::keep_large_blocks_apart();
    run_program(Cli::try_parse(), Cli::log, async |cli| {
        let exit = run(cli, shutdown_requested()).await?;
        Ok(ExitCode::from(exit.code()))
    })
}

/// Runs the command until it is done or `shutdown` completes.
///
/// # Errors
/// What made going on impossible, with what was tried and the way out.
pub async fn run(cli: Cli, shutdown: impl Future<Output = ()>) -> anyhow::Result<Exit> {
    match cli.command {
        None => stream(cli.run, shutdown).await,
        Some(Command::Run(args)) => stream(*args, shutdown).await,
        Some(Command::Migrate(args)) => migrate::migrate(&args).await,
        Some(Command::Verify(args)) => verify::verify(&args).await,
        Some(Command::Compare(args)) => compare::compare(&args).await,
        Some(Command::Gaps(args)) => gaps::gaps(&args).await,
        Some(Command::AcceptGap(args)) => gaps::accept_gap(&args).await,
        Some(Command::Retire(args)) => gaps::retire(&args).await,
        Some(Command::Move(args)) => moves::run(&args).await,
        Some(Command::Settings(SettingsCommand::Show(args))) => settings::show(&args).await,
        Some(Command::Settings(SettingsCommand::Set(args))) => settings::set(&args).await,
        Some(Command::Status(args)) => status::status(&args, shutdown).await,
        Some(Command::Health(args)) => health::health(&args).await,
        Some(Command::DeadLetters(command)) => dead_letters::run(command, shutdown).await,
        Some(Command::Erase(args)) => erase::erase(&args).await,
        Some(Command::Late(args)) => late::late(&args).await,
        Some(Command::Detect(args)) => detect::detect(&args, shutdown).await,
        Some(Command::Rules(command)) => rules::run(&command).await,
        Some(Command::Fraud(command)) => fraud::run(&command).await,
    }
}

async fn stream(args: RunArgs, shutdown: impl Future<Output = ()>) -> anyhow::Result<Exit> {
    tokio::pin!(shutdown);
    let formats = contents::Formats::new(&args.registry)?;
    ensure_files(FILES + FILES_PER_WORKER * usize::from(args.workers))?;
    let metrics = metrics::ProcessMetrics::new(args.workers);
    // Before anything else: while it starts, it can say what it waits for.
    let detector = args.detect.then(detect::DetectorMetrics::new);
    let _serving = serve_live(&args, &metrics, detector.as_ref()).await?;
    let started = tokio::select! {
        started = start::start(&args) => started?,
        () = &mut shutdown => return Ok(if args.drain { Exit::Failed } else { Exit::Done }),
    };
    if let Some(detector) = detector {
        detect::spawn(args.detection.clone(), &args.database, detector)?;
    }
    let mut pool = pool::WorkerPool::spawn(&args, &started, &formats, &metrics)?;
    let ended = tokio::select! {
        failure = pool.first_failure() => Err(failure),
        drained = drain::drained(&args, &started) => Ok(drained),
        () = &mut shutdown => {
            let exit = if args.drain { Exit::Failed } else { Exit::Done };
            Ok(Drained { exit, summary: String::new() })
        }
    };
    let stopped = pool.stop().await;
    match ended {
        Ok(Drained { exit, summary }) => {
            stopped.context("stopping")?;
            print(summary)?;
            Ok(exit)
        }
        Err(failure) => {
            if let Err(error) = stopped {
                report_failure(&error);
            }
            Err(failure)
        }
    }
}

/// The page and the metrics, until the result is dropped; without `--metrics-addr` there is nothing.
async fn serve_live(
    args: &RunArgs,
    metrics: &metrics::ProcessMetrics,
    detector: Option<&detect::DetectorMetrics>,
) -> anyhow::Result<Option<Serving>> {
    let Some(address) = args.metrics.metrics_addr.clone() else { return Ok(None) };
    let live_args = live::LiveArgs {
        address,
        kafka: args.kafka.clone(),
        database: args.database.clone(),
        flush_interval: args.flush_interval,
        owners: (0..args.workers).map(pool::owner).collect(),
        links: args.links.clone(),
    };
    live::serve_live(live_args, metrics.clone(), detector).await.map(Some)
}
