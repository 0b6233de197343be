//! Scores the forecast on seeds of the scenario `lifelike`: docs/churn.md.
//!
//! In: seeds. Out, on standard output: a line for each and the goals over all. With `--matrices` also what another program needs to train
//! on the same numbers: `score/compare.py` does it with scikit-learn.

#![allow(clippy::print_stdout)]

mod forecast;
mod matrix;
mod report;
mod world;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

use crate::forecast::{DAYS, forecast};
use crate::report::Report;
use crate::world::{Size, World};

/// Score the churn forecast on worlds of the generator
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 301)]
    first_seed: u64,
    /// How many
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// Subscribers of each world
    #[arg(long, default_value_t = 12_000)]
    subscribers: u32,
    /// Where drawn worlds are kept and looked for
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Where the matrices are written
    #[arg(long)]
    matrices: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let size = Size { subscribers: arguments.subscribers, days: DAYS };
    let mut report = Report::default();
    println!("{}", Report::HEAD);
    for seed in arguments.first_seed..arguments.first_seed + arguments.seeds {
        let world = World::of(seed, size, arguments.keep.as_deref())?;
        let outcome = forecast(&world).with_context(|| format!("seed {seed}"))?;
        if let Some(folder) = &arguments.matrices {
            matrix::write(folder, seed, &outcome)?;
        }
        println!("{}", report.add(seed, &outcome));
    }
    print!("{}", report.goals());
    Ok(())
}
