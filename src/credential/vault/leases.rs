//! Leases at Vault: made longer, ended before their time, and known until they end.
//!
//! What they are leases on, and when one is made longer or given up, is the cache's business.

mod known;

pub(super) use known::Leases;

use std::{sync::Arc, time::Duration};

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    super::{LeaseInfo, backoff::Backoff},
    Parent, Vault,
    engine::Question,
    envelope::Answer,
    error::VaultError,
    line::Line,
    wire::Repeat,
};

/// So often it is tried to end a lease; after that it ends by itself.
const REVOKE_TRIES_MAX: u32 = 5;

/// The longest wait between two tries.
const REVOKE_WAIT_MAX: Duration = Duration::from_secs(30);

impl Vault {
    /// Asks for as much time as the lease began with; gives what the server grants from now on, which counts and not
    /// what was asked for.
    ///
    /// # Errors
    ///
    /// [`VaultError::LeaseEnded`] when the server does not know the lease, does not make it longer, or grants no time,
    /// which is never taken for "without end"; else why it did not answer.
    pub(crate) async fn renew(&self, lease: &LeaseInfo) -> Result<Duration, VaultError> {
        let renewed = self.try_renew(lease).await;
        match &renewed {
            Ok(granted) => {
                self.errors.well.lease.count();
                self.leases.extended(lease, *granted);
            }
            Err(error) => self.errors.lease.count(error.trouble()),
        }
        renewed
    }

    async fn try_renew(&self, lease: &LeaseInfo) -> Result<Duration, VaultError> {
        let increment = lease.duration.as_secs();
        let body = json!({ "lease_id": &*lease.id, "increment": increment });
        let (answer, _) = self
            .ask(
                &Question::write(&["sys/leases/renew"], body)?,
                Repeat::Freely,
            )
            .await?;
        granted(&answer)
    }

    /// Ends `lease` in a task of its own, after `rest`.
    pub(crate) fn give_up(self: &Arc<Vault>, lease: LeaseInfo, rest: Duration) {
        // Without a runtime the process is ending, and the gate's token has been given back.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let vault = Arc::clone(self);
        runtime.spawn(async move {
            sleep(rest).await;
            if vault.leases.begin_to_end(&lease.id) {
                vault.revoke_patiently(&lease.id).await;
                vault.leases.forget(&lease.id);
            }
        });
    }

    /// Ends `lease` now.
    ///
    /// # Errors
    ///
    /// Why it is not known to have ended.
    pub(crate) async fn revoke(&self, lease: &LeaseInfo) -> Result<(), VaultError> {
        self.leases.forget(&lease.id);
        // Done when it is answered, so that whoever asked knows.
        let body = json!({ "lease_id": &*lease.id, "sync": true });
        self.try_revoke(body).await
    }

    /// Ends what was made by a question whose answer cannot be used.
    pub(super) async fn end_unread(&self, answer: &Answer) {
        let envelope = answer.envelope::<IgnoredAny>().ok();
        let lease = envelope
            .filter(|_| answer.status == 200)
            .and_then(|envelope| envelope.lease_id)
            .filter(|id| !id.is_empty());
        if let Some(id) = lease {
            let ended = self.try_revoke(json!({ "lease_id": id })).await;
            tracing::warn!(ended = ended.is_ok(), "what was made cannot be used");
        }
    }

    /// Ends the leases that are left, one by one, but for those that end with the token of `parent`, which is given back.
    pub(super) async fn end_leases(self: &Arc<Vault>, parent: Option<&Arc<Parent>>) {
        let mut ending = JoinSet::new();
        for id in self.leases.take_all_but_those_of(parent) {
            let vault = Arc::clone(self);
            ending
                .spawn(async move { vault.try_revoke(json!({ "lease_id": &*id })).await.is_ok() });
        }
        if ending.is_empty() {
            return;
        }
        let ended = ending.join_all().await;
        tracing::info!(
            ended = ended.iter().filter(|ended| **ended).count(),
            of = ended.len(),
            "leases given back to vault"
        );
    }

    async fn revoke_patiently(&self, id: &str) {
        let mut backoff = Backoff::default();
        for _ in 0..REVOKE_TRIES_MAX {
            let Err(error) = self.try_revoke(json!({ "lease_id": id })).await else {
                return;
            };
            self.errors.revoke.count(error.trouble());
            tracing::warn!(%error, "a lease that is no longer needed could not be ended");
            if !error.retryable() {
                return;
            }
            let now = Instant::now();
            backoff.fail(now, REVOKE_WAIT_MAX, error.retry_after());
            sleep(backoff.remaining(now).unwrap_or_default()).await;
        }
    }

    async fn try_revoke(&self, body: Value) -> Result<(), VaultError> {
        let question = Question::write(&["sys/leases/revoke"], body)?;
        let (answer, _) = self.ask(&question, Repeat::Freely).await?;
        ended(&answer)?;
        self.errors.well.revoke.count();
        Ok(())
    }
}

impl Line {
    /// Ends `leases` that were made with its token, where giving that back does not do it.
    pub(super) async fn end_leases(&self, leases: Vec<Arc<str>>) {
        let token = self.session.at_hand();
        let Some(token) = token.filter(|_| !self.session.ends_leases()) else {
            return;
        };
        for id in leases {
            let question = Question::write(&["sys/leases/revoke"], json!({ "lease_id": &*id }));
            let asked = async {
                let (answer, _) = self
                    .ask(Arc::clone(&token), &question?, Repeat::Freely)
                    .await?;
                ended(&answer)
            };
            self.session.revoked(&asked.await);
        }
    }
}

/// What an answer to a revocation means.
fn ended(answer: &Answer) -> Result<(), VaultError> {
    match answer.status {
        200 | 204 => Ok(()),
        0..=199 | 201..=203 | 205.. => Err(answer.fault()),
    }
}

/// What an answer to a renewal grants.
fn granted(answer: &Answer) -> Result<Duration, VaultError> {
    match answer.status {
        200 => {
            let seconds = answer.envelope::<IgnoredAny>()?.lease_duration;
            match seconds.unwrap_or_default() {
                0 => Err(VaultError::LeaseEnded),
                seconds => Ok(Duration::from_secs(seconds)),
            }
        }
        // It says nothing of the end, which stays what it was.
        204 => Err(VaultError::Malformed("the renewal says nothing")),
        // "lease not found", "lease expired", "lease is not renewable": the texts differ, what to do does not.
        400 => Err(VaultError::LeaseEnded),
        0..=199 | 201..=203 | 205..=399 | 401.. => Err(answer.fault()),
    }
}
