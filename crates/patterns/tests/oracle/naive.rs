//! The naive program: for each record everything is looked at again, by the letter of `docs/rules.md`. It shares no code with the
//! detector, and must stay simple enough to be obviously right.

use std::collections::{BTreeMap, BTreeSet};

use super::cases::{Case, Condition, Event, Filter, Hours, Kind, Record, Rule, UTC_OFFSET};

/// Which hit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) offset: i64,
    pub(crate) rule: usize,
    pub(crate) subscriber: String,
    /// Of `absent`: the event that nothing followed.
    pub(crate) first: Option<i64>,
}

/// What must be found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) window: [i64; 2],
    pub(crate) bucket: i64,
    pub(crate) values: Vec<f64>,
    pub(crate) offsets: Vec<i64>,
}

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

pub(crate) fn recount(case: &Case) -> BTreeMap<Key, Found> {
    let mut found = BTreeMap::new();
    for offset in 0..case.records.len() {
        let come = &case.records[..=offset];
        for (number, rule) in case.rules.iter().enumerate() {
            for (subscriber, first, hit) in judge(come, rule) {
                let key = Key { offset: come[offset].offset, rule: number, subscriber, first };
                found.insert(key, hit);
            }
        }
    }
    found
}

fn judge(come: &[Record], rule: &Rule) -> Vec<(String, Option<i64>, Found)> {
    if let Kind::Absent { first, then, same_counterparty } = &rule.conditions[0].kind {
        return absent(come, rule, (first, then), *same_counterparty);
    }
    let newest = come.last().expect("there is one");
    let looks_for = rule.conditions.iter().any(|condition| looks_for(condition, &newest.event));
    if !newest.is_on_time || !looks_for {
        return Vec::new();
    }
    let theirs =
        |record: &&Record| record.is_on_time && record.event.subscriber == newest.event.subscriber;
    let theirs: Vec<&Record> = come.iter().filter(theirs).collect();
    let time = newest.event.time;
    let counted = theirs.iter().filter(|record| is_counted(record, rule));
    let moments: BTreeSet<i64> = counted.map(|record| record.event.time).collect();
    for moment in moments.range(time..time + rule.within) {
        let in_window =
            |record: &&&Record| (moment - rule.within + 1..=*moment).contains(&record.event.time);
        let window = once(theirs.iter().filter(in_window).copied().collect(), rule);
        let values: Option<Vec<f64>> =
            rule.conditions.iter().map(|condition| value(condition, &window)).collect();
        let counts_newest = window.iter().any(|record| record.offset == newest.offset);
        if let (Some(values), true) = (values, counts_newest) {
            let hit = Found {
                window: [moment - rule.within, *moment],
                bucket: moment - moment.rem_euclid(rule.bucket),
                values,
                offsets: window[window.len().saturating_sub(10)..]
                    .iter()
                    .map(|record| record.offset)
                    .collect(),
            };
            return vec![(newest.event.subscriber.to_owned(), None, hit)];
        }
    }
    Vec::new()
}

fn looks_for(condition: &Condition, event: &Event) -> bool {
    match &condition.kind {
        Kind::Count(of) | Kind::Sum(of, _) | Kind::Distinct(of, _) | Kind::Peak(of, _) => {
            condition.at_least.is_some() && matches(of, event)
        }
        Kind::Ratio { of, .. } | Kind::Dispersion { of, .. } => matches(of, event),
        Kind::Speed(of) | Kind::Overlap(of) => matches(of, event),
        Kind::Sequence { first, then, .. } | Kind::Absent { first, then, .. } => {
            matches(first, event) || matches(then, event)
        }
    }
}

/// Whether a condition of the rule counts it.
fn is_counted(record: &Record, rule: &Rule) -> bool {
    rule.conditions.iter().any(|condition| match &condition.kind {
        Kind::Count(of) | Kind::Sum(of, _) | Kind::Distinct(of, _) => matches(of, &record.event),
        Kind::Ratio { of, .. } | Kind::Dispersion { of, .. } => matches(of, &record.event),
        Kind::Speed(of) | Kind::Overlap(of) | Kind::Peak(of, _) => matches(of, &record.event),
        Kind::Sequence { first, then, .. } | Kind::Absent { first, then, .. } => {
            matches(first, &record.event) || matches(then, &record.event)
        }
    })
}

