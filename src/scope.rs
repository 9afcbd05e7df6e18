//! A role's rules decide; a [`Permit`] is the proof that one of them allows this very call.
//!
//! Pure: the same role, the same call, the same day give the same verdict; nothing is resolved, fetched or
//! counted here. Reading manifests is `config`'s.

pub mod host;
pub mod nearest;
pub mod path;
mod permit;

use std::{collections::HashMap, fmt, sync::Arc};

use http::HeaderName;
use time::Date;

pub use self::{
    host::{HostPattern, NamePattern},
    path::PathPattern,
    permit::{NotPermitted, Permit},
};
use crate::{
    identity::SpiffeId,
    target::{Methods, Query, Target, address},
};

/// A role as used: who it is for, who answers for it, and what its rules allow.
#[derive(Debug)]
pub struct Role {
    /// The name, that of its file.
    pub name: Arc<str>,
    /// What the role is for.
    pub purpose: Arc<str>,
    /// Who answers for it technically.
    pub owner: Arc<str>,
    /// Who wants it.
    pub sponsor: Arc<str>,
    /// The last day on which the role is in force.
    pub review_by: Date,
    /// Who may act in it; no identity stands in two roles.
    pub identities: Vec<SpiffeId>,
    /// How often, for all its identities together.
    pub limit: Rate,
    rules: Vec<Rule>,
    by_host: HostIndex,
}

/// One entry of a manifest.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name, unique in its role.
    pub name: Arc<str>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The hosts and ports that it names.
    pub hosts: Vec<HostPattern>,
    /// The methods that it names.
    pub methods: Methods,
    /// The paths that it names.
    pub paths: Vec<PathPattern>,
    /// Whether `%2F` may stand in a segment.
    pub encoded_slash: bool,
    /// Where it is written.
    pub written: Written,
}

/// What a matching rule does.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The call may be made.
    Allow(Grant),
    /// The call may not be made, whatever other rules say.
    Deny,
}

/// What an allow rule grants with its yes.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What kind of act this is for governance and the log.
    pub verb: Verb,
    /// The catalogue name of the credential, or none by an explicit word of the manifest.
    pub credential: Option<Arc<str>>,
    /// Whether cookies cross, the agent's on the way up and the upstream's on the way back.
    pub cookies: bool,
    /// The only headers that cross, beside those that HTTP itself needs; all that may if absent.
    pub headers: Option<Arc<[HeaderName]>>,
    /// The only query names that it takes, decoded; all but a credential's if absent.
    pub query: Option<Arc<[Box<str>]>>,
    /// How often, for each identity.
    pub limit: Option<RuleLimit>,
}

impl Grant {
    /// Checks that it takes the names of `query`.
    fn check_query(&self, query: Option<&Query>) -> Result<(), Spoiled> {
        match (query, &self.query) {
            (Some(query), Some(listed)) if query.other_than(listed).is_some() => {
                Err(Spoiled::QueryName)
            }
            (Some(query), None) if query.carries_credential() => Err(Spoiled::QueryCredential),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

/// What kind of act a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Looks, changes nothing.
    Read,
    /// Changes something.
    Write,
    /// Makes something happen.
    Execute,
}

impl Verb {
    /// The word of manifests and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Execute => "execute",
        }
    }
}

/// So many calls in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Calls, at least 1.
    pub calls: u32,
    /// In this time.
    pub per: std::time::Duration,
}

impl fmt::Display for Rate {
    /// As a manifest writes it: `600/min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.calls),
            60 => write!(f, "{}/min", self.calls),
            3600 => write!(f, "{}/h", self.calls),
            _ => write!(f, "{} in {:?}", self.calls, self.per),
        }
    }
}

/// The limit of a rule, for each identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleLimit {
    /// How often.
    pub rate: Option<Rate>,
    /// How many at once above the steady rate; the rate's own number of calls if absent.
    pub burst: Option<u32>,
    /// How many in flight at a time.
    pub in_flight: Option<u32>,
}

/// Where a rule is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file as the settings name it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// Rules by the hosts they name, in file order: the cost of a decision does not grow with rules of other hosts.
#[derive(Debug, Default)]
struct HostIndex {
    exact: HashMap<Box<str>, Vec<usize>>,
    one_label: HashMap<Box<str>, Vec<usize>>,
}

/// The rule that allows a call.
#[derive(Debug, Clone, Copy)]
#[must_use = "a yes is for one call"]
pub struct Allowed<'r> {
    /// Its place among the rules of the role, from 0.
    pub number: usize,
    /// The rule.
    pub rule: &'r Rule,
    /// What it grants.
    pub grant: &'r Grant,
}

/// Why a role does not allow a call.
#[derive(Debug, Clone, Copy)]
#[must_use = "a denial must become a refusal"]
pub enum Denial<'r> {
    /// The role is past its review date.
    ReviewOverdue,
    /// This rule denies it.
    DeniedByRule(&'r Rule),
    /// No rule names it.
    NoRule,
    /// No rule names it, and its host is an address that no rule should.
    AddressForbidden(address::Class),
    /// A rule would name it, were it not for this.
    Spoiled(Spoiled),
}

/// What keeps a rule from a call that it names but for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoiled {
    /// An encoded slash.
    EncodedSlash,
    /// A query name that it does not list.
    QueryName,
    /// A query name that carries a credential, and it lists none.
    QueryCredential,
}

