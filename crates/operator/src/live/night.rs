//! Watches what the night's run has left: whether yesterday was computed, and which days are stale.
//!
//! In: a session of its own, so that a slow answer delays nothing else, and each of the two questions has a deadline
//! (I-6). Out: the last answers, for as long as they can be believed, and since when there is none: an alert that
//! can't fire because its figures are missing must not look like a good night (I-7).

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use anyhow::Context;
use program::{ThreadExecutor, chain, seconds_since_1970 as now};
use store::{PgConnection, Session, StoreError, connect};

use super::figures::{BatchState, Yesterday, batch_state, yesterday};

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// The same after a failure: at a first start the tables are made a moment later.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// So many failures in a row are no such moment.
const FAILURES_SAID_AT: u32 = 3;
/// Each question gets this long to be answered, the connecting included: what the server gives a statement.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// An answer is told on for so long after it was given. Midnight may have come meanwhile.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// What was found, as the observer and the watch share it.
pub(super) type SharedNight = Arc<Mutex<Night>>;

/// The last answers.
#[derive(Clone, Default)]
pub(super) struct Night {
    pub(super) yesterday: Remembered<Yesterday>,
    /// An answer of `None`: the database keeps no runs.
    pub(super) runs: Remembered<Option<BatchState>>,
}

/// An answer, and when it was given.
#[derive(Clone, Copy, Default)]
pub(super) struct Remembered<T> {
    answer: Option<(f64, T)>,
    /// In a row.
    failures: u32,
}

impl<T: Copy> Remembered<T> {
    /// The answer, and how old it is in seconds, while it can be believed.
    pub(super) fn believed(&self, now: f64) -> Option<(f64, T)> {
        let (at, answer) = self.answer?;
        let age_seconds = now - at;
        (age_seconds <= BELIEVED_FOR.as_secs_f64()).then_some((age_seconds, answer))
    }

    /// When it was last given, in seconds since 1970; 0: never.
    pub(super) fn answered_at(&self) -> f64 {
        self.answer.map_or(0.0, |(at, _)| at)
    }

    /// Takes what came of a question. Failures leave the last answer, and are said once.
    fn take(&mut self, question: &str, found: Result<T, StoreError>, now: f64) {
        match found {
            Ok(answer) => {
                if self.failures >= FAILURES_SAID_AT {
                    tracing::info!(%question, "the night's state can be asked for again");
                }
                *self = Remembered { answer: Some((now, answer)), failures: 0 };
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == FAILURES_SAID_AT {
                    let error = chain(&error.into());
                    tracing::warn!(
                        %question,
                        %error,
                        "the night's state can't be asked for, the last answer counts for 10 minutes"
                    );
                }
            }
        }
    }
}

/// Looks for as long as somebody holds `night`, on a thread of its own: nobody waits for its end.
pub(super) fn spawn(url: String, night: Weak<Mutex<Night>>) -> anyhow::Result<()> {
    let executor = ThreadExecutor::new()?;
    std::thread::Builder::new()
        .name("night".to_owned())
        .spawn(move || executor.block_on(watch(url, night)))
        .context("starting the observer's thread")?;
    Ok(())
}

async fn watch(url: String, night: Weak<Mutex<Night>>) {
    let mut connection = None;
    loop {
        let found = look(&url, &mut connection, ANSWER_DEADLINE).await;
        let pause = if found.0.is_ok() && found.1.is_ok() { EVERY } else { AGAIN_AFTER };
        let Some(night) = night.upgrade() else { return };
        if let Ok(mut night) = night.lock() {
            night.yesterday.take("whether yesterday was computed", found.0, now());
            night.runs.take("which days are stale", found.1, now());
        }
        drop(night);
        tokio::time::sleep(pause).await;
    }
}

type Found = (Result<Yesterday, StoreError>, Result<Option<BatchState>, StoreError>);

/// Both questions. One that fails is no reason not to ask the other; only a session on which all went well is used again.
async fn look(url: &str, session: &mut Option<PgConnection>, deadline: Duration) -> Found {
    let yesterday = ask(url, session, deadline, async |session| yesterday(session).await).await;
    let runs = ask(url, session, deadline, async |session| batch_state(session).await).await;
    (yesterday, runs)
}

async fn ask<T>(
    url: &str,
    session: &mut Option<PgConnection>,
    deadline: Duration,
    question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let asking = async {
        let mut connection = match session.take() {
            Some(connection) => connection,
            None => connect(url, Session::Control).await?,
        };
        let answer = question(&mut connection).await?;
        *session = Some(connection);
        Ok(answer)
    };
    let answer = tokio::time::timeout(deadline, asking).await;
    answer.unwrap_or(Err(StoreError::NoAnswer(deadline)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use super::*;

    #[test]
    fn an_answer_outlives_failures_for_ten_minutes_and_when_it_was_given_is_told_for_ever() {
        let mut runs = Remembered::default();
        assert_eq!((runs.believed(1_000.0), runs.answered_at()), (None, 0.0));
        runs.take("it", Ok(7), 1_000.0);
        for (at, failed_at) in [(1_000.0, 1_000.0), (1_060.0, 1_060.0), (1_600.0, 1_590.0)] {
            runs.take("it", Err(StoreError::NoAnswer(EVERY)), failed_at);
            assert_eq!(runs.believed(at), Some((at - 1_000.0, 7)));
        }
        assert_eq!((runs.believed(1_601.0), runs.answered_at()), (None, 1_000.0));
        runs.take("it", Ok(8), 1_700.0);
        assert_eq!((runs.believed(1_700.0), runs.answered_at()), (Some((0.0, 8)), 1_700.0));
    }

    #[test]
    fn a_question_that_is_not_answered_in_time_keeps_nobody_from_the_other() {
        program::ThreadExecutor::new().unwrap().block_on(async {
            let url = sandbox::fresh_database().unwrap();
            let mut owner = connect(&url, Session::Batch).await.unwrap();
            store::migrate(&mut owner).await.unwrap();
            // Less than a session waits for a lock.
            let (mut session, deadline) = (None, Duration::from_secs(4));
            let (yesterday, runs) = look(&url, &mut session, ANSWER_DEADLINE).await;
            assert!(yesterday.is_ok() && runs.is_ok() && session.is_some());
            // Somebody holds the table of runs, as a slow answer would.
            let lock = "BEGIN; LOCK TABLE batch_runs IN ACCESS EXCLUSIVE MODE";
            sqlx::raw_sql(lock).execute(&mut owner).await.unwrap();
            let (yesterday, runs) = look(&url, &mut session, deadline).await;
            assert!(yesterday.is_ok(), "{yesterday:?}");
            assert!(runs.is_err(), "{runs:?}");
            // The other one, whose session had to be made anew.
            sqlx::raw_sql("ROLLBACK; BEGIN; LOCK TABLE daily_stats IN ACCESS EXCLUSIVE MODE")
                .execute(&mut owner)
                .await
                .unwrap();
            let (yesterday, runs) = look(&url, &mut session, deadline).await;
            assert!(yesterday.is_err(), "{yesterday:?}");
            assert!(runs.is_ok(), "{runs:?}");
            sqlx::raw_sql("ROLLBACK").execute(&mut owner).await.unwrap();
            let (yesterday, runs) = look(&url, &mut session, ANSWER_DEADLINE).await;
            assert!(yesterday.is_ok() && runs.is_ok());
        });
    }
}
