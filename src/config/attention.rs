//! What is worth a look in settings that load: what is past its date, and what cannot have been meant.
//!
//! Provides the warnings of `check` and of a reload. None of them changes what the gate does: a role past its
//! review date is refused when it is used, and an exception past its end is not in force, warning or not.

mod breadth;
mod endpoints;
mod minting;

use std::collections::HashSet;

use time::{Date, Duration};

use super::{
    agreement::Files,
    exception::{self, Danger, Exception},
    host,
    mistake::{Place, Wrong, quoted},
    roles,
    rule::Reach,
};
use crate::scope::{Effect, HostPattern, PathPattern, Role, Rule};

/// How long before its review a role is warned of.
const REVIEW_SOON: Duration = Duration::days(30);

/// Rules of a role that are held against each other: the cost grows with the square of their number.
const COMPARED_RULES_MAX: usize = 1_000;

impl Files<'_> {
    /// Notes everything that is worth a look on the day `today`.
    pub(super) fn remark(&self, today: Date) {
        self.remark_on_dates(today);
        self.remark_on_unused_credentials();
        self.remark_on_idle_exceptions();
        self.remark_on_breadth();
        for manifest in self.manifests() {
            self.remark_on_hidden_rules(manifest);
            self.remark_on_minting(manifest);
            self.remark_on_endpoints(manifest);
            for reach in &manifest.reaches {
                self.remark_on_addresses(&manifest.name, reach);
                self.remark_on_cleartext(&manifest.name, reach);
            }
        }
    }

    fn remark_on_dates(&self, today: Date) {
        for (day, at) in self
            .manifests()
            .filter_map(|manifest| manifest.review_by.as_ref())
        {
            if *day < today {
                let what =
                    format!("this role was to be reviewed by {day}: all its calls are refused");
                self.warning(
                    at,
                    what,
                    "its owner and sponsor review it and move the date",
                );
            } else if *day - today <= REVIEW_SOON {
                let what = format!(
                    "this role is to be reviewed by {day}: after that day all its calls are refused"
                );
                self.warning(
                    at,
                    what,
                    "its owner and sponsor review it and move the date",
                );
            }
        }
        for (day, at) in self
            .credentials()
            .filter_map(|entry| entry.rotate_by.as_ref())
        {
            if *day < today {
                let what = format!("this credential was to be replaced by {day}");
                self.warning(at, what, "replace the value and move the date");
            }
        }
        for exception::Written {
            exception,
            until_at,
            ..
        } in &self.gate.exceptions
        {
            if !exception.in_force(today) {
                let what = format!(
                    "this exception ended on {} and is not in force",
                    exception.until
                );
                self.warning(
                    until_at,
                    what,
                    "take it away, or decide anew and move the date",
                );
            }
        }
    }

    /// Says nothing unless every manifest could be read: one that could not may name the credential.
    fn remark_on_unused_credentials(&self) {
        if self.roles.is_none() || self.manifests().any(|manifest| manifest.role.is_none()) {
            return;
        }
        let reaches = self.manifests().flat_map(|manifest| &manifest.reaches);
        let named = reaches.filter_map(|reach| reach.credential.as_ref());
        let used: HashSet<&str> = named.map(|(credential, _)| &**credential).collect();
        for entry in self
            .credentials()
            .filter(|entry| !used.contains(&*entry.name))
        {
            let what = format!("no rule names the credential {}", quoted(&entry.name));
            self.warning(&entry.at, what, "take it away if nobody needs it");
        }
    }

    fn remark_on_idle_exceptions(&self) {
        for exception::Written {
            exception, role_at, ..
        } in &self.gate.exceptions
        {
            let Exception {
                role, host, port, ..
            } = exception;
            let mut roles = self.manifests().filter(|manifest| manifest.name == *role);
            let Some(read) = roles.find_map(|manifest| manifest.role.as_ref()) else {
                continue;
            };
            let tunnels = self
                .exceptions()
                .any(|other| other.tunnels_where(exception));
            match (read.names_host(host, *port), tunnels) {
                (false, false) => {
                    let what = format!("no rule of the role {} names {host}:{port}", quoted(role));
                    self.warning(role_at, what, "this exception opens nothing");
                }
                (true, true) if exception.danger == Danger::Tunnel => {
                    let what = format!("rules of the role {} name {host}:{port}", quoted(role));
                    let instead =
                        "a tunnel there is not looked into, and they hold for other calls only";
                    self.warning(role_at, what, instead);
                }
                (true, _) | (false, true) => {}
            }
        }
    }

    /// A rule that can never match, because one other rule decides all its calls.
    fn remark_on_hidden_rules(&self, manifest: &roles::Written) {
        let rules = manifest.role.as_ref().map(Role::rules).unwrap_or_default();
        if rules.len() > COMPARED_RULES_MAX {
            return;
        }
        for ((n, rule), at) in rules.iter().enumerate().zip(&manifest.rule_places) {
            let (before, after) = rules.split_at(n);
            let denying = after
                .iter()
                .filter(|rule| matches!(rule.effect, Effect::Deny));
            if let Some(other) = before
                .iter()
                .chain(denying)
                .find(|other| hides(other, rule))
            {
                let (name, other) = (quoted(&rule.name), quoted(&other.name));
                let what =
                    format!("the rule {name} can never match: {other} decides all its calls");
                self.warning(at, what, "take it away, or narrow the other one");
            }
        }
    }

    /// A rule for an address that no agent may reach, without an exception that opens it.
    fn remark_on_addresses(&self, role: &str, reach: &Reach) {
        for (host, at) in &reach.hosts {
            let opens = |exception: &Exception| exception.opens_address(role, host);
            if let Some(class) = host::forbidden(host)
                && !self.exceptions().any(opens)
            {
                let what = format!("{host} is an address that no agent may reach ({class})");
                self.warning(
                    at,
                    what,
                    "its calls are refused unless tollgate.yaml has an exception",
                );
            }
        }
    }

    /// A rule that would send a credential without TLS.
    fn remark_on_cleartext(&self, role: &str, reach: &Reach) {
        let Some((credential, at)) = &reach.credential else {
            return;
        };
        let concerns = |exception: &Exception| {
            let named = |host: &_| exception.concerns(role, host);
            exception.danger == Danger::Cleartext && reach.hosts.iter().any(|(host, _)| named(host))
        };
        if self.exceptions().any(concerns) {
            let what = format!("{} never travels without TLS", quoted(credential));
            let instead =
                "an exception makes a host of this rule cleartext; its calls there are refused";
            self.warning(at, what, instead);
        }
    }

    fn exceptions(&self) -> impl Iterator<Item = &Exception> {
        self.gate
            .exceptions
            .iter()
            .map(|written| &written.exception)
    }

    fn warning(&self, at: &Place, what: impl Into<String>, instead: impl Into<String>) {
        self.findings.warning(at, Wrong::new(what, instead));
    }
}