/// What the rule counts, ordered by time and then as it came; of one event_id the first that came.
fn once<'a>(window: Vec<&'a Record>, rule: &Rule) -> Vec<&'a Record> {
    let mut kept: Vec<&Record> = Vec::new();
    for record in window {
        let is_same = |one: &&Record| one.event.id.is_some() && one.event.id == record.event.id;
        if is_counted(record, rule) && !kept.iter().any(is_same) {
            kept.push(record);
        }
    }
    kept.sort_by_key(|record| (record.event.time, record.offset));
    kept
}

/// The value, if it is what the condition asks for.
fn value(condition: &Condition, window: &[&Record]) -> Option<f64> {
    let of = |filter: &Filter| -> Vec<&Event> {
        window.iter().map(|record| &record.event).filter(|event| matches(filter, event)).collect()
    };
    let value = match &condition.kind {
        Kind::Count(filter) => of(filter).len() as f64,
        Kind::Sum(filter, field) => {
            let one = |event: &&Event| match *field {
                "amount" => event.amount.unwrap_or(0),
                "data_mb" => event.data_mb.unwrap_or(0),
                _ => i64::from(event.duration.unwrap_or(0)),
            };
            of(filter).iter().map(one).sum::<i64>() as f64
        }
        Kind::Distinct(filter, named) => different(&names(&of(filter), named)),
        Kind::Dispersion { of: filter, named, min_events } => {
            let names = names(&of(filter), named);
            if names.len() < *min_events {
                return None;
            }
            different(&names) / names.len() as f64
        }
        Kind::Peak(filter, span) => {
            let times: Vec<i64> = of(filter).iter().map(|event| event.time).collect();
            let up_to = |end: i64| {
                times.iter().filter(|time| (end - span + 1..=end).contains(*time)).count()
            };
            times.iter().map(|time| up_to(*time)).max().unwrap_or(0) as f64
        }
        Kind::Ratio { of: filter, part, min_events } => {
            let all = of(filter);
            if all.len() < *min_events {
                return None;
            }
            all.iter().filter(|event| matches(part, event)).count() as f64 / all.len() as f64
        }
        Kind::Speed(filter) => speed(&of(filter)),
        Kind::Overlap(filter) => overlap(&of(filter)) as f64,
        Kind::Sequence { first, then, same_counterparty } => {
            let events = of(&Filter::default());
            let follows = |then_event: &&&Event| {
                matches(then, then_event)
                    && events.iter().any(|before| {
                        matches(first, before)
                            && before.time < then_event.time
                            && (!same_counterparty
                                || (before.counterparty.is_some()
                                    && before.counterparty == then_event.counterparty))
                    })
            };
            events.iter().filter(follows).count() as f64
        }
        Kind::Absent { .. } => unreachable!("judged elsewhere"),
    };
    let holds = match (condition.at_least, condition.at_most) {
        (Some(least), _) => value >= least,
        (_, Some(most)) => value <= most,
        _ => value >= 1.0,
    };
    holds.then_some(value)
}

/// Of those that have one: the counterparty, or the tower.
fn names(events: &[&Event], named: &str) -> Vec<String> {
    let name = |event: &&Event| match named {
        "counterparty_id" => event.counterparty.map(str::to_owned),
        _ => event.tower.map(|tower| tower.to_string()),
    };
    events.iter().filter_map(name).collect()
}

fn different(names: &[String]) -> f64 {
    names.iter().collect::<BTreeSet<_>>().len() as f64
}

/// By the haversine formula, in km/h.
fn speed(events: &[&Event]) -> f64 {
    let place = |event: &&Event| {
        let known = super::cases::PLACES.iter().find(|(tower, ..)| Some(*tower) == event.tower)?;
        Some((event.time, known.1.to_radians(), known.2.to_radians()))
    };
    let placed: Vec<(i64, f64, f64)> = events.iter().filter_map(place).collect();
    let mut fastest: f64 = 0.0;
    for pair in placed.windows(2) {
        let ((t1, a1, b1), (t2, a2, b2)) = (pair[0], pair[1]);
        let half = |x: f64| (x / 2.0).sin().powi(2);
        let h = half(a2 - a1) + a1.cos() * a2.cos() * half(b2 - b1);
        let km = 2.0 * 6_371.008_8 * h.sqrt().asin();
        if km >= 20.0 {
            fastest = fastest.max(km / (((t2 - t1) as f64 / 1e6).max(1.0) / 3_600.0));
        }
    }
    fastest
}

