//! Whether the files of the settings agree with each other.
//!
//! Provides the checks that need more than one file: the two-sided binding of credentials, who is in which
//! role, and whether what is named exists. What could not be read of a file is noted already and not held
//! against another one. What is worth a look without being a mistake is in `attention`.

use std::collections::HashMap;

use super::{
    catalogue, exception, gate,
    mistake::{Findings, Place, Wrong, quoted},
    roles,
    rule::Reach,
};
use crate::{identity::SpiffeId, scope::HostPattern};

/// All files as written; `None` is a file that could not be read.
pub(super) struct Files<'f> {
    pub(super) gate: &'f gate::Written,
    pub(super) catalogue: Option<&'f [catalogue::Written]>,
    pub(super) roles: Option<&'f [roles::Written]>,
    pub(super) findings: &'f Findings,
}

impl<'f> Files<'f> {
    /// Notes every disagreement as a mistake.
    pub(super) fn check(&self) {
        self.check_identities();
        self.check_bindings();
        for entry in self.credentials() {
            self.check_entry(entry);
        }
        for exception::Written {
            exception, role_at, ..
        } in &self.gate.exceptions
        {
            self.check_role(&exception.role, role_at);
        }
    }

    /// The manifests that are there.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &'f roles::Written> + use<'f> {
        self.roles.into_iter().flatten()
    }

    /// The entries of the catalogue that are there.
    pub(super) fn credentials(&self) -> impl Iterator<Item = &'f catalogue::Written> + use<'f> {
        self.catalogue.into_iter().flatten()
    }

    /// Each identity is of a known trust domain and in one role only.
    fn check_identities(&self) {
        let mut first: HashMap<&SpiffeId, (&str, &Place)> = HashMap::new();
        for manifest in self.manifests() {
            for (id, at) in &manifest.identities {
                self.check_trust_domain(id, at);
                if let Some((role, other)) = first.insert(id, (&manifest.name, at)) {
                    let what = format!(
                        "{} stands in the role {} already",
                        quoted(id.as_str()),
                        quoted(role)
                    );
                    let instead = format!("it is named at {other}; an identity has one role");
                    self.mistake(at, what, instead);
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
            self.mistake(
                at,
                what,
                format!("tollgate.yaml names {}", known.join(", ")),
            );
        }
    }

    /// The manifests' side of the two-sided binding: each credential exists, and is for the role and the hosts.
    fn check_bindings(&self) {
        let entries: HashMap<&str, _> = self
            .credentials()
            .map(|entry| (&*entry.name, entry))
            .collect();
        for manifest in self.manifests() {
            for reach in &manifest.reaches {
                let Some((credential, at)) = &reach.credential else {
                    continue;
                };
                if let Some(entry) = entries.get(&**credential) {
                    self.check_bound_role(&manifest.name, entry, at);
                    self.check_bound_hosts(reach, entry);
                    self.check_free_place(reach, entry);
                } else if self.catalogue.is_some() {
                    let what = format!("no credential is called {}", quoted(credential));
                    self.mistake(
                        at,
                        what,
                        "name one of the catalogue, or write none for a call without one",
                    );
                }
            }
        }
    }

    fn check_bound_role(&self, role: &str, entry: &catalogue::Written, at: &Place) {
        let Some(roles) = &entry.roles else { return };
        if !roles.iter().any(|(bound, _)| **bound == *role) {
            let (name, role) = (quoted(&entry.name), quoted(role));
            let instead = "the platform team adds the role to its entry in the catalogue";
            self.mistake(
                at,
                format!("the credential {name} is not for the role {role}"),
                instead,
            );
        }
    }

    /// The credential's own place is not the agent's to fill, whatever a rule lists.
    fn check_free_place(&self, reach: &Reach, entry: &catalogue::Written) {
        let Some(credential) = &entry.credential else {
            return;
        };
        let placement = &credential.placement;
        let headers = reach.headers.iter();
        let headers = headers.filter(|(name, _)| placement.is_header(name));
        let query = reach.query.iter();
        let query = query.filter(|(name, _)| placement.is_parameter(name));
        let headers = headers.map(|(name, at)| (name.as_str(), at));
        for (listed, at) in headers.chain(query.map(|(name, at)| (&**name, at))) {
            let (listed, name) = (quoted(listed), quoted(&entry.name));
            self.mistake(
                at,
                format!("the credential {name} goes into {listed}"),
                "take it out of the list: the agent's own never goes there",
            );
        }
    }

    fn check_bound_hosts(&self, reach: &Reach, entry: &catalogue::Written) {
        let Some(hosts) = &entry.hosts else { return };
        let bound: Vec<String> = hosts.iter().map(HostPattern::to_string).collect();
        let bound = if bound.is_empty() {
            "nowhere".to_owned()
        } else {
            bound.join(", ")
        };
        for (host, at) in &reach.hosts {
            if !hosts.iter().any(|bound| bound.covers(host)) {
                let what = format!(
                    "the credential {} may not go to {host}",
                    quoted(&entry.name)
                );
                self.mistake(at, what, format!("the catalogue lets it go to {bound}"));
            }
        }
    }

    /// The catalogue's side: its roles exist, and its source is there.
    fn check_entry(&self, entry: &catalogue::Written) {
        for (role, at) in entry.roles.iter().flatten() {
            self.check_role(role, at);
        }
        if let Some(at) = entry.vault_at.as_ref().filter(|_| !self.gate.has_vault) {
            let what = "this credential comes from Vault, and no Vault server is configured";
            self.mistake(
                at,
                what,
                "write vault: {address, ca, approle} in tollgate.yaml",
            );
        }
    }

    fn check_role(&self, role: &str, at: &Place) {
        let known = self.manifests().any(|manifest| *manifest.name == *role);
        if self.roles.is_some() && !known {
            let what = format!("no role is called {}", quoted(role));
            self.mistake(at, what, format!("a role is a file roles/{role}.yaml"));
        }
    }

    fn mistake(&self, at: &Place, what: impl Into<String>, instead: impl Into<String>) {
        self.findings.mistake(at, Wrong::new(what, instead));
    }
}
