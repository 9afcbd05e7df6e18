//! How long to wait after a failure, and the chance in it that keeps many gates from asking at the same moment.

use std::time::Duration;

use tokio::time::Instant;

/// The wait after the first failure; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Failures in a row and when the next attempt may be made.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Counts a failure: 1 s, doubled each time up to `longest`, less up to a quarter by chance; never less than
    /// what the other side asked for.
    pub(crate) fn fail(&mut self, now: Instant, longest: Duration, asked_for: Option<Duration>) {
        let doubled =
            FIRST_WAIT.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let wait = doubled
            .min(longest)
            .mul_f64(between(0.75, 1.0))
            .max(asked_for.unwrap_or_default());
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait);
    }

    /// Forgets all failures.
    pub(crate) fn succeed(&mut self) {
        *self = Backoff::default();
    }

    /// What is left of the wait; `None` when an attempt may be made.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until?
            .checked_duration_since(now)
            .filter(|wait| !wait.is_zero())
    }
}

/// A number from `low` up to `high`, by chance.
pub(crate) fn between(low: f64, high: f64) -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the waits are only less spread, which is no reason to fail.
    let chance = match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    };
    low + (high - low) * chance
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(300);

    fn wait_after(failures: u32) -> Duration {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..failures {
            backoff.fail(now, LONGEST, None);
        }
        backoff.remaining(now).unwrap_or_default()
    }

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0), (10, 300.0), (40, 300.0)] {
            let wait = wait_after(failures).as_secs_f64();
            assert!(
                (seconds * 0.75..=seconds).contains(&wait),
                "{failures}: {wait}"
            );
        }
    }

    #[test]
    fn the_wait_is_never_shorter_than_asked_for() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.fail(now, LONGEST, Some(Duration::from_secs(9)));
        assert_eq!(backoff.remaining(now), Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_success_ends_the_wait() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.fail(now, LONGEST, None);
        backoff.succeed();
        assert_eq!(backoff.remaining(now), None);
    }

    #[test]
    fn the_wait_is_over_at_its_end() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.fail(now, LONGEST, None);
        assert_eq!(backoff.remaining(now + FIRST_WAIT), None);
    }
}
