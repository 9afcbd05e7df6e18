//! Whether the files of the settings agree with each other.
//!
//! Provides the checks that need more than one file: the two-sided binding of credentials, who is in which
//! role, and whether what is named exists. What could not be read of a file is noted already and not held
//! against another one. What is worth a look on a given day is noted as a warning.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use time::Date;

use super::{
    catalogue, exception, gate,
    mistake::{Findings, Place, Wrong, quoted},
    roles,
    rule::Binding,
};
use crate::{identity::SpiffeId, scope::HostPattern};

/// All files as written; `None` is a file that could not be read.
pub(super) struct Files<'f> {
    pub(super) gate: &'f gate::Written,
    pub(super) catalogue: Option<&'f [catalogue::Written]>,
    pub(super) manifests: Option<&'f [roles::Written]>,
    pub(super) findings: &'f Findings,
}

impl Files<'_> {
    /// Notes every disagreement, and what is past its date on the day `today`.
    pub(super) fn check(&self, today: Date) {
        self.check_identities();
        self.check_bindings();
        self.check_catalogue(today);
        self.check_exceptions(today);
        self.check_reviews(today);
    }

    /// Each identity is of a known trust domain and in one role only.
    fn check_identities(&self) {
        let mut first: HashMap<&SpiffeId, (&str, &Place)> = HashMap::new();
        for manifest in self.manifests.into_iter().flatten() {
            for (id, at) in &manifest.identities {
                self.check_trust_domain(id, at);
                if let Some((role, other)) = first.insert(id, (&manifest.name, at)) {
                    let what = format!(
                        "{} stands in the role {} too",
                        quoted(id.as_str()),
                        quoted(role)
                    );
                    let instead = format!("it is named at {other}; an identity has one role");
                    self.findings.mistake(at, Wrong::new(what, instead));
                }
            }
        }
    }

    fn check_trust_domain(&self, id: &SpiffeId, at: &Place) {
        let Some(known) = &self.gate.trust_domains else {
            return;
        };
        if !known
            .iter()
            .any(|domain| domain.as_str() == id.trust_domain())
        {
            let known: Vec<&str> = known.iter().map(|domain| domain.as_str()).collect();
            let what = format!(
                "the trust domain {} is not configured",
                quoted(id.trust_domain())
            );
            let instead = format!("tollgate.yaml names {}", known.join(", "));
            self.findings.mistake(at, Wrong::new(what, instead));
        }
    }

    /// The manifests' side of the two-sided binding.
    fn check_bindings(&self) {
        let Some(catalogue) = self.catalogue else {
            return;
        };
        let entries: BTreeMap<&str, &catalogue::Written> = catalogue
            .iter()
            .map(|entry| (&*entry.name, entry))
            .collect();
        for manifest in self.manifests.into_iter().flatten() {
            for binding in &manifest.bindings {
                match entries.get(&*binding.credential) {
                    Some(entry) => self.check_binding(&manifest.name, binding, entry),
                    None => self.note_unknown_credential(binding),
                }
            }
        }
    }

    fn check_binding(&self, role: &str, binding: &Binding, entry: &catalogue::Written) {
        let name = quoted(&entry.name);
        if let Some(roles) = &entry.roles
            && !roles.iter().any(|(bound, _)| **bound == *role)
        {
            let what = format!("the credential {name} is not for the role {}", quoted(role));
            let instead = "the platform team adds the role to its entry in the catalogue";
            self.findings
                .mistake(&binding.credential_at, Wrong::new(what, instead));
        }
        let Some(hosts) = &entry.hosts else { return };
        let outside = |host: &HostPattern| !hosts.iter().any(|bound| bound.covers(host));
        for (host, at) in binding.hosts.iter().filter(|(host, _)| outside(host)) {
            let hosts: Vec<String> = hosts.iter().map(HostPattern::to_string).collect();
            let what = format!("the credential {name} may not go to {host}");
            let instead = format!("the catalogue lets it go to: {}", hosts.join(", "));
            self.findings.mistake(at, Wrong::new(what, instead));
        }
    }

    fn note_unknown_credential(&self, binding: &Binding) {
        let what = format!("no credential is called {}", quoted(&binding.credential));
        let instead = "name one of the catalogue, or write none for a call without a credential";
        self.findings
            .mistake(&binding.credential_at, Wrong::new(what, instead));
    }

    /// The catalogue's side: its roles exist, its source is there, and somebody uses it.
    fn check_catalogue(&self, today: Date) {
        let bindings = self
            .manifests
            .into_iter()
            .flatten()
            .flat_map(|manifest| &manifest.bindings);
        let used: HashSet<&str> = bindings.map(|binding| &*binding.credential).collect();
        for entry in self.catalogue.into_iter().flatten() {
            for (role, at) in entry.roles.iter().flatten() {
                self.check_role(role, at);
            }
            if let Some(at) = entry.vault_at.as_ref().filter(|_| !self.gate.has_vault) {
                let what = "this credential comes from Vault, and no Vault server is configured";
                let instead = "write vault: {address, ca, approle} in tollgate.yaml";
                self.findings.mistake(at, Wrong::new(what, instead));
            }
            if let Some((rotate_by, at)) = entry.rotate_by.as_ref().filter(|(day, _)| *day < today)
            {
                let what = format!("this credential was to be replaced by {rotate_by}");
                self.findings
                    .warning(at, Wrong::new(what, "replace the value and move the date"));
            }
            if self.manifests.is_some() && !used.contains(&*entry.name) {
                let what = format!("no rule names the credential {}", quoted(&entry.name));
                self.findings.warning(
                    &entry.at,
                    Wrong::new(what, "take it away if nobody needs it"),
                );
            }
        }
    }

    fn check_exceptions(&self, today: Date) {
        for exception::Written {
            exception,
            role_at,
            until_at,
        } in &self.gate.exceptions
        {
            self.check_role(&exception.role, role_at);
            if !exception.in_force(today) {
                let what = format!(
                    "this exception ended on {} and is not in force",
                    exception.until
                );
                self.findings.warning(
                    until_at,
                    Wrong::new(what, "take it away, or decide anew and move the date"),
                );
            }
            let role = self
                .role(&exception.role)
                .and_then(|manifest| manifest.role.as_ref());
            if role.is_some_and(|role| !role.names_host(&exception.host, exception.port)) {
                let (host, port) = (&exception.host, exception.port);
                let what = format!(
                    "no rule of the role {} names {host}:{port}",
                    quoted(&exception.role)
                );
                self.findings
                    .warning(role_at, Wrong::new(what, "this exception opens nothing"));
            }
        }
    }

    fn check_reviews(&self, today: Date) {
        for manifest in self.manifests.into_iter().flatten() {
            if let Some((review_by, at)) =
                manifest.review_by.as_ref().filter(|(day, _)| *day < today)
            {
                let what = format!(
                    "this role was to be reviewed by {review_by}: all its calls are refused"
                );
                self.findings.warning(
                    at,
                    Wrong::new(what, "its owner and sponsor review it and move the date"),
                );
            }
        }
    }

    fn check_role(&self, role: &Arc<str>, at: &Place) {
        if self.manifests.is_some() && self.role(role).is_none() {
            let what = format!("no role is called {}", quoted(role));
            self.findings.mistake(
                at,
                Wrong::new(what, format!("a role is a file roles/{role}.yaml")),
            );
        }
    }

    fn role(&self, name: &str) -> Option<&roles::Written> {
        self.manifests
            .into_iter()
            .flatten()
            .find(|manifest| *manifest.name == *name)
    }
}
