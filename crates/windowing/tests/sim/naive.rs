//! The naive model: one plain loop over the records that each generation's position covers, with
//! arithmetic of its own. It must stay simple enough to be obviously right.
//!
//! In: the logs, and which offsets of which version of them were read or given up. Out: what the
//! tables have to hold then, whatever happened on the way (I-3).

use std::collections::{BTreeMap, BTreeSet};

use windowing::RecordTime;

use super::logs::{Cluster, Content, EventPlan, Log, Message, NOW_MICROS, SKEW_MICROS, UNUSABLE};
use super::tables::{Account, Key, Life, QUARTER_MICROS, Sketch, StoredLetter, Sums, Tables};

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// Almaty is this far ahead of UTC all through the logs.
const ALMATY_MICROS: i64 = 5 * 3_600_000_000;

/// By (day, event type, region): events by subscriber_id, by msisdn, and who they were.
type Met<'a> = BTreeMap<Key, ([i64; 2], BTreeSet<&'a str>)>;

/// Offsets that a position has moved over, in one go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Covered {
    /// Read from this version of the log, while this watermark delay was set.
    Read { from: i64, to: i64, version: usize, delay_micros: i64 },
    /// Given up, with an operator's permission.
    Gap { from: i64, to: i64 },
}

/// One generation's offsets, from its first one on, without holes between them.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    pub(crate) first: i64,
    /// Whose log it is of.
    pub(crate) cluster: Cluster,
    /// What it began with, when its topic was moved there.
    pub(crate) carried: Carried,
    pub(crate) covered: Vec<Covered>,
}

/// What a life has of the one before: what was late stays late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) watermark_micros: Option<i64>,
    pub(crate) max_event_micros: Option<i64>,
    pub(crate) witness_offset: Option<i64>,
    pub(crate) origin_offset: Option<i64>,
}

/// Counts everything that is covered.
pub(crate) fn recount(logs: &[Log], coverages: &BTreeMap<Life, Coverage>) -> Tables {
    let mut tables = Tables::default();
    let mut met = Met::new();
    for (life, coverage) in coverages {
        let log = logs[usize::try_from(life.0).expect("≥ 0")].of(coverage.cluster);
        let (first, carried) = (coverage.first, coverage.carried);
        let mut account = Account {
            first,
            next: first,
            watermark_micros: carried.watermark_micros,
            max_event_micros: carried.max_event_micros,
            witness_offset: carried.witness_offset,
            origin_offset: carried.origin_offset,
            ..Account::default()
        };
        for covered in &coverage.covered {
            count(log, *life, *covered, &mut account, &mut tables, &mut met);
        }
        tables.stream_progress.insert(*life, account);
    }
    let sketches = met.into_iter().map(|(key, (events, who))| (key, Sketch::of(events, &who)));
    tables.results.subscribers = sketches.collect();
    tables
}

fn count<'a>(
    log: &'a Log,
    life: Life,
    covered: Covered,
    account: &mut Account,
    tables: &mut Tables,
    met: &mut Met<'a>,
) {
    let (from, to, version, delay_micros) = match covered {
        Covered::Read { from, to, version, delay_micros } => (from, to, version, delay_micros),
        Covered::Gap { from, to } => {
            assert_eq!(account.next, from, "a hole before a gap");
            account.gap += to - from;
            account.next = to;
            return;
        }
    };
    assert_eq!(account.next, from, "a hole before what was read");
    account.next = to;
    let watermark = |account: &Account| {
        let of_highest = account.max_event_micros.map(|highest| highest - delay_micros);
        account.watermark_micros.max(of_highest)
    };
    // The delay may have been made shorter since.
    account.watermark_micros = watermark(account);
    for offset in from..to {
        let Some(message) = log.versions[version].record(offset) else {
            account.skipped += 1;
            continue;
        };
        account.origin_offset = account.origin_offset.or(Some(offset));
        account.witness_offset = Some(offset);

        let event = match accepted(message) {
            Ok(event) => event,
            Err(reason) => {
                account.dead += 1;
                tables.results.dead_letters.insert((life, offset), letter(message, reason));
                continue;
            }
        };

        let time = message.event_micros;
        let minute = time - time % MINUTE_MICROS;
        let ledger = tables.results.ledger.entry((life, time - time % QUARTER_MICROS)).or_default();
        let is_late = account.watermark_micros.is_some_and(|mark| minute + MINUTE_MICROS <= mark);
        if is_late {
            account.late += 1;
            ledger[1] += 1;
            add(&mut tables.results.late, minute, event);
        } else {
            account.on_time += 1;
            ledger[0] += 1;
            add(&mut tables.results.on_time, minute, event);
            meet(met, minute, event);
        }

        account.max_event_micros = account.max_event_micros.max(Some(time));
        account.watermark_micros = watermark(account);
    }
}

pub(crate) fn accepted(message: &Message) -> Result<&EventPlan, &'static str> {
    let event = match &message.content {
        Content::Event(event) => event,
        Content::Unusable(index) => return Err(UNUSABLE[*index].1),
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

fn letter(message: &Message, reason: &'static str) -> StoredLetter {
    let record_micros = match message.time {
        RecordTime::LogAppend(at) | RecordTime::Create(at) => Some(at.micros()),
        RecordTime::Unknown => None,
    };
    StoredLetter {
        reason,
        record_micros,
        key: message.key.clone(),
        payload: message.payload.clone(),
        headers: message.headers.clone(),
    }
}
