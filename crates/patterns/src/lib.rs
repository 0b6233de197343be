//! Patterns in what one subscriber did lately: rules over true sliding windows of event time.
//!
//! In: the events of one partition in the order of its log, each with the watermark behind it, and a
//! [`RuleSet`]. Out: [`Hit`]s. Nothing here does IO, reads a clock or draws a random number.
//!
//! What the rules mean is defined in `docs/rules.md`; the tests hold a naive program that was written from that page.
//!
//! The state is no more than the last stretch of the log: [`Matcher`] can be cut back to an earlier offset, and a
//! new one that is shown the same records again comes to the same hits. So nothing of it has to be stored.
//!
//! Reading order: [`PatternEvent`] → [`RuleSet`] → [`Matcher`] → `ring` → `judge`.
//!
//! Keeps I-3 (hits depend on the log before them, and on nothing else), I-6 (bounded in bytes) and I-7 (what the bound
//! makes it miss is told of).

mod absent;
mod event;
mod hit;
mod judge;
mod matcher;
mod ring;
mod rules;
mod subscribers;
mod towers;
mod window;

pub use self::towers::Towers;
pub use event::PatternEvent;
pub use hit::{Evidence, Hit, Measure};
pub use matcher::{Lost, Matcher};
pub use rules::{Mode, Rule, RuleSet, RulesError};

/// An event that comes on time may be this much older than the watermark: its minute is still open.
const OPEN_MINUTE_MICROS: i64 = 60_000_000;
