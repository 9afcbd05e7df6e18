//! How an entry stands, for those who only look.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Entry, Fetch};
use crate::secret::Class;

/// How an entry stands; no part of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The lease that may be used now, if there is one.
    pub(crate) at_hand: Option<AtHand>,
    /// Why the last fetch or renewal failed, if it did.
    pub(crate) failure: Option<Cow<'static, str>>,
    /// Since when all of them failed, if the last did.
    pub(crate) failing_for: Option<Duration>,
    /// Values that the source was asked to make, one by one.
    pub(crate) made: u64,
    /// Fetches that brought a value.
    pub(crate) fetched: u64,
    /// Fetches and renewals that failed.
    pub(crate) failed: u64,
    /// Renewals that brought more time.
    pub(crate) renewed: u64,
    /// Calls that found no lease at hand.
    pub(crate) waited: u64,
    /// Leases that were given back before their end.
    pub(crate) given_up: u64,
}

/// A lease that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AtHand {
    /// Whether its source ends it.
    pub(crate) class: Class,
    /// How long ago its value was asked for.
    pub(crate) age: Duration,
    /// What is left of it.
    pub(crate) remaining: Duration,
    /// Its end on the wall clock.
    pub(crate) expires: SystemTime,
    /// Its name in the record.
    pub(crate) id: String,
}

impl<S: Fetch> Entry<S> {
    /// How the entry stands: nothing is fetched.
    pub(crate) fn condition(&self) -> Condition {
        let (shared, now) = (&self.shared, Instant::now());
        let (counts, past) = (&shared.counts, shared.past());
        Condition {
            at_hand: shared.usable(now).map(|lease| AtHand {
                class: lease.class(),
                age: lease.age(now),
                remaining: lease.remaining(now),
                expires: lease.expires(),
                id: lease.id().to_owned(),
            }),
            failure: past.failure.clone(),
            failing_for: past
                .failing_since
                .map(|since| now.saturating_duration_since(since)),
            made: counts.made.so_far(),
            fetched: counts.fetched.so_far(),
            failed: counts.failed.so_far(),
            renewed: counts.renewed.so_far(),
            waited: counts.waited.so_far(),
            given_up: counts.given_up.so_far(),
        }
    }
}
