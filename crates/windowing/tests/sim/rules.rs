//! Rules in the simulation: the sets that are put on in turn, and what an uninterrupted run would find.
//!
//! In: the logs, which offsets of them each life covers, and from where which set was on. Out: every hit. That a matcher finds what the
//! rules mean is shown in `crates/patterns`; here it is run once over everything that is covered, without a stop, so what is compared is
//! what kills, fences, rewinds and other sets of rules make of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use event_model::EventTime;
use patterns::{Hit, Matcher, PatternEvent, RuleSet, Towers};
use windowing::results::AlertRow;
use windowing::{LogMark, PatternGap};

use super::logs::{EventPlan, Log};
use super::naive::{Coverage, Covered, accepted};
use super::tables::Life;

/// Sets are put on in turn; the last place of each round is none.
const SETS: [&str; 2] = [
    r#"
[[rules]]
name = "calls"
version = 1
mode = "shadow"
within = "10m"
bucket = "360d"
conditions = [{ kind = "count", where = { event_type = "call" }, at_least = 2 }]

[[rules]]
name = "unanswered"
version = 1
mode = "live"
within = "4m"
bucket = "360d"
conditions = [
    { kind = "absent", first = { event_subtype = "outgoing" }, then = { event_type = "sms" }, same_counterparty = true },
]
"#,
    r#"
[[rules]]
name = "long"
version = 1
mode = "shadow"
within = "15m"
bucket = "360d"
conditions = [
    { kind = "sum", of = "duration_seconds", at_least = 9000 },
    { kind = "count", where = { event_type = "sms" }, at_most = 1 },
]

[[rules]]
name = "calls"
version = 2
mode = "shadow"
within = "2m"
bucket = "360d"
conditions = [{ kind = "count", at_least = 2 }]

[[rules]]
name = "people"
version = 1
mode = "shadow"
within = "10m"
bucket = "360d"
conditions = [
    { kind = "distinct", of = "counterparty_id", at_least = 2 },
    { kind = "distinct", of = "cell_tower_id", where = { event_subtype = "incoming" }, at_least = 1 },
]
"#,
];

const MINUTE_MICROS: i64 = 60_000_000;

/// The set that is on after so many changes; `None`: rules are off.
pub(crate) fn set_after(changes: usize) -> Option<&'static Arc<RuleSet>> {
    static PARSED: OnceLock<Vec<Arc<RuleSet>>> = OnceLock::new();
    let parsed = PARSED.get_or_init(|| {
        let parse = |text: &&str| RuleSet::parse(text, Towers::default()).expect("good rules");
        SETS.iter().map(parse).map(Arc::new).collect()
    });
    parsed.get(changes % (SETS.len() + 1))
}

/// From which offset on which set was on, after so many changes.
pub(crate) type Spans = Vec<(i64, usize)>;

