//! `make score-fraud`: draws the seeds' world, judges the rules, and prints how well each kind of fraud is found. Two seeds are
//! there to choose the rules' figures by; ten others, looked at once, are those that count.

#![allow(clippy::print_stdout, reason = "the table is the output")]
#![allow(clippy::print_stderr, reason = "it takes minutes: progress")]

mod report;
mod rivals;
mod rules;
mod score;
mod world;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Parser;

use crate::rules::ScoredRules;
use crate::score::Score;
use crate::world::World;

/// Scores the rules against fraud on seeds
#[derive(Parser)]
struct Cli {
    /// The first seed; 1 and 2 are there to tune the rules on
    #[arg(long, default_value_t = 201)]
    first_seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// The rules
    #[arg(long, default_value = "crates/patterns/rules/example.toml")]
    rules: PathBuf,
    /// The first day, UTC
    #[arg(long, default_value = "2025-11-10")]
    from: NaiveDate,
    /// How many days
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// Frauds per 10,000 subscribers, as a share of those of the scenario: 1, 0.2 or 0
    #[arg(long, default_value_t = 1.0)]
    base_rate: f64,
    /// Ordinary subscribers, in thousands
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    thousands: u32,
    /// Print each fraud, found or missed, and each false case
    #[arg(long)]
    verbose: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let text = std::fs::read_to_string(&cli.rules)
        .with_context(|| format!("reading {}", cli.rules.display()))?;
    let world = World::new(cli.from, cli.days, cli.base_rate, cli.thousands)?;
    let rules = ScoredRules::parse(&text, &world)?;
    let total = score_all(&world, &rules, cli.first_seed..cli.first_seed + cli.seeds)?;
    print!("{}", report::table(&total, &world));
    if cli.verbose {
        print!("{}", report::cases(&total));
    }
    Ok(())
}

/// Scores the seeds, as many at a time as there are processors, and adds them up in their order.
fn score_all(world: &World, rules: &ScoredRules, seeds: Range<u64>) -> anyhow::Result<Score> {
    let next = AtomicU64::new(seeds.start);
    let scores: Mutex<Vec<(u64, Score)>> = Mutex::new(Vec::new());
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            let score = score::score(world, rules, seed);
            eprintln!("seed {seed} is scored: {} events", score.events);
            scores.lock().map_err(|_| anyhow::anyhow!("another seed failed"))?.push((seed, score));
        }
    };
    let workers = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
        })
    })?;
    let mut scores = scores.into_inner().map_err(|_| anyhow::anyhow!("a seed failed"))?;
    scores.sort_by_key(|(seed, _)| *seed);
    let mut total = Score::default();
    scores.into_iter().for_each(|(seed, score)| total.add(seed, score));
    anyhow::ensure!(total.seeds > 0, "--seeds must be 1 at least");
    Ok(total)
}
