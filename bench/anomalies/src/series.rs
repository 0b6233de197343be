//! Counts that somebody measured: `epoch_seconds,region,type,count`, one window of 5 minutes a line.
//!
//! In: such lines. Out: [`Measured`] counts, the incidents that the detector makes of them, and those as
//! JSON, one a line.

use std::io::BufRead;

use anomaly::{Counts, DetectionWindow, Incident, Series, WINDOW_MINUTES};
use anyhow::{Context, Result, anyhow, ensure};
use chrono::{DateTime, NaiveDateTime};

/// Counts, and from when to when they are.
#[derive(Clone, Debug)]
pub struct Measured {
    pub counts: Counts,
    /// The first window of which anything is known.
    pub first: DetectionWindow,
    pub last: DetectionWindow,
}

/// Reads counts; empty lines and those that begin with `#` are left out.
///
/// # Errors
/// A line that is none, with its number and how it is written; no line at all.
pub fn read(lines: impl BufRead) -> Result<Measured> {
    let mut counts = Counts::default();
    let mut ends: Option<(DetectionWindow, DetectionWindow)> = None;
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("reading line {number}"))?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (window, series, events) = parse(&line).with_context(|| {
            format!("line {number}, `{line}`: write epoch_seconds,region,type,count")
        })?;
        counts.add(window, &series, events);
        let (first, last) = ends.unwrap_or((window, window));
        ends = Some((first.min(window), last.max(window)));
    }
    let (first, last) = ends.ok_or_else(|| anyhow!("there is no line with a count"))?;
    Ok(Measured { counts, first, last })
}

fn parse(line: &str) -> Result<(DetectionWindow, Series, u64)> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [seconds, region, event_type, events] = fields[..] else {
        return Err(anyhow!("{} fields instead of 4", fields.len()));
    };
    let seconds: i64 = seconds.parse().with_context(|| format!("`{seconds}` is no second"))?;
    let events: u64 = events.parse().with_context(|| format!("`{events}` is no count"))?;
    let moment = DateTime::from_timestamp(seconds, 0)
        .ok_or_else(|| anyhow!("{seconds} is no moment"))?
        .naive_utc();
    let window = DetectionWindow::holding(moment);
    ensure!(
        window.start() == moment,
        "{moment} is inside a window: those begin every {WINDOW_MINUTES} minutes"
    );
    ensure!(region != anomaly::NATIONWIDE, "`{region}` is the name of the sum of all regions");
    Ok((window, Series::new(region, event_type), events))
}

/// An incident as JSON on one line; moments are UTC, `closed_at` is null while it goes on.
pub fn as_json(incident: &Incident) -> String {
    let moment = |moment: NaiveDateTime| moment.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    serde_json::json!({
        "region": incident.series.region,
        "event_type": incident.series.event_type,
        "direction": incident.direction.name(),
        "first_window": moment(incident.first.start()),
        "opened_at": moment(incident.opened.end()),
        "last_window": moment(incident.last.start()),
        "closed_at": incident.closed.map(|window| moment(window.end())),
        "peak_observed": incident.peak.observed,
        "peak_expected": incident.peak.expected,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use anomaly::{Direction, Measure, Peak};

    use super::*;

    #[test]
    fn lines_become_counts_and_bad_ones_are_named() {
        let text = "# a comment\n600,Osh,call,7\n\n900,Osh,call,8\n900,Osh,call,1\n";
        let measured = read(text.as_bytes()).unwrap();
        assert_eq!(
            (measured.first, measured.last),
            (DetectionWindow::number(2), DetectionWindow::number(3))
        );
        assert_eq!(measured.counts.of(measured.last, 0), Some(9));
        for (text, complaint) in [
            ("", "no line"),
            ("600,Osh,call", "line 1"),
            ("600,Osh,call,7\n601,Osh,call,7", "inside a window"),
            ("600,ALL,call,7", "sum of all regions"),
            ("600,Osh,call,-7", "no count"),
            ("x,Osh,call,7", "no second"),
        ] {
            let error = format!("{:#}", read(text.as_bytes()).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn an_incident_is_a_line_of_json() {
        let window = DetectionWindow::number;
        let incident = Incident {
            series: Series::new("Osh", "call"),
            measure: Measure::Events,
            direction: Direction::Low,
            first: window(0),
            opened: window(1),
            last: window(1),
            closed: None,
            calm_windows: 0,
            peak: Peak { observed: 3, expected: 40.5, score: -9.0 },
            moved: Vec::new(),
        };
        let value: serde_json::Value = serde_json::from_str(&as_json(&incident)).unwrap();
        assert_eq!(value["first_window"], "1970-01-01T00:00:00Z");
        assert_eq!(value["opened_at"], "1970-01-01T00:10:00Z");
        assert_eq!(
            (&value["closed_at"], &value["peak_observed"]),
            (&serde_json::Value::Null, &3.into())
        );
    }
}
