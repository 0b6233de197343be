//! Bytes as the choices of a schedule: the simulation of `crates/windowing/tests/sim`, with its
//! faults and all its checks, steered by the code that it reaches instead of by a seed.

#![no_main]

#[allow(dead_code, reason = "what only the simulation's own test needs")]
#[path = "../../crates/windowing/tests/sim"]
mod sim {
    pub(crate) mod database;
    pub(crate) mod dice;
    pub(crate) mod faults;
    pub(crate) mod logs;
    pub(crate) mod naive;
    pub(crate) mod reader;
    pub(crate) mod results;
    pub(crate) mod run;
    pub(crate) mod shared;
    pub(crate) mod steps;
    pub(crate) mod tables;
    pub(crate) mod worker;
    pub(crate) mod world;
    pub(crate) mod writer;
}

use libfuzzer_sys::fuzz_target;
use sim::dice::Dice;
use sim::run::run_drawn;
use sim::steps::Setting;
use sim::world::World;

fuzz_target!(|choices: &[u8]| {
    let mut dice = Dice::Bytes(choices.to_vec().into_iter());
    let setting = Setting::draw(0, &mut dice);
    let mut steps = Vec::new();
    run_drawn(&mut World::new(&setting, false), &mut dice, &mut steps);
});
