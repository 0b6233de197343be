//! docs/metrics.md: each program's tests keep its section true.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use super::Metric;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
/// What a name ends with: its unit, or what it counts.
const UNITS: [&str; 10] = [
    "_total",
    "_seconds",
    "_bytes",
    "_info",
    "_events",
    "_records",
    "_held",
    "_read",
    "_halted",
    "_rewinding",
];
/// Names of numbers without a unit, or whose last word is one.
const OTHERS: [&str; 7] = [
    "pipeline_verdict",
    "pipeline_yesterday_computed",
    "pipeline_stale_dates",
    "pipeline_open_anomalies",
    "pipeline_open_anomaly_observed",
    "pipeline_open_anomaly_expected",
    "pipeline_detection_series",
];

/// Compares a program's table with its section of docs/metrics.md, or with `UPDATE_DOCS=1` writes that; and
/// looks whether names differ, belong to the program, and end in their unit. For the programs' tests.
///
/// # Errors
///
/// What is wrong.
pub fn check_metrics_page(program: &str, metrics: &[&Metric]) -> Result<(), String> {
    check_names(program, metrics)?;
    let page = fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let section = metrics_section(program, metrics);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let written = fs::write(PAGE, with_metrics_section(&page, &section));
        return written.map_err(|error| format!("{PAGE}: {error}"));
    }
    if page.contains(&section) {
        return Ok(());
    }
    Err(format!("docs/metrics.md must have (UPDATE_DOCS=1 writes it):\n{section}"))
}

fn check_names(program: &str, metrics: &[&Metric]) -> Result<(), String> {
    let names: BTreeSet<&str> = metrics.iter().map(|metric| metric.name).collect();
    if names.len() != metrics.len() {
        return Err(format!("two metrics of {program} share a name"));
    }
    let own = format!("{program}_");
    for name in names {
        let is_ours = name.starts_with(&own) || name.starts_with("pipeline_");
        let has_unit = UNITS.iter().any(|unit| name.ends_with(unit)) || OTHERS.contains(&name);
        if !is_ours || !has_unit {
            return Err(format!(
                "{name}: {own} or pipeline_ comes first, and one of {UNITS:?} last"
            ));
        }
    }
    Ok(())
}

/// A program's section of docs/metrics.md.
fn metrics_section(program: &str, metrics: &[&Metric]) -> String {
    let mut section = format!("## {program}\n\n| metric | kind | labels | |\n|---|---|---|---|\n");
    for metric in metrics {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (metric.name, metric.kind_name(), metric.help);
        writeln!(section, "| `{name}` | {kind} | {} | {help} |", labels.join(", "))
            .expect("a String takes any text");
    }
    section
}

/// A page with this section in place of the one of the same program, which reaches to the next
/// heading.
fn with_metrics_section(page: &str, section: &str) -> String {
    let heading = section.lines().next().unwrap_or_default();
    let Some(start) = page.find(&format!("{heading}\n")) else {
        return format!("{}\n\n{section}", page.trim_end());
    };
    let rest = &page[start + heading.len()..];
    let end = rest.find("\n## ").map_or(page.len(), |at| start + heading.len() + at + 1);
    let gap = if end < page.len() { "\n" } else { "" };
    format!("{}{section}{gap}{}", &page[..start], &page[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Metric = Metric::counter("x_sent_total", &["worker"], "Events sent.");
    const AGE: Metric = Metric::gauge("x_age_seconds", &[], "How old it is, in seconds.");

    #[test]
    fn a_section_is_replaced_in_its_place() {
        let old = "# Metrics\n\nText.\n\n## a\n\nold\n\n## b\n\nkept\n";
        let section = metrics_section("a", &[&SENT]);
        let page = with_metrics_section(old, &section);
        assert_eq!(page, format!("# Metrics\n\nText.\n\n{section}\n## b\n\nkept\n"));
        assert_eq!(with_metrics_section(&page, &section), page);
        let last = metrics_section("b", &[&AGE]);
        let page = with_metrics_section(&page, &last);
        assert!(page.ends_with(&last) && page.contains(&section));
        assert_eq!(with_metrics_section(&page, &last), page);
    }

    #[test]
    fn names_that_are_wrong_are_found() {
        const FOREIGN: Metric = Metric::gauge("y_age_seconds", &[], "Of another program.");
        const UNITLESS: Metric = Metric::gauge("x_age", &[], "Without a unit.");
        for (metrics, expected) in [
            (&[&SENT, &SENT][..], "share a name"),
            (&[&FOREIGN][..], "y_age_seconds"),
            (&[&UNITLESS][..], "x_age"),
        ] {
            let fault = check_names("x", metrics).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
