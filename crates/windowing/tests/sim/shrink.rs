//! Carries schedules out without letting a failure through, and makes a failing one small: leaves
//! out more and more of its steps as long as it still fails.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::dice::Dice;
use super::run::{run_again, run_drawn};
use super::steps::{Setting, Step};
use super::world::{Outcome, World};

/// At most so many shorter schedules are tried, unless `SIM_SHRINK` says otherwise.
const TRIES_MAX: u32 = 3_000;

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A schedule that fails, as small as it was made.
pub(crate) struct Failure {
    pub(crate) setting: Setting,
    pub(crate) steps: Vec<Step>,
    pub(crate) message: String,
    /// What happened in it.
    pub(crate) trace: Vec<String>,
}

/// From now on a panic prints nothing; its message is kept for the failure.
pub(crate) fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        PANIC.with(|message| *message.borrow_mut() = panic.to_string());
    }));
}

pub(crate) fn run_seed(seed: u64) -> Result<Outcome, Box<Failure>> {
    let mut dice = Dice::seeded(seed, 0);
    let setting = Setting::draw(seed, &mut dice);
    let mut world = World::new(&setting, false);
    let mut steps = Vec::new();
    let run = || run_drawn(&mut world, &mut dice, &mut steps);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => Ok(outcome),
        Err(_) => Err(Box::new(shrink(setting, steps))),
    }
}

fn shrink(setting: Setting, mut steps: Vec<Step>) -> Failure {
    let tries_max = std::env::var("SIM_SHRINK").ok().and_then(|text| text.parse().ok());
    let tries_max = tries_max.unwrap_or(TRIES_MAX);
    let mut tries = 0;
    let mut length = steps.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < steps.len() && tries < tries_max {
            tries += 1;
            let mut fewer = steps.clone();
            fewer.drain(at..(at + length).min(steps.len()));
            if fails(&setting, &fewer, false).is_some() {
                steps = fewer;
                has_shrunk = true;
            } else {
                at += length;
            }
        }
        // Single steps once more, as long as that helps.
        if length > 1 || !has_shrunk {
            length /= 2;
        }
    }
    let (message, trace) = fails(&setting, &steps, true).unwrap_or_default();
    Failure { setting, steps, message, trace }
}

/// The message and trace of a schedule that fails.
fn fails(setting: &Setting, steps: &[Step], is_traced: bool) -> Option<(String, Vec<String>)> {
    let mut world = World::new(setting, is_traced);
    let run = || run_again(&mut world, steps);
    catch_unwind(AssertUnwindSafe(run)).err()?;
    let message = PANIC.with(|message| message.borrow().clone());
    Some((message, world.shared.trace.take().unwrap_or_default()))
}