/// At each beginning: how many go on then.
fn overlap(events: &[&Event]) -> usize {
    let stretch =
        |event: &&Event| (event.time - i64::from(event.duration.unwrap_or(0)) * SECOND, event.time);
    let stretches: Vec<(i64, i64)> = events.iter().map(stretch).collect();
    let at = |moment: i64| {
        stretches.iter().filter(|(begin, end)| *begin <= moment && moment < *end).count()
    };
    stretches.iter().map(|(begin, _)| at(*begin)).max().unwrap_or(0)
}

fn absent(
    come: &[Record],
    rule: &Rule,
    (first, then): (&Filter, &Filter),
    same_counterparty: bool,
) -> Vec<(String, Option<i64>, Found)> {
    let newest = come.len() - 1;
    let before = if newest == 0 { None } else { come[newest - 1].watermark_after };
    let mut hits = Vec::new();
    for candidate in come.iter().filter(|record| record.is_on_time) {
        let event = &candidate.event;
        let end = event.time + rule.within;
        let known_at = end - end.rem_euclid(MINUTE) + MINUTE;
        let is_known = |watermark: Option<i64>| watermark.is_some_and(|mark| mark >= known_at);
        // The watermark had not reached it before this record, or the event came with it.
        let is_decided = is_known(come[newest].watermark_after)
            && (!is_known(before) || candidate.offset == come[newest].offset);
        if !is_decided || !matches(first, event) {
            continue;
        }
        let theirs =
            || come.iter().filter(|one| one.is_on_time && one.event.subscriber == event.subscriber);
        let is_followed = theirs().any(|one| {
            matches(then, &one.event)
                && (event.time + 1..=end).contains(&one.event.time)
                && (!same_counterparty
                    || (event.counterparty.is_some()
                        && one.event.counterparty == event.counterparty))
        });
        let is_duplicate = theirs().any(|one| {
            one.offset < candidate.offset
                && event.id.is_some()
                && one.event.id == event.id
                && matches(first, &one.event)
                && (one.event.time - event.time).abs() < rule.within
        });
        if !is_followed && !is_duplicate {
            let found = Found {
                window: [event.time, end],
                bucket: end - end.rem_euclid(rule.bucket),
                values: Vec::new(),
                offsets: vec![candidate.offset],
            };
            hits.push((event.subscriber.to_owned(), Some(candidate.offset), found));
        }
    }
    hits
}

fn matches(filter: &Filter, event: &Event) -> bool {
    let has = |names: &[&str], name: Option<&str>| {
        names.is_empty() || name.is_some_and(|name| names.contains(&name))
    };
    has(&filter.types, Some(event.event_type))
        && has(&filter.subtypes, event.subtype)
        && filter.duration_at_most.is_none_or(|most| event.duration.is_some_and(|it| it <= most))
        && filter.hours.as_ref().is_none_or(|hours| is_in(hours, event.time))
        && filter.amount_at_least.is_none_or(|least| event.amount.is_some_and(|it| it >= least))
}

/// By the clock on the wall. Hours that end before they begin go on into the next day.
fn is_in(hours: &Hours, time: i64) -> bool {
    let minutes = (time + UTC_OFFSET).div_euclid(MINUTE);
    let (day, hour) = (minutes.div_euclid(24 * 60), minutes.rem_euclid(24 * 60) / 60);
    // 1970-01-01 was a Thursday.
    let named = |day: i64| hours.days.contains(&(day + 3).rem_euclid(7));
    let is_during = if hours.from < hours.to {
        named(day) && (hours.from..hours.to).contains(&hour)
    } else {
        named(day) && hour >= hours.from || named(day - 1) && hour < hours.to
    };
    is_during != hours.is_outside
}
