//! Random rules and random logs, drawn from a seed.

use std::fmt::Write;

use event_model::EventTime;
use patterns::PatternEvent;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
/// The watermark stays this far behind.
const DELAY: i64 = 120 * SECOND;
/// 2025-11-10T00:00:00Z.
const BASE: i64 = 1_762_732_800 * SECOND;
/// Clocks on the wall are so far ahead of UTC: it is 23:40 on a Sunday when the log begins, which goes on into Monday.
pub(crate) const UTC_OFFSET: i64 = -20 * MINUTE;

/// Almaty, 30 km from it, Astana, Aktobe.
pub(crate) const PLACES: [(u32, f64, f64); 4] =
    [(1, 43.238, 76.946), (2, 43.35, 77.3), (3, 51.169, 71.449), (4, 50.283, 57.167)];
pub(crate) const TOWERS: &str = "tower,region,latitude,longitude\n1,A,43.238,76.946\n2,A,43.35,77.3\n3,B,51.169,71.449\n4,C,50.283,57.167\n";

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as i64
    }

    fn one_in(&mut self, count: i64) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as i64) as usize]
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) subscriber: &'static str,
    pub(crate) event_type: &'static str,
    pub(crate) subtype: Option<&'static str>,
    pub(crate) counterparty: Option<&'static str>,
    pub(crate) tower: Option<u32>,
    pub(crate) time: i64,
    pub(crate) duration: Option<u32>,
    /// Whole tenge, whole MB.
    pub(crate) amount: Option<i64>,
    pub(crate) data_mb: Option<i64>,
}

impl Event {
    pub(crate) fn as_pattern_event(&self) -> PatternEvent<'_> {
        PatternEvent {
            event_id: self.id.as_deref(),
            subscriber_id: self.subscriber,
            event_type: self.event_type,
            event_subtype: self.subtype,
            counterparty_id: self.counterparty,
            cell_tower_id: self.tower,
            time: EventTime::from_micros(self.time),
            duration_seconds: self.duration,
            amount_micro_tenge: self.amount.map(|tenge| tenge * SECOND),
            data_micro_mb: self.data_mb.map(|mb| mb * SECOND),
        }
    }

    fn draw(dice: &mut Dice, number: i64, time: i64) -> Self {
        let event_type = dice.pick(&["call", "call", "sms", "data_session", "balance_recharge"]);
        let is_talk = matches!(event_type, "call" | "sms");
        Event {
            id: (!dice.one_in(8)).then(|| format!("event {number}")),
            subscriber: dice.pick(&["00000000000000aa", "00000000000000ab", "kiosk"]),
            event_type,
            subtype: is_talk.then(|| dice.pick(&["incoming", "outgoing"])),
            counterparty: (is_talk && !dice.one_in(6))
                .then(|| dice.pick(&["0000000000000000", "00000000000000c1", "shop", "taxi"])),
            tower: (!dice.one_in(5)).then(|| dice.pick(&[1, 2, 3, 4, 99])),
            time,
            duration: matches!(event_type, "call" | "data_session")
                .then(|| dice.pick(&[0, 2, 30, 90, 200])),
            amount: (event_type == "balance_recharge").then(|| dice.pick(&[100, 500, 1_000])),
            data_mb: (event_type == "data_session").then(|| dice.pick(&[1, 10, 100])),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) event: Event,
    pub(crate) is_on_time: bool,
    pub(crate) watermark_after: Option<i64>,
    highest_after: i64,
}

impl Record {
    pub(crate) fn watermark_after(&self) -> Option<EventTime> {
        self.watermark_after.map(EventTime::from_micros)
    }
}

/// `during` or `outside` these hours of these days; Monday is 0.
#[derive(Clone, Debug)]
pub(crate) struct Hours {
    pub(crate) is_outside: bool,
    pub(crate) days: Vec<i64>,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) types: Vec<&'static str>,
    pub(crate) subtypes: Vec<&'static str>,
    pub(crate) duration_at_most: Option<u32>,
    pub(crate) hours: Option<Hours>,
    pub(crate) amount_at_least: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Count(Filter),
    Sum(Filter, &'static str),
    Distinct(Filter, &'static str),
    Ratio { of: Filter, part: Filter, min_events: usize },
    Dispersion { of: Filter, named: &'static str, min_events: usize },
    Peak(Filter, i64),
    Speed(Filter),
    Overlap(Filter),
    Sequence { first: Filter, then: Filter, same_counterparty: bool },
    Absent { first: Filter, then: Filter, same_counterparty: bool },
}

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) kind: Kind,
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) within: i64,
    pub(crate) bucket: i64,
    pub(crate) conditions: Vec<Condition>,
}

pub(crate) struct Case {
    pub(crate) rules: Vec<Rule>,
    pub(crate) records: Vec<Record>,
}

