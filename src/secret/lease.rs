//! The right to use one secret value until a moment. It is made by `credential` and used by `inject`.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Ready, Value, awake};

/// The most by which a lease ends early for us, so that the other side never sees a credential past its end.
const SKEW_MAX: Duration = Duration::from_secs(2);

/// No term is longer, whatever a source says: the sum with a clock must not overflow.
const TERM_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A credential's value, ready to send, with the end of its use.
///
/// Clones of the [`Arc`] around it may outlive the end: a request in flight finishes with the
/// lease it began with.
#[derive(Debug)]
pub(crate) struct Lease {
    worth: Arc<Worth>,
    term: Term,
    told: OnceLock<Arc<[u8]>>,
}

/// What stays the same when a lease is made longer.
#[derive(Debug)]
struct Worth {
    value: Value,
    ready: Ready,
    mark: Mark,
}

/// What the record and the connection pools know a lease by.
#[derive(Debug)]
pub(crate) struct Mark {
    /// Whether the source takes the value back by itself.
    pub(crate) class: Class,
    /// Another and larger number when the entry's value changes, and only then.
    pub(crate) generation: u64,
    /// 16 hex digits of a keyed hash.
    pub(crate) id: String,
    /// The source's name, in its own log, for the answer that brought the value.
    pub(crate) request_id: Option<String>,
}

/// Whether the source takes the value back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A value that somebody stored: it works until somebody changes it, its end is ours.
    Static,
    /// A value that was made for us and that the source ends.
    Dynamic,
}

impl Class {
    /// The word for it in the record.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Class::Static => "static",
            Class::Dynamic => "dynamic",
        }
    }
}

/// How long a value may be used.
///
/// It is counted by a clock that nobody sets, and that goes on while the machine is suspended: a value that ended in
/// the meantime is not used when it wakes up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    begin: Instant,
    /// How long the machine had been suspended when it began.
    suspended: Duration,
    /// The end on the clock that decides.
    end: Instant,
    /// Until when it is handed out: a little before the end.
    usable_until: Instant,
    /// The end on the wall clock, for the record.
    expires: SystemTime,
}

impl Term {
    /// A term of `length` that began `at` (and at `wall` on the wall clock).
    ///
    /// It is usable until 2 s before its end, or until 5 % before it if that is later. A term has at most 366 days.
    pub(crate) fn new(at: Instant, wall: SystemTime, length: Duration) -> Term {
        let length = length.min(TERM_MAX);
        let end = at + length;
        Term {
            begin: at,
            suspended: awake::suspended(),
            end,
            usable_until: end - SKEW_MAX.min(length / 20),
            expires: wall + length,
        }
    }

    /// A term of no time, which begins now: what is asked for now has a term [`lasting`](Term::lasting) from here on,
    /// whatever happens before the answer comes.
    pub(crate) fn now() -> Term {
        Term::new(Instant::now(), SystemTime::now(), Duration::ZERO)
    }

    /// A term of `length` that began when this term of no time did.
    pub(crate) fn lasting(&self, length: Duration) -> Term {
        Term {
            suspended: self.suspended,
            ..Term::new(self.begin, self.expires, length)
        }
    }

    /// Whether something with this term may still be used.
    pub(crate) fn covers(&self, now: Instant) -> bool {
        self.covers_at(now, awake::suspended())
    }

    /// The same for those who know for how long the machine has been suspended.
    fn covers_at(&self, now: Instant, suspended: Duration) -> bool {
        now + awake::slept(self.suspended, suspended) < self.usable_until
    }

    /// How long ago it began.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.with_sleep(now).saturating_duration_since(self.begin)
    }

    /// What is left of it.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.end.saturating_duration_since(self.with_sleep(now))
    }

    /// `now` as it would be on a clock that counts the time for which the machine was suspended since it began.
    fn with_sleep(&self, now: Instant) -> Instant {
        now + awake::slept(self.suspended, awake::suspended())
    }
}

impl Lease {
    /// Puts a lease together; `ready` is made of `value`.
    pub(crate) fn new(value: Value, ready: Ready, term: Term, mark: Mark) -> Lease {
        let worth = Worth { value, ready, mark };
        Lease {
            worth: Arc::new(worth),
            term,
            told: OnceLock::new(),
        }
    }

    /// The same value under the same name until another end, which its source granted.
    pub(crate) fn until(&self, term: Term) -> Lease {
        Lease {
            worth: Arc::clone(&self.worth),
            term,
            told: OnceLock::new(),
        }
    }

    /// The value, to find it in what comes back.
    pub(crate) fn value(&self) -> &Value {
        &self.worth.value
    }

    /// What carries the credential, ready to be put in.
    pub(crate) fn ready(&self) -> &Ready {
        &self.worth.ready
    }

    /// Whether it may still be used for a request that begins now, on a machine that has been suspended for so long.
    pub(crate) fn usable(&self, now: Instant, suspended: Duration) -> bool {
        self.term.covers_at(now, suspended) && !self.worth.value.is_over()
    }

    /// How long ago it was asked for.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.term.age(now)
    }

    /// What is left of it.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.term.remaining(now)
    }

    /// Its end on the wall clock, for the record.
    pub(crate) fn expires(&self) -> SystemTime {
        self.term.expires
    }

    /// Whether the source takes the value back by itself.
    pub(crate) fn class(&self) -> Class {
        self.worth.mark.class
    }

    /// Another and larger number when the entry's value changes, and only then: connections that carry the value can be keyed by it.
    pub(crate) fn generation(&self) -> u64 {
        self.worth.mark.generation
    }

    /// The source's name for the answer that brought the value, by which its log is found.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.worth.mark.request_id.as_deref()
    }

    /// A place for what the record tells of it, which is the same for each of its calls.
    pub(crate) fn told(&self) -> &OnceLock<Arc<[u8]>> {
        &self.told
    }

    /// The name of this lease in the record: 16 hex digits of a keyed hash, comparable within one run of the gate.
    pub(crate) fn id(&self) -> &str {
        &self.worth.mark.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable_after(length: Duration, passed: Duration) -> bool {
        let begin = Instant::now();
        Term::new(begin, SystemTime::now(), length).covers(begin + passed)
    }

    #[test]
    fn a_long_term_is_not_used_in_its_last_two_seconds() {
        let hour = Duration::from_secs(3600);
        assert!(usable_after(hour, Duration::from_millis(3_597_999)));
        assert!(!usable_after(hour, Duration::from_millis(3_598_000)));
    }

    #[test]
    fn a_short_term_is_not_used_in_its_last_twentieth() {
        let short = Duration::from_secs(10);
        assert!(usable_after(short, Duration::from_millis(9_499)));
        assert!(!usable_after(short, Duration::from_millis(9_500)));
    }

    #[test]
    fn an_endless_term_is_cut_to_a_year() {
        let begin = Instant::now();
        let term = Term::new(begin, SystemTime::now(), Duration::MAX);
        assert_eq!(term.remaining(begin), TERM_MAX);
    }

    #[test]
    fn the_time_for_which_the_machine_was_suspended_counts() {
        let (begin, hour) = (Instant::now(), Duration::from_secs(3600));
        let term = Term::new(begin, SystemTime::now(), hour);
        assert!(term.covers(begin));
        let _slept = awake::as_if_suspended_for(hour * 2);
        assert!(!term.covers(begin));
        assert_eq!(term.remaining(begin), Duration::ZERO);
    }

    #[test]
    fn an_empty_term_covers_no_moment() {
        assert!(!usable_after(Duration::ZERO, Duration::ZERO));
    }
}
