//! All settings of one moment, ready to be used: loaded once per call, swapped whole.
//!
//! What a request needs to know of its caller is linked when the settings are loaded: role, limits, credentials
//! and exceptions stand in its [`Standing`], so that a call looks up its identity and nothing else.

mod passage;
mod wanted;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use time::{Date, OffsetDateTime};

pub(crate) use self::passage::Passage;
use crate::{
    config::Exceptions,
    credential::{Condition, Credential, vault::Vault},
    event::{Fields, Intent},
    identity::{SpiffeId, certificate::Caller},
    limit::{Admission, Bucket},
    live::{Call, What},
    metrics::RoleCounts,
    refusal::{Reason, Refusal},
    scope::{NotPermitted, Permit, Role, RuleLimit},
    target::{Host, Scheme, Target, address},
    tls::{self, mint::Mint},
    upstream::{Upstream, resolve::Pins},
};

/// The settings of one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// A hash over the settings files: what events call the snapshot.
    pub(crate) version: Arc<str>,
    /// Every identity's place.
    pub(crate) standings: HashMap<SpiffeId, Arc<Standing>>,
    /// Identities and certificate fingerprints that are let in no more.
    pub(crate) revoked: Arc<HashSet<Box<str>>>,
    /// What must be on record before it leaves.
    pub(crate) intent: Intent,
    /// Addresses fixed by the settings.
    pub(crate) pins: Pins,
    /// How many attempts each identity has, and how many connections at a time.
    pub(crate) attempts: RuleLimit,
    /// The agents' listener: what it shows and whom it lets in.
    pub(crate) agents: Arc<tls::Agents>,
    /// Makes the certificates that tunnels show.
    pub(crate) mint: Arc<Mint>,
    /// The way to the upstreams.
    pub(crate) upstream: Arc<Upstream>,
    /// Every credential there is: where roles have values of their own, one for each.
    pub(crate) credentials: Arc<[Arc<Credential>]>,
    /// Where roles act under tokens of their own, if some do.
    pub(crate) vault: Option<Arc<Vault>>,
}

/// What holds for an identity: its role, and all that the role's rules refer to.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The role.
    pub(crate) role: Arc<Role>,
    /// What events tell of it.
    pub(crate) told: Fields,
    /// Where the role's calls are counted.
    pub(crate) counts: Arc<RoleCounts>,
    /// The limit of the role.
    pub(crate) limit: Arc<Bucket>,
    /// What each rule refers to, in the order of the role's rules.
    pub(crate) rules: Vec<RuleStanding>,
    /// Every credential that the role may have: which one a call under way left with, its rule may have forgotten.
    pub(crate) catalogue: Arc<Catalogue>,
    /// The dangers that are allowed to the role.
    pub(crate) exceptions: Exceptions,
}

/// The credentials of a role, by name.
pub(crate) type Catalogue = HashMap<Arc<str>, Arc<Credential>>;

/// What a rule refers to.
#[derive(Debug, Default)]
pub(crate) struct RuleStanding {
    /// The limit of the rule for this identity.
    pub(crate) limit: Option<Arc<Bucket>>,
    /// The credential that the rule names.
    pub(crate) credential: Option<Arc<Credential>>,
    /// What events tell of the rule, from its first call on.
    pub(crate) told: OnceLock<Fields>,
}

impl Snapshot {
    /// What holds for `caller` at the moment `now`.
    ///
    /// # Errors
    /// The caller is revoked, its certificate has ended, or no role is assigned to it.
    pub(crate) fn standing(
        &self,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Result<&Arc<Standing>, Refusal> {
        if self.revoked.contains(caller.id.as_str()) || self.revoked.contains(&*caller.fingerprint)
        {
            return Err(Reason::Revoked.into());
        }
        if now > caller.not_after {
            return Err(Reason::IdentityExpired.into());
        }
        self.standings
            .get(&caller.id)
            .ok_or_else(|| Reason::IdentityUnknown.into())
    }

    /// The identity of `caller`, if a role is assigned to it. What is kept for each identity is kept for these, and once
    /// for all others together: who can have certificates of many names gains nothing by them.
    pub(crate) fn names(&self, caller: &Caller) -> Option<&SpiffeId> {
        self.standings.get_key_value(&caller.id).map(|(id, _)| id)
    }

    /// What is told of the role of `caller`, and where its calls are counted, whether it is let in or not.
    pub(crate) fn role_of(&self, caller: &Caller) -> Option<(&Fields, &Arc<RoleCounts>)> {
        let standing = self.standings.get(&caller.id)?;
        Some((&standing.told, &standing.counts))
    }

    /// How every credential stands that a rule names; where roles have values of their own, for each of them.
    pub(crate) fn credentials_at_hand(&self) -> BTreeMap<Arc<str>, Condition> {
        let rules = self.standings.values().flat_map(|standing| &standing.rules);
        let credentials = rules.filter_map(|rule| rule.credential.as_ref());
        let named: BTreeMap<_, _> = credentials
            .map(|credential| (credential.title(), credential))
            .collect();
        named
            .into_iter()
            .map(|(name, credential)| (name, credential.entry.condition()))
            .collect()
    }
}

impl Standing {
    /// What events tell of the rule by which `permit` was given.
    pub(crate) fn told(&self, permit: &Permit) -> Fields {
        let (name, written, verb) = (permit.rule_name(), permit.written(), permit.grant().verb);
        let told = || Fields::of_rule(name, written, Some(verb));
        match self.rules.get(permit.rule_number()) {
            Some(rule) => rule.told.get_or_init(told).clone(),
            None => told(),
        }
    }

