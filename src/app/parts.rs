//! The parts of a gate that are made of settings and of the files these name.
//!
//! A part is kept while what it is made of stays the same, so that a reload that does not concern it loses nothing:
//! resting connections, leases at hand, leaves that were signed.

mod agents;
mod credentials;
mod disjoint;
mod upstream;
mod vault;

pub(crate) use credentials::Alone;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use self::credentials::Credentials;
use super::StartError;
use crate::{
    config::{self, Digest, Settings},
    credential::{
        LeaseNames,
        vault::{Vault, VaultSettings},
    },
    identity::TrustDomain,
    metrics::VaultErrors,
    tls::{self, mint::Mint},
    upstream::Upstream,
};

/// Everything that outlives a snapshot.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// Where the gate itself listens, which no call may reach.
    own: Arc<[SocketAddr]>,
    /// How many connections it takes at a time, of which each identity has its part.
    pub(super) connections_max: u32,
    names: LeaseNames,
    shown: Part<tls::Shown>,
    bundles: BTreeMap<TrustDomain, Part<tls::Bundle>>,
    /// Made of the two before.
    pub(super) agents: Part<tls::Agents>,
    pub(super) mint: Part<Mint>,
    pub(super) upstream: Part<Upstream>,
    pub(super) vault: Option<Part<Vault>>,
    pub(super) credentials: Credentials,
    vault_errors: Arc<VaultErrors>,
}

/// One part, and what it is made of.
#[derive(Debug)]
pub(super) struct Part<T> {
    made_of: Digest,
    pub(super) value: Arc<T>,
}

/// What happens to a part that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// There are no new parts at all.
    Refuses,
    /// The last good one stays in force.
    KeepsLast,
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Part<T> {
        Part {
            made_of: self.made_of,
            value: self.value.clone(),
        }
    }
}

impl<T> Part<T> {
    fn new(made_of: Digest, value: T) -> Part<T> {
        let value = Arc::new(value);
        Part { made_of, value }
    }

    /// The same part if it would be made of the same.
    fn unchanged(last: Option<&Part<T>>, made_of: Digest) -> Option<Part<T>> {
        last.filter(|last| last.made_of == made_of).cloned()
    }
}

impl Parts {
    /// The parts of a gate that starts, listening on `own` for so many connections at a time; what goes wrong with
    /// Vault is counted in `vault_errors`.
    pub(super) fn first(
        settings: &Settings,
        (own, connections_max): (Arc<[SocketAddr]>, u32),
        vault_errors: Arc<VaultErrors>,
    ) -> Result<Parts, StartError> {
        let names =
            LeaseNames::random().map_err(|error| StartError::because("random bytes", error))?;
        Making {
            settings,
            own,
            connections_max,
            names,
            vault_errors,
            last: None,
            failed: Failed::Refuses,
        }
        .all()
    }

    /// The parts that `settings` and the files that they name make now.
    ///
    /// # Errors
    /// What cannot be used, unless the last good one stands in for it. Nothing has changed then.
    pub(super) fn again(&self, settings: &Settings, failed: Failed) -> Result<Parts, StartError> {
        Making {
            settings,
            own: self.own.clone(),
            connections_max: self.connections_max,
            names: self.names.clone(),
            vault_errors: self.vault_errors.clone(),
            last: Some(self),
            failed,
        }
        .all()
    }

    /// Whether a snapshot of these parts would be the same as one of `others`.
    pub(super) fn same(&self, others: &Parts) -> bool {
        self.agents.made_of == others.agents.made_of
            && self.mint.made_of == others.mint.made_of
            && self.upstream.made_of == others.upstream.made_of
            && self.vault.as_ref().map(|vault| vault.made_of)
                == others.vault.as_ref().map(|vault| vault.made_of)
    }
}

/// One making of all parts.
struct Making<'m> {
    settings: &'m Settings,
    own: Arc<[SocketAddr]>,
    connections_max: u32,
    names: LeaseNames,
    vault_errors: Arc<VaultErrors>,
    last: Option<&'m Parts>,
    failed: Failed,
}

