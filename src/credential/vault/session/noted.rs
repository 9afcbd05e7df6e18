//! Keeps the ledger in step with the session's tokens.

use std::sync::Arc;

use super::{Shared, VaultError, sweep};
use crate::credential::vault::token::Token;

impl Shared {
    /// Has the ledger name the token before anybody uses it; one that it cannot name is given back at once.
    pub(super) async fn noted(&self, token: Token) -> Result<Token, VaultError> {
        match self.note(&token).await {
            Ok(()) => Ok(token),
            Err(error) => {
                // Said already; the token ends by itself.
                let _lapses = self.give_back(&token).await;
                Err(error)
            }
        }
    }

    /// Has the ledger know the end that a renewal gave.
    pub(super) async fn note_end(&self, token: &Token) {
        if let Err(error) = self.note(token).await {
            tracing::warn!(%error, "the new end of the gate's token is not noted");
        }
    }

    async fn note(&self, token: &Token) -> Result<(), VaultError> {
        let ledger = self.ledger.as_ref().filter(|_| self.way.gives_own_tokens());
        match ledger.zip(token.entry(self.way.whose())) {
            Some((ledger, entry)) => ledger.note(entry).await,
            None => Ok(()),
        }
    }

    /// Has the ledger forget the token: it has ended, or is nobody's to end.
    pub(super) async fn forget(&self, token: &Token) {
        if let Some((ledger, accessor)) = self.ledger.as_ref().zip(token.accessor()) {
            ledger.forget(accessor.clone()).await;
        }
    }

    /// The same, in a task of its own.
    pub(super) fn forget_soon(&self, token: &Token) {
        let known = self.ledger.clone().zip(token.accessor().cloned());
        if let Some((ledger, accessor)) = known {
            tokio::spawn(async move { ledger.forget(accessor).await });
        }
    }

    /// Ends what an earlier run left behind, in a task of its own.
    pub(super) fn sweep(self: &Arc<Self>) {
        let left = self.ledger.as_ref().map(|ledger| ledger.take_left());
        if let Some(left) = left.filter(|left| !left.is_empty()) {
            tokio::spawn(sweep::end(Arc::downgrade(self), left));
        }
    }
}