    /// Lets `permit` through the limits of its rule and its role.
    pub(crate) fn admit(&self, permit: Permit) -> Result<Admission, Refusal> {
        let of_rule = self
            .rules
            .get(permit.rule_number())
            .and_then(|rule| rule.limit.as_ref());
        Admission::admit(permit, of_rule, &self.limit)
    }

    /// The credential that the rule of `admission` names; none only where the rule says so.
    pub(crate) fn credential(
        &self,
        admission: &Admission,
    ) -> Result<Option<&Arc<Credential>>, Refusal> {
        let permit = admission.permit();
        let linked = self
            .rules
            .get(permit.rule_number())
            .and_then(|rule| rule.credential.as_ref());
        match (&permit.grant().credential, linked) {
            (None, _) => Ok(None),
            (Some(_), Some(credential)) => Ok(Some(credential)),
            (Some(_), None) => Err(Refusal::because(
                Reason::CredentialForbidden,
                "the rule's credential is not linked",
            )),
        }
    }

    /// The passage of a tunnel to `host` that nobody looks into, if an exception allows one.
    ///
    /// # Errors
    /// An exception does, but the role is past its review date.
    pub(crate) fn passage(
        &self,
        host: &Host,
        port: u16,
        today: Date,
    ) -> Result<Option<Passage>, Refusal> {
        let exception = self.exceptions.tunnel(&self.role, (host, port), today)?;
        Ok(exception.map(Passage::by))
    }

    /// Lets `passage` through the limit of its role.
    pub(crate) fn admit_passage(&self, passage: Passage) -> Result<Admission<Passage>, Refusal> {
        Admission::admit(passage, None, &self.limit)
    }

    /// Whether what is under way may go on, by these settings and on this day.
    pub(crate) fn still_allows(&self, call: &Call, today: Date) -> Result<(), Refusal> {
        let (host, port) = match &call.what {
            What::Request { target, credential } => {
                self.still_allows_request(target, credential.as_deref(), today)?;
                (target.host(), target.port())
            }
            What::Tunnel(host, port) => {
                if self.passage(host, *port, today)?.is_none() {
                    return Err(Refusal::because(
                        Reason::NoRule,
                        "no exception opens the tunnel any more",
                    ));
                }
                (host, *port)
            }
        };
        let excepted = |ip| self.exceptions.open(host, port, ip, today);
        let mut addresses = call.route.addresses();
        if addresses.any(|address| address::closed(address.ip(), excepted).is_some()) {
            return Err(Refusal::because(
                Reason::AddressForbidden,
                "no exception opens the address any more",
            ));
        }
        Ok(())
    }

    fn still_allows_request(
        &self,
        target: &Target,
        credential: Option<&str>,
        today: Date,
    ) -> Result<(), Refusal> {
        self.role
            .verdict(target, today)
            .map(|_allowed| ())
            .map_err(|denial| NotPermitted::from(denial).refusal)?;
        if let Some(name) = credential {
            let listed = self.catalogue.get(name).ok_or_else(|| {
                let cause = "the credential that the call left with is in the catalogue no more";
                Refusal::because(Reason::CredentialForbidden, cause)
            })?;
            listed.binding.check(&self.role.name, target)?;
        }
        let clear = target.scheme() == Scheme::Http;
        if clear
            && !self
                .exceptions
                .make_cleartext(target.host(), target.port(), today)
        {
            return Err(Refusal::because(
                Reason::NoRule,
                "the host may not be spoken to in clear any more",
            ));
        }
        Ok(())
    }

    /// Whether some rule names the host of a tunnel. In clear, 80 stands for 443.
    pub(crate) fn names_tunnel(&self, host: &Host, port: u16) -> bool {
        self.role.names_host(host, port) || (port == 80 && self.role.names_host(host, 443))
    }
}
