//! How often: the only file that knows governor.
//!
//! A [`Bucket`] is one limit: so many calls in a time, so many at once. Buckets live in [`Limits`] under a
//! bounded set of keys that the settings name (identities that they do not name share one), and settings hold them by [`Arc`]: a request looks nothing up,
//! and a reload that keeps a key keeps its state.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};

use crate::{
    refusal::{Reason, Refusal},
    scope::{Permit, Rate, RuleLimit},
};

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// All buckets of the process.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: Mutex<HashMap<Key, Arc<Bucket>>>,
}

/// What a bucket counts: a role, a rule for one identity, or an identity's attempts, with its measure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    what: String,
    limit: RuleLimit,
}

/// One limit and its state.
#[derive(Debug)]
pub(crate) struct Bucket {
    measure: RuleLimit,
    rate: Option<Limiter>,
    in_flight: Option<InFlight>,
    made: Instant,
    /// Whether a call was counted since the last sweep. Every call is counted, so none reads a clock for it.
    counted: AtomicBool,
    /// Milliseconds from `made` to the first sweep after the last call counted.
    last_ms: AtomicU64,
}

#[derive(Debug)]
struct InFlight {
    now: AtomicU32,
    max: u32,
}

/// A call's place among those in flight, given back on drop.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Bucket>);

/// A permit that the limits let through, with its place among the calls in flight.
#[derive(Debug)]
#[must_use = "an admission is used or the call ends"]
pub(crate) struct Admission<P = Permit> {
    permit: P,
    slot: Option<Slot>,
    remaining: u32,
}

impl Limits {
    /// The bucket for `what`; its state lives on while its measure stays the same.
    pub(crate) fn bucket(&self, what: String, limit: RuleLimit) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets
            .entry(Key { what, limit })
            .or_insert_with(|| Arc::new(Bucket::new(limit)))
            .clone()
    }

    /// Forgets buckets that nobody holds and that have filled up again: a new one would be the same, so nobody
    /// gains by going away and coming back.
    pub(crate) fn forget_unused(&self) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|key, bucket| {
            let fills_in = key
                .limit
                .rate
                .map_or(Duration::ZERO, |rate| fills_in(rate, key.limit.burst));
            bucket.rested() < fills_in || Arc::strong_count(bucket) > 1
        });
    }
}

impl Bucket {
    fn new(limit: RuleLimit) -> Bucket {
        let rate = limit.rate.map(|rate| {
            RateLimiter::direct(quota(rate, limit.burst))
                .with_middleware::<StateInformationMiddleware>()
        });
        let in_flight = limit.in_flight.map(|max| InFlight {
            now: AtomicU32::new(0),
            max,
        });
        Bucket {
            measure: limit,
            rate,
            in_flight,
            made: Instant::now(),
            counted: AtomicBool::new(false),
            last_ms: AtomicU64::new(0),
        }
    }

    /// Whether it measures by `limit`.
    pub(crate) fn is_of(&self, limit: RuleLimit) -> bool {
        self.measure == limit
    }

    /// Counts one call; the answer is how many more may follow at once.
    ///
    /// # Errors
    /// The time until the next call may be made.
    pub(crate) fn count(&self) -> Result<u32, Duration> {
        let Some(rate) = &self.rate else {
            return Ok(u32::MAX);
        };
        self.counted.store(true, Ordering::Relaxed);
        match rate.check() {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(not_until) => Err(not_until.wait_time_from(DefaultClock::default().now())),
        }
    }

