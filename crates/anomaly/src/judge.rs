//! What is unusual in one window, series by series.
//!
//! In: [`Counts`] of the window and of the former ones, and what was learned of each series. Out: a
//! [`Judgement`] for each series.
//!
//! ```text
//!   region × type       against former weeks × the country's factor of that type, by two tests:
//!                         a jump   this window, against how the series has been doing lately
//!                         lasting  some windows together, against what is usual at this hour
//!   the whole country   against former weeks alone; the factor must have changed as much
//!   a type of one region is that region's: there is no country beside it
//! ```
//!
//! The same holds for what events come to, their minutes, megabytes and tenge, against what as many events
//! usually do: twice the calls are unusual once, and a fault of the tariff that no count shows is found.
//!
//! Both tests have thresholds of their own for each series and direction, from how far its usual extremes
//! reach: what it exceeds by chance as often as the [`Budget`] allows. What rises or falls everywhere at
//! once is divided out of the regions by the factor, and is one unusual thing, of the whole country. So a
//! holiday doesn't raise an alarm in every region, and a failure of everything is still found. On a listed
//! holiday a country that is busier, or somewhat calmer, is usual; one that is nearly silent is not.

use std::collections::BTreeMap;

use crate::baseline::Baseline;
use crate::calendar::{Basis, Calendar, DetectionWindow, Former};
use crate::counts::{Counts, NATIONWIDE, Row, Series};
use crate::factor::factor;
use crate::judgement::{CLOSE_CHANGE, Direction, Judgement, Knowledge};
use crate::known::Known;
use crate::learning::Tail;
use crate::measure::{Figures, Measure};
pub use crate::memory::EVENTS_MIN;
use crate::memory::{Comparison, Memory, TOGETHER_MAX, Together};
use crate::statistics::ratio;

/// The score of what a series' own threshold is reached by: scores are in units of that.
pub const OPEN_SCORE: f64 = 3.5;
/// Unusual is also a matter of size: so many times as much or as little as expected.
pub const OPEN_CHANGE: f64 = 1.5;
/// Thresholds are so much higher while only days are compared, while little has been learned of a series,
/// and for regions on holidays and while the country is far from usual.
pub const CAUTION: f64 = 1.5;
/// On a holiday the country as a whole is unusual only below this share of what is expected.
pub const HOLIDAY_SHARE: f64 = 0.25;
/// Little has been learned of a series before so many windows: five days.
const LEARNED_MIN: u32 = 1_500;
/// What lasts is looked at over so many windows at least …
const LASTING_WINDOWS: usize = 3;
/// … and over more, up to an hour, until so many events are expected.
const LASTING_EVENTS: f64 = 100.0;
/// No threshold is lower, in standard deviations: of a jump, which two of three windows must reach …
const JUMP_LEAST: f64 = 3.5;
/// … and of what lasts, which is one sum that they share.
const LASTING_LEAST: f64 = 4.5;
/// Windows that reach a threshold come in groups of about so many: jumps, and what lasts.
const JUMP_GROUP: f64 = 2.0;
const LASTING_GROUP: f64 = 6.0;
/// Less than this share of so many events or more is silence: unusual, however much a series scatters.
const SILENCE_SHARE: f64 = 0.1;
const SILENCE_EVENTS: f64 = 30.0;
/// A country that is many times as busy multiplies also what a small region's history is off by: as much is
/// granted to it as so many standard deviations of that make.
const GRANTED_DEVIATIONS: f64 = 3.0;
/// Windows of a month of 30 days.
const MONTH_WINDOWS: f64 = 30.0 * 24.0 * 12.0;

/// How many false alerts of each series a month are put up with. So many windows are expected to be
/// unusual by chance; what really happens comes on top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(f64);

impl Budget {
    /// One a month: the default.
    pub const ONE_A_MONTH: Budget = Budget(1.0);

    /// So many false alerts of each series in 30 days; `None`: less than one in about eight years, or more
    /// than about three a day.
    pub fn a_month(alerts: f64) -> Option<Self> {
        (0.01..=100.0).contains(&alerts).then_some(Budget(alerts))
    }

    /// The share of windows that may reach one of the four thresholds, if they come in groups of so many.
    fn share(self, group: f64) -> f64 {
        self.0 * group / (4.0 * MONTH_WINDOWS)
    }
}

/// What judging needs beside counts.
pub(crate) struct Asked<'a> {
    pub(crate) calendar: &'a Calendar,
    pub(crate) memories: &'a Memories,
    pub(crate) budget: Budget,
}

/// What was learned of each measure of each series.
pub(crate) type Memories = BTreeMap<Measure, BTreeMap<Series, Memory>>;

