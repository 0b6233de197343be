//! The real engine and flush protocol against a naive model, under generated schedules of flushes,
//! faults, restarts, moves and zombies.
//!
//! In: [`schedule::Case`]s from a fixed seed. Checked after every commit: the tables are what a
//! plain loop over the records before the stored positions makes of them (I-1, I-3, I-5), a
//! watermark never goes back (I-4), results move only with a position (I-2), and no flush is larger
//! than the bounds (I-6). At the end: everyone drains.
//!
//! `PROPTEST_CASES=20000` runs more cases, `PROPTEST_RNG_SEED=7` other ones.

mod database;
mod logs;
mod naive;
mod schedule;
mod tables;
mod worker;
mod world;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use crate::logs::Entry;
use crate::schedule::Case;
use crate::world::Hits;

const CASES: u32 = 5_000;
const SEED: u64 = 20_251_109;

/// What must have happened, each at least this often, when that many cases have run.
const MUST_HIT: [&str; 24] = [
    "committed",
    "unneeded",
    "fenced",
    "fenced after it was revoked",
    "refused",
    "halted",
    "paused",
    "given up",
    "restarted",
    "restored",
    "zombie",
    "waited for a lock",
    "before lock",
    "after lock",
    "while storing",
    "applied, answer lost",
    "commit lost",
    "in doubt, commits",
    "in doubt, rolls back",
    "refused value",
    "late",
    "dead",
    "skipped",
    "fell silent",
];
const LEAST_HITS: u64 = 50;

#[test]
fn whatever_the_schedule_the_tables_are_the_recount_of_the_records() {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let cases = config.cases;
    let all_hits = RefCell::new(Hits::new());

    let outcome = TestRunner::new(config).run(&schedule::cases(), |case| {
        for (name, times) in world::run(&case) {
            *all_hits.borrow_mut().entry(name).or_default() += times;
        }
        Ok(())
    });
    if let Err(TestError::Fail(reason, case)) = outcome {
        panic!("{reason}\n{}", describe(&case));
    }
    outcome.unwrap();

    let all_hits = all_hits.into_inner();
    println!("{all_hits:#?}");
    if cases >= CASES {
        for name in MUST_HIT {
            let times = all_hits.get(name).copied().unwrap_or_default();
            assert!(times >= LEAST_HITS, "{name}: {times} times in {cases} cases");
        }
    }
}

/// The smallest case that fails, one thing a line.
fn describe(case: &Case) -> String {
    let mut lines = vec![format!("{} workers, {:?}", case.workers, case.bounds)];
    for (partition, log) in case.logs.iter().enumerate() {
        lines.push(format!("partition {partition}, from offset {}", log.first));
        for Entry { after_seconds, content } in &log.entries {
            lines.push(format!("    after {after_seconds:2} s: {content:?}"));
        }
    }
    lines.extend(case.steps.iter().map(|step| format!("{step:?}")));
    lines.join("\n")
}