impl Case {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let rules = (0..=dice.below(4)).map(|_| Rule::draw(&mut dice)).collect();
        let records = draw_records(&mut dice);
        Case { rules, records }
    }

    pub(crate) fn end(&self) -> i64 {
        self.records.len() as i64
    }

    pub(crate) fn watermark_at(&self, position: i64) -> Option<EventTime> {
        let last = self.records[..position as usize].last()?;
        last.watermark_after()
    }

    pub(crate) fn highest_before(&self, position: i64) -> Option<i64> {
        Some(self.records[..position as usize].last()?.highest_after)
    }

    pub(crate) fn rules_text(&self) -> String {
        let mut text = String::from("towers = \"towers.csv\"\nutc_offset = \"-00:20\"\n");
        for (number, rule) in self.rules.iter().enumerate() {
            let (within, bucket) = (rule.within / SECOND, rule.bucket / SECOND);
            write!(
                text,
                "\n[[rules]]\nname = \"rule_{number}\"\nversion = 1\nmode = \"shadow\"\n\
                 within = \"{within}s\"\nbucket = \"{bucket}s\"\n"
            )
            .expect("a String takes everything");
            for condition in &rule.conditions {
                write!(text, "[[rules.conditions]]\n{}\n", condition.text())
                    .expect("a String takes everything");
            }
        }
        text
    }
}

/// Events mostly in order, some out of it by less than what is late, some by more; some twice.
fn draw_records(dice: &mut Dice) -> Vec<Record> {
    let mut now = BASE;
    let mut records: Vec<Record> = Vec::new();
    let (mut highest, mut watermark) = (i64::MIN, None);
    for offset in 0..60 + dice.below(100) {
        now += match dice.below(30) {
            0 => 600 * SECOND,
            1..12 => 0,
            _ => dice.below(40) * SECOND + dice.below(3),
        };
        let back = match dice.below(6) {
            0..4 => 0,
            4 => dice.below(150) * SECOND,
            _ => dice.below(300) * SECOND,
        };
        let mut event = Event::draw(dice, offset, now - back);
        if dice.one_in(6) && !records.is_empty() {
            let former = &records[dice.below(records.len() as i64) as usize].event;
            if dice.one_in(2) {
                event = former.clone();
            } else {
                event.id.clone_from(&former.id);
                event.subscriber = former.subscriber;
            }
        }
        let minute_end = event.time - event.time.rem_euclid(MINUTE) + MINUTE;
        let is_on_time = watermark.is_none_or(|mark| minute_end > mark);
        highest = highest.max(event.time);
        watermark = Some(highest - DELAY);
        records.push(Record {
            offset,
            event,
            is_on_time,
            watermark_after: watermark,
            highest_after: highest,
        });
    }
    records
}

impl Filter {
    fn draw(dice: &mut Dice) -> Self {
        let mut filter = Filter::default();
        match dice.below(6) {
            0 => {}
            1 => filter.types = vec!["call", "sms"],
            2 => filter.types = vec![dice.pick(&["sms", "data_session", "balance_recharge"])],
            _ => filter.types = vec!["call"],
        }
        match dice.below(6) {
            0 | 1 => filter.subtypes = vec![dice.pick(&["incoming", "outgoing"])],
            2 => filter.duration_at_most = Some(dice.pick(&[2, 90])),
            3 if dice.one_in(3) => filter.amount_at_least = Some(500),
            _ => {}
        }
        if dice.one_in(6) {
            filter.hours = Some(Hours::draw(dice));
        }
        filter
    }

    fn text(&self) -> String {
        let list = |names: &[&str]| match names {
            [one] => format!("{one:?}"),
            many => format!("{many:?}"),
        };
        let mut parts = Vec::new();
        if !self.types.is_empty() {
            parts.push(format!("event_type = {}", list(&self.types)));
        }
        if !self.subtypes.is_empty() {
            parts.push(format!("event_subtype = {}", list(&self.subtypes)));
        }
        parts.extend(self.duration_at_most.map(|most| format!("duration_at_most = {most}")));
        parts.extend(self.hours.iter().map(Hours::text));
        parts.extend(self.amount_at_least.map(|least| format!("amount_at_least = {least}")));
        format!("{{ {} }}", parts.join(", "))
    }
}

impl Hours {
    fn draw(dice: &mut Dice) -> Self {
        let (from, to) = dice.pick(&[(0, 24), (23, 24), (0, 1), (9, 20), (23, 1), (20, 12)]);
        let days = match dice.below(3) {
            0 => (0..7).collect(),
            1 => vec![6],
            _ => vec![5, 6],
        };
        Hours { is_outside: dice.one_in(2), days, from, to }
    }

    fn text(&self) -> String {
        let key = if self.is_outside { "outside" } else { "during" };
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days: Vec<&str> = self.days.iter().map(|day| names[*day as usize]).collect();
        format!("{key} = {{ days = {days:?}, hours = [{}, {}] }}", self.from, self.to)
    }
}

