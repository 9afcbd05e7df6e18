//! What a lease must know of the token that it was made with: it ends with it.
//!
//! Shared by the token and by all that was got with it, and read without a lock, because each use of a lease asks.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::secret::{slept, suspended};

/// How a token stands, for those who hold leases that were made with it. Its last holder but the token gone, nothing
/// of the token is in use any more.
pub(crate) struct Parent {
    made: Instant,
    /// How long the machine had been suspended when it was made.
    suspended: Duration,
    /// Milliseconds after `made`, those included in which the machine was suspended; moves with every renewal.
    end_ms: AtomicU64,
    ended: AtomicBool,
    superseded: AtomicBool,
    /// The token that it was made with, if any: it ends with that.
    of: Option<Arc<Parent>>,
}

impl Parent {
    /// Of a token that ends at `end`.
    pub(in crate::credential) fn new(made: Instant, end: Instant) -> Parent {
        let parent = Parent {
            made,
            suspended: suspended(),
            end_ms: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            superseded: AtomicBool::new(false),
            of: None,
        };
        parent.moves_to(end);
        parent
    }

    /// The same of a token that was made with another one, and ends with it.
    pub(super) fn under(self, of: Option<Arc<Parent>>) -> Parent {
        Parent { of, ..self }
    }

    /// Whether leases of the token can still be good: it is neither past its end, nor given back, nor was it seen to
    /// be refused by the server.
    pub(crate) fn lives(&self, now: Instant) -> bool {
        self.lives_at(now, suspended())
    }

    /// The same for those who know for how long the machine has been suspended.
    pub(crate) fn lives_at(&self, now: Instant, suspended: Duration) -> bool {
        let passed = self.passed(now, suspended);
        let itself = !self.ended() && passed < self.end_ms.load(Ordering::Acquire);
        itself
            && self
                .of
                .as_ref()
                .is_none_or(|of| of.lives_at(now, suspended))
    }

    /// Milliseconds from when it was made to `moment`, on a clock that goes on while the machine is suspended.
    fn passed(&self, moment: Instant, suspended: Duration) -> u64 {
        let awake = moment.saturating_duration_since(self.made);
        millis(awake + slept(self.suspended, suspended))
    }

    /// Whether another token took the place of this one: what was got with it should be got anew now, before it ends.
    pub(crate) fn superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire) || self.outdated()
    }

    /// Whether another token took the place of the one that it was made with.
    pub(super) fn outdated(&self) -> bool {
        self.of.as_ref().is_some_and(|of| of.superseded())
    }

    /// Takes over the end that a renewal gave.
    pub(in crate::credential) fn moves_to(&self, end: Instant) {
        let end = self.passed(end, suspended());
        self.end_ms.store(end, Ordering::Release);
    }

    /// Whether the token ended before its time.
    pub(in crate::credential) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Notes that the server does not know the token any more; `true` for the first who says so.
    pub(in crate::credential) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    /// Notes that another token took its place.
    pub(in crate::credential) fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parent(..)")
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::as_if_suspended_for;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn lives_until_its_end_which_moves_with_renewals() {
        let made = Instant::now();
        let parent = Parent::new(made, made + MINUTE);
        assert!(parent.lives(made + MINUTE / 2) && !parent.lives(made + MINUTE));
        parent.moves_to(made + 2 * MINUTE);
        assert!(parent.lives(made + MINUTE) && !parent.lives(made + 2 * MINUTE));
        parent.supersede();
        assert!(parent.superseded() && parent.lives(made + MINUTE));
        assert!(parent.end() && !parent.end());
        assert!(!parent.lives(made));
    }

    #[test]
    fn the_time_in_which_the_machine_is_suspended_counts() {
        let made = Instant::now();
        let of = Arc::new(Parent::new(made, made + MINUTE));
        let parent = Parent::new(made, made + 3 * MINUTE).under(Some(Arc::clone(&of)));
        let _slept = as_if_suspended_for(2 * MINUTE);
        assert!(!of.lives(made) && !parent.lives(made));
        // what a renewal gives begins after the sleep
        of.moves_to(made + MINUTE);
        assert!(of.lives(made) && parent.lives(made));
        let second = Duration::from_secs(1);
        assert!(of.lives(made + MINUTE - second) && !of.lives(made + MINUTE + second));
    }

    #[test]
    fn ends_with_the_token_that_it_was_made_with() {
        let made = Instant::now();
        let of = Arc::new(Parent::new(made, made + MINUTE));
        let parent = Parent::new(made, made + 2 * MINUTE).under(Some(Arc::clone(&of)));
        assert!(parent.lives(made) && !parent.lives(made + MINUTE) && !parent.superseded());
        of.supersede();
        assert!(parent.superseded() && parent.lives(made));
        of.end();
        assert!(!parent.lives(made));
    }
}
