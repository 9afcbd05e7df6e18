//! What is wider than it can have been meant: a warning each for a reviewer, and none for what is only wide.
//!
//! A wildcard under a platform's name is anybody's. A rule for every path of a host is as wide as its credential, or
//! as wide as its verb. A read that may POST is a read only on paths whose POST changes nothing. A binding that no
//! rule uses is a way for the next rule that nobody looks at. One credential for reads and writes is not warned of:
//! most services give out one, and the rules bound it.

use super::super::{
    agreement::Files,
    catalogue, host,
    mistake::{Place, quoted},
    roles,
    rule::Reach,
};
use crate::{
    scope::{Effect, Grant, NamePattern, PathPattern, Role, Rule, Verb},
    target::Method,
};

impl Files<'_> {
    /// Notes what is wider than it can have been meant.
    pub(super) fn remark_on_breadth(&self) {
        for manifest in self.manifests() {
            for reach in &manifest.reaches {
                self.remark_on_platforms(reach);
            }
            let rules = manifest.role.as_ref().map(Role::rules).unwrap_or_default();
            for (rule, at) in rules.iter().zip(&manifest.rule_places) {
                self.remark_on_paths(rule, at);
            }
        }
        if self.every_manifest_is_read() {
            for entry in self.credentials() {
                self.remark_on_unused_bindings(entry);
            }
        }
    }

    /// A wildcard directly under a name under which a platform gives out names to anybody.
    fn remark_on_platforms(&self, reach: &Reach) {
        for (host, at) in &reach.hosts {
            if let NamePattern::OneLabel(suffix) = &host.name
                && host::is_platform(suffix)
            {
                let what = format!("{host} names hosts of anybody: {suffix} gives out names");
                self.warning(at, what, "write the hosts that are meant");
            }
        }
    }

    fn remark_on_paths(&self, rule: &Rule, at: &Place) {
        let Effect::Allow(grant) = &rule.effect else {
            return;
        };
        let name = quoted(&rule.name);
        if rule.paths.iter().any(PathPattern::names_every_path) {
            if let Some(how) = beyond_a_plain_read(rule, grant) {
                let what = format!("the rule {name} is for every path of its hosts, {how}");
                self.warning(at, what, "name the paths that the role needs");
            }
        } else if let Some(path) = rule.paths.iter().find(|path| path.is_open())
            && posts_as_read(rule, grant)
        {
            let what = format!("the rule {name} calls every POST to {path} a read");
            self.warning(at, what, "name the paths whose POST changes nothing");
        }
    }

    /// Roles and hosts of a credential that some rule uses, but not there.
    fn remark_on_unused_bindings(&self, entry: &catalogue::Written) {
        let used: Vec<(&str, Vec<&Reach>)> = self
            .manifests()
            .map(|manifest| (&*manifest.name, uses(manifest, &entry.name)))
            .filter(|(_, uses)| !uses.is_empty())
            .collect();
        if used.is_empty() {
            return;
        }
        let name = quoted(&entry.name);
        for (role, at) in entry.roles.iter().flatten() {
            let known = self.manifests().any(|manifest| manifest.name == *role);
            if known && !used.iter().any(|(user, _)| *user == &**role) {
                let what = format!("no rule of the role {} uses {name}", quoted(role));
                self.warning(
                    at,
                    what,
                    "take the role away, or name the credential in a rule",
                );
            }
        }
        for bound in entry.hosts.iter().flatten() {
            let mut reached = used
                .iter()
                .flat_map(|(_, uses)| uses)
                .flat_map(|reach| &reach.hosts);
            if !reached.any(|(host, _)| bound.covers(host)) {
                let what = format!("no rule uses the credential {name} at {bound}");
                self.warning(&entry.at, what, "take the host away if nobody needs it");
            }
        }
    }

    fn every_manifest_is_read(&self) -> bool {
        self.roles.is_some() && self.manifests().all(|manifest| manifest.role.is_some())
    }
}

/// Where the rules of a manifest use `credential`.
fn uses<'m>(manifest: &'m roles::Written, credential: &str) -> Vec<&'m Reach> {
    let named = |reach: &&Reach| {
        let named = reach.credential.as_ref();
        named.is_some_and(|(name, _)| **name == *credential)
    };
    manifest.reaches.iter().filter(named).collect()
}

/// What makes a rule for every path more than a plain read, if anything does.
fn beyond_a_plain_read(rule: &Rule, grant: &Grant) -> Option<String> {
    let credential = grant.credential.as_ref();
    let credential = credential.map(|name| format!("with the credential {}", quoted(name)));
    let verb = match grant.verb {
        Verb::Read if posts_as_read(rule, grant) => Some("and calls every POST a read".to_owned()),
        Verb::Read => None,
        Verb::Write => Some("to write".to_owned()),
        Verb::Execute => Some("to execute".to_owned()),
    };
    let both: Vec<String> = verb.into_iter().chain(credential).collect();
    (!both.is_empty()).then(|| both.join(" "))
}

fn posts_as_read(rule: &Rule, grant: &Grant) -> bool {
    grant.verb == Verb::Read && rule.methods.contains(Method::Post)
}
