//! One refresh of an entry: its lease is made longer, or another is fetched in its place.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{
    super::{End, Fetch, Fetched, LeaseInfo, SourceError, Unavailable, backoff::between},
    Held, Outcome, REPLACED_REST, Shared, UNWANTED,
    held::Leased,
    unavailable,
};
use crate::secret::{Class, Lease, Mark, Term};

/// A refresh takes no longer, whatever its source does; its own deadlines are shorter.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest wait between two failed refreshes: how late the recovery of a source may be noticed.
pub(super) const FETCH_WAIT_MAX: Duration = Duration::from_secs(30);

/// A value that nobody ends is read again after this time, for somebody may have changed it.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);

/// No lease is taken to be longer, whatever its source says: the sum with a clock must not overflow.
const LEASE_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

impl<S: Fetch> Shared<S> {
    /// Makes the lease at hand longer where that is better than another one, else fetches another.
    pub(super) async fn refresh(self: Arc<Self>) -> Outcome {
        let held = self.held.load_full();
        let now = Instant::now();
        if let Some((held, info)) = held
            .as_ref()
            .and_then(|held| Some((held, held.renewable(now)?)))
        {
            match self.renew(held, info).await {
                Ok(Some(lease)) => return Ok(lease),
                // What stands in the way of the renewal stands in the way of a fetch too.
                Err(error) if error.passes() => return Err(self.fail(&error)),
                // Nothing gained by it: it is over soon, or the source makes it no longer.
                Ok(None) | Err(_) => {}
            }
        }
        match self.wanted.load(Ordering::SeqCst) {
            true => self.fetch().await,
            false => Err(unavailable(UNWANTED)),
        }
    }

    /// The lease with the time that the source grants it, if that is worth having: near the end of what it may have in
    /// all it gets less and less, and another one is fetched while it lasts.
    async fn renew(
        &self,
        held: &Arc<Held>,
        info: &LeaseInfo,
    ) -> Result<Option<Arc<Lease>>, SourceError> {
        let asked = Term::now();
        let in_all = self.max_ttl.saturating_sub(held.begun.age(Instant::now()));
        let worth_having = |time: Duration| time >= held.first / 2;
        if !worth_having(in_all) {
            return Ok(None);
        }
        let wanted = LeaseInfo {
            duration: info.duration.min(in_all),
            ..info.clone()
        };
        let granted = timeout(FETCH_TIMEOUT, self.source.renew(&wanted))
            .await
            .unwrap_or(Err(SourceError::TimedOut))
            .inspect_err(|error| self.tell("a lease could not be made longer", error))?;
        self.counts.renewed.count();
        let granted = granted.min(LEASE_MAX);
        let term = asked.lasting(granted.min(in_all));
        // An upstream may have refused it meanwhile.
        let good = term.covers(Instant::now()) && !held.is_suspect();
        if !good || !worth_having(granted.min(in_all)) {
            return Ok(None);
        }
        let leased = Leased {
            info: info.clone(),
            ends: asked.lasting(granted),
        };
        let longer = Held::new(
            held.lease.until(term),
            (Some(leased), held.parent.clone()),
            (held.begun, held.first),
        );
        Ok(self.keep_longer(held, longer))
    }

    /// Puts `longer` in the place of `held`, unless that was given up while the source was asked: nobody brings back
    /// what was given back.
    fn keep_longer(&self, held: &Arc<Held>, longer: Held) -> Option<Arc<Lease>> {
        let lease = Arc::clone(&longer.lease);
        let expected = Some(Arc::clone(held));
        let found = self
            .held
            .compare_and_swap(&expected, Some(Arc::new(longer)));
        if !found.as_ref().is_some_and(|found| Arc::ptr_eq(found, held)) {
            return None;
        }
        self.settle_in(&lease, between(0.6, 0.66));
        Some(lease)
    }

    async fn fetch(&self) -> Outcome {
        let fetched = self.try_fetch().await;
        fetched.map_err(|error| self.fail(&error))
    }

    async fn try_fetch(&self) -> Result<Arc<Lease>, SourceError> {
        if self.source.creates() {
            let taken = self.past().mints.take(Instant::now());
            taken.map_err(SourceError::TooMany)?;
        }
        let asked = Term::now();
        let answer = timeout(FETCH_TIMEOUT, self.source.fetch()).await;
        let answer = answer.unwrap_or(Err(SourceError::TimedOut));
        self.count_mint(answer.as_ref().err());
        let fetched = answer?;
        let part = refresh_part(&fetched.end);
        let leased = match &fetched.end {
            End::Lease(info) => Some(info.clone()),
            End::Open | End::Rotation(_) | End::After(_) => None,
        };
        match self.mint(fetched, asked) {
            Ok(held) => {
                self.counts.fetched.count();
                Ok(self.keep(held, part))
            }
            Err(error) => {
                // What was made and cannot be used is not left behind.
                if let Some(lease) = leased {
                    self.source.give_up(lease, Duration::ZERO);
                }
                Err(error)
            }
        }
    }