impl Rule {
    fn draw(dice: &mut Dice) -> Self {
        let mut conditions = vec![Condition::draw(dice, true)];
        if !matches!(conditions[0].kind, Kind::Absent { .. }) {
            for _ in 0..dice.below(3) {
                let more = Condition::draw(dice, false);
                if !matches!(more.kind, Kind::Absent { .. }) {
                    conditions.push(more);
                }
            }
        }
        let within = dice.pick(&[1, 30, 60, 90, 300, 600]) * SECOND;
        let bucket = dice.pick(&[60, 600, 3_600]) * SECOND;
        Rule { within, bucket, conditions }
    }
}

impl Condition {
    fn draw(dice: &mut Dice, is_first: bool) -> Self {
        let of = Filter::draw(dice);
        let same_counterparty = dice.one_in(2);
        let (kind, least) = match dice.below(10) {
            0 => (Kind::Count(of), dice.pick(&[1, 2, 3, 5])),
            1 => (Kind::Sum(of, "amount"), dice.pick(&[100, 1_500])),
            2 => match dice.below(2) {
                0 => (Kind::Sum(of, "data_mb"), dice.pick(&[5, 120])),
                _ => (Kind::Sum(of, "duration_seconds"), dice.pick(&[5, 300])),
            },
            3 => {
                let named = dice.pick(&["counterparty_id", "cell_tower_id"]);
                (Kind::Distinct(of, named), dice.pick(&[1, 2, 3]))
            }
            4 => {
                let min_events = dice.pick(&[1, 2, 4]);
                (Kind::Ratio { of, part: Filter::draw(dice), min_events }, 0)
            }
            5 => return Condition { kind: Kind::Speed(of), at_least: Some(300.5), at_most: None },
            6 => (Kind::Overlap(of), dice.pick(&[2, 3])),
            7 => {
                let named = dice.pick(&["counterparty_id", "cell_tower_id"]);
                (Kind::Dispersion { of, named, min_events: dice.pick(&[1, 2, 4]) }, 0)
            }
            8 => (Kind::Peak(of, dice.pick(&[1, 20, 60, 400]) * SECOND), dice.pick(&[1, 2, 3])),
            _ => {
                let then = Filter::draw(dice);
                if is_first && dice.one_in(2) {
                    let kind = Kind::Absent { first: of, then, same_counterparty };
                    return Condition { kind, at_least: None, at_most: None };
                }
                let kind = Kind::Sequence { first: of, then, same_counterparty };
                let at_least = dice.one_in(2).then_some(2.0);
                return Condition { kind, at_least, at_most: None };
            }
        };
        let may_be_most = !matches!(kind, Kind::Overlap(_));
        if let Kind::Ratio { .. } | Kind::Dispersion { .. } = kind {
            let share = Some(dice.pick(&[0.25, 0.5, 0.75]));
            let is_least = dice.one_in(2);
            return Condition {
                kind,
                at_least: share.filter(|_| is_least),
                at_most: share.filter(|_| !is_least),
            };
        }
        let bound = Some(least as f64);
        let is_most = may_be_most && !is_first && dice.one_in(2);
        Condition { kind, at_least: bound.filter(|_| !is_most), at_most: bound.filter(|_| is_most) }
    }

    fn text(&self) -> String {
        let mut text = match &self.kind {
            Kind::Count(of) => format!("kind = \"count\"\nwhere = {}", of.text()),
            Kind::Sum(of, field) => {
                format!("kind = \"sum\"\nof = \"{field}\"\nwhere = {}", of.text())
            }
            Kind::Distinct(of, field) => {
                format!("kind = \"distinct\"\nof = \"{field}\"\nwhere = {}", of.text())
            }
            Kind::Ratio { of, part, min_events } => {
                let (of, part) = (of.text(), part.text());
                format!("kind = \"ratio\"\nwhere = {of}\npart = {part}\nmin_events = {min_events}")
            }
            Kind::Dispersion { of, named, min_events } => {
                let of = of.text();
                format!(
                    "kind = \"dispersion\"\nof = \"{named}\"\nwhere = {of}\nmin_events = {min_events}"
                )
            }
            Kind::Peak(of, span) => {
                let (of, seconds) = (of.text(), span / SECOND);
                format!("kind = \"peak\"\nwhere = {of}\nspan = \"{seconds}s\"")
            }
            Kind::Speed(of) => format!("kind = \"speed_kmh\"\nwhere = {}", of.text()),
            Kind::Overlap(of) => format!("kind = \"overlap\"\nwhere = {}", of.text()),
            Kind::Sequence { first, then, same_counterparty }
            | Kind::Absent { first, then, same_counterparty } => {
                let kind = match self.kind {
                    Kind::Absent { .. } => "absent",
                    _ => "sequence",
                };
                let (first, then) = (first.text(), then.text());
                format!(
                    "kind = \"{kind}\"\nfirst = {first}\nthen = {then}\n\
                     same_counterparty = {same_counterparty}"
                )
            }
        };
        for (key, bound) in [("at_least", self.at_least), ("at_most", self.at_most)] {
            if let Some(bound) = bound {
                write!(text, "\n{key} = {bound}").expect("a String takes everything");
            }
        }
        text
    }
}
