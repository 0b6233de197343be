//! Checks a file of rules, and derives what each rule is judged by.

mod condition;

use std::time::Duration;

use toml::Spanned;

use super::file::{ConditionFile, RuleFile, line_of, read};
use super::hours::offset_micros;
use super::{Form, Mask, Mode, Rule, RuleSet, RulesError};
use crate::Towers;

const RULES_MAX: usize = 64;
const CONDITIONS_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 50;
const WITHIN_MAX: Duration = Duration::from_hours(7 * 24);
const BUCKET_MAX: Duration = Duration::from_hours(366 * 24);

pub(super) fn check(text: &str, towers: Towers) -> Result<RuleSet, RulesError> {
    let file = read(text)?;
    if file.rules.is_empty() || file.rules.len() > RULES_MAX {
        let message = format!("{} rules; expected 1 to {RULES_MAX}", file.rules.len());
        return Err(RulesError { line: 1, message });
    }
    let (rules, towers) = (Vec::new(), towers);
    let set = RuleSet { rules, towers, ..RuleSet::default() };
    let mut checker = Checker { text, set };
    checker.utc_offset(file.utc_offset.as_ref())?;
    for rule in &file.rules {
        checker.rule(rule)?;
    }
    Ok(checker.set)
}

struct Checker<'a> {
    text: &'a str,
    set: RuleSet,
}

/// A condition, as far as its rule has to know.
struct Checked {
    form: Form,
    /// Matched by what it looks for; 0: it looks for nothing.
    looks_for: Mask,
    counts: Mask,
    minimum: f64,
}

impl Checker<'_> {
    fn error<T, U>(&self, at: &Spanned<T>, message: impl Into<String>) -> Result<U, RulesError> {
        Err(RulesError { line: line_of(self.text, at.span().start), message: message.into() })
    }

    /// By which clock hours are meant: UTC's, unless the file names another.
    fn utc_offset(&mut self, given: Option<&Spanned<String>>) -> Result<(), RulesError> {
        let Some(given) = given else { return Ok(()) };
        match offset_micros(given.get_ref()) {
            Some(micros) => self.set.filters.offset_micros = micros,
            None => {
                let found = given.get_ref();
                let expected = "expected how far clocks are ahead of UTC, like +05:00";
                return self.error(given, format!("utc_offset `{found}`: {expected}"));
            }
        }
        Ok(())
    }

    fn rule(&mut self, at: &Spanned<RuleFile>) -> Result<(), RulesError> {
        let file = at.get_ref();
        let name = self.name(&file.name)?;
        let version = match i32::try_from(*file.version.get_ref()) {
            Ok(version) if version >= 1 => version,
            _ => return self.error(&file.version, "version: expected a whole number from 1 on"),
        };
        let mode = match file.mode.get_ref().as_str() {
            "shadow" => Mode::Shadow,
            "live" => Mode::Live,
            other => {
                return self
                    .error(&file.mode, format!("mode `{other}`: expected `shadow` or `live`"));
            }
        };
        let within_micros = self.duration("within", &file.within, WITHIN_MAX)?;
        let bucket_micros = match &file.bucket {
            Some(bucket) => self.duration("bucket", bucket, BUCKET_MAX)?,
            None => within_micros,
        };
        let conditions = file.conditions.get_ref();
        if conditions.is_empty() || conditions.len() > CONDITIONS_MAX {
            return self.error(
                &file.conditions,
                format!("{} conditions; expected 1 to {CONDITIONS_MAX}", conditions.len()),
            );
        }
        let Checked { form, looks_for, counts, minimum } = self.all_conditions(conditions)?;
        if looks_for == 0 {
            return self.error(
                at,
                format!(
                    "rule `{name}` holds for somebody who did nothing: at least one condition must be a count, \
                     sum, distinct or peak with at_least, or of another kind"
                ),
            );
        }
        let minimum = minimum as u32;
        self.set.rules.push(Rule {
            name,
            version,
            mode,
            within_micros,
            bucket_micros,
            form,
            looks_for,
            counts,
            minimum,
        });
        Ok(())
    }

    /// Together they form the rule; the greatest minimum is the rule's, because all must hold at once.
    fn all_conditions(
        &mut self,
        conditions: &[Spanned<ConditionFile>],
    ) -> Result<Checked, RulesError> {
        let mut windowed = Vec::new();
        let mut all =
            Checked { form: Form::Window(Vec::new()), looks_for: 0, counts: 0, minimum: 1.0 };
        for condition in conditions {
            let checked = self.condition(condition)?;
            all.looks_for |= checked.looks_for;
            all.counts |= checked.counts;
            all.minimum = all.minimum.max(checked.minimum);
            match checked.form {
                Form::Window(conditions) => windowed.extend(conditions),
                form @ Form::Absent { .. } if conditions.len() == 1 => {
                    return Ok(Checked { form, ..all });
                }
                Form::Absent { .. } => {
                    return self.error(
                        condition,
                        "`absent` is judged when time has passed, so it is the only condition of its rule",
                    );
                }
            }
        }
        Ok(Checked { form: Form::Window(windowed), ..all })
    }

    fn name(&self, at: &Spanned<String>) -> Result<String, RulesError> {
        let name = at.get_ref();
        let is_usual = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(is_usual) {
            return self.error(
                at,
                format!("name `{name}`: expected a–z, 0–9 and _, 1 to {NAME_CHARS_MAX} characters"),
            );
        }
        if self.set.rules.iter().any(|rule| rule.name == *name) {
            return self.error(at, format!("name `{name}`: another rule has it already"));
        }
        Ok(name.clone())
    }

    fn duration(&self, key: &str, at: &Spanned<String>, most: Duration) -> Result<i64, RulesError> {
        let found = at.get_ref();
        let duration = humantime::parse_duration(found).ok();
        let fits = |duration: &Duration| (Duration::from_secs(1)..=most).contains(duration);
        match duration.filter(fits).map(|duration| i64::try_from(duration.as_micros())) {
            Some(Ok(micros)) => Ok(micros),
            _ => self.error(
                at,
                format!(
                    "{key} `{found}`: expected a duration like 30m, 1h or 1d, from 1s to {}",
                    humantime::format_duration(most)
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
