//! The scenario `lifelike`: that its parts are what docs/generator.md says, each switched on and off alone.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod cast;
mod draft;
mod lives;
mod pairs;
mod parts;
mod weather;
