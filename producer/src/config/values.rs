//! How the values of arguments are written.
//!
//! In: the text of one argument. Out: its value, or a sentence that shows how to write it.

use generator::Shard;
use generator::scenario::RATE_MAX_PER_SECOND;

use super::Rate;

/// The fastest clock that --speed accepts.
const SPEED_MAX: f64 = 1_000_000.0;

/// Reads a number of events per second, or `max`.
pub(super) fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    parse_per_second(text)
        .map(Rate::PerSecond)
        .map_err(|problem| format!("{problem}, or `max` for as fast as possible"))
}

/// Reads a number of events per second.
pub(super) fn parse_per_second(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= RATE_MAX_PER_SECOND => Ok(value),
        _ => Err("write a number of events per second above 0 and up to 1000000".to_owned()),
    }
}

/// An empty variable, as Compose passes it on, counts as unset.
pub(super) fn parse_epoch(text: &str) -> Result<u32, String> {
    match text {
        "" => Ok(0),
        number => number.parse().map_err(|_| "write the number of an epoch, 0 or more".to_owned()),
    }
}

/// Reads how many times as fast as time itself, like 60x.
pub(super) fn parse_speed(text: &str) -> Result<f64, String> {
    match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= SPEED_MAX => Ok(factor),
        _ => {
            Err("write how many times as fast as time itself, like 60x; up to 1000000x".to_owned())
        }
    }
}

/// Reads NUMBER/COUNT; the first number is 1.
pub(super) fn parse_shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(number, of)| {
        let (number, of): (u32, u32) = (number.parse().ok()?, of.parse().ok()?);
        (1..=of).contains(&number).then(|| Shard { index: number - 1, of })
    });
    parsed.ok_or_else(|| "write NUMBER/COUNT, like 1/4 for the first of four".to_owned())
}

/// Reads a number of events.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("write a whole number of events, 1 or more".to_owned()),
    }
}
