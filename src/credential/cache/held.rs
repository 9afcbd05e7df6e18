//! The lease at hand, with what its source knows it by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    credential::{LeaseInfo, vault::Parent},
    secret::{Lease, Term, suspended},
};

/// A lease that is renewed has at least this part of its first time left: with less, nothing is risked on it.
const RENEWABLE_PART: u32 = 8;

/// The lease at hand.
pub(super) struct Held {
    /// What calls are given.
    pub(super) lease: Arc<Lease>,
    /// What the source calls it, if it leased it.
    pub(super) leased: Option<Leased>,
    /// The token that it ends with, if it ends with one.
    pub(super) parent: Option<Arc<Parent>>,
    /// When its value was asked for first: what `max_ttl` is counted from.
    pub(super) begun: Term,
    /// The time that it had at first.
    pub(super) first: Duration,
    suspect: AtomicBool,
    overlapped: AtomicBool,
}

/// What a source leased.
#[derive(Clone)]
pub(super) struct Leased {
    /// What the source calls it.
    pub(super) info: LeaseInfo,
    /// When it ends there, which may be later than its end for us.
    pub(super) ends: Term,
}

impl Held {
    /// A lease that came just now.
    pub(super) fn new(
        lease: Lease,
        (leased, parent): (Option<Leased>, Option<Arc<Parent>>),
        (begun, first): (Term, Duration),
    ) -> Held {
        Held {
            lease: Arc::new(lease),
            leased,
            parent,
            begun,
            first,
            suspect: AtomicBool::new(false),
            overlapped: AtomicBool::new(false),
        }
    }

    /// Whether a call may begin with it now.
    pub(super) fn usable(&self, now: Instant) -> bool {
        // One reading of the clocks for both: each call asks.
        let suspended = suspended();
        let parent = self.parent.as_ref();
        let parent_lives = parent.is_none_or(|parent| parent.lives_at(now, suspended));
        parent_lives && self.lease.usable(now, suspended)
    }

    /// What its source calls it, if it leased it.
    pub(super) fn lease_id(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.leased.as_ref()?.info.id))
    }

    /// Whether its source leased it, so that it can be given back.
    pub(super) fn is_leased(&self) -> bool {
        self.leased.is_some()
    }

    /// What the source is asked to make longer, where that is better than another one: never in the last part of the
    /// time, nor for a value that may be worthless, nor under a token that is about to lapse.
    pub(super) fn renewable(&self, now: Instant) -> Option<&LeaseInfo> {
        let left = self.lease.remaining(now);
        let good = self.usable(now) && !self.is_suspect() && !self.superseded();
        let leased = self.leased.as_ref().filter(|leased| leased.info.renewable);
        let early = left > self.first / RENEWABLE_PART;
        leased.filter(|_| good && early).map(|leased| &leased.info)
    }

    /// What is to be given back to the source, if it is not over there.
    pub(super) fn to_give_up(&self, now: Instant) -> Option<LeaseInfo> {
        let lasts = |leased: &&Leased| !leased.ends.remaining(now).is_zero();
        let leased = self.leased.as_ref().filter(lasts)?;
        Some(leased.info.clone())
    }

    /// Whether another must be fetched because the token that made it was replaced; said once.
    pub(super) fn must_overlap(&self) -> bool {
        self.superseded() && !self.overlapped.swap(true, Ordering::Relaxed)
    }

    /// Notes that an upstream refused it.
    pub(super) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    /// Whether an upstream refused it.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    fn superseded(&self) -> bool {
        self.parent
            .as_ref()
            .is_some_and(|parent| parent.superseded())
    }
}
