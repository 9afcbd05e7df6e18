//! What the gate would say to a call, and why, from the settings alone.
//!
//! Provides [`Explanation`]: the steps of `proxy` that need nothing but settings, taken by the same functions in the
//! same order. It deliberately resolves no name, opens no file and makes no connection: whether a name has an address
//! that may be reached, a store its value, and a limit room left is known only when the call is made.

mod page;
mod record;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use time::Date;

use crate::{
    config::{Admin, Credential, Exception, Exceptions, Settings, distance},
    identity::{SpiffeId, certificate::SvidFault},
    refusal::{Reason, Refusal},
    scope::{Denial, Effect, Grant, NotPermitted, Role, Rule, nearest::Nearest},
    session::tunnel,
    target::{
        Host, Target,
        asked::{self, Ingress},
        spelled::{Form, Spelled},
    },
    upstream::resolve::{self, Own},
};

/// How many identities are named in place of one that is not known.
const NEAR_IDENTITIES_MAX: usize = 3;

/// Who would call, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The identity.
    pub(crate) caller: SpiffeId,
    /// Method and URL.
    pub(crate) spelled: Spelled,
}

/// The answer to a call on a day, and everything that led to it.
#[derive(Debug)]
pub(crate) struct Explanation<'s> {
    settings: &'s Settings,
    call: &'s Call,
    on: Date,
    role: Option<&'s Arc<Role>>,
    target: Option<Target>,
    rule: Option<&'s Rule>,
    exceptions: Vec<Exception>,
    /// The exception that opens a tunnel which nobody looks into: then no rule decides.
    passage: Option<Exception>,
    refusal: Option<Refusal>,
}

/// Where a call goes: read as a request, or through a tunnel that nobody looks into.
enum Way {
    Request(Target),
    Passage(Exception),
}