    /// How long no call was counted, at least; what was counted since the last sweep is taken as counted now.
    fn rested(&self) -> Duration {
        let age_ms = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.counted.swap(false, Ordering::Relaxed) {
            self.last_ms.store(age_ms, Ordering::Relaxed);
        }
        Duration::from_millis(age_ms.saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    /// Takes a place among what is in flight, if one is free; a bucket without that limit has always one.
    pub(crate) fn enter(self: &Arc<Bucket>) -> Option<Slot> {
        if let Some(InFlight { now, max }) = &self.in_flight {
            let next = |n: u32| (n < *max).then_some(n + 1);
            now.fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
                .ok()?;
        }
        Some(Slot(self.clone()))
    }

    /// How many are in flight, and how many may be; none without such a limit.
    pub(crate) fn in_flight(&self) -> Option<(u32, u32)> {
        let InFlight { now, max } = self.in_flight.as_ref()?;
        Some((now.load(Ordering::Relaxed), *max))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(in_flight) = &self.0.in_flight {
            in_flight.now.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl<P> Admission<P> {
    /// Counts the call against its rule's bucket, if the rule has one, and then its role's.
    pub(crate) fn admit(
        permit: P,
        rule: Option<&Arc<Bucket>>,
        role: &Arc<Bucket>,
    ) -> Result<Admission<P>, Refusal> {
        let slot = match rule {
            Some(bucket) => Some(bucket.enter().ok_or_else(too_many_in_flight)?),
            None => None,
        };
        let of_rule = rule
            .map_or(Ok(u32::MAX), |bucket| bucket.count())
            .map_err(too_often)?;
        let of_role = role.count().map_err(too_often)?;
        Ok(Admission {
            permit,
            slot,
            remaining: of_rule.min(of_role),
        })
    }

    /// The permit that was admitted.
    pub(crate) fn permit(&self) -> &P {
        &self.permit
    }

    /// How many calls may follow at once before a limit says no.
    pub(crate) fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The permit and the slot, to be kept until the answer has ended.
    pub(crate) fn into_parts(self) -> (P, Option<Slot>) {
        (self.permit, self.slot)
    }
}

/// When to try again if a limit knows no better: a call in flight may end at any moment.
const IN_FLIGHT_RETRY: Duration = Duration::from_secs(1);

fn too_many_in_flight() -> Refusal {
    Refusal::from(Reason::TooManyInFlight).retry_after(IN_FLIGHT_RETRY)
}

fn too_often(wait: Duration) -> Refusal {
    Refusal::from(Reason::RateLimited).retry_after(wait)
}

/// How long an empty bucket takes to be full.
fn fills_in(rate: Rate, burst: Option<u32>) -> Duration {
    rate.per / rate.calls.max(1) * burst.unwrap_or(rate.calls)
}

/// `calls` evenly spread over `per`, and `burst` (else `calls`) at once.
fn quota(rate: Rate, burst: Option<u32>) -> Quota {
    let calls = NonZeroU32::new(rate.calls).unwrap_or(NonZeroU32::MIN);
    let step = (rate.per / calls.get()).max(Duration::from_nanos(1));
    let burst = burst.and_then(NonZeroU32::new).unwrap_or(calls);
    Quota::with_period(step)
        .unwrap_or(Quota::per_second(NonZeroU32::MIN))
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(calls: u32, burst: Option<u32>, in_flight: Option<u32>) -> RuleLimit {
        RuleLimit {
            rate: Some(Rate {
                calls,
                per: Duration::from_secs(3600),
            }),
            burst,
            in_flight,
        }
    }

    #[test]
    fn a_bucket_lets_its_burst_through_and_then_says_when() {
        let bucket = Bucket::new(limit(60, Some(2), None));
        assert_eq!(bucket.count(), Ok(1));
        assert_eq!(bucket.count(), Ok(0));
        let wait = bucket.count().unwrap_err();
        assert!(
            wait > Duration::from_secs(50) && wait <= Duration::from_secs(60),
            "{wait:?}"
        );
    }

    #[test]
    fn a_slot_is_given_back_when_it_is_dropped() {
        let bucket = Arc::new(Bucket::new(limit(60, None, Some(1))));
        let slot = bucket.enter().unwrap();
        assert!(bucket.enter().is_none());
        drop(slot);
        assert!(bucket.enter().is_some());
    }

    #[test]
    fn a_bucket_that_is_not_full_again_is_not_forgotten() {
        let limits = Limits::default();
        let measure = limit(1, None, None);
        assert!(limits.bucket("attempts".into(), measure).count().is_ok());
        limits.forget_unused();
        assert!(limits.bucket("attempts".into(), measure).count().is_err());
    }

    #[test]
    fn the_state_of_a_bucket_survives_while_its_measure_stays() {
        let limits = Limits::default();
        let measure = limit(1, None, None);
        let first = limits.bucket("role reader".into(), measure);
        assert!(first.count().is_ok() && first.count().is_err());
        assert!(
            limits
                .bucket("role reader".into(), measure)
                .count()
                .is_err()
        );
        assert!(
            limits
                .bucket("role reader".into(), limit(2, None, None))
                .count()
                .is_ok()
        );
    }
}
