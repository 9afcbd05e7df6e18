//! What is asked at the end of a token or of a lease, and what is told of it.

use std::time::Duration;

use tokio::time::timeout;
use vaultrs::api::token::requests::RevokeTokenSelfRequest;

use super::{Shared, Token, VaultError};

/// Giving the token back at the end takes no longer.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(5);

impl Shared {
    /// Gives the token back, which ends its leases too. Takes at most 5 s.
    pub(super) async fn give_back(&self, token: &Token) -> Result<(), VaultError> {
        token.bury();
        let request = RevokeTokenSelfRequest {};
        let revoke = self.wire.ask(&request, Some(token.header()));
        let given_back = match timeout(REVOKE_TIMEOUT, revoke).await {
            Ok(Ok(answer)) if matches!(answer.status, 200 | 204) => Ok(()),
            Ok(Ok(answer)) => Err(answer.fault()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(VaultError::TimedOut),
        };
        match &given_back {
            Ok(()) => {
                tracing::info!("vault token given back");
                self.forget(token).await;
            }
            Err(error) => tracing::warn!(%error, "vault token not given back"),
        }
        given_back
    }

    /// Counts what came of a question that was to end something, and tells what went wrong.
    pub(super) fn revoked(&self, outcome: &Result<(), VaultError>) {
        match outcome {
            Ok(()) => self.errors.well.revoke.count(),
            Err(error) => {
                self.errors.revoke.count(error.trouble());
                tracing::warn!(%error, "what is no longer needed could not be ended at vault");
            }
        }
    }
}
