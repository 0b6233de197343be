//! One seed: who defrauded, whom the rules name, and after how much.
//!
//! A case is a subscriber and a kind of fraud. It is found when a rule of that kind holds for that subscriber at any time of
//! the week; it is false when nothing of that kind was drawn for that subscriber, whatever else was.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use event_model::{Direction, Event, EventTime, MICROS_PER_UNIT};
use generator::scenario::{FraudKind, Variant};
use generator::schedule::Schedule;
use patterns::{Matcher, PatternEvent};

use crate::rivals::Rivals;
use crate::rules::ScoredRules;
use crate::world::World;

/// As the streamer's is by default.
const WATERMARK_DELAY_MICROS: i64 = 120 * MICROS_PER_UNIT;
/// What no rule needs any more is let go after so many events.
const RELEASE_EVERY: i64 = 100_000;

/// A fraud that was drawn.
#[derive(Clone, Debug)]
pub(crate) struct FraudCase {
    pub(crate) seed: u64,
    pub(crate) kind: FraudKind,
    pub(crate) variant: Variant,
    pub(crate) subscriber: String,
    first: EventTime,
    /// Its events so far.
    pub(crate) events: u64,
    pub(crate) found: Option<Found>,
}

#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// From the fraud's first event on.
    pub(crate) minutes: f64,
    /// Events of the fraud up to then.
    pub(crate) events: u64,
    pub(crate) rule: String,
}

/// A case that is none.
#[derive(Clone, Debug)]
pub(crate) struct FalseCase {
    pub(crate) seed: u64,
    pub(crate) kind: FraudKind,
    pub(crate) rule: String,
    pub(crate) subscriber: String,
    /// A role, another fraud, or ordinary.
    pub(crate) who: String,
}

/// What came of seeds.
#[derive(Debug, Default)]
pub(crate) struct Score {
    pub(crate) seeds: u64,
    pub(crate) events: u64,
    pub(crate) frauds: Vec<FraudCase>,
    pub(crate) false_cases: Vec<FalseCase>,
    pub(crate) rivals: Rivals,
}

impl Score {
    /// Adds a seed's.
    pub(crate) fn add(&mut self, seed: u64, mut other: Score) {
        other.frauds.iter_mut().for_each(|case| case.seed = seed);
        other.false_cases.iter_mut().for_each(|case| case.seed = seed);
        self.seeds += 1;
        self.events += other.events;
        self.frauds.append(&mut other.frauds);
        self.false_cases.append(&mut other.false_cases);
        self.rivals.add(other.rivals);
    }
}

