//! All settings of one moment, ready to be used: loaded once per call, swapped whole.
//!
//! What a request needs to know of its caller is linked when the settings are loaded: role, limits, credentials
//! and exceptions stand in its [`Standing`], so that a call looks up its identity and nothing else.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use time::OffsetDateTime;

use crate::{
    credential::Credential,
    event::Intent,
    identity::{SpiffeId, certificate::Caller},
    limit::{Admission, Bucket},
    refusal::{Reason, Refusal},
    scope::{Permit, Role},
    target::Host,
    tls::mint::Mint,
    upstream::resolve::{AddressException, Pins},
};

/// The settings of one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// A hash over the settings files: what events call the snapshot.
    pub(crate) version: Arc<str>,
    /// Every identity's place.
    pub(crate) standings: HashMap<SpiffeId, Arc<Standing>>,
    /// Identities and certificate fingerprints that are let in no more.
    pub(crate) revoked: HashSet<Box<str>>,
    /// What must be on record before it leaves.
    pub(crate) intent: Intent,
    /// Addresses fixed by the settings.
    pub(crate) pins: Pins,
    /// Makes the certificates that tunnels show.
    pub(crate) mint: Arc<Mint>,
}

/// What holds for an identity: its role, and all that the role's rules refer to.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The role.
    pub(crate) role: Arc<Role>,
    /// The limit of the role.
    pub(crate) limit: Arc<Bucket>,
    /// What each rule refers to, in the order of the role's rules.
    pub(crate) rules: Vec<RuleStanding>,
    /// Places that may be spoken to without TLS.
    pub(crate) cleartext: Vec<(Host, u16)>,
    /// Internal addresses that may be reached.
    pub(crate) addresses: Vec<AddressException>,
}

/// What a rule refers to.
#[derive(Debug, Default)]
pub(crate) struct RuleStanding {
    /// The limit of the rule for this identity.
    pub(crate) limit: Option<Arc<Bucket>>,
    /// The credential that the rule names.
    pub(crate) credential: Option<Arc<Credential>>,
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
}

impl Standing {
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

    /// Whether a tunnel to `port` may be asked for: some rule names it. In clear, 80 stands for 443.
    pub(crate) fn may_tunnel(&self, port: u16) -> bool {
        let port = if port == 80 { 443 } else { port };
        self.role.names_port(port) || self.cleartext.iter().any(|(_, clear)| *clear == port)
    }
}
