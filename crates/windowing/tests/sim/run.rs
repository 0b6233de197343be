//! One seed: draws a schedule and carries it out; or carries a given one out again.

use windowing::GapReason;

use super::dice::Dice;
use super::steps::Step;
use super::world::{Outcome, World};

/// A schedule is at least this long, and goes on until so many faults were injected.
const STEPS_MIN: usize = 250;
const FAULTS_MIN: u64 = 20;
/// That never takes longer than this.
const STEPS_MAX: usize = 4_000;

/// Draws a schedule and carries it out; `steps` is what was drawn so far, also after a panic.
///
/// # Panics
/// As soon as an invariant does not hold, or if not everything is stored in the end.
pub(crate) fn run_drawn(world: &mut World, dice: &mut Dice, steps: &mut Vec<Step>) -> Outcome {
    while !dice.is_used_up()
        && (steps.len() < STEPS_MIN || world.shared.faults.total_injected() < FAULTS_MIN)
    {
        assert!(steps.len() < STEPS_MAX, "fewer than {FAULTS_MIN} faults in {STEPS_MAX} steps");
        steps.push(Step::draw(dice));
        world.step(steps[steps.len() - 1]);
    }
    finish(world)
}

/// Carries out these steps.
///
/// # Panics
/// As [`run_drawn`].
pub(crate) fn run_again(world: &mut World, steps: &[Step]) -> Outcome {
    for step in steps {
        world.step(*step);
    }
    finish(world)
}

fn finish(world: &mut World) -> Outcome {
    let rounds_to_drain = world.drain();
    for row in world.shared.database.rows().cloned().collect::<Vec<_>>() {
        let counters = row.counters;
        for (name, count) in
            [("late", counters.late), ("dead", counters.dead), ("skipped", counters.skipped)]
        {
            *world.shared.met.entry(name).or_default() += u64::try_from(count).expect("≥ 0");
        }
    }
    for (table, rows) in world.shared.database.rows_by_table() {
        *world.shared.met.entry(table).or_default() += u64::try_from(rows).expect("few");
    }
    world.expect_no_gap_without_reason();
    for gap in world.shared.database.gaps().copied().collect::<Vec<_>>() {
        let name = match gap.reason {
            GapReason::NotJudged => "gap: not_judged",
            GapReason::Retention => "gap: retention",
            GapReason::AnotherLog => "gap: another_log",
            GapReason::Memory => "gap: memory",
        };
        *world.shared.met.entry(name).or_default() += 1;
    }
    let (faults, met) = (world.shared.faults.clone(), world.shared.met.clone());
    Outcome { faults, met, rounds_to_drain }
}
