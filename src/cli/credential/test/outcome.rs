//! What a fetch showed, for a person and as JSON: where it goes, how long it is good, and no part of it.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use super::super::span;
use crate::{
    config,
    credential::{End, Fetched, LeaseInfo},
};

/// The schema of what `--json` prints.
const SCHEMA: &str = "tollgate.credential-test/1";

/// Where the second column begins.
const WORD_CHARS: usize = 12;

/// What a fetch showed; of the value itself nothing is in here.
pub(super) struct Outcome<'c> {
    credential: &'c config::Credential,
    end: End,
    request_id: Option<String>,
    /// Whether what was leased is known to have ended.
    given_back: bool,
}

#[derive(Serialize)]
struct Told<'c> {
    schema: &'static str,
    name: &'c str,
    source: String,
    /// What a call carries, masked.
    injected: String,
    roles: Vec<&'c str>,
    hosts: Vec<String>,
    class: &'static str,
    lease_s: Option<u64>,
    renewable: Option<bool>,
    rotates_in_s: Option<u64>,
    ends_in_s: Option<u64>,
    max_ttl_s: u64,
    request_id: Option<String>,
    /// Nothing is to be given back of what is stored.
    given_back: Option<bool>,
}

impl<'c> Outcome<'c> {
    /// What `fetched` shows, and whether it was given back.
    pub(super) fn of(
        credential: &'c config::Credential,
        fetched: &Fetched,
        given_back: bool,
    ) -> Outcome<'c> {
        Outcome {
            given_back,
            credential,
            end: fetched.end.clone(),
            request_id: fetched.request_id.clone(),
        }
    }

    /// The text of it, or one line of JSON.
    pub(super) fn told(&self, json: bool) -> String {
        match json {
            true => self.json(),
            false => self.page(),
        }
    }

    fn page(&self) -> String {
        let credential = self.credential;
        let (roles, hosts) = (self.roles().join(", "), self.hosts().join(", "));
        let mut lines = vec![
            ("credential", credential.name.to_string()),
            ("from", credential.source.name()),
            ("injected", credential.placement.masked()),
            ("into", format!("calls of {roles} to {hosts}")),
            ("class", self.class().to_owned()),
            ("end", self.end()),
        ];
        if let Some(allowed) = &credential.allow_static {
            let text = format!("{} until {}", allowed.owner, allowed.rotate_by);
            lines.push(("answers", text));
        }
        if let Some(id) = &self.request_id {
            lines.push(("request", format!("{id} in Vault's audit log")));
        }
        lines.push(("given back", self.given_back().to_owned()));
        let mut page = String::new();
        for (word, text) in lines {
            let _infallible = writeln!(page, "{word:WORD_CHARS$}{text}");
        }
        page
    }

    fn json(&self) -> String {
        let (lease, rotates, ends) = match &self.end {
            End::Lease(lease) => (Some(lease), None, None),
            End::Rotation(left) => (None, Some(left), None),
            End::After(left) => (None, None, Some(left)),
            End::Open => (None, None, None),
        };
        let told = Told {
            schema: SCHEMA,
            name: &self.credential.name,
            source: self.credential.source.name(),
            injected: self.credential.placement.masked(),
            roles: self.roles(),
            hosts: self.hosts(),
            class: self.class(),
            lease_s: lease.map(|lease| lease.duration.as_secs()),
            renewable: lease.map(|lease| lease.renewable),
            rotates_in_s: rotates.map(Duration::as_secs),
            ends_in_s: ends.map(Duration::as_secs),
            max_ttl_s: self.credential.max_ttl.as_secs(),
            request_id: self.request_id.clone(),
            given_back: lease.map(|_| self.given_back),
        };
        serde_json::to_string(&told).expect("texts and numbers can be written") + "\n"
    }

    fn roles(&self) -> Vec<&'c str> {
        let roles = self.credential.binding.roles.iter();
        roles.map(|role| &**role).collect()
    }

    fn hosts(&self) -> Vec<String> {
        let hosts = self.credential.binding.hosts.iter();
        hosts.map(ToString::to_string).collect()
    }

    /// What this answer is, whatever the catalogue expects.
    fn class(&self) -> &'static str {
        match self.end {
            End::Open => "static",
            End::Lease(_) | End::Rotation(_) | End::After(_) => "dynamic",
        }
    }

    fn end(&self) -> String {
        let most = span(self.credential.max_ttl);
        match &self.end {
            End::Lease(LeaseInfo {
                duration,
                renewable,
                ..
            }) => {
                let (lease, can) = (span(*duration), if *renewable { "can" } else { "cannot" });
                format!("a lease of {lease}, which {can} be made longer; used for {most} at most")
            }
            End::Rotation(left) => {
                let left = span(*left);
                format!("another takes its place in {left}; used for {most} at most")
            }
            End::After(left) => {
                let left = span(*left);
                format!("its own, in {left}; used for {most} at most")
            }
            End::Open => format!("none of its own; used for {most} and then read again"),
        }
    }

    fn given_back(&self) -> &'static str {
        match (&self.end, self.given_back) {
            (End::Lease(_), true) => "yes, the lease has ended",
            (End::Lease(_), false) => "no",
            (End::Rotation(_) | End::After(_) | End::Open, _) => "nothing: nothing was leased",
        }
    }
}
