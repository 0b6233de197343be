//! How failures are borne: with pauses that grow, and by a drain not for ever.
//!
//! In: what a round failed with. Out: how long to wait until the next one, or the failure itself, when it is no use to wait.

use std::time::{Duration, Instant};

use program::{chain, report};
use store::StoreError;

/// After a failure, how long is waited at first …
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// … and at most.
const PAUSE_CAP: Duration = Duration::from_secs(30);

/// What is borne since the last success.
pub(crate) struct Patience {
    /// So long a failure may last; `None`: for ever.
    limit: Option<Duration>,
    since: Option<Instant>,
    pause: Duration,
}

impl Patience {
    /// Bears whatever comes: somebody may mend it.
    pub(crate) fn endless() -> Self {
        Patience { limit: None, since: None, pause: PAUSE_FIRST }
    }

    /// Bears what can pass by itself, for so long.
    pub(crate) fn of(limit: Duration) -> Self {
        Patience { limit: Some(limit), ..Patience::endless() }
    }

    /// Something went well.
    pub(crate) fn renew(&mut self) {
        (self.since, self.pause) = (None, PAUSE_FIRST);
    }

    /// Says what failed, and how long to wait.
    ///
    /// # Errors
    /// The failure: it can't pass, or has lasted for too long.
    pub(crate) fn bear(&mut self, error: anyhow::Error) -> anyhow::Result<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.limit.map(|limit| limit.saturating_sub(since.elapsed()));
        if left.is_some_and(|left| left.is_zero() || !can_pass(&error)) {
            return Err(error);
        }
        report(&format!(
            "nothing was archived in this round; it is tried again: {}",
            chain(&error)
        ));
        let pause = left.map_or(self.pause, |left| self.pause.min(left));
        self.pause = (self.pause * 2).min(PAUSE_CAP);
        Ok(pause)
    }
}

/// Whether waiting can help: a wrong password or a missing right does not go away.
fn can_pass(error: &anyhow::Error) -> bool {
    error.chain().all(|cause| cause.downcast_ref().is_none_or(StoreError::is_retryable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing() -> anyhow::Error {
        anyhow::anyhow!("the broker is away").context("reading")
    }

    fn lasting() -> anyhow::Error {
        anyhow::Error::new(StoreError::BadValue("x".to_owned())).context("reading")
    }

    #[test]
    fn pauses_grow_until_something_goes_well() {
        let mut patience = Patience::endless();
        let mut pauses = || patience.bear(passing()).unwrap();
        assert_eq!([pauses(), pauses(), pauses()].map(|pause| pause.as_millis()), [200, 400, 800]);
        for _ in 0..20 {
            pauses();
        }
        assert_eq!(pauses(), PAUSE_CAP);
        patience.renew();
        assert_eq!(patience.bear(passing()).unwrap(), PAUSE_FIRST);
        assert!(patience.bear(lasting()).is_ok(), "somebody may mend it");
    }

    #[test]
    fn what_can_not_pass_and_what_lasts_too_long_is_given_back() {
        let mut patience = Patience::of(Duration::from_secs(3_600));
        assert_eq!(patience.bear(passing()).unwrap(), PAUSE_FIRST);
        assert!(patience.bear(lasting()).is_err());
        let error = Patience::of(Duration::ZERO).bear(passing()).unwrap_err();
        assert_eq!(format!("{error:#}"), "reading: the broker is away");
        // A pause ends with the patience.
        assert!(
            Patience::of(Duration::from_millis(50)).bear(passing()).unwrap()
                <= Duration::from_millis(50)
        );
    }
}
