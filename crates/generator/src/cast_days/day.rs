//! One day of one actor, drawn as a whole.
//!
//! In: who, their habit, the local day. Out: attempts, ordered. Each follows from the stream of (day, actor), so that
//! any day can be drawn alone.

use event_model::MICROS_PER_SECOND;

use crate::attempt::{Around, Attempt, Layer, What};
use crate::cast::{Actor, Days, Habit, Part};
use crate::counts::poisson_number;
use crate::people::OUTSIDE;
use crate::permutation::Permutation;
use crate::random::{Dice, Purpose, mixed, unit};

const SECONDS_PER_DAY: i64 = 86_400;
/// Between two calls on the same line, at least.
const PAUSE_SECONDS: f64 = 6.0;
/// Of those whom actors call: numbers of other networks.
const OTHER_NETWORKS: f64 = 0.3;
/// A call of so many seconds is called back like one that was not answered.
const SHORT_SECONDS: u32 = 5;
/// Until a missed call is returned: median and standard deviation of the logarithm; and how long that takes.
const CALL_BACK_AFTER: (f64, f64) = (400.0, 1.0);
const CALL_BACK_LASTS: (f64, f64) = (70.0, 0.8);
/// What is paid in by those who pay in for others, or too often.
const TENGE: [u32; 4] = [500, 1_000, 2_000, 5_000];

/// What all actors do on a local day.
pub(super) fn of_all(day: i64, offset_seconds: i64, around: &Around<'_>) -> Vec<Attempt> {
    let noon = day * SECONDS_PER_DAY - offset_seconds + SECONDS_PER_DAY / 2;
    let is_working_day = around.curve.rates(around.scenario, noon).is_working_day;
    let mut attempts = Vec::new();
    for actor in around.people.actors() {
        let habit = actor.part.habit(around.scenario);
        if acts_on(actor, habit, day, is_working_day, around) {
            let mut drawing = Drawing::new(actor, habit, day, offset_seconds, around);
            drawing.calls(&mut attempts);
            drawing.others(&mut attempts);
        }
    }
    attempts.sort_unstable();
    attempts
}

fn acts_on(
    actor: &Actor,
    habit: &Habit,
    day: i64,
    is_working_day: bool,
    around: &Around<'_>,
) -> bool {
    match habit.days {
        Days::Working => is_working_day,
        Days::OfWeek(7) => true,
        Days::OfWeek(days) => {
            let at = around.streams.at(day.div_euclid(7));
            let root = at.first_bits(Purpose::Cast, variant(actor), actor.subscriber);
            let order = Permutation::new(root, 7);
            order.place_of(day.rem_euclid(7).cast_unsigned()) < u64::from(days)
        }
    }
}

/// Tells the streams of a victim's clones and of the victim apart.
fn variant(actor: &Actor) -> u32 {
    u32::from(actor.part.case())
}

struct Drawing<'a> {
    actor: &'a Actor,
    habit: &'a Habit,
    around: &'a Around<'a>,
    /// Local midnight, in microseconds of UTC.
    midnight: i64,
    /// Where bursts begin, in seconds since midnight.
    bursts: Vec<f64>,
    dice: Dice,
}

impl<'a> Drawing<'a> {
    fn new(
        actor: &'a Actor,
        habit: &'a Habit,
        day: i64,
        offset_seconds: i64,
        around: &'a Around<'a>,
    ) -> Self {
        let at = around.streams.at(day);
        let mut dice = at.open(Purpose::CastDay, variant(actor), actor.subscriber);
        let (from, to) = (habit.hours.0 * 3_600.0, habit.hours.1 * 3_600.0);
        let bursts = habit.bursts.map_or(Vec::new(), |(count, seconds)| {
            let latest = (to - seconds).max(from);
            (0..count).map(|_| from + dice.unit() * (latest - from)).collect()
        });
        let midnight = (day * SECONDS_PER_DAY - offset_seconds) * MICROS_PER_SECOND;
        Drawing { actor, habit, around, midnight, bursts, dice }
    }

    /// When, in seconds since midnight.
    fn second(&mut self, in_bursts: bool) -> f64 {
        match self.habit.bursts {
            Some((_, seconds)) if in_bursts => {
                let index = self.dice.below(self.bursts.len() as u64) as usize;
                self.bursts[index] + self.dice.unit() * seconds
            }
            _ => {
                let (from, to) = self.habit.hours;
                (from + self.dice.unit() * (to - from)) * 3_600.0
            }
        }
    }

