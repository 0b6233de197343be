//! The very code that runs, [`windowing::Engine`], [`windowing::Timers`] and
//! [`windowing::FlushProtocol`], in a simulated world: several workers and zombies between a log that
//! breaks and a database that loses answers.
//!
//! A seed decides everything. Checked after every commit: the tables are what a naive loop over the
//! records that the positions cover makes of them, every record once (I-1, I-3, I-5); results move
//! only with a position (I-2), watermarks never go back (I-4), no flush is larger than the bounds
//! (I-6), no log is exchanged unnoticed and every loss is a gap (I-7). In the end everything must be
//! stored within a bounded time.
//!
//! `SIM_SEEDS=100000 SIM_FIRST_SEED=1` runs other seeds, on all cores; `make sim` does that. A
//! failing one prints itself and the fewest steps that still fail.

#![allow(clippy::disallowed_methods, reason = "how many seeds there are to be is a setting")]

mod database;
mod dice;
mod faults;
mod logs;
mod naive;
mod reader;
mod results;
mod rules;
mod run;
mod shared;
mod shrink;
mod steps;
mod tables;
mod worker;
mod world;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use windowing::ResultName;

use faults::{Faults, Kind};
use shared::Met;
use shrink::{Failure, keep_panics_quiet, run_seed};

/// In `make test`.
const SEEDS: u64 = 2_000;
/// From so many seeds on every fault must have been seen to have an effect.
const SEEDS_FOR_ALL_FAULTS: u64 = 1_000;

/// What must have happened besides the faults.
const MUST_MEET: [&str; 35] = [
    "committed",
    "unneeded",
    "fenced",
    "refused",
    "halted",
    "paused",
    "flushed early for an alert",
    "gap accepted",
    "left without its last flush",
    "waited for a lock",
    "waited for its turn",
    "went without its turn",
    "left without its turn",
    "cut after its turn had come",
    "cut without its turn",
    "cut while its turn was waited for",
    "gave an unused turn back",
    "left for another cluster",
    "waited for its cluster to be known",
    "an operator vouched for the log",
    "the mirror has lost its first copies",
    "moved",
    "moved, the source gone",
    "moved to a mirror that was behind",
    "not moved: the mirror grows",
    "not moved: positions have changed",
    "late",
    "dead",
    "skipped",
    "rewound",
    "waited to be rewound",
    "gap: not_judged",
    "gap: retention",
    "gap: another_log",
    "gap: memory",
];

/// What happened in many seeds.
#[derive(Default)]
struct Sum {
    seeds: u64,
    faults: Faults,
    met: Met,
    fewest_faults: Option<u64>,
    longest_drain: u64,
}

#[test]
fn whatever_happens_every_record_is_counted_once_and_every_loss_is_named() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (first, seeds) = (number("SIM_FIRST_SEED", 1), number("SIM_SEEDS", SEEDS));
    keep_panics_quiet();
    let ran = run_all(first, seeds);
    drop(std::panic::take_hook());
    let sum = ran.unwrap_or_else(|(seed, failure)| panic!("{}", describe(seed, &failure)));
    println!("{}", table(first, &sum));
    if seeds >= SEEDS_FOR_ALL_FAULTS {
        expect_all(&sum);
    }
}

/// Runs seeds on all cores, until one fails.
fn run_all(first: u64, seeds: u64) -> Result<Sum, (u64, Box<Failure>)> {
    let (next, has_failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let run_some = || {
        let mut sum = Sum::default();
        while !has_failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - first >= seeds {
                break;
            }
            match run_seed(seed) {
                Ok(outcome) => sum.add(&outcome),
                Err(failure) => {
                    has_failed.store(true, Ordering::Relaxed);
                    return Err((seed, failure));
                }
            }
        }
        Ok(sum)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run_some)).collect();
        let ended = running.into_iter().map(|thread| thread.join().expect("failures are caught"));
        ended.reduce(|one, other| Ok(one?.and(other?))).expect("at least one thread")
    })
}

impl Sum {
    fn add(&mut self, outcome: &world::Outcome) {
        let faults = outcome.faults.total_injected();
        *self = std::mem::take(self).and(Sum {
            seeds: 1,
            faults: outcome.faults.clone(),
            met: outcome.met.clone(),
            fewest_faults: Some(faults),
            longest_drain: outcome.rounds_to_drain,
        });
    }

    fn and(mut self, other: Sum) -> Sum {
        self.seeds += other.seeds;
        self.faults.add(&other.faults);
        for (name, times) in other.met {
            *self.met.entry(name).or_default() += times;
        }
        self.fewest_faults = match (self.fewest_faults, other.fewest_faults) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        self.longest_drain = self.longest_drain.max(other.longest_drain);
        self
    }
}

fn table(first: u64, sum: &Sum) -> String {
    let mut lines = vec![format!("{:>10} {:>10}  fault → effect", "injected", "observed")];
    for kind in Kind::ALL {
        let (name, effect) = kind.texts();
        let index = *kind as usize;
        let (injected, observed) = (sum.faults.injected[index], sum.faults.observed[index]);
        lines.push(format!("{injected:>10} {observed:>10}  {name} → {effect}"));
    }
    for (name, times) in &sum.met {
        lines.push(format!("{:>10} {times:>10}  {name}", ""));
    }
    let Sum { seeds, fewest_faults, longest_drain, .. } = sum;
    lines.push(format!(
        "seeds {first} to {}: {} faults, at least {} in each; after the last one everything was \
         stored within {} s of simulated time",
        first + seeds - 1,
        sum.faults.total_injected(),
        fewest_faults.unwrap_or_default(),
        longest_drain / 4,
    ));
    lines.join("\n")
}

/// A fault without effect proves nothing.
fn expect_all(sum: &Sum) {
    for kind in Kind::ALL {
        let observed = sum.faults.observed[*kind as usize];
        assert!(observed > 0, "{kind}: no effect was ever seen");
    }
    for name in MUST_MEET.into_iter().chain(ResultName::ALL.iter().map(|kind| kind.table())) {
        assert!(sum.met.get(name).is_some_and(|times| *times > 0), "{name}: never");
    }
}

/// The seed, and the fewest steps that still fail.
fn describe(seed: u64, failure: &Failure) -> String {
    format!(
        "{}\nseed {seed} fails; again with: make sim FIRST_SEED={seed} SEEDS=1\n{:?}\n{} steps are \
         left of it, and what the workers ask for:\n{}",
        failure.message,
        failure.setting,
        failure.steps.len(),
        failure.trace.join("\n")
    )
}
