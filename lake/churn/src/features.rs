//! What the model is told of somebody: numbers of comparable size, made of their days before T.
//!
//! In: a [`Person`]. Out: as many numbers as [`list`] has features. With windows of w days, L the longest, s a measure's sum, u its unit:
//!
//! | feature | value |
//! |---|---|
//! | level | ln(1 + s(L) / u) |
//! | change over w < L | ln of their rate in the last w days over that in the days before them: (s(w) + uw/14) (L - w) / ((s(L) - s(w) + u(L - w)/14) w) |
//! | active days over w | active days / w |
//! | silence | ln(1 + days since the last active one) |
//! | known | ln(1 + days since the first active one within L) |
//!
//! The unit in fourteen days that is added on both sides keeps the ratio of two small numbers near 0.

use crate::day::MEASURES;
use crate::gather::{Longest, Person};

/// What is asked of a subscriber's days; a number of [`MEASURES`] says of which measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// How much of a measure there was in the longest window.
    Level(usize),
    /// Whether there was more or less of it in the last days than before.
    Change(usize, u32),
    /// The share of active days.
    ActiveDays(u32),
    /// How long nothing was heard of them.
    Silence,
    /// For how long they are known, within the longest window.
    Known,
}

/// All features, in the order of the model's coefficients.
pub fn list(longest: Longest) -> Vec<Feature> {
    let windows = longest.windows();
    let shorter = &windows[..windows.len() - 1];
    let mut list = Vec::new();
    for measure in 0..MEASURES.len() {
        list.push(Feature::Level(measure));
        list.extend(shorter.iter().map(|window| Feature::Change(measure, *window)));
    }
    list.extend(windows.iter().map(|window| Feature::ActiveDays(*window)));
    list.extend([Feature::Silence, Feature::Known]);
    list
}

/// Appends somebody's numbers to `out`, in the order of [`list`].
pub fn append(person: &Person, longest: Longest, out: &mut Vec<f64>) {
    let windows = longest.windows();
    let last = windows.len() - 1;
    let sums: [_; 4] = std::array::from_fn(|window| person.sums(window.min(last)));
    let all_days = f64::from(longest.days());
    for (index, measure) in MEASURES.iter().enumerate() {
        let all = sums[last][index] / measure.unit;
        out.push(all.ln_1p());
        for (window, days) in windows[..last].iter().enumerate() {
            let recent = sums[window][index] / measure.unit;
            let (days, before_days) = (f64::from(*days), all_days - f64::from(*days));
            let rate = (recent + days / 14.0) / days;
            let before = (all - recent + before_days / 14.0) / before_days;
            out.push((rate / before).ln());
        }
    }
    let behind = person.behind;
    out.extend(windows.iter().map(|days| f64::from(behind.active_days(*days)) / f64::from(*days)));
    out.push(f64::from(behind.recency()).ln_1p());
    out.push(f64::from(behind.known_days()).ln_1p());
}

impl Feature {
    /// As the model's table names it.
    pub fn name(self) -> String {
        match self {
            Feature::Level(measure) => format!("{}_level", MEASURES[measure].name),
            Feature::Change(measure, days) => format!("{}_change_{days}", MEASURES[measure].name),
            Feature::ActiveDays(days) => format!("active_days_{days}"),
            Feature::Silence => "silence".to_owned(),
            Feature::Known => "known".to_owned(),
        }
    }

    /// Features of one group say much the same; a reason is one of a group. Groups are those of measures, then of active days
    /// and silence, then of what is known.
    pub fn group(self) -> usize {
        match self {
            Feature::Level(measure) | Feature::Change(measure, _) => measure,
            Feature::ActiveDays(_) | Feature::Silence => MEASURES.len(),
            Feature::Known => MEASURES.len() + 1,
        }
    }
}

/// How many groups there are.
pub const GROUPS: usize = MEASURES.len() + 2;

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};

    use super::*;
    use crate::day::Deeds;
    use crate::gather::{Gatherer, Sample};

    /// The numbers of somebody who made so many calls a day in the days before the last 14, and in these.
    fn numbers(before: u32, recently: u32) -> Vec<(String, f64)> {
        let as_of = NaiveDate::from_ymd_opt(2025, 6, 1).unwrap();
        let mut gatherer = Gatherer::new(as_of, Longest::Days60, Sample::ALL, 1);
        for ago in 1..=60_u64 {
            let calls = if ago <= 14 { recently } else { before };
            gatherer.add(as_of - Days::new(ago), "a", &Deeds { calls, ..Deeds::default() });
        }
        let mut out = Vec::new();
        append(&gatherer.into_population()["a"], Longest::Days60, &mut out);
        let names = list(Longest::Days60).into_iter().map(Feature::name);
        assert_eq!(out.len(), list(Longest::Days60).len());
        names.zip(out).collect()
    }

    #[test]
    fn a_change_is_the_logarithm_of_the_rate_over_the_one_before() {
        let of = |numbers: &[(String, f64)], name: &str| {
            numbers.iter().find(|(own, _)| own == name).unwrap().1
        };
        let steady = numbers(4, 4);
        assert!(of(&steady, "calls_change_14").abs() < 1e-12);
        assert!((of(&steady, "calls_level") - 241.0_f64.ln()).abs() < 1e-12);
        let less = numbers(4, 2);
        let expected = ((2.0 + 1.0 / 14.0) / (4.0 + 1.0 / 14.0_f64)).ln();
        assert!((of(&less, "calls_change_14") - expected).abs() < 1e-12);
        assert_eq!(of(&less, "messages_change_7"), 0.0);
        assert_eq!(of(&less, "active_days_60"), 1.0);
        assert_eq!((of(&less, "silence"), of(&less, "known")), (0.0, 61.0_f64.ln()));
    }

    #[test]
    fn names_are_different_and_shorter_windows_have_fewer() {
        for (longest, count) in [(Longest::Days30, 26), (Longest::Days60, 34)] {
            let names: std::collections::BTreeSet<_> =
                list(longest).into_iter().map(Feature::name).collect();
            assert_eq!((names.len(), list(longest).len()), (count, count));
            assert!(list(longest).iter().all(|feature| feature.group() < GROUPS));
        }
    }
}