impl<'s> Explanation<'s> {
    /// What the gate would answer to `call` on the day `on`.
    pub(crate) fn of(settings: &'s Settings, call: &'s Call, on: Date) -> Explanation<'s> {
        let mut explanation = Explanation {
            settings,
            call,
            on,
            role: None,
            target: None,
            rule: None,
            exceptions: Vec::new(),
            passage: None,
            refusal: None,
        };
        explanation.refusal = explanation.pass().err();
        explanation
    }

    /// The reason of the no; none if the call is allowed.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.refusal.as_ref().map(|refusal| refusal.reason)
    }

    /// The role in which the caller acts.
    pub(crate) fn role(&self) -> Option<&'s Arc<Role>> {
        self.role
    }

    /// The rule that decided.
    pub(crate) fn rule(&self) -> Option<&'s Rule> {
        self.rule
    }

    /// The credential that the call is made with.
    pub(crate) fn credential(&self) -> Option<&'s Credential> {
        let decided = matches!(self.reason(), None | Some(Reason::CredentialForbidden));
        let name = self.grant().filter(|_| decided)?.credential.as_ref()?;
        self.settings.credentials.get(name).map(|linked| &**linked)
    }

    /// The steps, in the order of `proxy::pass`; what is found on the way is kept.
    fn pass(&mut self) -> Result<(), Refusal> {
        // who
        let role = self.standing()?;
        self.role = Some(role);

        // where
        let exceptions = self.settings.exceptions_of(role);
        let on = self.on;
        let target = match self.read(role, &exceptions)? {
            Way::Request(target) => target,
            Way::Passage(exception) => {
                let (host, port) = (exception.host.clone(), exception.port);
                self.passage = Some(exception);
                return self.reach(&host, port, &exceptions);
            }
        };
        self.target = Some(target.clone());
        let (host, port) = (target.host(), target.port());
        self.exceptions = exceptions.in_force(host, port, on).cloned().collect();

        // may they
        let allowed = match role.verdict(&target, on) {
            Ok(allowed) => allowed,
            Err(denial) => {
                if let Denial::DeniedByRule(rule) = denial {
                    self.rule = Some(rule);
                }
                return Err(NotPermitted::from(denial).refusal);
            }
        };
        self.rule = Some(allowed.rule);

        // which address
        self.reach(host, port, &exceptions)?;

        // with what
        let Some(name) = &allowed.grant.credential else {
            return Ok(());
        };
        let credential = self.credential_named(name)?;
        credential.placement.check_free(&target)?;
        credential.binding.check(&role.name, &target)
    }

    /// The handshake's word on the trust domain, then that of the revoked list and the manifests.
    fn standing(&self) -> Result<&'s Arc<Role>, Refusal> {
        let caller = &self.call.caller;
        let domains = &self.settings.gate.trust_domains;
        if !domains.contains_key(caller.trust_domain()) {
            let cause = SvidFault::TrustDomain.to_string();
            return Err(Refusal::because(Reason::CertificateInvalid, cause));
        }
        if self.settings.revoked.entries.contains(caller.as_str()) {
            return Err(Reason::Revoked.into());
        }
        let role = self.settings.role_of.get(caller);
        role.ok_or_else(|| Reason::IdentityUnknown.into())
    }

    /// Where the call goes; a tunnel is granted first, and its request is read all the same if it is not.
    fn read(&mut self, role: &Role, exceptions: &Exceptions) -> Result<Way, Refusal> {
        let on = self.on;
        let cleartext = |host: &Host, port| exceptions.make_cleartext(host, port, on);
        let (connect, inside) = match self.call.spelled.form()? {
            Form::Open(parts) => {
                return asked::target(&parts, &Ingress::Open, cleartext).map(Way::Request);
            }
            Form::Tunnel { connect, inside } => (connect, inside),
        };
        let (host, port) = tunnel::authority(&connect)?;
        if let Some(exception) = exceptions.tunnel(role, (&host, port), on)? {
            return Ok(Way::Passage(exception.clone()));
        }
        let ingress = Ingress::Tunnel {
            host,
            port,
            clear: false,
        };
        let target = asked::target(&inside, &ingress, cleartext);
        if !role.may_tunnel(port) {
            self.target = target.ok();
            return Err(Reason::PortForbidden.into());
        }
        target.map(Way::Request)
    }

    /// Judges the addresses of `host` as far as the settings know them.
    fn reach(&self, host: &Host, port: u16, exceptions: &Exceptions) -> Result<(), Refusal> {
        let gate = &self.settings.gate;
        let admin = match gate.admin {
            Some(Admin::Tcp(address)) => Some(address),
            Some(Admin::Unix(_)) | None => None,
        };
        let listeners: Vec<SocketAddr> = [gate.listen].into_iter().chain(admin).collect();
        let excepted = |ip| exceptions.open(host, port, ip, self.on);
        // Whether an address is one of this machine's is not asked: that would open a socket.
        let own = Own(&listeners, &|_| false);
        for server in gate.vault.iter().flat_map(|vault| vault.places()) {
            server.is_not(host, port)?;
        }
        for ip in self.addresses(host) {
            resolve::check(SocketAddr::new(ip, port), own, excepted)?;
        }
        Ok(())
    }

    /// The addresses of `host` that are known without asking a name server.
    fn addresses(&self, host: &Host) -> Vec<IpAddr> {
        match (host.ip(), self.settings.gate.upstream.pins.get(host)) {
            (_, Some(pinned)) => pinned.clone(),
            (Some(ip), None) => vec![ip],
            (None, None) => Vec::new(),
        }
    }

    fn credential_named(&self, name: &str) -> Result<&'s Credential, Refusal> {
        let linked = self.settings.credentials.get(name);
        linked.map(|credential| &**credential).ok_or_else(|| {
            Refusal::because(
                Reason::CredentialForbidden,
                "the rule's credential is not linked",
            )
        })
    }

    fn grant(&self) -> Option<&'s Grant> {
        match &self.rule?.effect {
            Effect::Allow(grant) => Some(grant),
            Effect::Deny => None,
        }
    }

    /// The rule nearest to a call that no rule decided.
    fn nearest(&self) -> Option<Nearest<'_>> {
        let decided = self.rule.is_some() || self.reason() == Some(Reason::ReviewOverdue);
        let (role, target) = (self.role?, self.target.as_ref()?);
        role.nearest(target).filter(|_| !decided)
    }

    /// The known identities nearest to one that no role names.
    fn near_identities(&self) -> Vec<&'s SpiffeId> {
        let unknown = [Reason::IdentityUnknown, Reason::CertificateInvalid];
        if !self
            .reason()
            .is_some_and(|reason| unknown.contains(&reason))
        {
            return Vec::new();
        }
        let asked = self.call.caller.as_str();
        let known = self.settings.role_of.keys();
        let mut near: Vec<(usize, &SpiffeId)> = known
            .map(|id| (distance(asked, id.as_str()), id))
            .filter(|(distance, _)| *distance <= asked.len() / 3)
            .collect();
        near.sort();
        let near = near.into_iter().map(|(_, id)| id);
        near.take(NEAR_IDENTITIES_MAX).collect()
    }

    /// The URL as it is written, without its query, which may hold a secret.
    fn written_url(&self) -> &'s str {
        let url = &self.call.spelled.url;
        url.split(['?', '#']).next().unwrap_or(url)
    }

    /// Whether an allowed call is on record before it leaves.
    fn announced(&self) -> Option<bool> {
        let intent = self.settings.gate.events.intent;
        let opaque = self.passage.is_some().then_some(true);
        let of_rule = self.grant().map(|grant| intent.covers(Some(grant.verb)));
        opaque.or(of_rule)
    }
}

#[cfg(test)]
mod tests;
