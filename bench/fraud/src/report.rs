//! The table: how well each kind is found, beside its goal and its rivals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use generator::scenario::{FraudKind, Variant};

use crate::rivals::THRESHOLDS;
use crate::score::{FraudCase, Score};
use crate::world::World;

/// Recall that is asked of a row.
struct Goal {
    kind: FraudKind,
    /// `None`: all of the kind.
    variant: Option<Variant>,
    recall: Option<f64>,
}

/// What is asked of a kind: precision, and the median until it is found.
struct KindGoal {
    kind: FraudKind,
    precision: f64,
    within: Within,
}

enum Within {
    Minutes(f64),
    Events(u64, &'static str),
}

const KIND_GOALS: [KindGoal; 5] = [
    KindGoal { kind: FraudKind::Simbox, precision: 0.85, within: Within::Minutes(90.0) },
    KindGoal { kind: FraudKind::SmsFlood, precision: 0.95, within: Within::Events(30, "messages") },
    KindGoal { kind: FraudKind::Wangiri, precision: 0.90, within: Within::Events(20, "calls") },
    KindGoal { kind: FraudKind::Clone, precision: 0.95, within: Within::Events(2, "far events") },
    KindGoal { kind: FraudKind::Recharge, precision: 0.90, within: Within::Events(5, "top-ups") },
];

/// The goals of recall: fast Wangiri is `plain`, slow the other two.
fn goals() -> Vec<Goal> {
    let of = |kind, variant, recall| Goal { kind, variant, recall };
    use FraudKind::{Clone, Recharge, Simbox, SmsFlood, Wangiri};
    use Variant::{HumanLike, Plain, Quiet};
    vec![
        of(Simbox, Some(Plain), Some(0.95)),
        of(Simbox, Some(Quiet), Some(0.80)),
        of(Simbox, Some(HumanLike), Some(0.50)),
        of(SmsFlood, None, Some(0.95)),
        of(Wangiri, Some(Plain), Some(0.95)),
        of(Wangiri, Some(Quiet), Some(0.80)),
        of(Wangiri, Some(HumanLike), Some(0.80)),
        of(Clone, None, Some(0.90)),
        of(Recharge, None, Some(0.95)),
        of(SmsFlood, Some(Plain), None),
        of(SmsFlood, Some(Quiet), None),
        of(SmsFlood, Some(HumanLike), None),
        of(Clone, Some(Plain), None),
        of(Clone, Some(Quiet), None),
        of(Clone, Some(HumanLike), None),
        of(Recharge, Some(Plain), None),
        of(Recharge, Some(Quiet), None),
        of(Recharge, Some(HumanLike), None),
    ]
}

pub(crate) fn table(score: &Score, world: &World) -> String {
    let mut text = format!(
        "{} seeds, {} days, {} events, {} subscribers, {} frauds\n\n",
        score.seeds,
        world.days,
        score.events,
        score.rivals.subscribers,
        score.frauds.len()
    );
    recall_table(score, &mut text);
    kind_table(score, &mut text);
    false_table(score, world, &mut text);
    text
}

fn recall_table(score: &Score, text: &mut String) {
    text.push_str("| fraud | recall | 95 % | goal |\n|---|---|---|---|\n");
    for Goal { kind, variant, recall } in goals() {
        let is_it = |case: &&FraudCase| {
            case.kind == kind && variant.is_none_or(|variant| case.variant == variant)
        };
        let own: Vec<&FraudCase> = score.frauds.iter().filter(is_it).collect();
        let found = own.iter().filter(|case| case.found.is_some()).count();
        let name = variant.map_or("all", Variant::name);
        let goal = goal_text(recall.map(|goal| (share(found, own.len()) >= goal, goal)));
        line(text, &format!("| {} {name} | {} | {goal} |", kind.name(), counted(found, own.len())));
    }
}

fn kind_table(score: &Score, text: &mut String) {
    text.push_str(
        "\n| fraud | precision | 95 % | goal | found after (median) | goal | fixed daily threshold: recall, precision | chance |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for KindGoal { kind, precision, within } in KIND_GOALS {
        let own: Vec<&FraudCase> = score.frauds.iter().filter(|case| case.kind == kind).collect();
        let found: Vec<_> = own.iter().filter_map(|case| case.found.as_ref()).collect();
        let others = score.false_cases.iter().filter(|case| case.kind == kind).count();
        let named = found.len() + others;
        let is_precise = goal_text(Some((share(found.len(), named) >= precision, precision)));
        let (median_text, is_within) = match within {
            Within::Minutes(goal) => {
                let median = median(found.iter().map(|one| one.minutes).collect());
                (format!("{median:.0} min"), goal_text(Some((median <= goal, goal))))
            }
            Within::Events(goal, what) => {
                let median = median(found.iter().map(|one| one.events as f64).collect());
                let goal = goal as f64;
                (format!("{median:.0} {what}"), goal_text(Some((median <= goal, goal))))
            }
        };
        let place = THRESHOLDS.iter().position(|(one, ..)| *one == kind).unwrap_or_default();
        let (_, what, threshold) = THRESHOLDS[place];
        let [hit, all, wrong] = score.rivals.at(place, threshold);
        let [hit, all, wrong] = [hit, all, wrong].map(|number| number as usize);
        let chance = own.len() as f64 / score.rivals.subscribers.max(1) as f64;
        line(
            text,
            &format!(
                "| {} | {} | {is_precise} | {median_text} | {is_within} | ≥ {threshold} {what}: {:.2} ({hit} of {all}), {:.2} ({hit} of {}) (best on these: ≥ {}) | {chance:.5} |",
                kind.name(),
                counted(found.len(), named),
                share(hit, all),
                share(hit, hit + wrong),
                hit + wrong,
                score.rivals.best(place),
            ),
        );
    }
}

fn false_table(score: &Score, world: &World, text: &mut String) {
    let per = score.rivals.subscribers as f64 / 100_000.0 * f64::from(world.days);
    let number = score.false_cases.len();
    let rate = number as f64 / per;
    line(
        text,
        &format!("\n{number} false cases: {rate:.2} per 100,000 subscribers and day (goal 1)\n"),
    );
    text.push_str("| who | rule | false cases |\n|---|---|---|\n");
    let mut by: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for case in &score.false_cases {
        *by.entry((&case.who, &case.rule)).or_default() += 1;
    }
    for ((who, rule), number) in by {
        line(text, &format!("| {who} | {rule} | {number} |"));
    }
}

/// Each fraud, and each false case.
pub(crate) fn cases(score: &Score) -> String {
    let mut text = String::new();
    for case in &score.frauds {
        let FraudCase { seed, kind, variant, subscriber, events, found, .. } = case;
        let what = format!("{} {} of {subscriber}", kind.name(), variant.name());
        let outcome = match found {
            None => format!("missed {what}, {events} events"),
            Some(found) => format!(
                "found {what} by {} after {:.1} min, {} of {events} events",
                found.rule, found.minutes, found.events
            ),
        };
        line(&mut text, &format!("seed {seed}: {outcome}"));
    }
    for case in &score.false_cases {
        let (seed, rule, subscriber, who) = (case.seed, &case.rule, &case.subscriber, &case.who);
        line(&mut text, &format!("seed {seed}: false, {rule}: {subscriber} ({who})"));
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String can't fail");
}

fn goal_text(goal: Option<(bool, f64)>) -> String {
    match goal {
        None => "–".to_owned(),
        Some((true, goal)) => format!("{goal} met"),
        Some((false, goal)) => format!("{goal} **missed**"),
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The share, the numbers, and Wilson's interval.
fn counted(part: usize, whole: usize) -> String {
    let (low, high) = wilson(part, whole);
    format!("{:.2} ({part} of {whole}) | {low:.2}–{high:.2}", share(part, whole))
}

/// The 95 % score interval of a share: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209–212.
fn wilson(part: usize, whole: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if whole == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (whole as f64, share(part, whole));
    let denominator = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / denominator;
    let half = Z / denominator * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe, Statistics in Medicine 17 (1998) 857–872, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    #[test]
    fn intervals_are_those_of_the_literature() {
        for (part, whole, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (found_low, found_high) = wilson(part, whole);
            assert!((found_low - low).abs() < 5e-5, "{part} of {whole}: {found_low}");
            assert!((found_high - high).abs() < 5e-5, "{part} of {whole}: {found_high}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
