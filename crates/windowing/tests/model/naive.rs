//! The naive model: one plain loop over each partition's records from the start, with arithmetic
//! of its own. It must stay simple enough to be obviously right.
//!
//! In: the logs, and how far each is read. Out: what the tables have to hold then, whatever
//! happened on the way (I-3).

use std::collections::{BTreeMap, BTreeSet};

use windowing::RecordTime;

use crate::logs::{
    Content, DELAY_MICROS, EventPlan, Log, Message, NOW_MICROS, SKEW_MICROS, UNUSABLE,
};
use crate::tables::{Account, Key, Letter, QUARTER_MICROS, Sketch, Sums, Tables};

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// Almaty is this far ahead of UTC all through the logs.
const ALMATY_MICROS: i64 = 5 * 3_600_000_000;

/// By (day, event type, region): events by subscriber_id, by msisdn, and who they were.
type Met<'a> = BTreeMap<Key, ([i64; 2], BTreeSet<&'a str>)>;

/// Counts everything before `positions` (by partition).
pub(crate) fn recount(logs: &[Log], positions: &BTreeMap<i32, i64>) -> Tables {
    let mut tables = Tables::default();
    let mut met = Met::new();
    for (partition, log) in (0..).zip(logs) {
        let next = positions[&partition];
        let mut account = Account { first: log.first, next, ..Account::default() };

        for (offset, message) in (log.first..next).zip(&log.messages) {
            let Some(message) = message else {
                account.skipped += 1;
                continue;
            };
            account.origin_offset = account.origin_offset.or(Some(offset));
            account.witness_offset = Some(offset);

            let event = match judge(message) {
                Ok(event) => event,
                Err(reason) => {
                    account.dead += 1;
                    tables.dead_letters.insert((partition, offset), letter(message, reason));
                    continue;
                }
            };

            let time = message.event_micros;
            let minute = time - time % MINUTE_MICROS;
            let ledger =
                tables.day_ledger.entry((partition, time - time % QUARTER_MICROS)).or_default();
            let is_late =
                account.watermark_micros.is_some_and(|mark| minute + MINUTE_MICROS <= mark);
            if is_late {
                account.late += 1;
                ledger[1] += 1;
                add(&mut tables.late_metrics, minute, event);
            } else {
                account.on_time += 1;
                ledger[0] += 1;
                add(&mut tables.real_time_metrics, minute, event);
                meet(&mut met, minute, event);
            }

            account.max_event_micros = account.max_event_micros.max(Some(time));
            account.watermark_micros =
                account.max_event_micros.map(|highest| highest - DELAY_MICROS);
        }
        tables.stream_progress.insert(partition, account);
    }
    let sketches = met.into_iter().map(|(key, (events, who))| (key, Sketch::of(events, &who)));
    tables.subscriber_sketches = sketches.collect();
    tables
}

fn judge(message: &Message) -> Result<&EventPlan, &'static str> {
    let event = match &message.content {
        Content::Event(event) => event,
        Content::Unusable(index) => return Err(UNUSABLE[*index].1),
        Content::Control => unreachable!("nobody is shown a control record"),
    };
    let reference = match message.time {
        RecordTime::LogAppend(at) => at.micros(),
        RecordTime::Create(at) => at.micros().min(NOW_MICROS),
        RecordTime::Unknown => NOW_MICROS,
    };
    if message.event_micros > reference + SKEW_MICROS {
        return Err("timestamp_in_future");
    }
    Ok(event)
}

fn add(table: &mut BTreeMap<Key, Sums>, minute: i64, event: &EventPlan) {
    let sums = table.entry((minute, event.event_type.into(), event.region.into())).or_default();
    sums[0] += 1;
    sums[1] += i128::from(event.seconds);
    sums[2] += i128::from(event.mb_hundredths) * 10_000;
    sums[3] += i128::from(event.tenge) * 1_000_000;
}

fn meet(met: &mut Met<'_>, minute: i64, event: &EventPlan) {
    let names = [event.subscriber_id, event.msisdn];
    let Some(which) = names.iter().position(|name| name.is_some_and(|name| !name.is_empty()))
    else {
        return;
    };
    let day = (minute + ALMATY_MICROS) / DAY_MICROS;
    let (events, who) = met.entry((day, event.event_type.into(), event.region.into())).or_default();
    events[which] += 1;
    who.extend(names[which]);
}

fn letter(message: &Message, reason: &'static str) -> Letter {
    let record_micros = match message.time {
        RecordTime::LogAppend(at) | RecordTime::Create(at) => Some(at.micros()),
        RecordTime::Unknown => None,
    };
    Letter {
        reason,
        record_micros,
        key: message.key.clone(),
        payload: message.payload.clone(),
        headers: message.headers.clone(),
    }
}
