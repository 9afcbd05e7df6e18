//! One lease per catalogue entry: used until shortly before its end, replaced ahead of it, fetched once for all
//! who wait.
//!
//! Nothing here runs by itself. A use in the later part of a lease starts the fetch of the next one beside it, so
//! that an entry nobody uses asks for nothing, and an entry in use is never waited for while its source answers.
//! Not here: what a source is, and how a lease gets into a request.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use tokio::time::{Instant, timeout};

use super::{
    Fetch, Fetched, Source, SourceError, Unavailable,
    backoff::{Backoff, between},
    flight::{Flight, Seat},
    names::LeaseNames,
};
use crate::{
    inject::placement::Placement,
    metrics::Counter,
    secret::{Class, Lease, Mark, Term},
};

/// A fetch takes no longer, whatever its source does; its own deadlines are shorter.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest wait between two failed fetches: how late the recovery of a source may be noticed.
const FETCH_WAIT_MAX: Duration = Duration::from_secs(30);

/// The hint for those whose wait for a fetch came to nothing while it still runs.
const PATIENCE: Duration = Duration::from_secs(1);

/// [`Shared::refresh_due_ms`] while a fetch ahead is under way.
const NEVER: u64 = u64::MAX;

/// One credential of the catalogue: its source, and the lease on its last value.
///
/// Dropping its last clone gives up the lease's place here; leases handed out stay good until their end.
pub(crate) struct Entry<S = Source> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Entry<S> {
    /// The same entry: settings that change who may use a value go on with the lease at hand.
    fn clone(&self) -> Entry<S> {
        Entry {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: Fetch> Entry<S> {
    /// An entry without a lease; nothing is fetched until somebody asks. A value of which the source knows no
    /// end is used for `max_ttl` after it was asked for.
    pub(crate) fn new(
        source: S,
        placement: Placement,
        max_ttl: Duration,
        names: LeaseNames,
    ) -> Entry<S> {
        Entry {
            shared: Arc::new(Shared {
                source,
                placement,
                max_ttl,
                names,
                lease: ArcSwapOption::empty(),
                made: Instant::now(),
                refresh_due_ms: AtomicU64::new(NEVER),
                flight: Flight::new(),
                past: Mutex::default(),
                fetched: Counter::default(),
                failed: Counter::default(),
            }),
        }
    }

    /// Where in a request its value goes.
    pub(crate) fn placement(&self) -> &Placement {
        &self.shared.placement
    }

    /// A lease that is good now, at once if there is one, otherwise after one fetch for all who wait.
    ///
    /// Must be called inside a tokio runtime. A caller that goes away does not stop the fetch.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the source gives none, rests after a failure, or takes longer than `deadline`.
    pub(crate) async fn lease(&self, deadline: Duration) -> Result<Arc<Lease>, Unavailable> {
        let now = Instant::now();
        if let Some(lease) = self.shared.usable(now) {
            self.refresh_ahead(now);
            return Ok(lease);
        }
        let seat = self.fetch(|| self.shared.known(now));
        match timeout(deadline, seat.outcome()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(lost)) => Err(unavailable(lost.to_string())),
            Err(_) => Err(unavailable("the source has not answered yet")),
        }
    }

    /// How the entry stands, for those who only look: nothing is fetched.
    pub(crate) fn condition(&self) -> Condition {
        let (shared, now) = (&self.shared, Instant::now());
        Condition {
            at_hand: shared.usable(now).map(|lease| AtHand {
                age: lease.age(now),
                remaining: lease.remaining(now),
            }),
            failure: shared.past().failure.clone(),
            fetched: shared.fetched.so_far(),
            failed: shared.failed.so_far(),
        }
    }

    /// Starts the fetch of the next lease when it is due and nobody else has.
    fn refresh_ahead(&self, now: Instant) {
        if self.shared.take_refresh(now) {
            drop(self.fetch(|| None));
        }
    }

    fn fetch(&self, ready: impl FnOnce() -> Option<Outcome>) -> Seat<Outcome> {
        let shared = &self.shared;
        shared.flight.board(ready, || Arc::clone(shared).fetch())
    }
}

impl<S: Fetch> fmt::Debug for Entry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.shared.source.name())
    }
}

/// How an entry stands; no part of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The lease that may be used now, if there is one.
    pub(crate) at_hand: Option<AtHand>,
    /// Why the last fetch failed, if it did.
    pub(crate) failure: Option<Cow<'static, str>>,
    /// Fetches that brought a value.
    pub(crate) fetched: u64,
    /// Fetches that brought none.
    pub(crate) failed: u64,
}

/// A lease that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AtHand {
    /// How long ago its value was asked for.
    pub(crate) age: Duration,
    /// What is left of it.
    pub(crate) remaining: Duration,
}

type Outcome = Result<Arc<Lease>, Unavailable>;

/// What callers and the fetch have in common.
struct Shared<S> {
    source: S,
    placement: Placement,
    max_ttl: Duration,
    names: LeaseNames,
    lease: ArcSwapOption<Lease>,
    made: Instant,
    /// When a use may start the next fetch ahead: milliseconds after `made`, so that a use costs no lock.
    refresh_due_ms: AtomicU64,
    flight: Flight<Outcome>,
    past: Mutex<Past>,
    fetched: Counter,
    failed: Counter,
}

