//! What is measured over the events of one window.
//!
//! In: events of one subscriber, each counted once, ordered by time and then as they came. Out: a value.

use std::cmp::Ordering;

use hashbrown::HashSet;

use crate::Towers;
use crate::ring::{Kept, NO_TOWER};
use crate::rules::{Addend, Bound, Condition, HAS_COUNTERPARTY, Mask, Named, Value};

/// Of sums that are measured in 10⁻⁶.
const MICROS: f64 = 1e6;
const SECONDS_PER_HOUR: f64 = 3_600.0;
/// Two events at one moment: less than this counts as this.
const SECONDS_MIN: f64 = 1.0;

/// The value of a condition, and whether it holds.
pub(crate) fn measure(condition: &Condition, events: &[Kept], towers: &Towers) -> (f64, bool) {
    let Condition { value, bound } = condition;
    let of = |mask: Mask| events.iter().filter(move |event| event.mask & mask != 0);
    let value = match *value {
        Value::Count(mask) => count(of(mask).count()),
        Value::Sum(mask, addend) => return sum(of(mask), addend, *bound),
        Value::Distinct(mask, named) => count(distinct(of(mask), named).0),
        Value::Ratio { base, part, min_events } => {
            let (all, matching) = (of(base).count(), of(base).filter(|one| one.mask & part != 0));
            if all < min_events {
                return (0.0, false);
            }
            count(matching.count()) / count(all)
        }
        Value::Dispersion { of: mask, named, min_events } => {
            let (values, naming) = distinct(of(mask), named);
            if naming < min_events {
                return (0.0, false);
            }
            count(values) / count(naming)
        }
        Value::Peak { of: mask, span_micros } => count(peak(of(mask), span_micros)),
        Value::SpeedKmh { of: mask, min_km } => speed_kmh(of(mask), min_km, towers),
        Value::Overlap(mask) => count(overlap(of(mask))),
        Value::Sequence { first, then, same_counterparty } => {
            count(sequence(events, (first, then), same_counterparty))
        }
    };
    (value, bound.holds(value))
}

fn count(number: usize) -> f64 {
    number as f64
}

/// Compared in 10⁻⁶; seconds too, so that all are compared in one way.
fn sum<'a>(events: impl Iterator<Item = &'a Kept>, addend: Addend, bound: Bound) -> (f64, bool) {
    let micros = |event: &Kept| match addend {
        Addend::Amount => i128::from(event.amount_micro_tenge),
        Addend::DataMb => i128::from(event.data_micro_mb),
        Addend::DurationSeconds => i128::from(event.duration_seconds) * 1_000_000,
    };
    let sum_micros: i128 = events.map(micros).sum();
    let threshold_micros = (bound.threshold * MICROS).round() as i128;
    let order = sum_micros.cmp(&threshold_micros);
    let holds =
        if bound.is_at_least { order != Ordering::Less } else { order != Ordering::Greater };
    (sum_micros as f64 / MICROS, holds)
}

/// How many different values there are, and how many events have one.
fn distinct<'a>(events: impl Iterator<Item = &'a Kept>, named: Named) -> (usize, usize) {
    let name = |event: &Kept| match named {
        Named::Counterparty => (event.mask & HAS_COUNTERPARTY != 0).then_some(event.counterparty),
        Named::Tower => (event.tower != NO_TOWER).then_some(u64::from(event.tower)),
    };
    let (mut values, mut naming) = (HashSet::new(), 0);
    for value in events.filter_map(name) {
        naming += 1;
        values.insert(value);
    }
    (values.len(), naming)
}

/// The greatest number of events in a stretch of this length, its beginning left out.
fn peak<'a>(events: impl Iterator<Item = &'a Kept> + Clone, span_micros: i64) -> usize {
    let (mut oldest, mut now, mut most) = (events.clone().peekable(), 0, 0);
    for event in events {
        now += 1;
        while oldest.next_if(|old| old.time_micros <= event.time_micros - span_micros).is_some() {
            now -= 1;
        }
        most = most.max(now);
    }
    most
}

fn speed_kmh<'a>(events: impl Iterator<Item = &'a Kept>, min_km: f64, towers: &Towers) -> f64 {
    let mut placed =
        events.filter_map(|event| Some((event.time_micros, towers.place(event.tower)?)));
    let Some(mut former) = placed.next() else { return 0.0 };
    let mut fastest = 0.0_f64;
    for next in placed {
        let km = former.1.distance_km(next.1);
        if km >= min_km {
            let seconds = (next.0 - former.0) as f64 / MICROS;
            fastest = fastest.max(km / (seconds.max(SECONDS_MIN) / SECONDS_PER_HOUR));
        }
        former = next;
    }
    fastest
}

/// The greatest number of half-open stretches [end − duration, end) that share a moment.
fn overlap<'a>(events: impl Iterator<Item = &'a Kept>) -> usize {
    let mut changes = Vec::new();
    for event in events.filter(|event| event.duration_seconds > 0) {
        let begin = event.time_micros - i64::from(event.duration_seconds) * 1_000_000;
        changes.extend([(begin, 1), (event.time_micros, -1)]);
    }
    // At one moment ends come before beginnings.
    changes.sort_unstable();
    let (mut now, mut most) = (0_isize, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    most.unsigned_abs()
}

/// How many match `then` and have one that matches `first` at an earlier moment.
fn sequence(events: &[Kept], (first, then): (Mask, Mask), same_counterparty: bool) -> usize {
    let mut firsts_before = HashSet::new();
    let (mut has_first, mut found) = (false, 0);
    for of_one_moment in events.chunk_by(|one, other| one.time_micros == other.time_micros) {
        let follows = |event: &&Kept| {
            let is_preceded = if same_counterparty {
                event.mask & HAS_COUNTERPARTY != 0 && firsts_before.contains(&event.counterparty)
            } else {
                has_first
            };
            event.mask & then != 0 && is_preceded
        };
        found += of_one_moment.iter().filter(follows).count();
        for event in of_one_moment.iter().filter(|event| event.mask & first != 0) {
            has_first = true;
            if same_counterparty && event.mask & HAS_COUNTERPARTY != 0 {
                firsts_before.insert(event.counterparty);
            }
        }
    }
    found
}
