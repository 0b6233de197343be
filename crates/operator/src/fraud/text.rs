//! Cases as text for people, and as JSON for programs.

use std::fmt::Write as _;

use event_model::visible;
use program::{Align, Table};
use serde_json::{Value, json};

use super::rows::{Case, CaseCount, StoredAlert};
use crate::output::{time_json, time_text};

pub(super) fn cases_table(cases: &[Case], has_more: bool) -> String {
    if cases.is_empty() {
        return "no case\n".to_owned();
    }
    let mut table = Table::new([
        ("case", Align::Right),
        ("rule", Align::Left),
        ("subscriber", Align::Left),
        ("state", Align::Left),
        ("alerts", Align::Right),
        ("hits", Align::Right),
        ("first hit (UTC)", Align::Left),
        ("last alert stored", Align::Left),
    ]);
    for case in cases {
        let mode = if case.mode == "live" { "" } else { " (shadow)" };
        table.push([
            case.id.to_string(),
            format!("{}{mode}", case.rule),
            shown(&case.subscriber_id),
            case.state.to_string(),
            case.alerts.to_string(),
            case.hits.to_string(),
            time_text(case.first_hit),
            time_text(case.updated_at),
        ]);
    }
    let more = if has_more { "… and more: raise --limit\n" } else { "" };
    format!("{table}{more}")
}

pub(super) fn cases_json(cases: &[Case]) -> String {
    cases.iter().map(|case| format!("{}\n", case_value(case))).collect()
}

pub(super) fn case_text(case: &Case, alerts: &[StoredAlert]) -> String {
    let mut text = format!(
        "case {}: rule {} ({}), subscriber {}, {}\n",
        case.id,
        case.rule,
        case.mode,
        shown(&case.subscriber_id),
        case.state
    );
    if let (Some(by), Some(at), Some(reason)) = (&case.decided_by, case.decided_at, &case.reason) {
        writeln!(
            text,
            "{} by {} at {} UTC: {}",
            case.state,
            shown(by),
            time_text(at),
            shown(reason)
        )
        .expect("writing to a String can't fail");
    }
    for alert in alerts {
        let StoredAlert { id, version, topic, partition, generation, hits, offsets, .. } = alert;
        let offsets: Vec<String> = offsets.iter().map(i64::to_string).collect();
        write!(
            text,
            "\nalert {id}, version {version}, bucket from {}, {hits} hits, stored {}\n  \
             first hit: events after {} up to {} (UTC)\n{}  \
             the last of them: {topic} [{partition}], generation {generation}, offsets {}\n",
            time_text(alert.bucket_start),
            time_text(alert.first_stored_at),
            time_text(alert.window_start),
            time_text(alert.window_end),
            measures_text(&alert.measures),
            offsets.join(", ")
        )
        .expect("writing to a String can't fail");
    }
    text
}

/// A line for each condition, in the order of the rule's file.
fn measures_text(measures: &Value) -> String {
    let line = |(number, measure): (usize, &Value)| {
        let bound = measure[1].as_str().unwrap_or_default().replace('_', " ");
        format!("  condition {}: {}, asked for {bound} {}\n", number + 1, measure[0], measure[2])
    };
    measures.as_array().into_iter().flatten().enumerate().map(line).collect()
}

pub(super) fn case_json(case: &Case, alerts: &[StoredAlert]) -> String {
    let alert = |alert: &StoredAlert| {
        json!({
            "id": alert.id,
            "version": alert.version,
            "bucket_start": time_json(Some(alert.bucket_start)),
            "hits": alert.hits,
            "window_start": time_json(Some(alert.window_start)),
            "window_end": time_json(Some(alert.window_end)),
            "measures": alert.measures,
            "topic": alert.topic,
            "generation": alert.generation,
            "partition": alert.partition,
            "offsets": alert.offsets,
            "first_stored_at": time_json(Some(alert.first_stored_at)),
        })
    };
    let mut value = case_value(case);
    value["alert_rows"] = alerts.iter().map(alert).collect();
    format!("{value}\n")
}

fn case_value(case: &Case) -> Value {
    json!({
        "case": case.id,
        "through_alert": case.through_alert,
        "rule": case.rule,
        "version": case.version,
        "mode": case.mode,
        "subscriber_id": case.subscriber_id,
        "state": case.state.0,
        "alerts": case.alerts,
        "hits": case.hits,
        "first_hit": time_json(Some(case.first_hit)),
        "opened_at": time_json(Some(case.opened_at)),
        "updated_at": time_json(Some(case.updated_at)),
        "reason": case.reason,
        "decided_by": case.decided_by,
        "decided_at": time_json(case.decided_at),
    })
}

pub(super) fn counts_table(counts: &[CaseCount]) -> String {
    if counts.is_empty() {
        return "no case\n".to_owned();
    }
    let mut table = Table::new([
        ("rule", Align::Left),
        ("mode", Align::Left),
        ("cases", Align::Right),
        ("open", Align::Right),
        ("confirmed", Align::Right),
        ("dismissed", Align::Right),
        ("expired", Align::Right),
        ("allowed", Align::Right),
        ("precision", Align::Right),
    ]);
    for count in counts {
        let numbers = [
            count.cases,
            count.open,
            count.confirmed,
            count.dismissed,
            count.expired,
            count.allowed,
        ];
        let [cases, open, confirmed, dismissed, expired, allowed] =
            numbers.map(|number| number.to_string());
        let precision = precision(count).map_or("-".to_owned(), |share| format!("{share:.2}"));
        let (rule, mode) = (count.rule.clone(), count.mode.clone());
        table.push([rule, mode, cases, open, confirmed, dismissed, expired, allowed, precision]);
    }
    table.to_string()
}

pub(super) fn counts_json(counts: &[CaseCount]) -> String {
    let line = |count: &CaseCount| {
        let value = json!({
            "rule": count.rule,
            "mode": count.mode,
            "cases": count.cases,
            "open": count.open,
            "confirmed": count.confirmed,
            "dismissed": count.dismissed,
            "expired": count.expired,
            "allowed": count.allowed,
            "precision": precision(count),
        });
        format!("{value}\n")
    };
    counts.iter().map(line).collect()
}

/// Of those that were decided, the share that was fraud.
fn precision(count: &CaseCount) -> Option<f64> {
    let decided = count.confirmed + count.dismissed;
    (decided > 0).then(|| count.confirmed as f64 / decided as f64)
}

fn shown(text: &str) -> String {
    visible(text, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_told_only_of_what_was_decided() {
        let count = |confirmed, dismissed| CaseCount {
            rule: "r".into(),
            mode: "live".into(),
            cases: 9,
            open: 9 - confirmed - dismissed,
            confirmed,
            dismissed,
            expired: 0,
            allowed: 0,
        };
        assert_eq!(precision(&count(0, 0)), None);
        assert_eq!(precision(&count(3, 1)), Some(0.75));
        assert_eq!(precision(&count(0, 2)), Some(0.0));
    }

    #[test]
    fn a_condition_is_told_with_what_was_asked_for() {
        let text = measures_text(&json!([[41.0, "at_least", 40.0], [0.0, "at_most", 2.0]]));
        assert_eq!(
            text,
            "  condition 1: 41.0, asked for at least 40.0\n  condition 2: 0.0, asked for at most 2.0\n"
        );
        assert_eq!(measures_text(&Value::Null), "");
    }
}
