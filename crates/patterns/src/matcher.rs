//! One partition's rules at work: takes its events in, and says which rules hold.
//!
//! ```text
//!            cut_back ◄──────────────── stored position ────────► release
//!   ┌─────────────────────────────┬──────────────────────────────────────┐
//!   │ events that windows to come │ read since: judged, may be read again │
//!   │ can still hold              │                                       │
//!   └─────────────────────────────┴───────────────────────────────────────┘
//! ```
//!
//! Where a part of the events is missing — because the bound in bytes was reached, or the log no longer has them — no
//! window is judged that would hold it: nothing wrong is found, and [`Lost`] says what could not be.

use std::sync::Arc;

use event_model::EventTime;

use crate::absent::{Absences, Waiting};
use crate::event::{id_of, key_of};
use crate::hit::{Evidence, Hit};
use crate::judge::Bench;
use crate::ring::{Kept, NO_TOWER, Ring};
use crate::rules::{Form, HAS_COUNTERPARTY, Mask};
use crate::{OPEN_MINUTE_MICROS, PatternEvent, RuleSet};

/// At the bound this fraction of the events goes at once.
const DROPPED_FRACTION: usize = 16;
const MINUTE_MICROS: i64 = 60_000_000;

/// Events are missing: windows that begin before `complete_after` are not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Offset of the record from which on it is so.
    pub from_offset: i64,
    /// All later events are there.
    pub complete_after: EventTime,
    /// From this event time on all rules are judged again.
    pub blind_until: EventTime,
}

/// One partition's events of late, and the rules.
#[derive(Clone, Debug)]
pub struct Matcher {
    rules: Arc<RuleSet>,
    ring: Ring,
    absences: Absences,
    bytes_max: usize,
    /// Hits are made from this offset on, by rule; before it events are only taken in.
    judged_from: Vec<i64>,
    /// Events up to this time may be missing.
    complete_after_micros: i64,
    lost: Option<Lost>,
    bench: Bench,
}

impl Matcher {
    /// Knows no event yet; those at or before `complete_after` may be missing (`None`: none are). Keeps at most
    /// `bytes_max`, and one chunk of events more. By rule, `judged_from` is the offset from which on hits are made.
    ///
    /// # Panics
    /// Unless there is one `judged_from` per rule.
    pub fn new(
        rules: Arc<RuleSet>,
        bytes_max: usize,
        judged_from: Vec<i64>,
        complete_after: Option<EventTime>,
    ) -> Self {
        assert_eq!(judged_from.len(), rules.rules().len(), "one offset per rule");
        Matcher {
            ring: Ring::new(rules.needs),
            rules,
            absences: Absences::default(),
            bytes_max,
            judged_from,
            complete_after_micros: complete_after.map_or(i64::MIN, EventTime::micros),
            lost: None,
            bench: Bench::default(),
        }
    }

    /// The rules that are judged; all matchers of a process share them.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// How many events it keeps.
    pub fn events(&self) -> usize {
        self.ring.len()
    }

