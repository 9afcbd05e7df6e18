//! What to do when a credential cannot be had.

use crate::{credential::SourceError, metrics::VaultTrouble};

/// What somebody can do about it, in one sentence.
pub(super) fn on(error: &SourceError) -> &'static str {
    match error {
        SourceError::Vault(error) => on_vault(error.trouble()),
        SourceError::File(_) => "the file holds the value and nothing else, for its owner alone",
        SourceError::Unsendable(_) => {
            "change where the credential goes (`place`), or what is stored"
        }
        SourceError::TooShort => "make the lease longer at its source",
        SourceError::TimedOut => "ask again; if that is no better, look at the source",
        SourceError::TooMany(_) => "ask again later",
    }
}

/// The same, by what went wrong with Vault.
pub(super) fn on_vault(trouble: VaultTrouble) -> &'static str {
    match trouble {
        VaultTrouble::Unreachable => {
            "look at `vault.address`, and whether it is reached from this machine"
        }
        VaultTrouble::Untrusted => "`vault.ca` is to hold the authority of its certificate",
        VaultTrouble::TimedOut => "ask again; if that is no better, look at the server",
        VaultTrouble::Unavailable => "look at the server: it answers and does not serve",
        VaultTrouble::RateLimited => "ask again later, or raise its quota for the gate",
        VaultTrouble::Login => {
            "give the gate a login that is good; deploy/vault/setup.sh makes one"
        }
        VaultTrouble::Intercepted => {
            "end the secret id that was wrapped, find out who took it, and give the gate another"
        }
        VaultTrouble::Denied => {
            "its policy is to allow the path; `tollgate credential policy` prints what is needed"
        }
        VaultTrouble::Missing => {
            "look at the mount, path, field and role in the catalogue, and at what Vault has there"
        }
        VaultTrouble::Malformed => {
            "is `vault.address` a Vault or OpenBao that knows this engine, with nothing in between?"
        }
        VaultTrouble::Settings => "look at the settings, and at the files that they name",
    }
}