/// A judgement, and what there is to learn from it.
pub(crate) struct Verdict {
    pub(crate) judgement: Judgement,
    /// Units that came.
    pub(crate) observed: f64,
    /// Units that were expected, waves left out.
    pub(crate) expected: f64,
    /// What is expected by the clock, and by what doesn't follow it, where that differs.
    pub(crate) readings: Option<[f64; 2]>,
    pub(crate) jump: Option<Comparison>,
    pub(crate) lasting: Option<Comparison>,
    /// What the country's factor may have made of an error of the baseline.
    pub(crate) granted: f64,
    /// Whether the jump reaches its threshold, whatever its size.
    pub(crate) is_jump: bool,
}

/// The moment that is judged.
struct Moment<'a> {
    window: DetectionWindow,
    /// The share of the local day that is over.
    time: f64,
    former: Former,
    /// What came in this window; of a hole nothing.
    now: Option<Row<'a>>,
    rows: Rows<'a>,
    is_holiday: bool,
    asked: &'a Asked<'a>,
    /// What is known of a series that nothing was learned of.
    nothing: Memory,
}

/// One region, by its index, or all of a type.
enum Place<'a> {
    Region(usize),
    Country(&'a [usize]),
}

/// What all series had in the windows that one is compared with, looked up once for all of them.
struct Rows<'a>(Vec<(DetectionWindow, Row<'a>)>);

impl<'a> Rows<'a> {
    fn of(former: &Former, counts: &'a Counts) -> Self {
        let units = former.units.iter().chain(former.unclocked.iter().flatten());
        let mut windows: Vec<DetectionWindow> = units.flatten().copied().collect();
        windows.sort_unstable();
        windows.dedup();
        let known = windows.into_iter().filter_map(|then| Some((then, counts.row(then)?)));
        Rows(known.collect())
    }

    fn get(&self, window: DetectionWindow) -> Option<Row<'a>> {
        let at = self.0.binary_search_by_key(&window, |(then, _)| *then).ok()?;
        Some(self.0[at].1)
    }
}

impl Place<'_> {
    fn figures(&self, row: Row<'_>) -> Figures {
        match self {
            Place::Region(index) => row.figures(*index),
            Place::Country(indices) => row.figures_of_all(indices),
        }
    }
}

impl Moment<'_> {
    fn memory(&self, measure: Measure, series: &Series) -> &Memory {
        let of_measure = self.asked.memories.get(&measure);
        of_measure.and_then(|memories| memories.get(series)).unwrap_or(&self.nothing)
    }

    fn now(&self, place: &Place<'_>) -> Figures {
        self.now.map(|row| place.figures(row)).unwrap_or_default()
    }

    fn events<'b>(&'b self, place: &Place<'_>, series: Series) -> Known<'b> {
        let memory = self.memory(Measure::Events, &series);
        let then = |then| Some(place.figures(self.rows.get(then)?));
        Known::events(series, self.now(place), memory, &self.former, &then)
    }

    fn amount<'b>(
        &'b self,
        measure: Measure,
        place: &Place<'_>,
        of: &Known<'b>,
    ) -> Option<Known<'b>> {
        let memory = self.memory(measure, &of.series);
        let then = |then| Some(place.figures(self.rows.get(then)?));
        Known::amount(of, measure, self.now(place), memory, &self.former, &then)
    }
}

/// Judges all series in a complete window.
pub(crate) fn judge_window(
    window: DetectionWindow,
    counts: &Counts,
    asked: &Asked<'_>,
) -> Vec<Verdict> {
    let former = asked.calendar.former(window, counts.begins(), |then| counts.has(then));
    let rows = Rows::of(&former, counts);
    let is_holiday = asked.calendar.is_holiday(window);
    let time = asked.calendar.time_of_day(window);
    let (now, nothing) = (counts.row(window), Memory::default());
    let moment = Moment { window, time, former, now, rows, is_holiday, asked, nothing };
    let mut types: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, series) in counts.series().iter().enumerate() {
        types.entry(&series.event_type).or_default().push(index);
    }
    types.into_iter().flat_map(|(of, indices)| judge_type(of, &indices, counts, &moment)).collect()
}

