//! One lease per catalogue entry: used until shortly before its end, made longer or replaced ahead of it, fetched
//! once for all who wait, and given up when nobody needs it any more.
//!
//! A use in the later part of a lease starts its renewal, or the fetch of the next one, beside it, so that an entry
//! nobody uses asks for nothing, and an entry in use is never waited for while its source answers. Only giving up runs
//! by itself, in [`Entry::sweep`]. Not here: what a source is, and how a lease gets into a request.

mod condition;
mod held;
mod mints;
mod refresh;

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::time::{Instant, timeout};

pub(crate) use self::condition::Condition;
use self::{held::Held, mints::Mints};
use super::{
    Fetch, Source, Unavailable,
    backoff::Backoff,
    flight::{Flight, Seat},
    names::LeaseNames,
};
use crate::{inject::placement::Placement, metrics::Counter, secret::Lease};

/// The hint for those whose wait for a fetch came to nothing while it still runs.
const PATIENCE: Duration = Duration::from_secs(1);

/// A lease that was not used for so long is given up: what nobody uses should not be there to be stolen.
const UNUSED_MAX: Duration = Duration::from_secs(5 * 60);

/// A lease that another took the place of is given up after this time: longer than a call takes to leave with it.
const REPLACED_REST: Duration = Duration::from_secs(30);

/// A value that an upstream refused is fetched anew, but not again within this time.
const SUSPECT_WAIT: Duration = Duration::from_secs(60);

/// Why an entry that nobody may use gives nothing.
const UNWANTED: &str = "nobody may use it any more";

/// [`Shared::refresh_due_ms`] while a refresh is under way, and without a lease.
const NEVER: u64 = u64::MAX;

/// One credential of the catalogue: its source, and the lease on its last value.
///
/// Dropping its last clone gives up the lease.
pub(crate) struct Entry<S: Fetch = Source> {
    shared: Arc<Shared<S>>,
}

impl<S: Fetch> Clone for Entry<S> {
    /// The same entry: settings that change who may use a value go on with the lease at hand.
    fn clone(&self) -> Entry<S> {
        Entry {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: Fetch> Entry<S> {
    /// An entry without a lease; nothing is fetched until somebody asks. No value is used for longer than `max_ttl` after
    /// it was asked for, whatever its source grants.
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
                held: ArcSwapOption::empty(),
                made: Instant::now(),
                used_ms: AtomicU64::new(0),
                refresh_due_ms: AtomicU64::new(NEVER),
                wanted: AtomicBool::new(true),
                flight: Flight::new(),
                past: Mutex::default(),
                counts: Counts::default(),
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
    /// [`Unavailable`] when the source gives none, rests after a failure, or takes longer than `deadline`; and when the
    /// entry is not wanted.
    pub(crate) async fn lease(&self, deadline: Duration) -> Result<Arc<Lease>, Unavailable> {
        let (shared, now) = (&self.shared, Instant::now());
        if let Some(lease) = self.at_hand(now) {
            return Ok(lease);
        }
        shared.counts.waited.count();
        shared.note_use(shared.clock_ms(now));
        let seat = self.refresh(|| shared.known(now));
        match timeout(deadline, seat.outcome()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(lost)) => Err(unavailable(lost.to_string())),
            Err(_) => Err(unavailable("the source has not answered yet")),
        }
    }

    /// Notes that an upstream refused the value of `generation`. If that is the one at hand, it is fetched anew beside
    /// the calls, for somebody may have ended or changed it; but not again for a while, since an agent may bring about
    /// such answers as it likes.
    pub(crate) fn suspect(&self, generation: u64) {
        if self.shared.take_suspicion(generation, Instant::now()) {
            self.refresh_ahead();
        }
    }

    /// Whether anybody may use it from now on. An entry that nobody may use gives its lease up at once.
    pub(crate) fn want(&self, wanted: bool) {
        self.shared.wanted.store(wanted, Ordering::SeqCst);
        if !wanted {
            self.shared.give_up(Duration::ZERO);
        }
    }

    /// Gives up a lease that is over for us and not for its source, or that nobody used for a while; to be called every
    /// few seconds.
    pub(crate) fn sweep(&self) {
        let (shared, now) = (&self.shared, Instant::now());
        let idle = now.saturating_duration_since(shared.last_used()) >= UNUSED_MAX;
        let Some(held) = shared.held.load_full().filter(|held| held.is_leased()) else {
            return;
        };
        match (held.usable(now), idle) {
            (false, _) => shared.give_up_this(held, Duration::ZERO),
            // A call may have begun with it just now.
            (true, true) => shared.give_up_this(held, REPLACED_REST),
            (true, false) => {}
        }
    }

    /// Whether both are the same entry.
    pub(crate) fn is(&self, other: &Entry<S>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The lease that is there. Its use may be what starts its refresh.
    fn at_hand(&self, now: Instant) -> Option<Arc<Lease>> {
        let held = self.shared.held.load();
        let held = held.as_ref().filter(|held| held.usable(now))?;
        if self.shared.used(held, now) {
            self.refresh_ahead();
        }
        Some(Arc::clone(&held.lease))
    }

    fn refresh_ahead(&self) {
        drop(self.refresh(|| None));
    }

    fn refresh(&self, ready: impl FnOnce() -> Option<Outcome>) -> Seat<Outcome> {
        let shared = &self.shared;
        shared.flight.board(ready, || Arc::clone(shared).refresh())
    }
}

impl<S: Fetch> fmt::Debug for Entry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.shared.source.name())
    }
}

