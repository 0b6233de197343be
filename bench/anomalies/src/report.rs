//! The table of docs/anomalies.md.

use std::fmt::Write;

use crate::labels::{Kind, Lot};
use crate::score::Score;

/// A detector's name, what it made of the week with labels, and of stretches without any.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: &'static str,
    /// The week with labels.
    pub labelled: Score,
    /// The same week without.
    pub clean: Score,
    /// New Year's night.
    pub night: Score,
}

impl Entry {
    /// Adds another seed's.
    pub fn add(&mut self, other: Entry) {
        self.labelled.add(other.labelled);
        self.clean.add(other.clean);
        self.night.add(other.night);
    }
}

/// The scores of all detectors as a Markdown table; the first is the one that is scored.
pub fn table(entries: &[Entry], lots: &[Lot]) -> String {
    let mut text = String::new();
    let mut row = |name: &str, cells: Vec<String>| {
        writeln!(text, "| {name} | {} |", cells.join(" | ")).expect("a String takes any text");
    };
    row("", entries.iter().map(|entry| entry.name.to_owned()).collect());
    row("---", entries.iter().map(|_| "---".to_owned()).collect());
    for lot in lots {
        let name = lot_name(lot);
        let lines: Vec<_> =
            entries.iter().map(|entry| entry.labelled.line(lot.kind, lot.magnitude)).collect();
        let labels = lines.first().map_or(0, |line| line.labels);
        row(
            &format!("{name}, {labels} of them: found · within 3 windows · median windows"),
            lines
                .iter()
                .map(|line| {
                    let median = line.median_windows().map_or("–".to_owned(), |n| n.to_string());
                    format!("{:.3} · {:.3} · {median}", line.recall(), line.quick_recall())
                })
                .collect(),
        );
    }
    let figures = |pick: &dyn Fn(&Entry) -> String| entries.iter().map(pick).collect::<Vec<_>>();
    row(
        "precision: incidents about a label, of all",
        figures(&|e| {
            let all = e.labelled.about_labels + e.labelled.false_alerts.len();
            format!("{:.3} ({} of {all})", e.labelled.precision(), e.labelled.about_labels)
        }),
    );
    for (name, pick) in [
        ("false alerts a day, weeks with labels", (|e| &e.labelled) as fn(&Entry) -> &Score),
        ("false alerts a day, weeks without", |e| &e.clean),
    ] {
        row(
            name,
            figures(&|e| {
                let score = pick(e);
                let (alerts, days) = (score.false_alerts.len(), score.days);
                format!("{:.2} ({alerts} in {days:.0} days)", score.false_alerts_per_day())
            }),
        );
    }
    row("alerts in New Year's nights", figures(&|e| e.night.false_alerts.len().to_string()));
    text
}

/// A lot in words.
pub fn lot_name(lot: &Lot) -> String {
    let magnitude = lot.magnitude;
    let what = match magnitude {
        0.0 => "silence".to_owned(),
        _ if magnitude < 1.0 => format!("drop to {magnitude}×"),
        _ => format!("spike of {magnitude}×"),
    };
    match lot.kind {
        Kind::Regional => what,
        Kind::Small => format!("{what}, in a series too small to judge"),
        Kind::Nationwide => format!("{what}, in all regions"),
    }
}
