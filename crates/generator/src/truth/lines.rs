//! The form of the truth: one JSON object a line, its `kind` first. docs/generator.md lists the fields.

use std::io::{self, Write};

use serde::Serialize;

use super::Sums;
use crate::scenario::{TYPES, type_name};

/// Raised whenever a line changes so that readers of the old form would err.
pub(super) const VERSION: u32 = 1;

/// Names of the types, by index.
pub(super) const TYPE_NAMES: [&str; 4] =
    [type_name(TYPES[0]), type_name(TYPES[1]), type_name(TYPES[2]), type_name(TYPES[3])];

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// The first: what was run, and by which rules it is judged.
    Run(RunLine<'a>),
    /// What a minute, type and region must have.
    Window(WindowLine<'a>),
    /// Records of a minute of event time that can't be used.
    Dead(DeadLine),
    /// Distinct subscribers of a day.
    Day(DayLine<'a>),
    /// Something went wrong on purpose.
    Fault(FaultLine<'a>),
    /// A detector should find this.
    Anomaly(AnomalyLine<'a>),
    /// Somebody defrauded.
    Fraud(FraudLine<'a>),
    /// Somebody looked as if they did.
    Lookalike(LookalikeLine<'a>),
    /// Somebody leaves, or only does less for a while.
    Life(LifeLine),
    /// What became of a partition's records.
    Partition(PartitionLine),
    /// The last: without it the run was cut off.
    End(End),
}

#[derive(Serialize)]
pub(super) struct RunLine<'a> {
    pub(super) version: u32,
    pub(super) scenario: &'a str,
    pub(super) seed: u64,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) partitions: u32,
    pub(super) watermark_delay_seconds: i64,
    pub(super) future_skew_seconds: i64,
    pub(super) time_zone: &'a str,
    /// Version of the world's figures, where it is one.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) world: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize)]
pub(super) struct WindowLine<'a> {
    pub(super) start: String,
    pub(super) event_type: &'a str,
    pub(super) region: &'a str,
    pub(super) on_time: SumsLine,
    pub(super) late: SumsLine,
}

/// `data_mb` is a string, so that no reader rounds it.
#[derive(Serialize)]
pub(super) struct SumsLine {
    events: u64,
    seconds: u64,
    data_mb: String,
    amount: u64,
}

impl From<Sums> for SumsLine {
    fn from(sums: Sums) -> Self {
        let Sums { events, seconds, hundredths_mb, tenge } = sums;
        let data_mb = format!("{}.{:02}", hundredths_mb / 100, hundredths_mb % 100);
        SumsLine { events, seconds, data_mb, amount: tenge }
    }
}

#[derive(Serialize)]
pub(super) struct DeadLine {
    pub(super) start: String,
    pub(super) reason: &'static str,
    pub(super) count: u64,
}

#[derive(Serialize)]
pub(super) struct DayLine<'a> {
    pub(super) date: String,
    pub(super) event_type: &'a str,
    pub(super) region: &'a str,
    pub(super) subscribers: u64,
}

#[derive(Default, Serialize)]
pub(super) struct FaultLine<'a> {
    pub(super) label: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscriber_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withheld: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct AnomalyLine<'a> {
    pub(super) label: &'a str,
    pub(super) name: &'a str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) region: Option<&'a str>,
    pub(super) event_type: Option<&'a str>,
    /// Room for anomalies of single subscribers, such as fraud.
    pub(super) subscribers: Option<Vec<String>>,
    pub(super) magnitude: f64,
    pub(super) added: u64,
    pub(super) removed: u64,
}

#[derive(Serialize)]
pub(super) struct FraudLine<'a> {
    pub(super) subscriber_id: String,
    pub(super) fraud: &'a str,
    pub(super) variant: &'a str,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) events: u64,
}

#[derive(Serialize)]
pub(super) struct LookalikeLine<'a> {
    pub(super) subscriber_id: String,
    pub(super) role: &'a str,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) events: u64,
}

/// Dates are local ones of the scenario's zone.
#[derive(Serialize)]
pub(super) struct LifeLine {
    pub(super) subscriber_id: String,
    pub(super) life: &'static str,
    /// When the hidden phase, or the dip, begins.
    pub(super) phase_from: String,
    /// The first silent day of those who leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leaves: Option<String>,
    /// When the number has another owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_owner: Option<String>,
    /// The first usual day after a dip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovers: Option<String>,
}

#[derive(Serialize)]
pub(super) struct PartitionLine {
    pub(super) partition: usize,
    pub(super) on_time: u64,
    pub(super) late: u64,
    pub(super) dead: u64,
    pub(super) max_event_time: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct End {
    pub(super) sent: u64,
    pub(super) on_time: u64,
    pub(super) late: u64,
    pub(super) dead: u64,
}

pub(super) fn write(writer: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, line)?;
    writer.write_all(b"\n")
}
