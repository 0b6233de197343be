//! What is remembered of sessions whose rows belong together.
//!
//! Interim updates carry sums since the session began: an event is the difference to the row before. Or one row begins
//! a call and another ends it. What is remembered is part of the progress: it is written in the same transaction as the
//! events that it led to, so that after a crash it is what it was at the position.
//!
//! Keeps I-6: so many sessions are remembered and no more. One that is open is never forgotten in silence: its next row
//! would count again what was counted already.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::event::MappedEvent;

/// The name of a session: a digest of its columns, so that nobody's number is in it.
pub(crate) type SessionId = [u8; 16];

/// What is remembered of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Session {
    /// The sums of its last row.
    Sums { seconds: i64, data_micros: i64, has_ended: bool },
    /// The event of the row that began it, and when that was.
    Begun(Box<MappedEvent>),
}

/// All that is remembered.
#[derive(Debug, Default)]
pub struct Sessions {
    all: HashMap<SessionId, Session>,
    /// Those that have ended, the oldest first: they are remembered for rows that come again.
    ended: VecDeque<SessionId>,
    changed: BTreeSet<SessionId>,
    max: usize,
}

/// A change to be written: the session's name, and what is remembered; `None`: nothing any more.
pub type SessionChange = (String, Option<String>);

impl Sessions {
    /// Nothing is remembered yet; `max`: of how many at most.
    pub fn new(max: usize) -> Self {
        Sessions { max, ..Sessions::default() }
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<&Session> {
        self.all.get(id)
    }

    /// Whether another one can be remembered: one that has ended makes room.
    pub(crate) fn has_room(&mut self) -> bool {
        while self.all.len() >= self.max {
            let Some(oldest) = self.ended.pop_front() else { return false };
            self.forget(oldest);
        }
        true
    }

    pub(crate) fn remember(&mut self, id: SessionId, session: Session) {
        let has_ended = matches!(session, Session::Sums { has_ended: true, .. });
        let had_ended =
            matches!(self.all.insert(id, session), Some(Session::Sums { has_ended: true, .. }));
        if has_ended && !had_ended {
            self.ended.push_back(id);
        }
        self.changed.insert(id);
    }

    pub(crate) fn forget(&mut self, id: SessionId) -> Option<Session> {
        self.changed.insert(id);
        self.all.remove(&id)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What has changed since the last call, to be written with the events.
    pub fn take_changes(&mut self) -> Vec<SessionChange> {
        let changed = std::mem::take(&mut self.changed);
        let text = |session: &Session| {
            serde_json::to_string(session).expect("a session has only texts and whole numbers")
        };
        changed.into_iter().map(|id| (hex(&id), self.all.get(&id).map(text))).collect()
    }

    /// Takes in what was written; later changes of a session replace earlier ones.
    ///
    /// # Errors
    /// What was written is not of this form.
    pub fn restore(&mut self, change: &SessionChange) -> Result<(), String> {
        let (name, text) = change;
        let id = from_hex(name).ok_or_else(|| format!("\"{name}\" is no session's name"))?;
        match text {
            None => drop(self.all.remove(&id)),
            Some(text) => {
                let session = serde_json::from_str(text)
                    .map_err(|error| format!("session {name}: {error}"))?;
                self.remember(id, session);
            }
        }
        self.changed.clear();
        Ok(())
    }
}

fn hex(id: &SessionId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<SessionId> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(seconds: i64, has_ended: bool) -> Session {
        Session::Sums { seconds, data_micros: 0, has_ended }
    }

    #[test]
    fn only_a_session_that_has_ended_makes_room() {
        let mut sessions = Sessions::new(2);
        sessions.remember([1; 16], sums(1, false));
        sessions.remember([2; 16], sums(2, true));
        assert!(sessions.has_room());
        assert_eq!((sessions.len(), sessions.get(&[2; 16])), (1, None));
        sessions.remember([3; 16], sums(3, false));
        assert!(!sessions.has_room());
        assert!(sessions.get(&[1; 16]).is_some());
    }

    #[test]
    fn what_was_written_is_what_is_remembered() {
        let mut sessions = Sessions::new(10);
        sessions.remember([1; 16], sums(1, false));
        sessions.remember([2; 16], sums(2, true));
        let mut written = sessions.take_changes();
        sessions.remember([1; 16], sums(5, true));
        sessions.forget([2; 16]);
        written.extend(sessions.take_changes());
        assert!(sessions.take_changes().is_empty());
        let mut restored = Sessions::new(10);
        written.iter().for_each(|change| restored.restore(change).unwrap());
        assert_eq!((restored.len(), restored.get(&[1; 16])), (1, Some(&sums(5, true))));
        assert!(restored.take_changes().is_empty());
        assert!(restored.restore(&("xy".to_owned(), None)).is_err());
    }
}