/// Draws a seed and judges it.
pub(crate) fn score(world: &World, rules: &ScoredRules, seed: u64) -> Score {
    let mut schedule = Schedule::new(&world.draft(seed), 1);
    let judged_from = vec![0; rules.set.rules().len()];
    let mut matcher = Matcher::new(Arc::clone(&rules.set), usize::MAX, judged_from, None);
    let mut cases: BTreeMap<(String, usize), FraudCase> = BTreeMap::new();
    let mut roles: HashMap<String, &'static str> = HashMap::new();
    let mut named: BTreeMap<(String, FraudKindOrder), (String, EventTime)> = BTreeMap::new();
    let mut rivals = Rivals::default();
    let (mut payload, mut hits, mut highest, mut offset) = (Vec::new(), Vec::new(), None, 0);
    while let Some(record) = schedule.next(&mut payload) {
        let (event, occurrence) = (schedule.event(), record.occurrence);
        let time = EventTime::from(event.timestamp);
        if let Some(fraud) = occurrence.source.fraud() {
            let drawn = &world.scenario.frauds[fraud];
            let case =
                cases.entry((event.subscriber_id.clone(), fraud)).or_insert_with(|| FraudCase {
                    seed,
                    kind: drawn.kind,
                    variant: drawn.variant,
                    subscriber: event.subscriber_id.clone(),
                    first: time,
                    events: 0,
                    found: None,
                });
            case.events += 1;
        } else if let Some(role) = world.roles.of(occurrence.subscriber)
            && !roles.contains_key(&event.subscriber_id)
        {
            roles.insert(event.subscriber_id.clone(), role.name());
        }
        rivals.observe(event, time);
        highest = highest.max(Some(time));
        let watermark =
            highest.map(|highest: EventTime| highest.plus_micros(-WATERMARK_DELAY_MICROS));
        hits.clear();
        matcher.observe(offset, Some(&pattern_event(event, time)), watermark, &mut hits);
        for hit in &hits {
            let Some(kind) = rules.kinds[hit.rule] else { continue };
            let rule = &rules.set.rules()[hit.rule].name;
            let of_kind = |case: &&mut FraudCase| case.kind == kind && case.found.is_none();
            let subscriber = hit.subscriber.to_string();
            let own = cases.range_mut((subscriber.clone(), 0)..=(subscriber.clone(), usize::MAX));
            for case in own.map(|(_, case)| case).filter(of_kind) {
                let minutes = (time.micros() - case.first.micros()) as f64 / 6e7;
                case.found = Some(Found { minutes, events: case.events, rule: rule.clone() });
            }
            named
                .entry((subscriber, FraudKindOrder::of(kind)))
                .or_insert_with(|| (rule.clone(), time));
        }
        offset += 1;
        if offset % RELEASE_EVERY == 0 {
            matcher.release(offset, watermark);
        }
    }
    let frauds: Vec<FraudCase> = cases.into_values().collect();
    let false_cases = false_cases(&frauds, &roles, named);
    rivals.finish(&frauds);
    Score { seeds: 1, events: offset.unsigned_abs(), frauds, false_cases, rivals }
}

fn false_cases(
    frauds: &[FraudCase],
    roles: &HashMap<String, &'static str>,
    named: BTreeMap<(String, FraudKindOrder), (String, EventTime)>,
) -> Vec<FalseCase> {
    let mut kinds: HashMap<&str, Vec<FraudKind>> = HashMap::new();
    frauds.iter().for_each(|case| kinds.entry(&case.subscriber).or_default().push(case.kind));
    let mut found = Vec::new();
    for ((subscriber, kind), (rule, _)) in named {
        let kind = kind.kind();
        let own = kinds.get(&*subscriber).map_or(&[][..], Vec::as_slice);
        if own.contains(&kind) {
            continue;
        }
        let who = match (own.first(), roles.get(&subscriber)) {
            (Some(other), _) => format!("fraud: {}", other.name()),
            (None, Some(role)) => (*role).to_owned(),
            (None, None) => "ordinary".to_owned(),
        };
        found.push(FalseCase { seed: 0, kind, rule, subscriber, who });
    }
    found
}

/// A kind by its place in the list, which can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FraudKindOrder(usize);

impl FraudKindOrder {
    fn of(kind: FraudKind) -> Self {
        FraudKindOrder(FraudKind::ALL.iter().position(|(_, one)| *one == kind).unwrap_or_default())
    }

    fn kind(self) -> FraudKind {
        FraudKind::ALL[self.0].1
    }
}

fn pattern_event(event: &Event, time: EventTime) -> PatternEvent<'_> {
    PatternEvent {
        event_id: Some(&event.event_id),
        subscriber_id: &event.subscriber_id,
        event_type: generator::scenario::type_name(event.event_type),
        event_subtype: event.event_subtype.map(|direction| match direction {
            Direction::Incoming => "incoming",
            Direction::Outgoing => "outgoing",
        }),
        counterparty_id: event.counterparty_id.as_deref(),
        cell_tower_id: event.cell_tower_id,
        time,
        duration_seconds: Some(event.duration_seconds.unwrap_or_default()),
        amount_micro_tenge: Some(i64::from(event.amount.unwrap_or_default()) * MICROS_PER_UNIT),
        data_micro_mb: Some(i64::from(event.data_hundredths_mb.unwrap_or_default()) * 10_000),
    }
}
