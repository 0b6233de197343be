//! How long to wait between attempts: doubling, with a cap (I-6).

use std::time::Duration;

/// Waits that double from `first` up to `cap`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    cap: Duration,
}

impl Backoff {
    /// Starts at `first`, never exceeds `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Backoff { first, next: first, cap }
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(self.cap);
        wait
    }

    /// Forgets past failures.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
        let mut seconds = || backoff.next_wait().as_secs();
        assert_eq!([seconds(), seconds(), seconds(), seconds()], [1, 2, 3, 3]);
        backoff.reset();
        assert_eq!(backoff.next_wait(), Duration::from_secs(1));
    }
}
