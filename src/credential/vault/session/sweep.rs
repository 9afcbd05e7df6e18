//! Ends what a run of the gate left behind that was cut short: its tokens, and with them what was got with them.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        super::backoff::Backoff,
        engine::Question,
        envelope::Answer,
        error::VaultError,
        ledger::{Accessor, Entry},
        line::settled,
        wire::Repeat,
    },
    Shared,
};

/// What must be allowed for it, beside the word `update`.
const PATH: &str = "auth/token/revoke-accessor";

/// So often it is tried to end a token; then it stays noted, for the next start.
const TRIES_MAX: u32 = 5;

/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Ends all of `left`, one after the other.
pub(super) async fn end(session: Weak<Shared>, left: Vec<Entry>) {
    let (of, mut ended) = (left.len(), 0);
    for entry in left {
        match end_patiently(&session, &entry.accessor).await {
            Ok(()) => ended += 1,
            Err(VaultError::Closed) => return,
            Err(VaultError::Denied) => {
                tracing::warn!(
                    path = PATH,
                    capability = "update",
                    "vault's policy does not allow the gate to end the tokens that a run of it left behind"
                );
                break;
            }
            // Said already.
            Err(_) => {}
        }
    }
    tracing::info!(ended, of, "vault tokens of a run that was cut short");
}

async fn end_patiently(session: &Weak<Shared>, accessor: &Accessor) -> Result<(), VaultError> {
    let mut backoff = Backoff::default();
    let mut tries = 0;
    loop {
        let outcome = {
            let session = session.upgrade().ok_or(VaultError::Closed)?;
            let outcome = session.end_by(accessor).await;
            session.revoked(&outcome);
            outcome
        };
        tries += 1;
        match outcome {
            Err(error) if error.retryable() && tries < TRIES_MAX => {
                let now = Instant::now();
                backoff.fail(now, WAIT_MAX, error.retry_after());
                sleep(backoff.remaining(now).unwrap_or_default()).await;
            }
            outcome => return outcome,
        }
    }
}

impl Shared {
    /// Ends the token that is known by `accessor`, with the one in use.
    async fn end_by(self: &Arc<Self>, accessor: &Accessor) -> Result<(), VaultError> {
        let token = self.usable().ok_or(VaultError::TokenRefused)?;
        let question = Question::write(&[PATH], json!({ "accessor": accessor.as_str() }))?;
        let answer = settled(&self.wire, &token, (&question, Repeat::Freely)).await?;
        is_gone(&answer)?;
        if let Some(ledger) = &self.ledger {
            ledger.forget(accessor.clone()).await;
        }
        Ok(())
    }
}

/// Whether the token has ended, now or before; what servers say of one that they do not know differs.
fn is_gone(answer: &Answer) -> Result<(), VaultError> {
    let unknown = || {
        let errors = answer.errors();
        errors
            .iter()
            .any(|error| error.contains("invalid accessor"))
    };
    match answer.status {
        200 | 204 | 400 | 404 => Ok(()),
        403 if unknown() => Ok(()),
        0..=199 | 201..=203 | 205.. => Err(answer.fault()),
    }
}
