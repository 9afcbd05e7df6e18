//! How many values may be made at a source: one after the other without a pause at first, then with pauses.
//!
//! Each one is a user or a key that is really there until its end. A fault that makes each of them useless, wherever it
//! is, must not fill a database with them.

use std::time::Duration;

use tokio::time::Instant;

/// So many may be made without a pause.
const BURST: u32 = 10;

/// Then one in this time.
const PAUSE: Duration = Duration::from_secs(30);

/// When values were made, as the one moment that counts (the generic cell rate algorithm).
#[derive(Default)]
pub(super) struct Mints {
    full_again: Option<Instant>,
}

impl Mints {
    /// Counts one that is about to be made.
    ///
    /// # Errors
    ///
    /// How long to wait, when too many were made; it is not counted then.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full = self.full_again.map_or(now, |at| at.max(now)) + PAUSE;
        match full.checked_duration_since(now + PAUSE * BURST) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => {
                self.full_again = Some(full);
                Ok(())
            }
        }
    }
}

impl Mints {
    /// Takes one back that was counted and not made.
    pub(super) fn give_back(&mut self) {
        self.full_again = self.full_again.and_then(|at| at.checked_sub(PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_there_is_one_in_each_pause() {
        let (mut mints, now) = (Mints::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(mints.take(now), Ok(()));
        }
        assert_eq!(mints.take(now), Err(PAUSE));
        assert_eq!(mints.take(now + PAUSE / 2), Err(PAUSE / 2));
        assert_eq!(mints.take(now + PAUSE), Ok(()));
        assert_eq!(mints.take(now + PAUSE), Err(PAUSE));
    }

    #[test]
    fn what_was_not_made_for_a_while_may_be_made_at_once_again() {
        let (mut mints, now) = (Mints::default(), Instant::now());
        while mints.take(now).is_ok() {}
        let later = now + PAUSE * BURST;
        let made = (0..).take_while(|_| mints.take(later).is_ok()).count();
        assert_eq!(made, BURST as usize);
    }
}