/// What an entry remembers between fetches.
#[derive(Default)]
struct Past {
    /// Of the last lease; outlives the lease.
    generation: u64,
    backoff: Backoff,
    failure: Option<Cow<'static, str>>,
}

impl<S: Fetch> Shared<S> {
    fn usable(&self, now: Instant) -> Option<Arc<Lease>> {
        self.lease.load_full().filter(|lease| lease.usable(now))
    }

    /// What needs no fetch to be known: a lease that came meanwhile, or that the source rests.
    fn known(&self, now: Instant) -> Option<Outcome> {
        if let Some(lease) = self.usable(now) {
            return Some(Ok(lease));
        }
        let past = self.past();
        let retry_after = past.backoff.remaining(now)?;
        let cause = past.failure.clone().unwrap_or_default();
        Some(Err(Unavailable { retry_after, cause }))
    }

    /// Whether the caller is the one who has to start the fetch ahead that is due now.
    fn take_refresh(&self, now: Instant) -> bool {
        let due = self.refresh_due_ms.load(Ordering::Relaxed);
        let taken = || {
            let exchange = self.refresh_due_ms.compare_exchange(
                due,
                NEVER,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            exchange.is_ok()
        };
        due <= self.clock_ms(now) && taken()
    }

    fn refresh_at(&self, when: Instant) {
        self.refresh_due_ms
            .store(self.clock_ms(when), Ordering::Relaxed);
    }

    fn clock_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_millis()).unwrap_or(NEVER)
    }

    async fn fetch(self: Arc<Self>) -> Outcome {
        // The term begins before the question, so that the answer's way here is not added to it.
        let (asked, wall) = (Instant::now(), SystemTime::now());
        let answer = timeout(FETCH_TIMEOUT, self.source.fetch()).await;
        answer
            .unwrap_or(Err(SourceError::TimedOut))
            .and_then(|fetched| self.mint(fetched, asked, wall))
            .map(|lease| self.keep(lease))
            .map_err(|error| self.fail(&error))
    }

    fn mint(
        &self,
        fetched: Fetched,
        asked: Instant,
        wall: SystemTime,
    ) -> Result<Lease, SourceError> {
        let ready = self.placement.prepare(&fetched.value)?;
        let (class, length) = match &fetched.lease {
            Some(lease) => (Class::Dynamic, lease.duration),
            None => (Class::Static, self.max_ttl),
        };
        let term = Term::new(asked, wall, length);
        if !term.covers(Instant::now()) {
            return Err(SourceError::TooShort);
        }
        let generation = self.generation_of(&fetched);
        let mark = Mark {
            class,
            generation,
            id: self.names.name(&self.source.name(), &fetched, generation),
        };
        Ok(Lease::new(fetched.value, ready, term, mark))
    }

    /// The last generation if the value is still the same, otherwise the next.
    fn generation_of(&self, fetched: &Fetched) -> u64 {
        let last = self.lease.load();
        let same = last
            .as_ref()
            .is_some_and(|last| last.value().expose() == fetched.value.expose());
        let mut past = self.past();
        if !same {
            past.generation = self.names.next_generation();
            tracing::info!(
                credential = self.source.name(),
                generation = past.generation,
                request_id = ?fetched.request_id,
                "a new value is in use"
            );
        }
        past.generation
    }

    fn keep(&self, lease: Lease) -> Arc<Lease> {
        let now = Instant::now();
        let lease = Arc::new(lease);
        self.lease.store(Some(Arc::clone(&lease)));
        let part = match lease.class() {
            Class::Static => between(0.45, 0.5),
            Class::Dynamic => between(0.6, 0.66),
        };
        self.refresh_at(now + lease.remaining(now).mul_f64(part));
        self.fetched.count();
        let mut past = self.past();
        past.backoff.succeed();
        past.failure = None;
        lease
    }

    fn fail(&self, error: &SourceError) -> Unavailable {
        let now = Instant::now();
        if error.withdrawn() {
            self.lease.store(None);
        }
        let served = self.lease.load().as_ref().map(|lease| lease.remaining(now));
        tracing::warn!(
            credential = self.source.name(),
            %error,
            served_for_s = served.unwrap_or_default().as_secs(),
            "no new value could be fetched"
        );
        self.failed.count();
        let mut past = self.past();
        let cause = Cow::from(error.to_string());
        past.failure = Some(cause.clone());
        past.backoff.fail(now, FETCH_WAIT_MAX, error.retry_after());
        let retry_after = past.backoff.remaining(now).unwrap_or_default();
        self.refresh_at(now + retry_after);
        Unavailable { retry_after, cause }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that came to nothing: no failure of the source is known yet.
fn unavailable(cause: impl Into<Cow<'static, str>>) -> Unavailable {
    Unavailable {
        retry_after: PATIENCE,
        cause: cause.into(),
    }
}

#[cfg(test)]
mod tests;
