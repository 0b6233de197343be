//! The report for people: the verdict and its reason, then two tables.

use std::fmt::Write;

use chrono::NaiveDateTime;
use program::table;

use super::report::{PartitionReport, Report};
use super::sentences::span;

/// The report as lines.
pub(super) fn page(report: &Report) -> String {
    let mut page = format!("{}: {}\n", words(report.verdict.code()), report.reason);
    for topic in &report.topics {
        let through = match topic.complete_through {
            Some(through) => format!("{} UTC", minute(through)),
            None => "nothing yet".to_owned(),
        };
        writeln!(
            page,
            "{}: complete through {through}, held back by partition {}",
            topic.topic, topic.held_back_by
        )
        .expect("a String takes any text");
    }
    for partition in &report.partitions {
        let Some(since) = partition.held_up_at else { continue };
        writeln!(
            page,
            "{} partition {}: held up by a Kafka transaction that is open since offset {since}; {} records \
             in and behind it",
            partition.key.0,
            partition.key.1,
            number(partition.open_transaction_records)
        )
        .expect("a String takes any text");
    }
    for remark in &report.remarks {
        writeln!(page, "{remark}").expect("a String takes any text");
    }
    if report.partitions.is_empty() {
        return page;
    }
    let place_head = [
        "topic",
        "partition",
        "state",
        "owner",
        "next offset",
        "lag",
        "lag seconds",
        "watermark (UTC)",
        "idle",
        "written",
    ];
    let count_head = [
        "topic",
        "partition",
        "on time",
        "late",
        "dead",
        "gap",
        "skipped",
        "max ahead",
        "max behind",
        "mean behind",
    ];
    page.push('\n');
    page.push_str(&table(place_head, report.partitions.iter().map(place)));
    page.push('\n');
    page.push_str(&table(count_head, report.partitions.iter().map(counts)));
    page
}

/// Where a partition stands.
fn place(report: &PartitionReport) -> [String; 10] {
    let stored = report.stored.as_ref();
    [
        report.key.0.clone(),
        report.key.1.to_string(),
        words(report.state.code()),
        stored.and_then(|row| row.owner.clone()).unwrap_or_else(|| "-".to_owned()),
        number(stored.map(|row| row.next_offset)),
        number(report.lag_records),
        report.lag_seconds.map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.0}")),
        stored.and_then(|row| row.watermark).map_or_else(|| "-".to_owned(), minute),
        if report.is_idle { "yes" } else { "no" }.to_owned(),
        report
            .written_seconds_ago
            .map_or_else(|| "-".to_owned(), |seconds| format!("{} ago", span(seconds))),
    ]
}

/// What became of a partition's records, and how event times relate to record times.
fn counts(report: &PartitionReport) -> [String; 10] {
    let stored = report.stored.as_ref();
    let seconds = |milliseconds: Option<f64>| match milliseconds {
        Some(milliseconds) => span(milliseconds / 1_000.0),
        None => "-".to_owned(),
    };
    [
        report.key.0.clone(),
        report.key.1.to_string(),
        number(stored.map(|row| row.on_time)),
        number(stored.map(|row| row.late)),
        number(stored.map(|row| row.dead)),
        number(stored.map(|row| row.gap)),
        number(stored.map(|row| row.skipped)),
        seconds(stored.map(|row| row.max_ahead_ms as f64)),
        seconds(stored.map(|row| row.max_behind_ms as f64)),
        seconds(stored.and_then(|row| row.mean_behind_ms)),
    ]
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

fn words(code: &str) -> String {
    code.replace('_', " ")
}

fn minute(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}
