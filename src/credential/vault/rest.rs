//! A server that does not serve is left alone by all who want something of it, not by each for itself.
//!
//! With fifty credentials in use, fifty would look for it otherwise, all of them at the moment of its return.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{super::backoff::Backoff, envelope::Answer, error::VaultError};

/// The longest wait between two looks at a server that is away: how late its return may be noticed.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A look takes no longer: a login, and two calls.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// The wait after answers that said that the server serves nobody, and what the last one said.
#[derive(Default)]
pub(super) struct Rest(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    backoff: Backoff,
    last: Option<VaultError>,
    /// Until when one of them looks for all.
    looked_for_until: Option<Instant>,
}

impl Rest {
    /// Why the server is not to be asked now, if it rests. When the rest is over, the first who asks goes ahead, and the
    /// others are told the same as before until it is known what came of it.
    pub(super) fn reason(&self) -> Option<VaultError> {
        let (mut rest, now) = (self.inner(), Instant::now());
        let last = rest.last.clone()?;
        let looked_for = rest.looked_for_until.is_some_and(|until| now < until);
        if looked_for || rest.backoff.remaining(now).is_some() {
            return Some(last);
        }
        rest.looked_for_until = Some(now + LOOK_MAX);
        None
    }

    /// Notes what came of a question.
    pub(super) fn note(&self, outcome: Result<&Answer, &VaultError>) {
        let trouble = match outcome {
            // A path that leads elsewhere says nothing about the others.
            Ok(answer) if (300..400).contains(&answer.status) => None,
            Ok(answer) => serves_nobody(&answer.fault()).then(|| answer.fault()),
            Err(error) => serves_nobody(error).then(|| error.clone()),
        };
        let mut rest = self.inner();
        match trouble {
            None if outcome.is_ok() => *rest = Inner::default(),
            // What else goes wrong says nothing about the server as a whole.
            None => rest.looked_for_until = None,
            Some(error) => {
                let now = Instant::now();
                // Those who asked at the same time found out the same: that is one failure and not many.
                if rest.backoff.remaining(now).is_none() {
                    rest.backoff.fail(now, WAIT_MAX, error.retry_after());
                }
                rest.last = Some(error);
                rest.looked_for_until = None;
            }
        }
    }

    /// Forgets all trouble: it was another server's.
    pub(super) fn end(&self) {
        *self.inner() = Inner::default();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether whoever asks would be told the same. A call that takes too long, or a fault of one engine, is no such thing.
fn serves_nobody(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Unreachable
            | VaultError::Untrusted(_)
            | VaultError::Sealed
            | VaultError::Standby
            | VaultError::Uninitialised
    )
}
