//! Rows of subscriber-days, as `archiver subscribers --export` prints them.
//!
//! In: a range of days. Out: each row to whoever asked, in the order of days; then the version of the lake's table and how many events the rows of
//! each day hold. Whatever names no subscriber of its own counts as events and is shown to nobody.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use chrono::NaiveDate;
use churn::day::Deeds;
use serde::Deserialize;

/// What precedes the number in the first line.
const VERSION_MARK: &str = "# version ";
/// Of rows that are of one subscriber. Others are of a masked number, which up to 10,000 share, of nobody, or of people who were erased.
const BY_SUBSCRIBER_ID: &str = "subscriber_id";

/// What was read.
#[derive(Debug)]
pub(crate) struct Export {
    /// Version of the lake's table.
    pub(crate) version: i64,
    /// Events of each day that has rows.
    pub(crate) events: BTreeMap<NaiveDate, u64>,
}

#[derive(Debug, Deserialize)]
struct Row<'a> {
    date: NaiveDate,
    subscriber: &'a str,
    named_by: &'a str,
    events: u64,
    calls: u32,
    messages: u32,
    data_sessions: u32,
    recharges: u32,
    data_mb: f32,
    distinct_counterparties: u32,
    distinct_towers: u32,
}

impl Row<'_> {
    fn deeds(&self) -> Deeds {
        Deeds {
            sessions: self.data_sessions,
            data_mb: self.data_mb,
            calls: self.calls,
            messages: self.messages,
            recharges: self.recharges,
            contacts: self.distinct_counterparties,
            towers: self.distinct_towers,
        }
    }
}

/// Reads the rows of [from, to).
///
/// # Errors
/// The archiver can't be started, fails, or prints something else.
pub(crate) fn read(
    archiver: &Path,
    from: NaiveDate,
    to: NaiveDate,
    each: impl FnMut(NaiveDate, &str, &Deeds),
) -> Result<Export> {
    let (from, to) = (from.to_string(), to.to_string());
    let mut child = Command::new(archiver)
        .args(["subscribers", "--export", "--from", &from, "--to", &to])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!(
                "cannot start {}: it reads the lake; ARCHIVER names it where it is not on PATH",
                archiver.display()
            )
        })?;
    let output = child.stdout.take().context("the archiver has no standard output")?;
    let parsed = parse(BufReader::new(output), each);
    if parsed.is_err() {
        // It would wait for ever for somebody to read on.
        child.kill().context("cannot end the archiver")?;
    }
    let status = child.wait().context("cannot wait for the archiver")?;
    let export = parsed.context("what the archiver printed can't be used")?;
    ensure!(status.success(), "the archiver failed ({status}); its messages stand above");
    Ok(export)
}

fn parse(mut input: impl BufRead, mut each: impl FnMut(NaiveDate, &str, &Deeds)) -> Result<Export> {
    let mut head = String::new();
    input.read_line(&mut head)?;
    // Nothing at all is what an archiver prints that fails: then its exit code has the word.
    let version = match head.trim_end().strip_prefix(VERSION_MARK) {
        Some(version) => version.parse().with_context(|| format!("line 1: {head:?}"))?,
        None if head.is_empty() => return Ok(Export { version: 0, events: BTreeMap::new() }),
        None => anyhow::bail!("line 1: {head:?} does not begin with {VERSION_MARK:?}"),
    };
    let mut reader = csv::Reader::from_reader(input);
    let headers = reader.headers()?.clone();
    let mut events: BTreeMap<NaiveDate, u64> = BTreeMap::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let row: Row = record.deserialize(Some(&headers))?;
        let newest = events.last_key_value().map(|(day, _)| *day);
        ensure!(
            newest.is_none_or(|newest| newest <= row.date),
            "line {}: a row of {} comes after one of a later day",
            record.position().map_or(0, |position| position.line() + 1),
            row.date
        );
        *events.entry(row.date).or_default() += row.events;
        if row.named_by == BY_SUBSCRIBER_ID {
            each(row.date, row.subscriber, &row.deeds());
        }
    }
    Ok(Export { version, events })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "date,subscriber,named_by,events,calls,messages,data_sessions,recharges,data_mb,distinct_counterparties,distinct_towers";

    fn parsed(lines: &[&str]) -> Result<(Export, Vec<String>)> {
        let mut shown = Vec::new();
        let export = parse(lines.join("\n").as_bytes(), |day, who, deeds| {
            shown.push(format!("{day} {who} {:?}", deeds.figures()));
        })?;
        Ok((export, shown))
    }

    #[test]
    fn whoever_is_not_named_by_an_id_counts_and_is_not_shown() {
        let lines = [
            "# version 12",
            HEAD,
            "2025-11-08,a,subscriber_id,9,1,2,3,1,4.25,5,6",
            "2025-11-08,7010000****,msisdn,20,20,0,0,0,0,1,1",
            "2025-11-08,,nobody,2,2,0,0,0,0,0,0",
            "2025-11-09,,erased,7,0,0,0,0,0,0,0",
        ];
        let (export, shown) = parsed(&lines).unwrap();
        assert_eq!(shown, ["2025-11-08 a [3.0, 4.25, 1.0, 2.0, 1.0, 5.0, 6.0]"]);
        assert_eq!(export.version, 12);
        assert_eq!(export.events.into_values().collect::<Vec<_>>(), [31, 7]);
    }

    #[test]
    fn what_is_no_export_is_refused_with_its_place() {
        for (lines, expected) in [
            (&["date,subscriber"][..], "does not begin with"),
            (&["# version x"], "line 1"),
            (&["# version 1", HEAD, "2025-11-08,a,subscriber_id,x,0,0,0,0,0,0,0"], "field 3"),
            (&["# version 1", "date,subscriber", "2025-11-08,a"], "named_by"),
            (
                &[
                    "# version 1",
                    HEAD,
                    "2025-11-09,a,subscriber_id,1,1,0,0,0,0,0,0",
                    "2025-11-08,a,subscriber_id,1,1,0,0,0,0,0,0",
                ],
                "comes after one of a later day",
            ),
        ] {
            let error = format!("{:#}", parsed(lines).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
