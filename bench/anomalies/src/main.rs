//! `make score-anomalies`: draws the seeds' traffic, scores the detectors, prints the table and writes the
//! plot. Two seeds were there to choose the detector's constants by; ten others, looked at once, are those
//! that count.

#![allow(clippy::print_stdout, reason = "the table is the output")]
#![allow(clippy::print_stderr, reason = "it takes minutes: progress")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anomaly::{Budget, Calendar, HolidayPattern, Series};
use anomaly_score::report::{self, Entry};
use anomaly_score::run::Run;
use anomaly_score::score::QUICK_WINDOWS;
use anomaly_score::{amounts, full, inject, labels, plot, series};
use anyhow::Context;
use chrono_tz::Tz;
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
    /// Instead: faults of the first seed that no count shows, in minutes, megabytes and tenge
    #[arg(long)]
    amounts: bool,
    /// Instead: the incidents of counts in this file, epoch_seconds,region,type,count a line; -: standard input
    #[arg(long, requires = "timezone")]
    series: Option<PathBuf>,
    /// Whose clock the series follow, a name of the tz database
    #[arg(long)]
    timezone: Option<Tz>,
    /// Dates that are like no other: MM-DD or YYYY-MM-DD, with commas
    #[arg(long, value_delimiter = ',')]
    holidays: Vec<HolidayPattern>,
    /// How many false alerts a month of each series are put up with, 0.01 to 100
    #[arg(long, default_value_t = 1.0)]
    false_alerts: f64,
    /// Put spikes and drops of this seed into the series, and say how many of them are found
    #[arg(long, requires = "series")]
    inject: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let (Some(path), Some(zone)) = (&cli.series, cli.timezone) {
        return try_series(path, zone, &cli);
    }
    if cli.amounts {
        let outcome = amounts::score(&full::setting(), cli.first_seed)?;
        println!("{}", amounts::table(&outcome));
        if cli.verbose {
            outcome.faults.iter().for_each(|fault| println!("{fault:?}"));
            outcome.false_alerts.iter().for_each(|alert| println!("false: {alert:?}"));
        }
        return Ok(());
    }
    let entries = score_all(cli.first_seed..cli.first_seed + cli.seeds)?;
    if cli.verbose {
        entries.iter().take(1).for_each(print_labels);
        entries.iter().filter(|entry| entry.name.starts_with("this")).for_each(print_false);
    }
    println!("{}", report::table(&entries, full::LOTS));
    if let Some(path) = cli.plot {
        std::fs::write(path, plot::recall(&entries, full::LOTS))?;
    }
    Ok(())
}

/// What the detector makes of measured counts.
fn try_series(path: &Path, zone: Tz, cli: &Cli) -> anyhow::Result<()> {
    let measured = if path.as_os_str() == "-" {
        series::read(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        series::read(std::io::BufReader::new(file))
    }
    .with_context(|| path.display().to_string())?;
    let calendar = Calendar { zone, holidays: cli.holidays.clone() };
    let budget = Budget::a_month(cli.false_alerts)
        .with_context(|| format!("--false-alerts {}: 0.01 to 100", cli.false_alerts))?;
    if let Some(seed) = cli.inject {
        for magnitude in inject::MAGNITUDES {
            let score = inject::score(&measured, &calendar, budget, magnitude, seed);
            let line = score.line(labels::Kind::Regional, magnitude);
            println!(
                "{magnitude}×: {} of {} found, {:.2} within {} windows; {} incidents about none",
                line.windows.len(),
                line.labels,
                line.quick_recall(),
                QUICK_WINDOWS,
                score.false_alerts.len()
            );
        }
        return Ok(());
    }
    let mut run = Run::new(&measured.counts, &calendar, budget);
    for incident in run.incidents(measured.first.start(), measured.last.end()) {
        println!("{}", series::as_json(&incident));
    }
    for (series, windows) in &run.judged {
        let Series { region, event_type } = series;
        let judged = serde_json::json!({
            "region": region, "event_type": event_type, "judged_windows": windows
        });
        println!("{judged}");
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

fn print_labels(entry: &Entry) {
    for (label, windows) in &entry.labelled.labels {
        let expected = label.expected;
        let windows = windows.map_or("missed".to_owned(), |n| format!("{n} windows"));
        let (series, from, magnitude) = (&label.series, label.from, label.magnitude);
        println!("{windows}: {magnitude}x {series:?} {from}, {expected:.1} expected");
    }
}

fn print_false(entry: &Entry) {
    let stretches =
        [("labelled", &entry.labelled), ("clean", &entry.clean), ("night", &entry.night)];
    for (name, score) in stretches {
        for alert in &score.false_alerts {
            println!("false, {}, {name}: {alert:?} at {}", entry.name, alert.first.start());
        }
    }
}
