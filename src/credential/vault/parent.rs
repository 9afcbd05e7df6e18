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

/// How a token stands, for those who hold leases that were made with it. Its last holder but the token gone, nothing
/// of the token is in use any more.
pub(crate) struct Parent {
    made: Instant,
    /// Milliseconds after `made`; moves with every renewal.
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
        let passed = millis(now.saturating_duration_since(self.made));
        let itself = !self.ended() && passed < self.end_ms.load(Ordering::Acquire);
        itself && self.of.as_ref().is_none_or(|of| of.lives(now))
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
        let end = millis(end.saturating_duration_since(self.made));
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