/// Judges a type: its regions and the country, or its only region; their events, and what those come to.
fn judge_type(
    event_type: &str,
    indices: &[usize],
    counts: &Counts,
    moment: &Moment<'_>,
) -> Vec<Verdict> {
    let places: Vec<Place<'_>> = indices.iter().map(|index| Place::Region(*index)).collect();
    let named = places.iter().zip(indices.iter().map(|index| counts.series()[*index].clone()));
    let regions: Vec<Known<'_>> =
        named.map(|(place, series)| moment.events(place, series)).collect();
    let everywhere = Place::Country(indices);
    let all = || moment.events(&everywhere, Series::new(NATIONWIDE, event_type));
    let country = (regions.len() > 1).then(all);
    let mut verdicts = judge_measure(&regions, country.as_ref(), moment);
    for measure in Measure::AMOUNTS.into_iter().filter(|measure| counts.has_measure(*measure)) {
        let of_region = |(place, of): (&Place<'_>, _)| moment.amount(measure, place, of);
        let regions: Vec<Known<'_>> = places.iter().zip(&regions).filter_map(of_region).collect();
        let country = country.as_ref().and_then(|of| moment.amount(measure, &everywhere, of));
        verdicts.extend(judge_measure(&regions, country.as_ref(), moment));
    }
    verdicts
}

/// Judges one measure of a type.
fn judge_measure(
    regions: &[Known<'_>],
    country: Option<&Known<'_>>,
    moment: &Moment<'_>,
) -> Vec<Verdict> {
    let Some(country) = country else {
        return regions.iter().map(|only| judge_country(only, None, moment)).collect();
    };
    let known: Vec<(f64, &Baseline)> = regions
        .iter()
        .filter_map(|region| Some((region.observed, region.baseline.as_ref()?)))
        .collect();
    let factor = factor(&known);
    let mut verdicts = vec![judge_country(country, factor, moment)];
    let factor = factor.unwrap_or(1.0);
    // On a day that is like no other, listed or not, regions differ more than usual, too.
    let is_like_others = !moment.is_holiday && (1.0 / OPEN_CHANGE..OPEN_CHANGE).contains(&factor);
    let caution = caution(&moment.former) * if is_like_others { 1.0 } else { CAUTION };
    verdicts.extend(regions.iter().map(|region| judge_one(region, factor, caution, moment)));
    verdicts
}

fn caution(former: &Former) -> f64 {
    match former.basis {
        Basis::Weeks => 1.0,
        Basis::Days => CAUTION,
    }
}

/// The country is unusual where most of it is: what one large region does is not the country's.
fn judge_country(country: &Known<'_>, factor: Option<f64>, moment: &Moment<'_>) -> Verdict {
    let mut verdict = judge_one(country, 1.0, caution(&moment.former), moment);
    let judgement = &mut verdict.judgement;
    judgement.unusual = judgement.unusual.filter(|direction| match direction {
        Direction::High => factor.is_none_or(|factor| factor >= OPEN_CHANGE),
        Direction::Low => factor.is_none_or(|factor| factor <= 1.0 / OPEN_CHANGE),
    });
    if moment.is_holiday {
        let is_silent = judgement.observed < HOLIDAY_SHARE * judgement.expected;
        judgement.unusual =
            judgement.unusual.filter(|direction| *direction == Direction::Low && is_silent);
    }
    verdict
}

/// One test: what it compared, its score, and whether that is unusual.
#[derive(Clone, Copy)]
struct Tested {
    compared: Comparison,
    score: f64,
    unusual: Option<Direction>,
}

/// Judges a series. `factor` is by how much the whole country is busier than usual, `caution` by how much
/// thresholds are higher.
fn judge_one(known: &Known<'_>, factor: f64, caution: f64, moment: &Moment<'_>) -> Verdict {
    let Some(baseline) = &known.baseline else { return warming_up(known) };
    let memory = known.memory;
    let observed = known.observed;
    let expected = factor * baseline.expected;
    let foreseen = expected * memory.wave();
    let is_young = memory.learned < LEARNED_MIN;
    // The centre's own error grows with the factor.
    let error = (1.0 + factor * baseline.centre.uncertainty).sqrt();
    let caution = caution * error * if is_young { CAUTION } else { 1.0 };
    let budget = moment.asked.budget;
    let test = |compared: Comparison, tails: &[Tail; 2], share: f64, least: f64| {
        let tail = &tails[usize::from(compared.deviations < 0.0)];
        let limit = tail.exceeded_with(share).max(least) * caution;
        tested(compared, compared.deviations * OPEN_SCORE / limit, observed, expected)
    };
    let of_lasting =
        |compared| test(compared, &memory.lasting, budget.share(LASTING_GROUP), LASTING_LEAST);
    let jump = Comparison::of(observed, foreseen, memory.of_jumps_at(moment.time));
    let granted = (factor - 1.0).max(0.0) * (baseline.most(GRANTED_DEVIATIONS) - baseline.expected);
    let together = together(memory, moment.window, Together { observed, expected, granted });
    let of_lasting_now = memory.of_lasting_at(moment.time);
    let lasting = Comparison::of(together.observed, together.expected, of_lasting_now);
    let of_jump =
        jump.map(|compared| test(compared, &memory.jumps, budget.share(JUMP_GROUP), JUMP_LEAST));
    let tests = [of_jump, lasting.map(of_lasting)];
    let mut worst = tests.into_iter().flatten().max_by(|a, b| {
        (a.unusual.is_some(), a.score.abs())
            .partial_cmp(&(b.unusual.is_some(), b.score.abs()))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let knowledge = if worst.is_some() { Knowledge::Judged } else { Knowledge::Small };
    if worst.is_none() {
        let lifted = lifted(&together, memory).map(of_lasting);
        worst = lifted.filter(|it| it.unusual == Some(Direction::High));
    }
    if foreseen >= SILENCE_EVENTS && observed < SILENCE_SHARE * foreseen {
        worst = jump.map(|compared| silent(compared, worst));
    }
    // Of what is too small in one window it is said what was compared.
    let (seen, usual) = match worst {
        Some(it) if knowledge == Knowledge::Small => (it.compared.observed, together.expected),
        Some(it) if expected < EVENTS_MIN => (it.compared.observed, it.compared.expected),
        _ => (observed, expected),
    };
    let judgement = Judgement {
        series: known.series.clone(),
        measure: known.measure,
        observed: seen * known.unit,
        expected: usual * known.unit,
        ratio: worst.map_or(1.0, |it| it.size_of(observed, expected)),
        score: worst.map_or(0.0, |it| it.score),
        knowledge,
        unusual: worst.and_then(|it| it.unusual),
    };
    let is_jump = of_jump.is_some_and(|it| it.score.abs() >= OPEN_SCORE);
    let readings = known.readings.map(|both| both.map(|expected| factor * expected));
    Verdict { judgement, observed, expected, readings, jump, lasting, granted, is_jump }
}

impl Tested {
    /// Observed ÷ expected of the window itself, unless it is too small.
    fn size_of(&self, observed: f64, expected: f64) -> f64 {
        if expected >= EVENTS_MIN {
            return ratio(observed, expected);
        }
        ratio(self.compared.observed, self.compared.expected)
    }
}

fn warming_up(known: &Known<'_>) -> Verdict {
    let judgement = Judgement {
        series: known.series.clone(),
        measure: known.measure,
        observed: known.observed * known.unit,
        expected: 0.0,
        ratio: 1.0,
        score: 0.0,
        knowledge: Knowledge::WarmingUp,
        unusual: None,
    };
    Verdict {
        judgement,
        observed: known.observed,
        expected: 0.0,
        readings: None,
        jump: None,
        lasting: None,
        granted: 0.0,
        is_jump: false,
    }
}

/// Unusual is what reaches the threshold and is large enough: what was compared, or the window alone against
/// what is usual at this hour. What has only come back to that is not.
fn tested(compared: Comparison, score: f64, observed: f64, expected: f64) -> Tested {
    let direction = if score > 0.0 { Direction::High } else { Direction::Low };
    let change = |ratio: f64| ratio.powf(direction.sign());
    let of_window = change(ratio(observed, expected));
    let size = change(ratio(compared.observed, compared.expected)).max(of_window);
    let is_back = expected >= EVENTS_MIN && of_window < CLOSE_CHANGE;
    let is_unusual = score.abs() >= OPEN_SCORE && size >= OPEN_CHANGE && !is_back;
    Tested { compared, score, unusual: is_unusual.then_some(direction) }
}

/// Silence is as unusual as a threshold at least.
fn silent(compared: Comparison, worst: Option<Tested>) -> Tested {
    let score = worst.map_or(0.0, |worst| worst.score).min(-OPEN_SCORE);
    Tested { compared, score, unusual: Some(Direction::Low) }
}

/// What is too small, as if it were not. Nobody has learned how it scatters: it must be further off.
fn lifted(together: &Together, memory: &Memory) -> Option<Comparison> {
    let least = EVENTS_MIN.max(together.expected + together.granted);
    let compared = Comparison::of(together.observed, least, memory.of_lasting)?;
    Some(Comparison { deviations: compared.deviations / CAUTION, ..compared })
}

/// As many windows together as it takes to expect enough events.
fn together(memory: &Memory, window: DetectionWindow, newest: Together) -> Together {
    let mut sum = newest;
    for (number, before) in (1..TOGETHER_MAX as usize).zip(memory.before(window)) {
        if sum.expected >= LASTING_EVENTS && number >= LASTING_WINDOWS {
            break;
        }
        sum.observed += before.observed;
        sum.expected += before.expected;
        sum.granted += before.granted;
    }
    sum
}

#[cfg(test)]
mod tests;
