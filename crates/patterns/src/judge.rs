//! Judges the rules upon an event that has come: at each moment from its own on, as long as a window can hold it.
//!
//! ```text
//!      s − within                 t             s
//!   ───────(──────────────────────●─────────────●]──────→ event time
//!          the window             the event     a later one that came before it
//! ```

use event_model::EventTime;
use hashbrown::HashSet;

use crate::hit::{Evidence, Measure};
use crate::ring::Kept;
use crate::rules::{Condition, Form, Mask};
use crate::window::measure;
use crate::{Rule, RuleSet};

/// Coordinates of an alert's evidence.
const OFFSETS_MAX: usize = 10;

/// One subscriber's events, laid out to be judged; kept from one event to the next for its memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bench {
    /// By time, then as they came.
    events: Vec<Kept>,
    ids: HashSet<u64>,
    has_duplicates: bool,
    once: Vec<Kept>,
}

impl Bench {
    /// Lays a subscriber's events out; they come the newest first.
    pub(crate) fn lay_out(&mut self, newest_first: impl Iterator<Item = Kept>) {
        self.events.clear();
        self.events.extend(newest_first);
        self.events.reverse();
        self.ids.clear();
        self.has_duplicates =
            self.events.iter().any(|event| event.id != 0 && !self.ids.insert(event.id));
        // Stable, and quick: they come nearly in order.
        self.events.sort_by_key(|event| event.time_micros);
    }

    /// The first moment at which the rule holds by this event, if there is one. No window is looked at that begins before
    /// `complete_after_micros`: some of its events may be missing.
    pub(crate) fn judge(
        &mut self,
        rule: &Rule,
        event: &Kept,
        complete_after_micros: i64,
        set: &RuleSet,
    ) -> Option<(EventTime, Evidence)> {
        let Form::Window(conditions) = &rule.form else { return None };
        let (least, end) = (event.time_micros, event.time_micros + rule.within_micros);
        if !self.may_hold(rule, least - rule.within_micros, end) {
            return None;
        }
        let mut last = None;
        let begin = self.events.partition_point(|one| one.time_micros < least);
        for place in begin..self.events.len() {
            let Kept { time_micros: moment, mask, .. } = self.events[place];
            if moment >= end {
                break;
            }
            if mask & rule.counts == 0 {
                continue;
            }
            let window_begin = moment - rule.within_micros;
            if last.replace(moment) == Some(moment) || window_begin < complete_after_micros {
                continue;
            }
            let found = self.judge_at((window_begin, moment), (rule, conditions), event, set);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether so many events as it takes are there at all. Fewer can't fulfil it, wherever the window lies.
    fn may_hold(&self, rule: &Rule, after: i64, before: i64) -> bool {
        let begin = self.events.partition_point(|one| one.time_micros <= after);
        let near = self.events[begin..].iter().take_while(|one| one.time_micros < before);
        let minimum = rule.minimum as usize;
        near.filter(|one| one.mask & rule.looks_for != 0).take(minimum).count() == minimum
    }

    fn judge_at(
        &mut self,
        (after, moment): (i64, i64),
        (rule, conditions): (&Rule, &[Condition]),
        event: &Kept,
        set: &RuleSet,
    ) -> Option<(EventTime, Evidence)> {
        let begin = self.events.partition_point(|one| one.time_micros <= after);
        let end = self.events.partition_point(|one| one.time_micros <= moment);
        let mut window = &self.events[begin..end];
        if self.has_duplicates {
            counted_once(window, rule.counts, &mut self.ids, &mut self.once);
            window = &self.once;
            if !window.iter().any(|one| one.offset == event.offset) {
                return None;
            }
        }
        let mut measures = Vec::new();
        for condition in conditions {
            let (value, holds) = measure(condition, window, &set.towers);
            if !holds {
                return None;
            }
            let bound = condition.bound;
            measures.push(Measure {
                value,
                threshold: bound.threshold,
                is_at_least: bound.is_at_least,
            });
        }
        let moment = EventTime::from_micros(moment);
        let evidence = Evidence {
            window_start: EventTime::from_micros(after),
            window_end: moment,
            measures,
            offsets: last_offsets(window, rule.counts),
        };
        Some((moment, evidence))
    }
}

/// What the rule counts, and of those with one id only the one that came first. What other rules count is no duplicate.
fn counted_once(window: &[Kept], counts: Mask, ids: &mut HashSet<u64>, once: &mut Vec<Kept>) {
    once.clear();
    once.extend(window.iter().filter(|event| event.mask & counts != 0));
    once.sort_unstable_by_key(|event| event.offset);
    ids.clear();
    once.retain(|event| event.id == 0 || ids.insert(event.id));
    once.sort_by_key(|event| event.time_micros);
}

fn last_offsets(window: &[Kept], counts: Mask) -> Vec<i64> {
    let counted = window.iter().rev().filter(|event| event.mask & counts != 0);
    let mut offsets: Vec<i64> = counted.take(OFFSETS_MAX).map(|event| event.offset).collect();
    offsets.reverse();
    offsets
}