    /// Memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.ring.bytes() + self.absences.bytes()
    }

    /// Takes the record at this offset in: its event, if it is on time and has a subscriber; and the watermark behind it.
    /// Offsets must rise. Appends what it makes true to `hits`.
    pub fn observe(
        &mut self,
        offset: i64,
        event: Option<&PatternEvent<'_>>,
        watermark: Option<EventTime>,
        hits: &mut Vec<Hit>,
    ) {
        debug_assert!(self.ring.newest_offset().is_none_or(|newest| newest < offset), "in order");
        if let Some(event) = event {
            let mask = self.rules.filters.matching(event);
            if mask != 0 {
                self.take_in(offset, event, mask, hits);
            }
        }
        if let Some(watermark) = watermark {
            self.decide_absences(offset, watermark, hits);
        }
        if self.bytes() > self.bytes_max {
            self.drop_oldest(offset);
        }
    }

    /// Everything before `position` is stored, with this watermark: what no window can hold from there on goes.
    pub fn release(&mut self, position: i64, watermark: Option<EventTime>) {
        self.absences.release(position);
        let Some(floor) = self.floor_micros(watermark) else { return };
        while let Some(time) = self.ring.oldest_time().filter(|time| *time <= floor) {
            self.complete_after_micros = self.complete_after_micros.max(time);
            self.ring.drop_oldest();
        }
    }

    /// Goes back to before the record at `position` was read, where the watermark was this; hits are made from these
    /// offsets on. Returns whether that was possible: otherwise what is needed is gone, and it must be built anew.
    #[must_use]
    pub fn cut_back(
        &mut self,
        position: i64,
        watermark: Option<EventTime>,
        judged_from: &[i64],
    ) -> bool {
        let needed_after = self.floor_micros(watermark).unwrap_or(i64::MIN);
        if self.complete_after_micros > needed_after {
            return false;
        }
        while self.ring.newest_offset().is_some_and(|newest| newest >= position) {
            self.ring.drop_newest();
        }
        self.absences.cut_back(position);
        self.judged_from.clear();
        self.judged_from.extend_from_slice(judged_from);
        self.lost = None;
        true
    }

    /// Events up to this time may be missing; `None`: none are.
    pub fn complete_after(&self) -> Option<EventTime> {
        let is_known = self.complete_after_micros > i64::MIN;
        is_known.then(|| EventTime::from_micros(self.complete_after_micros))
    }

    /// What it came to miss since this was asked last.
    pub fn take_lost(&mut self) -> Option<Lost> {
        self.lost.take()
    }

    /// Events up to this time are in no window that can still be judged.
    fn floor_micros(&self, watermark: Option<EventTime>) -> Option<i64> {
        let back = OPEN_MINUTE_MICROS + self.rules.lookback_micros();
        watermark.map(|watermark| watermark.micros().saturating_sub(back))
    }

    fn take_in(&mut self, offset: i64, event: &PatternEvent<'_>, mask: Mask, hits: &mut Vec<Hit>) {
        let has_counterparty = event.counterparty_id.map_or(0, |_| HAS_COUNTERPARTY);
        let kept = Kept {
            offset,
            time_micros: event.time.micros(),
            id: event.event_id.map_or(0, id_of),
            mask: mask | has_counterparty,
            counterparty: event.counterparty_id.map_or(0, key_of),
            tower: event.cell_tower_id.unwrap_or(NO_TOWER),
            duration_seconds: event.duration_seconds.unwrap_or_default(),
            amount_micro_tenge: event.amount_micro_tenge.unwrap_or_default(),
            data_micro_mb: event.data_micro_mb.unwrap_or_default(),
        };
        let owner = self.ring.push(key_of(event.subscriber_id), &kept);
        let events = self.ring.subscribers.get(owner).events;
        let set = Arc::clone(&self.rules);
        let mut is_laid_out = false;
        for (rule, judged_from) in (0..).zip(&self.judged_from) {
            let (number, rule) = (rule, &set.rules()[rule]);
            if rule.looks_for & mask == 0 {
                continue;
            }
            if let Form::Absent { .. } = rule.form {
                self.absences.wait(Waiting {
                    known_at: known_at(kept.time_micros + rule.within_micros),
                    offset,
                    rule: number,
                    time_micros: kept.time_micros,
                    id: kept.id,
                    counterparty: kept.counterparty,
                    subscriber: event.subscriber_id.into(),
                });
                continue;
            }
            if events < rule.minimum || offset < *judged_from {
                continue;
            }
            if !std::mem::replace(&mut is_laid_out, true) {
                self.bench.lay_out(self.ring.events_of(owner));
            }
            let found = self.bench.judge(rule, &kept, self.complete_after_micros, &set);
            hits.extend(found.map(|(moment, evidence)| Hit {
                rule: number,
                subscriber: event.subscriber_id.into(),
                bucket: bucket_of(moment, rule.bucket_micros),
                evidence,
            }));
        }
    }

    /// What waited, and can't be followed any more at this watermark.
    fn decide_absences(&mut self, offset: i64, watermark: EventTime, hits: &mut Vec<Hit>) {
        while let Some(waiting) = self.absences.next_decided(watermark, offset) {
            let set = Arc::clone(&self.rules);
            let rule = &set.rules()[waiting.rule];
            let end = waiting.time_micros + rule.within_micros;
            let is_whole = waiting.time_micros - rule.within_micros >= self.complete_after_micros;
            if offset < self.judged_from[waiting.rule] || !is_whole || self.is_followed(&waiting) {
                continue;
            }
            let moment = EventTime::from_micros(end);
            hits.push(Hit {
                rule: waiting.rule,
                bucket: bucket_of(moment, rule.bucket_micros),
                evidence: Evidence {
                    window_start: EventTime::from_micros(waiting.time_micros),
                    window_end: moment,
                    measures: Vec::new(),
                    offsets: vec![waiting.offset],
                },
                subscriber: waiting.subscriber,
            });
        }
    }

    /// Whether what was awaited came, or the event is a duplicate.
    fn is_followed(&self, waiting: &Waiting) -> bool {
        let rule = &self.rules.rules()[waiting.rule];
        let Form::Absent { first, then, same_counterparty } = rule.form else { return true };
        let Some(owner) = self.ring.subscribers.find(key_of(&waiting.subscriber)) else {
            return false;
        };
        let since = |event: &Kept| event.time_micros - waiting.time_micros;
        let own = self.ring.events_of(owner).find(|event| event.offset == waiting.offset);
        let names_somebody = |event: &Kept| event.mask & HAS_COUNTERPARTY != 0;
        let is_awaited = |event: &Kept| {
            let is_same = !same_counterparty
                || (own.as_ref().is_some_and(names_somebody)
                    && names_somebody(event)
                    && event.counterparty == waiting.counterparty);
            event.mask & then != 0 && is_same && (1..=rule.within_micros).contains(&since(event))
        };
        let is_original = |event: &Kept| {
            waiting.id != 0
                && event.id == waiting.id
                && event.offset < waiting.offset
                && since(event).abs() < rule.within_micros
                && event.mask & first != 0
        };
        self.ring.events_of(owner).any(|event| is_awaited(&event) || is_original(&event))
    }

    /// The bound is reached: the oldest events go, and with them the windows that would hold them.
    fn drop_oldest(&mut self, offset: i64) {
        let count = (self.ring.len() / DROPPED_FRACTION).max(1);
        for _ in 0..count {
            let Some(time) = self.ring.oldest_time() else { break };
            self.complete_after_micros = self.complete_after_micros.max(time);
            self.ring.drop_oldest();
        }
        self.absences.forget_through(self.complete_after_micros);
        let complete_after = EventTime::from_micros(self.complete_after_micros);
        let former = self.lost.map(|lost| lost.from_offset);
        self.lost = Some(Lost {
            from_offset: former.unwrap_or(offset),
            complete_after,
            blind_until: complete_after.plus_micros(self.rules.lookback_micros()),
        });
    }
}

/// The watermark at which no event with this timestamp comes on time any more: the end of its minute.
fn known_at(time_micros: i64) -> EventTime {
    EventTime::from_micros((time_micros.div_euclid(MINUTE_MICROS) + 1) * MINUTE_MICROS)
}

fn bucket_of(moment: EventTime, bucket_micros: i64) -> EventTime {
    EventTime::from_micros(moment.micros().div_euclid(bucket_micros) * bucket_micros)
}

#[cfg(test)]
mod tests;