/// Whether the rule `hidden` allows no call that `rule`, met first, does not decide.
fn hides(rule: &Rule, hidden: &Rule) -> bool {
    let covers_path = |path: &PathPattern| match rule.effect {
        Effect::Deny => rule.paths.iter().any(|own| own.denies_all_of(path)),
        Effect::Allow(_) => rule.paths.iter().any(|own| own.covers(path)),
    };
    let takes_slashes = match rule.effect {
        Effect::Deny => true,
        Effect::Allow(_) => rule.encoded_slash || !hidden.encoded_slash,
    };
    matches!(hidden.effect, Effect::Allow(_))
        && takes_queries(rule, hidden)
        && !(hidden.hosts.is_empty() || hidden.methods.is_empty() || hidden.paths.is_empty())
        && takes_slashes
        && rule.methods.contains_all(hidden.methods)
        && covers_hosts(rule, hidden)
        && hidden.paths.iter().all(covers_path)
}

/// Whether `rule` decides calls whatever names their query has, as far as `hidden` would allow them.
fn takes_queries(rule: &Rule, hidden: &Rule) -> bool {
    let listed = |rule: &Rule| match &rule.effect {
        Effect::Allow(grant) => grant.query.clone(),
        Effect::Deny => None,
    };
    match (&rule.effect, listed(rule), listed(hidden)) {
        (Effect::Deny, ..) | (Effect::Allow(_), None, None) => true,
        (Effect::Allow(_), Some(own), Some(others)) => others.iter().all(|name| own.contains(name)),
        // A list may have what no rule without one takes.
        (Effect::Allow(_), None, Some(_)) | (Effect::Allow(_), Some(_), None) => false,
    }
}

/// Whether `rule` names every host that `other` does.
fn covers_hosts(rule: &Rule, other: &Rule) -> bool {
    let covered = |host: &HostPattern| rule.hosts.iter().any(|own| own.covers(host));
    other.hosts.iter().all(covered)
}
