//! What operators ask of the pipeline, a folder for each command: its arguments, its SQL, its judgement, its
//! text and its tests. The command line that dispatches to them is the streamer's.
//!
//! None of them needs a running streamer. Only `accept-gap`, `retire`, `move`, `settings set`, `dead-letters replay`, `erase`,
//! `migrate`, `detect`, `rules apply` and `off`, and the verdicts of `fraud` change anything.

pub mod args;
pub mod compare;
pub mod dead_letters;
pub mod detect;
pub mod erase;
pub mod exit;
pub mod fraud;
pub mod gaps;
pub mod health;
pub mod late;
pub mod live;
pub mod migrate;
mod moment;
pub mod moves;
mod output;
pub mod rules;
pub mod settings;
pub mod status;
pub mod verify;

pub use exit::Exit;
