//! What went well with Vault, and when it was last heard of.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use super::Counter;

/// What went well with Vault, by what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct VaultSuccesses {
    /// Logins that gave a token.
    pub(crate) login: Counter,
    /// Renewals of the gate's own token.
    pub(crate) renew: Counter,
    /// Leases that were made longer.
    pub(crate) lease: Counter,
    /// Leases that were given back.
    pub(crate) revoke: Counter,
    /// In seconds since 1970; 0 before the first time.
    heard_s: AtomicU64,
}

impl VaultSuccesses {
    /// Notes that Vault has just done what it was asked for, or said that there is nothing.
    pub(crate) fn heard(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_s = now.unwrap_or_default().as_secs();
        self.heard_s.store(now_s, Ordering::Relaxed);
    }

    /// When that was last, in seconds since 1970.
    pub(crate) fn last_heard_s(&self) -> Option<u64> {
        match self.heard_s.load(Ordering::Relaxed) {
            0 => None,
            heard_s => Some(heard_s),
        }
    }
}