impl Making<'_> {
    fn all(self) -> Result<Parts, StartError> {
        let gate = &self.settings.gate;
        let shown = self.part(
            self.last.map(|last| &last.shown),
            agents::shown_made_of(&gate.certificate),
            || agents::shown(&gate.certificate),
        )?;
        let mint = self.part(self.last.map(|last| &last.mint), mint_made_of(gate), || {
            mint(gate)
        })?;
        let bundles = self.bundles(&mint)?;
        let agents = self.part(
            self.last.map(|last| &last.agents),
            agents::made_of(&shown, &bundles),
            || agents::agents(&shown, &bundles),
        )?;
        let upstream = self.part(
            self.last.map(|last| &last.upstream),
            upstream::made_of(gate, mint.made_of),
            || {
                let listens = (self.own.clone(), self.connections_max);
                upstream::made(gate, listens, mint.value.authority())
            },
        )?;
        // Last of those that can fail, since an adopted change cannot be taken back.
        let vault = match &gate.vault {
            Some(vault) => Some(self.vault(vault)?),
            None => None,
        };
        let credentials = self.credentials(vault.as_ref().map(|vault| &vault.value))?;
        Ok(Parts {
            own: self.own,
            connections_max: self.connections_max,
            names: self.names,
            shown,
            bundles,
            agents,
            mint,
            upstream,
            vault,
            credentials,
            vault_errors: self.vault_errors,
        })
    }

    /// Each trust domain by itself: a mistake in the files of one holds up no other.
    fn bundles(
        &self,
        mint: &Part<Mint>,
    ) -> Result<BTreeMap<TrustDomain, Part<tls::Bundle>>, StartError> {
        let domains = self.settings.gate.trust_domains.iter();
        let bundles = domains.map(|(domain, bundle)| {
            let part = self.part(
                self.last.and_then(|last| last.bundles.get(domain)),
                agents::bundle_made_of(bundle, mint.made_of),
                || agents::bundle(bundle, mint.value.authority()),
            )?;
            Ok((domain.clone(), part))
        });
        bundles.collect()
    }

    fn part<T>(
        &self,
        last: Option<&Part<T>>,
        made_of: Digest,
        make: impl FnOnce() -> Result<T, StartError>,
    ) -> Result<Part<T>, StartError> {
        match Part::unchanged(last, made_of) {
            Some(unchanged) => Ok(unchanged),
            None => self.or_last(last, make().map(|value| Part::new(made_of, value))),
        }
    }

    fn or_last<T>(
        &self,
        last: Option<&Part<T>>,
        made: Result<Part<T>, StartError>,
    ) -> Result<Part<T>, StartError> {
        match (made, last, self.failed) {
            (Err(error), Some(last), Failed::KeepsLast) => {
                tracing::error!(%error, "cannot be used; what was read before stays in force");
                Ok(last.clone())
            }
            (made, _, _) => made,
        }
    }

    /// A client that is there goes on with the new settings, so that the leases got through it stay good.
    fn vault(&self, settings: &config::Vault) -> Result<Part<Vault>, StartError> {
        let made_of = vault::made_of(settings);
        let last = self.last.and_then(|last| last.vault.as_ref());
        if let Some(unchanged) = Part::unchanged(last, made_of) {
            return Ok(unchanged);
        }
        let unusable = |error| StartError::because("vault", error);
        let told = vault::settings(settings).and_then(|told| {
            let ledger = vault::ledger(settings, last.map(|last| &*last.value))?;
            Ok(VaultSettings { ledger, ..told })
        });
        let made = told.and_then(|settings| match last {
            Some(last) => {
                last.value.adopt(settings).map_err(unusable)?;
                let value = last.value.clone();
                Ok(Part { made_of, value })
            }
            None => Vault::new(settings, self.vault_errors.clone())
                .map(|vault| Part::new(made_of, vault))
                .map_err(unusable),
        });
        self.or_last(last, made)
    }
}

fn unusable(error: impl std::fmt::Display) -> StartError {
    StartError::Settings(error.to_string())
}

fn mint_made_of(settings: &config::Gate) -> Digest {
    let authority = &settings.interception;
    Digest::of(
        &format!("{authority:?}"),
        [&*authority.chain, &*authority.key],
    )
}

fn mint(settings: &config::Gate) -> Result<Mint, StartError> {
    Mint::load(&settings.interception.chain, &settings.interception.key).map_err(unusable)
}
