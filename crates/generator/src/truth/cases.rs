//! Who defrauded, and who only looked like it.
//!
//! In: what each record follows from. Out: a line for each subscriber and fraud, and for each look-alike, with the times
//! of the first and last event and their number. The events of a fraud are those that it adds to its subscriber's ordinary
//! life; those of a look-alike are all of theirs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use event_model::EventTime;

use super::lines::{self, FraudLine, Line, LookalikeLine};
use crate::arrivals::Occurrence;
use crate::scenario::{Fraud, FraudKind, Role, RoleOf, Scenario};

/// What was seen of each.
#[derive(Debug)]
pub(super) struct Cases {
    frauds: Vec<Fraud>,
    roles: RoleOf,
    seen_frauds: BTreeMap<(usize, u32), Seen>,
    seen_roles: BTreeMap<u32, Seen>,
}

#[derive(Debug)]
struct Seen {
    subscriber_id: String,
    first: EventTime,
    last: EventTime,
    events: u64,
}

impl Cases {
    pub(super) fn of(scenario: &Scenario) -> Self {
        Cases {
            frauds: scenario.frauds.clone(),
            roles: RoleOf::new(scenario),
            seen_frauds: BTreeMap::new(),
            seen_roles: BTreeMap::new(),
        }
    }

    /// An event was sent.
    pub(super) fn observe(&mut self, occurrence: &Occurrence, subscriber_id: &str) {
        let Occurrence { time, source, subscriber } = *occurrence;
        let seen = if let Some(fraud) = source.fraud() {
            self.seen_frauds
                .entry((fraud, subscriber))
                .or_insert_with(|| Seen::new(subscriber_id, time))
        } else if self.roles.of(subscriber).is_some() {
            self.seen_roles.entry(subscriber).or_insert_with(|| Seen::new(subscriber_id, time))
        } else {
            return;
        };
        seen.first = seen.first.min(time);
        seen.last = seen.last.max(time);
        seen.events += 1;
    }

    pub(super) fn tell(&self, writer: &mut impl Write) -> io::Result<()> {
        for ((fraud, _), seen) in &self.seen_frauds {
            let fraud: &Fraud = &self.frauds[*fraud];
            let line = FraudLine {
                subscriber_id: seen.subscriber_id.clone(),
                fraud: FraudKind::name(fraud.kind),
                variant: fraud.variant.name(),
                first: seen.first.to_string(),
                last: seen.last.to_string(),
                events: seen.events,
            };
            lines::write(writer, &Line::Fraud(line))?;
        }
        for (subscriber, seen) in &self.seen_roles {
            let line = LookalikeLine {
                subscriber_id: seen.subscriber_id.clone(),
                role: self.roles.of(*subscriber).map_or("", Role::name),
                first: seen.first.to_string(),
                last: seen.last.to_string(),
                events: seen.events,
            };
            lines::write(writer, &Line::Lookalike(line))?;
        }
        Ok(())
    }
}

impl Seen {
    fn new(subscriber_id: &str, time: EventTime) -> Self {
        Seen { subscriber_id: subscriber_id.to_owned(), first: time, last: time, events: 0 }
    }
}
