//! Checks one condition: which keys its kind has, and what they may be.

use toml::Spanned;

use super::super::file::{ConditionFile, FilterFile, line_of};
use super::super::{Addend, Bound, Condition, Form, Mask, Named, RulesError, Value};
use super::{Checked, Checker, WITHIN_MAX};

/// Two towers of one place hand a phone back and forth.
const MIN_KM: f64 = 20.0;
/// Counts above this could only be meant otherwise.
const COUNT_MAX: f64 = 1e9;

impl Checker<'_> {
    /// Checks it, and says what its rule has to know.
    pub(super) fn condition(&mut self, at: &Spanned<ConditionFile>) -> Result<Checked, RulesError> {
        let file = at.get_ref();
        let kind = file.kind.get_ref().as_str();
        let Some(keys) = keys_of(kind) else {
            return self.error(
                &file.kind,
                format!(
                    "kind `{kind}`: expected count, sum, distinct, ratio, dispersion, peak, speed_kmh, overlap, sequence or absent"
                ),
            );
        };
        self.only(at, kind, keys)?;
        if kind == "absent" {
            return self.absent(at);
        }
        let bound = self.bound(at, kind)?;
        let (value, looks_for, counts, minimum) = match kind {
            "count" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                (Value::Count(of), of, of, bound.threshold)
            }
            "sum" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                (Value::Sum(of, self.addend(at)?), of, of, 1.0)
            }
            "distinct" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                (Value::Distinct(of, self.named(at)?), of, of, bound.threshold)
            }
            "ratio" => self.ratio(at)?,
            "dispersion" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                let (named, min_events) = (self.named(at)?, self.min_events(at)?);
                (Value::Dispersion { of, named, min_events }, of, of, min_events as f64)
            }
            "peak" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                (Value::Peak { of, span_micros: self.span(at)? }, of, of, bound.threshold)
            }
            "speed_kmh" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                (Value::SpeedKmh { of, min_km: self.min_km(at)? }, of, of, 2.0)
            }
            "overlap" => {
                let of = self.filter(file.filter.as_ref(), at)?;
                self.set.needs.duration = true;
                (Value::Overlap(of), of, of, bound.threshold)
            }
            _ => {
                let (first, then) = self.first_and_then(at)?;
                let same_counterparty = self.same_counterparty(file);
                let value = Value::Sequence { first, then, same_counterparty };
                (value, first | then, first | then, bound.threshold + 1.0)
            }
        };
        let is_raised = bound.is_at_least || matches!(kind, "ratio" | "dispersion");
        Ok(Checked {
            form: Form::Window(vec![Condition { value, bound }]),
            looks_for: if is_raised { looks_for } else { 0 },
            counts,
            minimum: if is_raised { minimum } else { 0.0 },
        })
    }

    /// Refuses keys that the kind does not have.
    fn only(
        &self,
        at: &Spanned<ConditionFile>,
        kind: &str,
        keys: &[&str],
    ) -> Result<(), RulesError> {
        let file = at.get_ref();
        let given = [
            ("of", file.of.as_ref().map(Spanned::span)),
            ("where", file.filter.as_ref().map(Spanned::span)),
            ("part", file.part.as_ref().map(Spanned::span)),
            ("first", file.first.as_ref().map(Spanned::span)),
            ("then", file.then.as_ref().map(Spanned::span)),
            ("at_least", file.at_least.as_ref().map(Spanned::span)),
            ("at_most", file.at_most.as_ref().map(Spanned::span)),
            ("min_events", file.min_events.as_ref().map(Spanned::span)),
            ("min_km", file.min_km.as_ref().map(Spanned::span)),
            ("span", file.span.as_ref().map(Spanned::span)),
            ("same_counterparty", file.same_counterparty.as_ref().map(Spanned::span)),
        ];
        for (key, span) in given {
            if let Some(span) = span.filter(|_| !keys.contains(&key)) {
                return self.error(
                    &Spanned::new(span, ()),
                    format!("`{kind}` has no key `{key}`; it has {}", keys.join(", ")),
                );
            }
        }
        Ok(())
    }

    fn bound(&self, at: &Spanned<ConditionFile>, kind: &str) -> Result<Bound, RulesError> {
        let file = at.get_ref();
        let (is_at_least, given) = match (&file.at_least, &file.at_most) {
            (Some(given), None) => (true, given),
            (None, Some(given)) => (false, given),
            (None, None) if kind == "sequence" => {
                return Ok(Bound { is_at_least: true, threshold: 1.0 });
            }
            _ => {
                return self.error(at, format!("`{kind}`: expected one of at_least and at_most"));
            }
        };
        let threshold = *given.get_ref();
        let least = if is_at_least { 1.0 } else { 0.0 };
        let (fits, expected) = match kind {
            "sum" => (
                (0.0..=1e15).contains(&threshold) && (threshold > 0.0 || !is_at_least),
                "a number from 0 on, above 0 for at_least".to_owned(),
            ),
            "ratio" | "dispersion" => {
                ((0.0..=1.0).contains(&threshold), "a share from 0 to 1".to_owned())
            }
            "speed_kmh" => (threshold > 0.0 && threshold <= 1e9, "a number above 0".to_owned()),
            "overlap" => (
                (2.0..=COUNT_MAX).contains(&threshold) && threshold.fract() == 0.0,
                "a whole number from 2 on".to_owned(),
            ),
            _ => (
                (least..=COUNT_MAX).contains(&threshold) && threshold.fract() == 0.0,
                format!("a whole number from {least} on"),
            ),
        };
        if !fits {
            return self.error(given, format!("{threshold}: expected {expected}"));
        }
        Ok(Bound { is_at_least, threshold })
    }

    fn ratio(
        &mut self,
        at: &Spanned<ConditionFile>,
    ) -> Result<(Value, Mask, Mask, f64), RulesError> {
        let file = at.get_ref();
        let base = self.filter(file.filter.as_ref(), at)?;
        let Some(part) = &file.part else {
            return self.error(at, "`ratio`: expected the filter `part`, whose share is measured");
        };
        let part = self.filter(Some(part), at)?;
        let min_events = self.min_events(at)?;
        Ok((Value::Ratio { base, part, min_events }, base, base, min_events as f64))
    }

    fn min_events(&self, at: &Spanned<ConditionFile>) -> Result<usize, RulesError> {
        let file = at.get_ref();
        let Some(given) = &file.min_events else {
            let kind = file.kind.get_ref();
            return self.error(
                at,
                format!(
                    "`{kind}`: expected `min_events`, the number of events from which on a share says something"
                ),
            );
        };
        let min_events = *given.get_ref();
        match usize::try_from(min_events) {
            Ok(count @ 1..=1_000_000_000) => Ok(count),
            _ => self.error(
                given,
                format!("min_events {min_events}: expected a whole number from 1 on"),
            ),
        }
    }

    /// The stretch whose events a `peak` counts, µs.
    fn span(&self, at: &Spanned<ConditionFile>) -> Result<i64, RulesError> {
        match &at.get_ref().span {
            Some(given) => self.duration("span", given, WITHIN_MAX),
            None => self.error(at, "`peak`: expected `span`, the length of the stretch, like 10m"),
        }
    }

    fn absent(&mut self, at: &Spanned<ConditionFile>) -> Result<Checked, RulesError> {
        let (first, then) = self.first_and_then(at)?;
        let same_counterparty = self.same_counterparty(at.get_ref());
        let form = Form::Absent { first, then, same_counterparty };
        Ok(Checked { form, looks_for: first, counts: first | then, minimum: 1.0 })
    }

    fn first_and_then(&mut self, at: &Spanned<ConditionFile>) -> Result<(Mask, Mask), RulesError> {
        let file = at.get_ref();
        let (Some(first), Some(then)) = (&file.first, &file.then) else {
            let kind = file.kind.get_ref();
            return self.error(at, format!("`{kind}`: expected the filters `first` and `then`"));
        };
        Ok((self.filter(Some(first), at)?, self.filter(Some(then), at)?))
    }

    fn same_counterparty(&mut self, file: &ConditionFile) -> bool {
        let is_asked = file.same_counterparty.as_ref().is_some_and(|asked| *asked.get_ref());
        self.set.needs.counterparty |= is_asked;
        is_asked
    }

    fn filter(
        &mut self,
        file: Option<&Spanned<FilterFile>>,
        condition: &Spanned<ConditionFile>,
    ) -> Result<Mask, RulesError> {
        let place = file.map_or_else(|| condition.span(), Spanned::span);
        let line = line_of(self.text, place.start);
        self.set.filters.bit(file.map(Spanned::get_ref), line)
    }

    fn addend(&mut self, at: &Spanned<ConditionFile>) -> Result<Addend, RulesError> {
        let needs = &mut self.set.needs;
        match at.get_ref().of.as_ref().map(|of| of.get_ref().as_str()) {
            Some("amount") => {
                needs.amount = true;
                Ok(Addend::Amount)
            }
            Some("data_mb") => {
                needs.data = true;
                Ok(Addend::DataMb)
            }
            Some("duration_seconds") => {
                needs.duration = true;
                Ok(Addend::DurationSeconds)
            }
            other => self.unknown_of(at, other, "amount, data_mb or duration_seconds"),
        }
    }

    fn named(&mut self, at: &Spanned<ConditionFile>) -> Result<Named, RulesError> {
        match at.get_ref().of.as_ref().map(|of| of.get_ref().as_str()) {
            Some("counterparty_id") => {
                self.set.needs.counterparty = true;
                Ok(Named::Counterparty)
            }
            Some("cell_tower_id") => {
                self.set.needs.tower = true;
                Ok(Named::Tower)
            }
            other => self.unknown_of(at, other, "counterparty_id or cell_tower_id"),
        }
    }

    fn unknown_of<T>(
        &self,
        at: &Spanned<ConditionFile>,
        found: Option<&str>,
        expected: &str,
    ) -> Result<T, RulesError> {
        let kind = at.get_ref().kind.get_ref();
        match (&at.get_ref().of, found) {
            (Some(of), Some(found)) => {
                self.error(of, format!("`{kind}` of `{found}`: expected {expected}"))
            }
            _ => self.error(at, format!("`{kind}`: expected the key `of`: {expected}")),
        }
    }

    fn min_km(&mut self, at: &Spanned<ConditionFile>) -> Result<f64, RulesError> {
        self.set.needs.tower = true;
        if self.set.towers.is_empty() {
            return self.error(
                at,
                "`speed_kmh` needs a table of towers: name its file with `towers` at the beginning of this one",
            );
        }
        match &at.get_ref().min_km {
            None => Ok(MIN_KM),
            Some(given) if (0.0..=20_000.0).contains(given.get_ref()) => Ok(*given.get_ref()),
            Some(given) => {
                let found = given.get_ref();
                self.error(given, format!("min_km {found}: expected kilometres, 0 to 20000"))
            }
        }
    }
}

/// The keys of a kind of condition, besides `kind`.
fn keys_of(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "count" => &["where", "at_least", "at_most"],
        "sum" | "distinct" => &["of", "where", "at_least", "at_most"],
        "ratio" => &["where", "part", "min_events", "at_least", "at_most"],
        "dispersion" => &["of", "where", "min_events", "at_least", "at_most"],
        "peak" => &["where", "span", "at_least", "at_most"],
        "speed_kmh" => &["where", "min_km", "at_least"],
        "overlap" => &["where", "at_least"],
        "sequence" => &["first", "then", "same_counterparty", "at_least"],
        "absent" => &["first", "then", "same_counterparty"],
        _ => return None,
    })
}