    /// Somebody else: one of the regulars or anybody, of this network or another.
    fn other(&mut self) -> u32 {
        let bits = match self.habit.regulars {
            0 => self.dice.bits(),
            regulars => {
                let number = self.dice.below(u64::from(regulars));
                let of_actor = u64::from(self.actor.subscriber) << 32 | number;
                mixed(self.around.streams.root(Purpose::Cast, variant(self.actor)) ^ of_actor)
            }
        };
        if unit(bits) < OTHER_NETWORKS {
            return OUTSIDE | mixed(bits) as u32 & (OUTSIDE - 1);
        }
        let count = self.around.people.count();
        let drawn = (mixed(bits) % u64::from(count)) as u32;
        if drawn == self.actor.subscriber { (drawn + 1) % count } else { drawn }
    }

    fn put(&self, out: &mut Vec<Attempt>, second: f64, other: u32, is_made: bool, what: What) {
        let start = self.midnight + (second * MICROS_PER_SECOND as f64) as i64;
        let actor = self.actor.subscriber;
        let (from, to) = if is_made { (actor, other) } else { (other, actor) };
        let (layer, case) = match self.actor.part {
            Part::Role(_) => (Layer::Role, 0),
            Part::Fraud(index) => {
                let fraud = &self.around.scenario.frauds[usize::from(index)];
                let is_now = |span: &crate::scenario::TimeSpan| {
                    span.contains(&event_model::EventTime::from_micros(start))
                };
                if !fraud.span.as_ref().is_none_or(is_now) {
                    return;
                }
                (Layer::Fraud, self.actor.part.case())
            }
        };
        out.push(Attempt { start, layer, from, to, what, actor, case, is_phantom: false });
    }

    fn calls(&mut self, out: &mut Vec<Attempt>) {
        let made = poisson_number(self.habit.calls_made, &mut self.dice);
        let got = poisson_number(self.habit.calls_got, &mut self.dice);
        let mut seconds: Vec<(f64, bool)> = (0..made + got)
            .map(|index| {
                let is_made = index < made;
                (self.second(is_made), is_made)
            })
            .collect();
        seconds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free_from = 0.0;
        for (second, is_made) in seconds {
            let start = f64::max(second, free_from);
            // What the day has no time for is left undone.
            if start > SECONDS_PER_DAY as f64 {
                break;
            }
            let other = self.other();
            let lasts = self.duration(self.habit.seconds);
            let is_answered = !self.dice.chance(if is_made { self.habit.unanswered } else { 0.1 });
            self.put(out, start, other, is_made, What::Call { seconds: lasts, is_answered });
            free_from = start + PAUSE_SECONDS + if is_answered { f64::from(lasts) } else { 10.0 };
            let is_missed = !is_answered || lasts <= SHORT_SECONDS;
            if is_made && is_missed && self.dice.chance(self.habit.called_back) {
                let (median, sigma) = CALL_BACK_AFTER;
                let after = free_from + median * libm::exp(sigma * self.dice.normal());
                let seconds = self.duration(CALL_BACK_LASTS);
                let what = What::Call { seconds, is_answered: true };
                self.put(out, after.min(1.2 * SECONDS_PER_DAY as f64), other, false, what);
            }
        }
    }

    fn duration(&mut self, (median, sigma): (f64, f64)) -> u32 {
        let seconds = median * libm::exp(sigma * self.dice.normal());
        libm::round(seconds.clamp(1.0, 3_600.0)) as u32
    }

    /// Messages, top-ups, sessions.
    fn others(&mut self, out: &mut Vec<Attempt>) {
        let habit = self.habit;
        for _ in 0..poisson_number(habit.messages_sent, &mut self.dice) {
            let (second, other) = (self.second(true), self.other());
            self.put(out, second, other, true, What::Sms);
        }
        for _ in 0..poisson_number(habit.messages_got, &mut self.dice) {
            let (second, other) = (self.second(false), self.other());
            self.put(out, second, other, false, What::Sms);
        }
        for _ in 0..poisson_number(habit.top_ups, &mut self.dice) {
            let (second, tenge) = (self.second(true), self.dice.one_of(&TENGE));
            self.put(out, second, self.actor.subscriber, true, What::TopUp { tenge });
        }
        for _ in 0..poisson_number(habit.sessions, &mut self.dice) {
            let (second, seconds) = (self.second(false), self.duration((12.0, 0.8)));
            self.put(out, second, self.actor.subscriber, true, What::Session { seconds });
        }
    }
}
