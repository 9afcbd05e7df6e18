//! What is counted, to be read by `admin`.
//!
//! Counting is in the way of every call, so it costs an addition to a number whose place is known: no lock, no memory,
//! no look-up. A call's role brings its counters with it; all other sets are closed ones. What can be seen when somebody
//! asks (leases, the queue of the log, certificates, connections) is not counted here but looked at then.

mod histogram;
mod tally;
mod vault;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

pub(crate) use self::{
    histogram::Histogram,
    tally::{Closed, Counter, Tally},
    vault::VaultSuccesses,
};
use crate::{outcome::Outcome, refusal::Reason};

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Of callers without a role, and of connections that proved no identity.
    pub(crate) nobody: RoleCounts,
    /// How long calls took, from their first byte to their last.
    pub(crate) call_time: Histogram,
    /// How long it took to decide that a call may be made.
    pub(crate) decide_time: Histogram,
    /// How long it took until the upstream's answer began.
    pub(crate) first_byte_time: Histogram,
    /// Refusals that have no line of their own, but are counted in one.
    pub(crate) refusals_counted: Counter,
    /// Refusals of which the log has no word, because it could not take one.
    pub(crate) refusals_unrecorded: Counter,
    /// What went wrong with Vault.
    pub(crate) vault: Arc<VaultErrors>,
    /// Attempts to load the settings anew.
    pub(crate) reloads: Tally<Reload>,
    last_reload: Mutex<LastReload>,
    roles: Mutex<HashMap<Arc<str>, Weak<RoleCounts>>>,
}

/// What is counted of one role.
#[derive(Debug, Default)]
pub(crate) struct RoleCounts {
    /// Calls that were made, by how they ended.
    pub(crate) calls: Tally<Outcome>,
    /// Upstreams' answers, by the class of their status.
    pub(crate) answers: Tally<StatusClass>,
    /// Calls, tunnels and connections that were refused.
    pub(crate) refusals: Tally<Reason>,
    open: AtomicU64,
}

/// What went wrong with Vault, by what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct VaultErrors {
    /// Reading a secret.
    pub(crate) read: Tally<VaultTrouble>,
    /// Logging in.
    pub(crate) login: Tally<VaultTrouble>,
    /// Renewing the gate's own token.
    pub(crate) renew: Tally<VaultTrouble>,
    /// Making a lease longer.
    pub(crate) lease: Tally<VaultTrouble>,
    /// Giving a lease back.
    pub(crate) revoke: Tally<VaultTrouble>,
    /// What went well, to hold the errors against.
    pub(crate) well: VaultSuccesses,
}

/// What can go wrong with Vault, as far as an alert needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VaultTrouble {
    /// No connection, or it broke.
    Unreachable,
    /// Its certificate is not acceptable.
    Untrusted,
    /// It did not answer in time.
    TimedOut,
    /// It answers, but does not serve: sealed, a standby, or with a fault of its own.
    Unavailable,
    /// It wants fewer calls.
    RateLimited,
    /// It refuses the login, or the token that it gave.
    Login,
    /// What the gate is to show at the login may be known to others.
    Intercepted,
    /// The policy does not allow what was asked.
    Denied,
    /// There is no such engine, secret or field.
    Missing,
    /// Its answer is not what its API promises.
    Malformed,
    /// The gate's own settings or files.
    Settings,
}

/// The class of a status (RFC 9110 section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusClass {
    /// 1xx
    Informational,
    /// 2xx
    Successful,
    /// 3xx
    Redirection,
    /// 4xx
    ClientError,
    /// 5xx
    ServerError,
    /// A number that is in no class.
    Other,
}

/// How an attempt to load the settings anew ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// The new settings are in force.
    Applied,
    /// They had mistakes; the old ones stay in force.
    Refused,
}

/// What the last attempt to load the settings did, the start included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastReload {
    /// Whether it was applied.
    pub(crate) applied: bool,
    /// When settings were last applied.
    pub(crate) applied_at: SystemTime,
}

impl Metrics {
    /// Nothing counted yet; the settings have just been loaded.
    pub(crate) fn new() -> Metrics {
        Metrics {
            nobody: RoleCounts::default(),
            call_time: Histogram::new(CALL_TIMES_US),
            decide_time: Histogram::new(DECIDE_TIMES_US),
            first_byte_time: Histogram::new(CALL_TIMES_US),
            refusals_counted: Counter::default(),
            refusals_unrecorded: Counter::default(),
            vault: Arc::default(),
            reloads: Tally::default(),
            last_reload: Mutex::new(LastReload {
                applied: true,
                applied_at: SystemTime::now(),
            }),
            roles: Mutex::default(),
        }
    }

