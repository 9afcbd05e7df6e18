//! Which credentials anybody may use: the others give up what they have, at once.

use std::{collections::HashSet, sync::Arc};

use super::Snapshot;
use crate::credential::Credential;

impl Snapshot {
    /// Tells every credential whether anybody may use it by these settings: an identity that is not revoked, by a rule
    /// that names it. `before` is what was in force: what of it is in the catalogue no more, nobody may use. A role
    /// that acts under a token of its own and may use nothing any more gives that back, and so all at once.
    pub(crate) fn settle_credentials(&self, before: &Snapshot) {
        let gone = before.credentials.iter().filter(|old| {
            let mut kept = self.credentials.iter();
            !kept.any(|kept| kept.entry.is(&old.entry))
        });
        let (wanted, mut unwanted): (Vec<_>, Vec<_>) = self
            .credentials
            .iter()
            .partition(|credential| self.is_wanted(credential));
        unwanted.extend(gone);
        let going_on: HashSet<_> = wanted.iter().filter_map(|its| its.role.as_ref()).collect();
        let ended = unwanted.iter().filter_map(|its| its.role.as_ref());
        let ended: HashSet<_> = ended.filter(|role| !going_on.contains(role)).collect();
        if let Some(vault) = &self.vault {
            ended.into_iter().for_each(|role| vault.end_role(role));
        }
        for credential in unwanted {
            credential.entry.want(false);
        }
        for credential in wanted {
            credential.entry.want(true);
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
