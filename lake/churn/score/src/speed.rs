//! What a night costs: rows of so many subscribers through gathering and scoring, without the lake's files.
//!
//! In: a number of subscribers. Out, on standard output: seconds of CPU time and the most memory used. Rows are made while they are read;
//! making them is timed apart and taken off.

#![allow(clippy::print_stdout)]

use std::hint::black_box;

use anyhow::{Context, Result};
use chrono::{Days, NaiveDate};
use churn::day::{Deeds, lot};
use churn::features::{self, Feature};
use churn::gather::{Gatherer, Longest, Sample};
use churn::model::{Coefficient, Model};
use clap::Parser;

/// Time gathering and scoring
#[derive(Debug, Parser)]
struct Arguments {
    /// How many subscribers
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: u32,
}

const LONGEST: Longest = Longest::Days60;

fn main() -> Result<()> {
    let subscribers = Arguments::parse().subscribers;
    let as_of = NaiveDate::from_ymd_opt(2025, 6, 1).context("in the calendar")?;
    let begun = cpu_seconds()?;
    let mut rows = 0_u64;
    each_row(as_of, subscribers, |day, name, deeds| {
        black_box((day, name, deeds));
        rows += 1;
    });
    let making = cpu_seconds()? - begun;
    let begun = cpu_seconds()?;
    let mut gatherer = Gatherer::new(as_of, LONGEST, Sample::ALL, subscribers as usize);
    each_row(as_of, subscribers, |day, name, deeds| gatherer.add(day, name, deeds));
    let gathering = cpu_seconds()? - begun - making;
    let begun = cpu_seconds()?;
    let model = model();
    let (mut values, mut scored, mut reasons) = (Vec::new(), 0, 0);
    for (_, person) in gatherer.into_population() {
        values.clear();
        features::append(&person, LONGEST, &mut values);
        black_box(model.probability(&values));
        reasons += model.reasons(LONGEST, &values).len();
        scored += 1;
    }
    let scoring = cpu_seconds()? - begun;
    println!("{rows} rows of {subscribers} subscribers; {scored} scored with {reasons} reasons");
    println!(
        "gathering {gathering:.1} CPU-s, scoring {scoring:.1} CPU-s; at most {} MiB",
        peak_mib()?
    );
    Ok(())
}

/// Rows of the 60 days before a day: everybody is active on two days in three.
fn each_row(as_of: NaiveDate, subscribers: u32, mut row: impl FnMut(NaiveDate, &str, &Deeds)) {
    let mut name = String::new();
    for ago in (1..=60).rev() {
        let day = as_of - Days::new(ago);
        for subscriber in 0..subscribers {
            if (u64::from(subscriber) + ago).is_multiple_of(3) {
                continue;
            }
            pseudonym(subscriber, &mut name);
            let calls = subscriber % 9 + 1;
            let deeds = Deeds {
                sessions: 2 * calls,
                data_mb: calls as f32,
                calls,
                messages: 3,
                recharges: u32::from(calls == 1),
                contacts: 4,
                towers: 3,
            };
            row(day, &name, &deeds);
        }
    }
}

/// A name as pseudonyms look, in no order.
fn pseudonym(subscriber: u32, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.clear();
    let bits = u64::from(subscriber).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    out.extend((0..16).map(|digit| char::from(DIGITS[(bits >> (4 * digit) & 15) as usize])));
}

/// A model of all features, whose weights are made up.
fn model() -> Model {
    let weight = |name: &str| (lot(name) % 200) as f64 / 1_000.0 - 0.1;
    let coefficient = |feature: Feature| {
        let feature = feature.name();
        Coefficient { mean: 0.1, deviation: 1.3, weight: weight(&feature), feature }
    };
    let coefficients = features::list(LONGEST).into_iter().map(coefficient).collect();
    Model { longest_days: 60, coefficients, intercept: -3.5, slope: 1.0, shift: 0.0 }
}

/// CPU time of this process so far.
fn cpu_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").context("/proc/self/schedstat")?;
    let nanoseconds = text.split(' ').next().context("schedstat is empty")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// The most memory that was resident.
fn peak_mib() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