    /// Counts what was made, or may have been made by a question that failed with `error`.
    fn count_mint(&self, error: Option<&SourceError>) {
        if !self.source.creates() {
            return;
        }
        match error.is_some_and(SourceError::made_nothing) {
            true => self.past().mints.give_back(),
            false => self.counts.made.count(),
        }
    }

    fn mint(&self, fetched: Fetched, asked: Term) -> Result<Held, SourceError> {
        let ready = self.placement.prepare(&fetched.value)?;
        let (class, granted) = match &fetched.end {
            End::Lease(lease) => (Class::Dynamic, lease.duration),
            End::Rotation(left) | End::After(left) => (Class::Dynamic, *left),
            End::Open => (Class::Static, self.max_ttl),
        };
        let length = granted.min(self.max_ttl);
        let term = asked.lasting(length);
        if !term.covers(Instant::now()) {
            return Err(SourceError::TooShort);
        }
        let generation = self.generation_of(&fetched);
        let mark = Mark {
            class,
            generation,
            id: self.names.name(&self.source.name(), &fetched, generation),
            request_id: fetched.request_id,
        };
        let leased = match fetched.end {
            End::Lease(info) => Some(Leased {
                info,
                ends: asked.lasting(granted),
            }),
            End::Open | End::Rotation(_) | End::After(_) => None,
        };
        let lease = Lease::new(fetched.value, ready, term, mark);
        Ok(Held::new(lease, (leased, fetched.parent), (asked, length)))
    }

    /// The last generation if the value is still the same, otherwise the next.
    fn generation_of(&self, fetched: &Fetched) -> u64 {
        let last = self.held.load();
        let same = last
            .as_ref()
            .is_some_and(|last| last.lease.value().same(&fetched.value));
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

    /// Puts `held` in the place of what was at hand, to be refreshed when `part` of it is over.
    fn keep(&self, held: Held, part: f64) -> Arc<Lease> {
        let lease = Arc::clone(&held.lease);
        let id = held.lease_id();
        let before = self.held.swap(Some(Arc::new(held)));
        self.settle_in(&lease, part);
        if let Some(before) = before.filter(|before| before.lease_id() != id) {
            self.return_to_source(&before, REPLACED_REST);
        }
        lease
    }

    /// Notes that `lease` has come and when it is to be refreshed.
    fn settle_in(&self, lease: &Lease, part: f64) {
        let now = Instant::now();
        let mut pause = lease.remaining(now).mul_f64(part);
        if lease.class() == Class::Static {
            pause = pause.min(LOOK_AGAIN.mul_f64(between(0.9, 1.0)));
        }
        self.refresh_at(now + pause);
        let mut past = self.past();
        past.backoff.succeed();
        (past.failure, past.failing_since) = (None, None);
        drop(past);
        // Looked at after it is there, so that either this or `want` sees the other.
        if !self.wanted.load(Ordering::SeqCst) {
            self.give_up(Duration::ZERO);
        }
    }

    fn fail(&self, error: &SourceError) -> Unavailable {
        let now = Instant::now();
        // What is leased is good until its end, whatever became of its role.
        let leased = self
            .held
            .load()
            .as_ref()
            .is_some_and(|held| held.is_leased());
        if error.withdrawn() && !leased {
            self.give_up(Duration::ZERO);
        }
        self.tell("no new value could be fetched", error);
        self.counts.failed.count();
        let mut past = self.past();
        let cause = Cow::from(error.to_string());
        past.failure = Some(cause.clone());
        past.failing_since.get_or_insert(now);
        past.backoff.fail(now, FETCH_WAIT_MAX, error.retry_after());
        let retry_after = past.backoff.remaining(now).unwrap_or_default();
        self.refresh_at(now + retry_after);
        Unavailable { retry_after, cause }
    }

    fn tell(&self, what: &str, error: &SourceError) {
        let left = |held: &Held| held.lease.remaining(Instant::now()).as_secs();
        tracing::warn!(
            credential = self.source.name(),
            %error,
            served_for_s = self.held.load().as_ref().map_or(0, |held| left(held)),
            "{what}"
        );
    }
}

/// After which part of its time a value is refreshed: early enough for several tries, each gate at another moment.
fn refresh_part(end: &End) -> f64 {
    match end {
        End::Open => between(0.45, 0.5),
        End::Lease(lease) if lease.renewable => between(0.6, 0.66),
        End::Lease(_) | End::After(_) => between(0.8, 0.9),
        // Before its end there is only the same value to be had.
        End::Rotation(_) => 1.0,
    }
}
