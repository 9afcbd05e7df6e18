//! What is worth a look in settings that load: what is past its date, and what cannot have been meant.
//!
//! Provides the warnings of `check` and of a reload. None of them changes what the gate does: a role past its
//! review date is refused when it is used, and an exception past its end is not in force, warning or not.

use std::collections::HashSet;

use time::Date;

use super::{
    agreement::Files,
    exception::{self, Danger, Exception},
    host,
    mistake::{Place, Wrong, quoted},
    rule::Reach,
};

impl Files<'_> {
    /// Notes everything that is worth a look on the day `today`.
    pub(super) fn remark(&self, today: Date) {
        self.remark_on_dates(today);
        self.remark_on_unused_credentials();
        self.remark_on_idle_exceptions();
        for manifest in self.manifests() {
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
            let role_read = roles.find_map(|manifest| manifest.role.as_ref());
            if role_read.is_some_and(|role| !role.names_host(host, *port)) {
                let what = format!("no rule of the role {} names {host}:{port}", quoted(role));
                self.warning(role_at, what, "this exception opens nothing");
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
