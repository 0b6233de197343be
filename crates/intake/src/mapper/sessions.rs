//! Rows that belong together: differences between interim updates, a call's begin and end.

use super::{Mapper, Notes, Stop};
use crate::event::{MappedEvent, id_of};
use crate::fault::Fault;
use crate::form::Moment;
use crate::mapping::{Column, SessionRule};
use crate::row::Row;
use crate::sessions::{Session, SessionId, Sessions};

impl Mapper<'_> {
    /// The event of a row that ends what another one began; `None`: it is no such row.
    pub(super) fn ending(
        &self,
        row: &Row<'_>,
        sessions: &mut Sessions,
    ) -> Result<Option<MappedEvent>, Stop> {
        let SessionRule::Pairs { session, begins, ends } = &self.mapping.sessions else {
            return Ok(None);
        };
        if !self.has(row, ends) {
            let why = "of a kind that neither begins nor ends anything";
            return if self.has(row, begins) { Ok(None) } else { Err(Stop::LeftOut(why)) };
        }
        let ended = self.time(row, &mut Notes::default())?;
        let id = self.session_id(session, row)?;
        let Some(Session::Begun(begun)) = sessions.get(&id) else {
            let detail = "the row ends what no row before it began";
            return Err(Fault::plain("no_beginning", detail).into());
        };
        let micros = ended.micros() - begun.micros;
        if micros < 0 {
            return Err(
                Fault::plain("ends_before_it_begins", "the row ends before its beginning").into()
            );
        }
        let mut event = (**begun).clone();
        event.duration_seconds = Some((micros + 500_000) / 1_000_000);
        if self.mapping.time.moment == Moment::End {
            event.micros = ended.micros();
        }
        sessions.forget(id);
        Ok(Some(event))
    }

    /// The event as far as it is not counted yet.
    pub(super) fn in_session(
        &self,
        row: &Row<'_>,
        event: MappedEvent,
        is_answered: bool,
        sessions: &mut Sessions,
    ) -> Result<MappedEvent, Stop> {
        match &self.mapping.sessions {
            SessionRule::None => Ok(event),
            // What was never answered has no end.
            SessionRule::Pairs { .. } if !is_answered => Ok(event),
            SessionRule::Pairs { session, .. } => {
                let id = self.session_id(session, row)?;
                if sessions.get(&id).is_some() {
                    return Err(Stop::LeftOut("begins what has begun already"));
                }
                self.remember(id, Session::Begun(Box::new(event)), sessions)?;
                Err(Stop::LeftOut("begins a call, which is counted when it ends"))
            }
            SessionRule::Differences { session, ends } => {
                let id = self.session_id(session, row)?;
                let has_ended = ends.as_ref().is_some_and(|ends| self.has(row, ends));
                self.difference(id, event, has_ended, sessions)
            }
        }
    }

    fn difference(
        &self,
        id: SessionId,
        mut event: MappedEvent,
        has_ended: bool,
        sessions: &mut Sessions,
    ) -> Result<MappedEvent, Stop> {
        let (before, had_ended) = match sessions.get(&id) {
            Some(Session::Sums { seconds, data_micros, has_ended }) => {
                ((*seconds, *data_micros), *has_ended)
            }
            _ => ((0, 0), false),
        };
        // What a row leaves out has not changed.
        let now =
            (event.duration_seconds.unwrap_or(before.0), event.data_micros.unwrap_or(before.1));
        if now.0 < before.0 || now.1 < before.1 {
            return Err(Stop::LeftOut("older than a row of the same session that was read before"));
        }
        let session =
            Session::Sums { seconds: now.0, data_micros: now.1, has_ended: has_ended || had_ended };
        self.remember(id, session, sessions)?;
        if now == before {
            return Err(Stop::LeftOut("adds nothing to its session"));
        }
        event.duration_seconds = event.duration_seconds.map(|seconds| seconds - before.0);
        event.data_micros = event.data_micros.map(|micros| micros - before.1);
        Ok(event)
    }

    fn remember(
        &self,
        id: SessionId,
        session: Session,
        sessions: &mut Sessions,
    ) -> Result<(), Stop> {
        if sessions.get(&id).is_none() && !sessions.has_room() {
            let detail = format!(
                "{} sessions are open, and no more are remembered (--sessions-max)",
                sessions.len()
            );
            return Err(Fault::plain("too_many_sessions", detail).into());
        }
        sessions.remember(id, session);
        Ok(())
    }

    fn session_id(&self, columns: &[Column], row: &Row<'_>) -> Result<SessionId, Fault> {
        let values: Vec<_> =
            columns.iter().map(|column| row.value(*column, self.mapping)).collect();
        if let Some(missing) = values.iter().position(Option::is_none) {
            let name = &self.mapping.columns[columns[missing]];
            return Err(Fault::plain(
                "session_missing",
                format!("{name} is empty, and names the session"),
            ));
        }
        Ok(id_of(values.iter().flatten().map(|value| value.as_bytes())))
    }
}
