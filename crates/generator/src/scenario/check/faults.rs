//! Whether a scenario's faults and anomalies are possible.
//!
//! In: the parts of a file that name them, and the regions. Out: [`Faults`] and [`Anomaly`]s, or one sentence
//! of complaint.

use event_model::{DeadReason, EventTime, EventType};

use super::super::file::{AnomalyFile, DelayFile, FaultsFile};
use super::super::{
    Anomaly, Delay, Faults, Malformed, Region, SilentPartition, SilentRegion, SkewedClocks, TYPES,
    TimeSpan, type_name,
};
use super::{Checked, expect, factor, share, wrong};
use crate::instant::parse_time;

/// Most seconds by which anything is late, or a clock wrong.
const SECONDS_MAX: u32 = 86_400;
/// Most anomalies: each has a place of its own in an event's origin.
const ANOMALIES_MAX: usize = 200;

/// What goes wrong on purpose.
pub(super) fn faults(file: &FaultsFile, regions: &[Region]) -> Checked<Faults> {
    let mut faults = Faults {
        late: delay("faults.late", file.late.as_ref())?,
        out_of_order: delay("faults.out_of_order", file.out_of_order.as_ref())?,
        duplicate: delay("faults.duplicate", file.duplicate.as_ref())?,
        ..Faults::default()
    };
    if let Some(malformed) = &file.malformed {
        let share = share("faults.malformed.share", malformed.share)?;
        let reasons = reasons(malformed.reasons.as_deref())?;
        faults.malformed = Some(Malformed { share, reasons });
    }
    if let Some(skew) = &file.skewed_clocks {
        let [least, most] = skew.seconds;
        let bound = SECONDS_MAX.cast_signed();
        let fits = least <= most && least >= -bound && most <= bound;
        let key = "faults.skewed_clocks";
        expect(key, format!("[{least}, {most}]"), fits, "[LEAST, MOST] within a day")?;
        let share = share("faults.skewed_clocks.share", skew.share)?;
        faults.skewed_clocks = Some(SkewedClocks { share, seconds: (least, most) });
    }
    for (index, file) in file.silent_regions.iter().enumerate() {
        let key = format!("faults.silent_regions[{index}]");
        let region = region(&format!("{key}.region"), &file.region, regions)?;
        faults
            .silent_regions
            .push(SilentRegion { region, span: span(&key, &file.from, &file.to)? });
    }
    for (index, file) in file.silent_partitions.iter().enumerate() {
        let span = span(&format!("faults.silent_partitions[{index}]"), &file.from, &file.to)?;
        faults.silent_partitions.push(SilentPartition { partition: file.partition, span });
    }
    Ok(faults)
}

/// Whether the topic has the partitions that are to be silent. A scenario does not know its topic, so
/// this is judged when both are there.
pub(in crate::scenario) fn silent_partitions_exist(
    faults: &Faults,
    topic: &str,
    partitions: u32,
) -> Checked<()> {
    let expected = format!(
        "less than {partitions}, the number of partitions of the topic {topic}: correct the \
         scenario, or give the topic more partitions (without Kafka by --topic-partitions)"
    );
    for (index, silence) in faults.silent_partitions.iter().enumerate() {
        let key = format!("faults.silent_partitions[{index}].partition");
        expect(&key, silence.partition, silence.partition < partitions, &expected)?;
    }
    Ok(())
}

fn delay(key: &str, file: Option<&DelayFile>) -> Checked<Option<Delay>> {
    let Some(file) = file else { return Ok(None) };
    let [least, most] = file.seconds;
    let fits = least <= most && most <= SECONDS_MAX;
    expect(
        &format!("{key}.seconds"),
        format!("[{least}, {most}]"),
        fits,
        "[LEAST, MOST] within a day",
    )?;
    Ok(Some(Delay { share: share(&format!("{key}.share"), file.share)?, seconds: (least, most) }))
}

fn reasons(names: Option<&[String]>) -> Checked<Vec<DeadReason>> {
    let Some(names) = names else { return Ok(DeadReason::ALL.to_vec()) };
    let key = "faults.malformed.reasons";
    expect(key, "an empty list", !names.is_empty(), "at least one, or no list for all")?;
    let reason = |name: &String| {
        let known = DeadReason::ALL.into_iter().find(|reason| reason.code() == name);
        known.ok_or_else(|| {
            let all = DeadReason::ALL.map(DeadReason::code).join(", ");
            wrong(key, name, &format!("one of {all}"))
        })
    };
    names.iter().map(reason).collect()
}

/// Spikes and drops.
pub(super) fn anomalies(files: &[AnomalyFile], regions: &[Region]) -> Checked<Vec<Anomaly>> {
    expect("anomalies", files.len(), files.len() <= ANOMALIES_MAX, "200 at most")?;
    let mut anomalies = Vec::new();
    for file in files {
        let key = format!("anomalies `{}`", file.name);
        let magnitude = factor(&key, file.magnitude)?;
        let kind = if magnitude > 1.0 { "spike" } else { "drop" };
        let event_type = match &file.event_type {
            None => None,
            Some(name) => Some(event_type(&key, name)?),
        };
        let region = match &file.region {
            None => None,
            Some(name) => Some(region(&key, name, regions)?),
        };
        anomalies.push(Anomaly {
            name: file.name.clone(),
            label: file.label.clone().unwrap_or_else(|| kind.to_owned()),
            region,
            event_type,
            span: span(&key, &file.from, &file.to)?,
            magnitude,
        });
    }
    Ok(anomalies)
}

fn event_type(key: &str, name: &str) -> Checked<EventType> {
    let known = TYPES.into_iter().find(|event_type| type_name(*event_type) == name);
    known.ok_or_else(|| wrong(key, name, "data_session, call, sms or balance_recharge"))
}

fn region(key: &str, name: &str, regions: &[Region]) -> Checked<usize> {
    let known = regions.iter().position(|region| region.name == name);
    known.ok_or_else(|| wrong(key, name, "the name of one of the [[regions]]"))
}

pub(super) fn span(key: &str, from: &str, to: &str) -> Checked<TimeSpan> {
    let time = |end: &str, text: &str| -> Checked<EventTime> {
        parse_time(text).map_err(|problem| format!("{key}.{end}: `{text}`: {problem}"))
    };
    let (start, end) = (time("from", from)?, time("to", to)?);
    expect(key, format!("from {from} to {to}"), start < end, "a span that ends after its start")?;
    Ok(start..end)
}