    /// The counts of a role, for its standing to hold: they live while anybody holds them, so that a role that is gone
    /// from the settings is gone from here, and one that stays counts on.
    pub(crate) fn role(&self, name: &Arc<str>) -> Arc<RoleCounts> {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles.retain(|_, counts| counts.strong_count() > 0);
        if let Some(counts) = roles.get(name).and_then(Weak::upgrade) {
            return counts;
        }
        let counts = Arc::default();
        roles.insert(name.clone(), Arc::downgrade(&counts));
        counts
    }

    /// Notes an attempt to load the settings anew.
    pub(crate) fn reloaded(&self, reload: Reload) {
        self.reloads.count(reload);
        let mut last = self.lock_last_reload();
        last.applied = reload == Reload::Applied;
        if last.applied {
            last.applied_at = SystemTime::now();
        }
    }

    /// What the last attempt to load the settings did.
    pub(crate) fn last_reload(&self) -> LastReload {
        *self.lock_last_reload()
    }

    fn lock_last_reload(&self) -> std::sync::MutexGuard<'_, LastReload> {
        self.last_reload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds of calls' durations, in microseconds: from a quick API to a model that thinks for minutes.
const CALL_TIMES_US: &[u64] = &[
    5_000,
    25_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
    600_000_000,
];
/// Bounds of the time that a decision takes, in microseconds.
const DECIDE_TIMES_US: &[u64] = &[10, 25, 50, 100, 250, 1_000, 10_000];

impl RoleCounts {
    /// A call of the role is open until what comes back is dropped.
    pub(crate) fn open(self: &Arc<RoleCounts>) -> OpenCall {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenCall(self.clone())
    }

    /// Calls that are open now.
    pub(crate) fn open_now(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }
}

/// An open call among those of its role.
#[derive(Debug)]
pub(crate) struct OpenCall(Arc<RoleCounts>);

impl OpenCall {
    /// The counts of its role.
    pub(crate) fn counts(&self) -> &RoleCounts {
        &self.0
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StatusClass {
    /// The class of `status`.
    pub(crate) fn of(status: u16) -> StatusClass {
        match status {
            100..=199 => StatusClass::Informational,
            200..=299 => StatusClass::Successful,
            300..=399 => StatusClass::Redirection,
            400..=499 => StatusClass::ClientError,
            500..=599 => StatusClass::ServerError,
            0..=99 | 600.. => StatusClass::Other,
        }
    }
}

impl Closed for Reason {
    const ALL: &'static [Reason] = Reason::ALL;

    fn place(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        self.code()
    }
}

impl Closed for Outcome {
    const ALL: &'static [Outcome] = &[
        Outcome::Complete,
        Outcome::UpstreamAborted,
        Outcome::UpstreamIdle,
        Outcome::Aborted,
        Outcome::AccessWithdrawn,
        Outcome::MadeWay,
        Outcome::DrainDeadline,
        Outcome::DrainAtOnce,
        Outcome::Defect,
    ];

    fn place(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Closed for StatusClass {
    const ALL: &'static [StatusClass] = &[
        StatusClass::Informational,
        StatusClass::Successful,
        StatusClass::Redirection,
        StatusClass::ClientError,
        StatusClass::ServerError,
        StatusClass::Other,
    ];

    fn place(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        match self {
            StatusClass::Informational => "1xx",
            StatusClass::Successful => "2xx",
            StatusClass::Redirection => "3xx",
            StatusClass::ClientError => "4xx",
            StatusClass::ServerError => "5xx",
            StatusClass::Other => "other",
        }
    }
}

impl Closed for VaultTrouble {
    const ALL: &'static [VaultTrouble] = &[
        VaultTrouble::Unreachable,
        VaultTrouble::Untrusted,
        VaultTrouble::TimedOut,
        VaultTrouble::Unavailable,
        VaultTrouble::RateLimited,
        VaultTrouble::Login,
        VaultTrouble::Intercepted,
        VaultTrouble::Denied,
        VaultTrouble::Missing,
        VaultTrouble::Malformed,
        VaultTrouble::Settings,
    ];

    fn place(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        match self {
            VaultTrouble::Unreachable => "unreachable",
            VaultTrouble::Untrusted => "untrusted",
            VaultTrouble::TimedOut => "timed_out",
            VaultTrouble::Unavailable => "unavailable",
            VaultTrouble::RateLimited => "rate_limited",
            VaultTrouble::Login => "login",
            VaultTrouble::Intercepted => "intercepted",
            VaultTrouble::Denied => "denied",
            VaultTrouble::Missing => "missing",
            VaultTrouble::Malformed => "malformed",
            VaultTrouble::Settings => "settings",
        }
    }
}

impl Closed for Reload {
    const ALL: &'static [Reload] = &[Reload::Applied, Reload::Refused];

    fn place(self) -> usize {
        self as usize
    }

    fn word(self) -> &'static str {
        match self {
            Reload::Applied => "applied",
            Reload::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests;