type Outcome = Result<Arc<Lease>, Unavailable>;

/// What callers and the refresh have in common.
struct Shared<S: Fetch> {
    source: S,
    placement: Placement,
    max_ttl: Duration,
    names: LeaseNames,
    held: ArcSwapOption<Held>,
    made: Instant,
    /// When it was used last: milliseconds after `made`, as the next one, so that a use costs no lock.
    used_ms: AtomicU64,
    /// When a use may start the next refresh ahead.
    refresh_due_ms: AtomicU64,
    /// Whether anybody may use it.
    wanted: AtomicBool,
    flight: Flight<Outcome>,
    past: Mutex<Past>,
    counts: Counts,
}

/// What is counted of an entry.
#[derive(Default)]
struct Counts {
    made: Counter,
    fetched: Counter,
    failed: Counter,
    renewed: Counter,
    waited: Counter,
    given_up: Counter,
}

/// What an entry remembers between fetches.
#[derive(Default)]
struct Past {
    /// Of the last lease; outlives the lease.
    generation: u64,
    backoff: Backoff,
    failure: Option<Cow<'static, str>>,
    failing_since: Option<Instant>,
    mints: Mints,
    /// When an upstream's refusal was last a reason to fetch.
    suspected: Option<Instant>,
}

impl<S: Fetch> Shared<S> {
    fn usable(&self, now: Instant) -> Option<Arc<Lease>> {
        let held = self.held.load();
        let held = held.as_ref().filter(|held| held.usable(now))?;
        Some(Arc::clone(&held.lease))
    }

    /// What needs no fetch to be known: a lease that came meanwhile, or that there can be none.
    fn known(&self, now: Instant) -> Option<Outcome> {
        if let Some(lease) = self.usable(now) {
            return Some(Ok(lease));
        }
        if !self.wanted.load(Ordering::SeqCst) {
            return Some(Err(unavailable(UNWANTED)));
        }
        let past = self.past();
        let retry_after = past.backoff.remaining(now)?;
        let cause = past.failure.clone().unwrap_or_default();
        Some(Err(Unavailable { retry_after, cause }))
    }

    /// Notes a use.
    fn note_use(&self, now_ms: u64) {
        // Once in a while is enough, and keeps those who read beside it from waiting for each other.
        if now_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed)) >= 1000 {
            self.used_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Notes a use; whether its caller is the one who has to start the refresh that is due now.
    fn used(&self, held: &Held, now: Instant) -> bool {
        let now_ms = self.clock_ms(now);
        self.note_use(now_ms);
        if held.must_overlap() {
            self.refresh_due_ms.fetch_min(now_ms, Ordering::Relaxed);
        }
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
        due <= now_ms && taken()
    }

    /// Whether the value of `generation` is the one at hand, and may be doubted now.
    fn take_suspicion(&self, generation: u64, now: Instant) -> bool {
        let held = self.held.load();
        let Some(held) = held
            .as_ref()
            .filter(|held| held.lease.generation() == generation)
        else {
            return false;
        };
        let mut past = self.past();
        let lately = past.suspected.is_some_and(|at| now < at + SUSPECT_WAIT);
        if lately || past.backoff.remaining(now).is_some() {
            return false;
        }
        past.suspected = Some(now);
        held.suspect();
        true
    }

    /// Takes the lease at hand away and gives it back to its source, after `rest`.
    fn give_up(&self, rest: Duration) {
        self.refresh_due_ms.store(NEVER, Ordering::Relaxed);
        if let Some(held) = self.held.swap(None) {
            self.return_to_source(&held, rest);
        }
    }

    /// As [`give_up`](Shared::give_up), unless another lease has come in the place of this one.
    fn give_up_this(&self, held: Arc<Held>, rest: Duration) {
        let expected = Some(held);
        let found = self.held.compare_and_swap(&expected, None);
        let (Some(found), Some(held)) = (&*found, &expected) else {
            return;
        };
        if Arc::ptr_eq(found, held) {
            self.return_to_source(held, rest);
        }
    }

    fn return_to_source(&self, held: &Held, rest: Duration) {
        if let Some(lease) = held.to_give_up(Instant::now()) {
            self.counts.given_up.count();
            self.source.give_up(lease, rest);
        }
    }

    fn last_used(&self) -> Instant {
        self.made + Duration::from_millis(self.used_ms.load(Ordering::Relaxed))
    }

    fn refresh_at(&self, when: Instant) {
        self.refresh_due_ms
            .store(self.clock_ms(when), Ordering::Relaxed);
    }

    fn clock_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_millis()).unwrap_or(NEVER)
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Fetch> Drop for Shared<S> {
    fn drop(&mut self) {
        self.give_up(REPLACED_REST);
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
