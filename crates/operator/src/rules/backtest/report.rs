//! A backtest's findings as text for people, and its alerts as JSON for programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use event_model::{EventTime, MICROS_PER_UNIT, visible};
use patterns::{Measure, Rule, RuleSet};
use program::{Align, Table};
use serde_json::{Value, json};

use super::Span;
use super::found::{AlertKey, Found, FoundAlert};
use super::logs::Log;
use crate::output::time_text;

/// So many alerts of each rule are shown, those that measured most.
const SHOWN_OF_A_RULE: usize = 5;
const NAME_CHARS_MAX: usize = 40;

/// What there is to say.
pub(super) struct Report<'a> {
    pub(super) topic: &'a str,
    pub(super) span: Span,
    pub(super) set: &'a RuleSet,
    pub(super) found: &'a Found,
    pub(super) logs: &'a [Log],
    pub(super) took: Duration,
}

impl Report<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let to = self.span.to.map_or("as far as was counted".to_owned(), |to| time(to) + " UTC");
        let mut text = format!(
            "{}: hits from {} UTC to {to}; nothing is stored\n\n{}",
            self.topic,
            time(self.span.from),
            self.rules()
        );
        if !self.found.alerts.is_empty() {
            write!(
                text,
                "\nthe {SHOWN_OF_A_RULE} alerts of each rule that measured most\n{}",
                self.highest()
            )
            .expect("writing to a String can't fail");
        }
        let events: i64 = self.logs.iter().map(Log::events).sum();
        let each = self.took.as_secs_f64() * 1e6 / events.max(1) as f64;
        write!(
            text,
            "\n{}{events} events on time in {:.1} s: {each:.2} µs an event, reading included\n",
            self.partitions(),
            self.took.as_secs_f64()
        )
        .expect("writing to a String can't fail");
        text
    }

    fn rules(&self) -> String {
        let mut table = Table::new([
            ("rule", Align::Left),
            ("version", Align::Right),
            ("mode", Align::Left),
            ("hits", Align::Right),
            ("alerts", Align::Right),
            ("cases", Align::Right),
        ]);
        for (number, rule) in self.set.rules().iter().enumerate() {
            let hits: i64 = self.found.of_rule(number).map(|(_, alert)| alert.hits).sum();
            // A case is what one rule has found about one subscriber.
            let cases: BTreeSet<&str> =
                self.found.of_rule(number).map(|(key, _)| &*key.subscriber).collect();
            table.push([
                rule.name.clone(),
                rule.version.to_string(),
                rule.mode.name().to_owned(),
                hits.to_string(),
                self.found.of_rule(number).count().to_string(),
                cases.len().to_string(),
            ]);
        }
        table.to_string()
    }

    fn highest(&self) -> String {
        let mut table = Table::new([
            ("rule", Align::Left),
            ("subscriber", Align::Left),
            ("bucket from (UTC)", Align::Left),
            ("hits", Align::Right),
            ("measured", Align::Right),
            ("asked for", Align::Left),
        ]);
        for (number, rule) in self.set.rules().iter().enumerate() {
            let mut alerts: Vec<(&AlertKey, &FoundAlert)> = self.found.of_rule(number).collect();
            alerts.sort_by(|(_, one), (_, other)| {
                let most = |alert: &FoundAlert| alert.highest.unwrap_or_default();
                most(other).total_cmp(&most(one)).then(other.hits.cmp(&one.hits))
            });
            for (key, alert) in alerts.into_iter().take(SHOWN_OF_A_RULE) {
                let asked = alert.first.measures.first().map(asked_for);
                table.push([
                    rule.name.clone(),
                    visible(&key.subscriber, NAME_CHARS_MAX),
                    time(key.bucket),
                    alert.hits.to_string(),
                    alert.highest.map_or("-".to_owned(), number_text),
                    asked.unwrap_or_else(|| "-".to_owned()),
                ]);
            }
        }
        table.to_string()
    }

    fn partitions(&self) -> String {
        let mut table = Table::new([
            ("partition", Align::Right),
            ("from offset", Align::Right),
            ("to before", Align::Right),
            ("events on time", Align::Right),
            ("", Align::Left),
        ]);
        for log in self.logs {
            table.push([
                log.partition.to_string(),
                log.from.to_string(),
                log.next().to_string(),
                log.events().to_string(),
                note(log),
            ]);
        }
        table.to_string()
    }

    /// For programs: a line for each alert, with the names that `persons.alerts` has.
    pub(super) fn json(&self) -> String {
        let line = |(key, alert): (&AlertKey, &FoundAlert)| {
            let rule = &self.set.rules()[key.rule];
            format!("{}\n", alert_value(self.topic, rule, key, alert))
        };
        self.found.alerts.iter().map(line).collect()
    }
}

/// What is to be said about one partition.
fn note(log: &Log) -> String {
    if let Some(offset) = log.differs_before() {
        return format!(
            "not judged: before offset {offset} the log does not hold what was counted (it was compacted, cut or written anew, \
             dead letters were deleted, or its events are in Avro, which is not read here)"
        );
    }
    match log.blind() {
        Some((after, until)) => format!(
            "events up to {} UTC are missing: something may have been missed until {} UTC",
            time(after),
            time(until)
        ),
        None => String::new(),
    }
}

fn alert_value(topic: &str, rule: &Rule, key: &AlertKey, alert: &FoundAlert) -> Value {
    let measures: Vec<Value> = alert.first.measures.iter().map(measure_value).collect();
    json!({
        "rule": rule.name,
        "version": rule.version,
        "mode": rule.mode.name(),
        "subscriber_id": key.subscriber,
        "bucket_start": key.bucket.to_string(),
        "bucket_seconds": rule.bucket_micros / MICROS_PER_UNIT,
        "topic": topic,
        "generation": alert.generation,
        "partition": key.partition,
        "hits": alert.hits,
        "highest": alert.highest,
        "window_start": alert.first.window_start.to_string(),
        "window_end": alert.first.window_end.to_string(),
        "measures": measures,
        "offsets": alert.first.offsets,
    })
}

fn measure_value(measure: &Measure) -> Value {
    json!([measure.value, bound(measure), measure.threshold])
}

fn asked_for(measure: &Measure) -> String {
    format!("{} {}", bound(measure).replace('_', " "), number_text(measure.threshold))
}

fn bound(measure: &Measure) -> &'static str {
    if measure.is_at_least { "at_least" } else { "at_most" }
}

/// At most two digits behind the point.
fn number_text(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn time(at: EventTime) -> String {
    at.to_datetime().map_or_else(|| at.to_string(), time_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [(40.0, "40"), (0.955, "0.95"), (1_234.5, "1234.5"), (0.0, "0")] {
            assert_eq!(number_text(value), expected);
        }
    }
}