impl Role {
    /// A role whose rules are ready to decide.
    pub fn with_rules(self, rules: Vec<Rule>) -> Role {
        let by_host = HostIndex::of(&rules);
        Role {
            rules,
            by_host,
            ..self
        }
    }

    /// A role without rules: it allows nothing.
    pub fn new(name: Arc<str>, review_by: Date, limit: Rate) -> Role {
        let empty: Arc<str> = "".into();
        Role {
            name,
            purpose: empty.clone(),
            owner: empty.clone(),
            sponsor: empty,
            review_by,
            identities: Vec::new(),
            limit,
            rules: Vec::new(),
            by_host: HostIndex::default(),
        }
    }

    /// The rules in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether its review date is past on the day `today`: then it allows nothing.
    pub fn is_overdue(&self, today: Date) -> bool {
        today > self.review_by
    }

    /// Whether a tunnel to `port` may be asked for: some rule names it. In clear, 80 stands for 443.
    pub fn may_tunnel(&self, port: u16) -> bool {
        self.names_port(port) || (port == 80 && self.names_port(443))
    }

    fn names_port(&self, port: u16) -> bool {
        self.rules
            .iter()
            .flat_map(|rule| &rule.hosts)
            .any(|host| host.port == port)
    }

    /// Whether any rule names this host and port.
    pub fn names_host(&self, host: &crate::target::Host, port: u16) -> bool {
        self.by_host.naming(host.as_str()).any(|n| {
            self.rules
                .get(n)
                .is_some_and(|rule| rule.hosts.iter().any(|p| p.matches(host, port)))
        })
    }

    /// Decides about `target` on the day `today`.
    ///
    /// Deny rules win; else the first matching allow rule in file order. Does not allocate.
    pub fn verdict(&self, target: &Target, today: Date) -> Result<Allowed<'_>, Denial<'_>> {
        if self.is_overdue(today) {
            return Err(Denial::ReviewOverdue);
        }
        let mut allowed: Option<Allowed<'_>> = None;
        let mut spoiled: Option<(usize, Spoiled)> = None;
        for number in self.by_host.naming(target.host().as_str()) {
            let Some(rule) = self.rules.get(number) else {
                continue;
            };
            match (rule.names(target), &rule.effect) {
                (Match::Yes, Effect::Deny) => return Err(Denial::DeniedByRule(rule)),
                (Match::Yes, Effect::Allow(grant)) => {
                    if allowed.as_ref().is_none_or(|first| number < first.number) {
                        allowed = Some(Allowed {
                            number,
                            rule,
                            grant,
                        });
                    }
                }
                (Match::But(what), _) => {
                    if spoiled.is_none_or(|(first, _)| number < first) {
                        spoiled = Some((number, what));
                    }
                }
                (Match::No, _) => {}
            }
        }
        allowed.ok_or_else(|| absence(target, spoiled.map(|(_, what)| what)))
    }
}

/// Why no rule allows `target`; `spoiled` is what keeps the first from it that would.
fn absence(target: &Target, spoiled: Option<Spoiled>) -> Denial<'static> {
    let carries = target.query().is_some_and(Query::carries_credential);
    match (target.host().ip().and_then(address::forbidden), spoiled) {
        (Some(class), _) => Denial::AddressForbidden(class),
        (None, Some(what)) => Denial::Spoiled(what),
        // Whatever else is wrong with the call, the credential is out of its place.
        (None, None) if carries => Denial::Spoiled(Spoiled::QueryCredential),
        (None, None) => Denial::NoRule,
    }
}

/// Whether a rule names a target.
enum Match {
    Yes,
    No,
    But(Spoiled),
}

impl Rule {
    fn names(&self, target: &Target) -> Match {
        let place = self
            .hosts
            .iter()
            .any(|pattern| pattern.matches(target.host(), target.port()));
        if !place || !self.methods.contains(target.method()) {
            return Match::No;
        }
        let path = target.path();
        match self.effect {
            Effect::Deny if self.paths.iter().any(|pattern| pattern.denies(path)) => Match::Yes,
            Effect::Allow(ref grant) if self.paths.iter().any(|pattern| pattern.allows(path)) => {
                if path.has_encoded_slash() && !self.encoded_slash {
                    return Match::But(Spoiled::EncodedSlash);
                }
                match grant.check_query(target.query()) {
                    Ok(()) => Match::Yes,
                    Err(what) => Match::But(what),
                }
            }
            Effect::Deny | Effect::Allow(_) => Match::No,
        }
    }
}

impl HostIndex {
    fn of(rules: &[Rule]) -> HostIndex {
        let mut index = HostIndex::default();
        for (n, pattern) in rules
            .iter()
            .enumerate()
            .flat_map(|(n, rule)| rule.hosts.iter().map(move |p| (n, p)))
        {
            let (map, key) = match &pattern.name {
                NamePattern::Exact(host) => (&mut index.exact, host.as_str()),
                NamePattern::OneLabel(suffix) => (&mut index.one_label, &**suffix),
            };
            let numbers = map.entry(key.into()).or_default();
            if numbers.last() != Some(&n) {
                numbers.push(n);
            }
        }
        index
    }

    /// The numbers of the rules that name `host` on any port; a number may come twice.
    fn naming(&self, host: &str) -> impl Iterator<Item = usize> {
        let wider = host::parent(host).and_then(|parent| self.one_label.get(parent));
        self.exact
            .get(host)
            .into_iter()
            .chain(wider)
            .flatten()
            .copied()
    }
}

#[cfg(test)]
mod respelled;