/// What names an alert: whose life, rule, version, subscriber, bucket.
pub(crate) type AlertKey = (Life, String, i32, String, i64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredAlert {
    pub(crate) hits: i64,
    /// The window, and the offsets of its last events.
    evidence: (i64, i64, Vec<i64>),
}

impl StoredAlert {
    pub(crate) fn of(row: &AlertRow<'_>) -> (AlertKey, Self) {
        let AlertRow { generation, partition, subscriber, rule, version, bucket, alert } = *row;
        let life = (partition, generation);
        let key = (life, rule.to_owned(), version, subscriber.to_owned(), bucket.micros());
        let evidence = &alert.evidence;
        let window = (evidence.window_start.micros(), evidence.window_end.micros());
        let evidence = (window.0, window.1, evidence.offsets.clone());
        (key, StoredAlert { hits: alert.hits, evidence })
    }
}

/// A hit of an uninterrupted run.
struct NaiveHit {
    offset: i64,
    /// Events from here on were looked at.
    looked_back_to: i64,
    alert: StoredAlert,
}

/// The alerts are those of an uninterrupted run, outside of the gaps: none that it has not, none missing, none with more hits or fewer.
pub(crate) fn assert_alerts(
    logs: &[Log],
    coverages: &BTreeMap<Life, Coverage>,
    spans: &BTreeMap<Life, Spans>,
    (alerts, gaps): (&BTreeMap<AlertKey, StoredAlert>, &[(Life, PatternGap)]),
    judged_through: &BTreeMap<Life, i64>,
) {
    let mut expected: BTreeMap<AlertKey, Vec<NaiveHit>> = BTreeMap::new();
    for (life, coverage) in coverages {
        let log = logs[usize::try_from(life.0).expect("≥ 0")].of(coverage.cluster);
        for (place, (from, changes)) in spans[life].iter().enumerate() {
            let to = spans[life].get(place + 1).map_or(i64::MAX, |(next, _)| *next);
            if let Some(set) = set_after(*changes)
                && *from < to
            {
                run(log, *life, coverage, (set, *from..to), &mut expected);
            }
        }
    }
    for (key, alert) in alerts {
        assert!(expected.contains_key(key), "made up: {key:?} {alert:?}");
    }
    for (key, hits) in &expected {
        let is_certain = |hit: &&NaiveHit| {
            let is_missed = |(life, gap): &(Life, PatternGap)| *life == key.0 && may_miss(gap, hit);
            hit.offset < judged_through[&key.0] && !gaps.iter().any(is_missed)
        };
        let certain = i64::try_from(hits.iter().filter(is_certain).count()).expect("few");
        let all = i64::try_from(hits.len()).expect("few");
        let stored = alerts.get(key);
        let found = stored.map_or(0, |alert| alert.hits);
        assert!(
            (certain..=all).contains(&found),
            "I-10: {key:?} has {found} hits; {certain} of {all} can't be missed; gaps {gaps:?}"
        );
        if let Some(stored) = stored.filter(|_| certain == all) {
            assert_eq!(stored.evidence, hits[0].alert.evidence, "I-10: evidence of {key:?}");
        }
    }
}

fn may_miss(gap: &PatternGap, hit: &NaiveHit) -> bool {
    if hit.offset < gap.from_offset {
        return false;
    }
    match gap.to_offset {
        Some(to) => hit.offset < to,
        None => gap.complete_after.is_some_and(|after| hit.looked_back_to < after.micros()),
    }
}

/// Shows everything that is covered to a matcher, and keeps the hits of these offsets.
fn run(
    log: &Log,
    life: Life,
    coverage: &Coverage,
    (set, offsets): (&Arc<RuleSet>, std::ops::Range<i64>),
    found: &mut BTreeMap<AlertKey, Vec<NaiveHit>>,
) {
    let judged_from = vec![offsets.start; set.rules().len()];
    let mut matcher = Matcher::new(Arc::clone(set), usize::MAX, judged_from, None);
    let carried = coverage.carried;
    let (mut highest, mut watermark) = (carried.max_event_micros, carried.watermark_micros);
    for covered in &coverage.covered {
        let Covered::Read { from, to, version, delay_micros } = *covered else { continue };
        watermark = watermark.max(highest.map(|highest| highest - delay_micros));
        for message in (from..to).filter_map(|offset| log.versions[version].record(offset)) {
            let Ok(event) = accepted(message) else { continue };
            let time = message.event_micros;
            let minute_end = time - time % MINUTE_MICROS + MINUTE_MICROS;
            let is_late = watermark.is_some_and(|mark| minute_end <= mark);
            highest = highest.max(Some(time));
            watermark = watermark.max(highest.map(|highest| highest - delay_micros));
            if is_late || message.offset >= offsets.end {
                continue;
            }
            let (seen, mut hits) = (pattern_event(event, time), Vec::new());
            let mark = watermark.map(EventTime::from_micros);
            matcher.observe(message.offset, seen.as_ref(), mark, &mut hits);
            for hit in hits {
                let (key, hit) = naive_hit(life, set, message.offset, hit);
                found.entry(key).or_default().push(hit);
            }
        }
    }
}

fn pattern_event(event: &EventPlan, time: i64) -> Option<PatternEvent<'_>> {
    let subscriber_id = event.subscriber_id.filter(|name| !name.is_empty())?;
    Some(PatternEvent {
        event_id: event.event_id,
        subscriber_id,
        event_type: event.event_type,
        event_subtype: event.event_subtype,
        counterparty_id: event.counterparty_id,
        cell_tower_id: event.tower,
        time: EventTime::from_micros(time),
        duration_seconds: Some(u32::try_from(event.seconds).expect("few")),
        amount_micro_tenge: Some(event.tenge * 1_000_000),
        data_micro_mb: Some(event.mb_hundredths * 10_000),
    })
}

fn naive_hit(life: Life, set: &RuleSet, offset: i64, hit: Hit) -> (AlertKey, NaiveHit) {
    let rule = &set.rules()[hit.rule];
    let (start, end) = (hit.evidence.window_start.micros(), hit.evidence.window_end.micros());
    // An absence looks for duplicates of its event before it.
    let is_absence = hit.evidence.measures.is_empty();
    let looked_back_to = if is_absence { 2 * start - end } else { start };
    let bucket = hit.bucket.micros();
    let key = (life, rule.name.clone(), rule.version, hit.subscriber.to_string(), bucket);
    let alert = StoredAlert { hits: 1, evidence: (start, end, hit.evidence.offsets) };
    (key, NaiveHit { offset, looked_back_to, alert })
}

/// The marks of a life, by offset.
pub(crate) fn marks_of(marks: &BTreeMap<(Life, i64), LogMark>, life: Life) -> Vec<LogMark> {
    marks.range((life, i64::MIN)..=(life, i64::MAX)).map(|(_, mark)| *mark).collect()
}
