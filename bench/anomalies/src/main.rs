//! `make score-anomalies`: draws the seeds' traffic, scores the detectors, prints the table and writes the
//! plot. Two seeds were there to choose the detector's constants by; ten others, looked at once, are those
//! that count.

#![allow(clippy::print_stdout, reason = "the table is the output")]
#![allow(clippy::print_stderr, reason = "it takes minutes: progress")]

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anomaly_score::report::{self, Entry};
use anomaly_score::{full, plot};
use clap::Parser;

/// Scores the anomaly detector on seeds
#[derive(Parser)]
struct Cli {
    /// The first seed; 1 and 2 are those that the detector was tuned on
    #[arg(long, default_value_t = 201)]
    first_seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// Write the plot here
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Print every label that was missed, and every false alert
    #[arg(long)]
    verbose: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let entries = score_all(cli.first_seed..cli.first_seed + cli.seeds)?;
    if cli.verbose {
        print_misses(&entries[0]);
    }
    println!("{}", report::table(&entries, full::LOTS));
    if let Some(path) = cli.plot {
        std::fs::write(path, plot::recall(&entries, full::LOTS))?;
    }
    Ok(())
}

/// Scores the seeds, as many at a time as there are processors, and adds them up.
fn score_all(seeds: Range<u64>) -> anyhow::Result<Vec<Entry>> {
    let next = AtomicU64::new(seeds.start);
    let total: Mutex<Option<Vec<Entry>>> = Mutex::new(None);
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            let entries = full::score(seed)?;
            eprintln!("seed {seed} is scored");
            let mut total = total.lock().map_err(|_| anyhow::anyhow!("another seed failed"))?;
            match &mut *total {
                None => *total = Some(entries),
                Some(sums) => sums.iter_mut().zip(entries).for_each(|(sum, one)| sum.add(one)),
            }
        }
    };
    let workers = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
        })
    })?;
    let total = total.into_inner().map_err(|_| anyhow::anyhow!("a seed failed"))?;
    total.ok_or_else(|| anyhow::anyhow!("--seeds must be 1 at least"))
}

fn print_misses(entry: &Entry) {
    for (label, windows) in &entry.labelled.labels {
        let expected = label.expected;
        let windows = windows.map_or("missed".to_owned(), |n| format!("{n} windows"));
        let (series, from, magnitude) = (&label.series, label.from, label.magnitude);
        println!("{windows}: {magnitude}x {series:?} {from}, {expected:.1} expected");
    }
    let stretches =
        [("labelled", &entry.labelled), ("clean", &entry.clean), ("night", &entry.night)];
    for (name, score) in stretches {
        for alert in &score.false_alerts {
            println!("false, {name}: {alert:?} at {}", alert.first.start());
        }
    }
}
