//! What the observer looks at once a minute, because it costs more than the rest: the last 24 hours, open fraud cases,
//! where rules may have missed something.
//!
//! In: the observer's session. Out: what was found; each of the three may be missing without harm to the others. A session
//! that does not answer in time is given up (I-6).

use std::sync::Arc;
use std::time::{Duration, Instant};

use program::chain;
use store::{PgConnection, StoreError, count_pattern_gaps};

use super::cases::{Cases, open_cases};
use super::last_day::{last_day, render};

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(60);

/// What was last found.
#[derive(Default)]
pub(super) struct Minutely {
    looked: Option<Instant>,
    pub(super) day: DayLook,
    pub(super) cases: Option<Arc<Cases>>,
    /// Where rules may have missed something, by reason.
    pub(super) pattern_gaps: Option<Vec<(String, i64)>>,
}

/// The last 24 hours, as `/day.json` has them.
#[derive(Clone, Default)]
pub(super) struct DayLook {
    /// Raised by each look that succeeded: then there is something new to ask for.
    pub(super) number: u64,
    /// The answer; nothing before the first look.
    pub(super) document: Arc<Vec<u8>>,
    /// Why the last look has failed.
    pub(super) missing_because: Option<String>,
}

impl DayLook {
    /// What `/day.json` answers.
    pub(super) fn json(&self) -> Vec<u8> {
        if self.number == 0 { b"null".to_vec() } else { self.document.to_vec() }
    }
}

impl Minutely {
    /// Looks, if the last look was a minute ago and there is a session, which has so long to answer.
    pub(super) async fn read_when_due(
        &mut self,
        session: &mut Option<PgConnection>,
        deadline: Duration,
    ) {
        let is_due = self.looked.is_none_or(|then| then.elapsed() >= EVERY);
        let Some(mut connection) = session.take_if(|_| is_due) else { return };
        self.looked = Some(Instant::now());
        let read = tokio::time::timeout(deadline, self.read(&mut connection)).await;
        match read {
            Ok(()) => *session = Some(connection),
            Err(_) => {
                self.day.missing_because = Some(chain(&StoreError::NoAnswer(deadline).into()));
            }
        }
    }

    /// The right to see one of them may be missing: that is no reason not to show the others.
    async fn read(&mut self, connection: &mut PgConnection) {
        self.cases =
            open_cases(connection).await.map(|cases| cases.map(Arc::new)).unwrap_or_else(|error| {
                tracing::debug!(%error, "no look at the fraud cases");
                None
            });
        self.pattern_gaps = count_pattern_gaps(connection)
            .await
            .inspect_err(|error| tracing::debug!(%error, "no look at the rules' gaps"))
            .ok();
        match last_day(connection).await {
            Ok(day) => {
                let number = self.day.number + 1;
                let document = Arc::new(render(day.as_ref()));
                self.day = DayLook { number, document, missing_because: None };
            }
            Err(error) => {
                self.day.missing_because = Some(chain(&error.into()));
            }
        }
    }
}
