//! Which credentials anybody may use: the others give up what they have, at once.

use std::sync::Arc;

use super::Snapshot;
use crate::credential::Credential;

impl Snapshot {
    /// Tells every credential whether anybody may use it by these settings: an identity that is not revoked, by a rule
    /// that names it. `before` is what was in force: what of it is in the catalogue no more, nobody may use.
    pub(crate) fn settle_credentials(&self, before: &Snapshot) {
        for old in before.credentials.iter() {
            let mut kept = self.credentials.iter();
            if !kept.any(|kept| kept.entry.is(&old.entry)) {
                old.entry.want(false);
            }
        }
        for credential in self.credentials.iter() {
            credential.entry.want(self.is_wanted(credential));
        }
    }

    /// Gives up leases that nobody used for a while; to be called every few seconds.
    pub(crate) fn sweep_credentials(&self) {
        for credential in self.credentials.iter() {
            credential.entry.sweep();
        }
    }

    fn is_wanted(&self, credential: &Arc<Credential>) -> bool {
        let mut standings = self.standings.iter();
        standings.any(|(identity, standing)| {
            let mut named = standing.rules.iter().flat_map(|rule| &rule.credential);
            !self.revoked.contains(identity.as_str())
                && named.any(|named| Arc::ptr_eq(named, credential))
        })
    }
}
