//! An explanation for a person: a word and what it says, a line each.

use std::fmt;

use http::HeaderName;

use super::Explanation;
use crate::{
    config::{Danger, Exception},
    refusal::Reason,
    scope::{Grant, RuleLimit, Written, nearest::Part},
};

/// Where the second column begins.
const WORD_CHARS: usize = 12;

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caller = self.call.caller.to_string();
        let mut lines = vec![self.decision(), ("call", self.asked()), ("as", caller)];
        lines.extend(self.role_and_day());
        lines.extend(self.cause());
        match (self.grant(), self.reason()) {
            (Some(grant), None | Some(Reason::CredentialForbidden)) => {
                lines.extend(self.terms(grant));
            }
            (Some(_) | None, _) => lines.extend(self.hints()),
        }
        let exceptions = self.exceptions.iter().map(told);
        lines.extend(exceptions.map(|told| ("exception", told)));
        let mut before = "";
        for (word, text) in lines {
            let shown = if word == before { "" } else { word };
            writeln!(f, "{shown:WORD_CHARS$}{text}")?;
            before = word;
        }
        Ok(())
    }
}

type Line = (&'static str, String);

impl Explanation<'_> {
    fn decision(&self) -> Line {
        let by_exception = self.passage.as_ref().map(|exception| {
            let at = place(&exception.written);
            format!("by the exception at {at}: a tunnel that nobody looks into, whatever is inside")
        });
        let by_rule = self.rule.map(|rule| {
            let at = place(&rule.written);
            format!("by the rule {} at {at}", rule.name)
        });
        let by = by_rule.or(by_exception);
        match self.reason() {
            None => ("allowed", by.unwrap_or_default()),
            Some(reason) => {
                let by = by.map(|by| format!(" ({by})")).unwrap_or_default();
                (
                    "refused",
                    format!("{}: {}{by}", reason.code(), reason.sentence()),
                )
            }
        }
    }

    /// The call as it is judged, or as it is written if it cannot be read.
    fn asked(&self) -> String {
        match &self.target {
            Some(target) => format!("{} {}", target.method(), target.url()),
            None => format!("{} {:?}", self.call.spelled.method, self.written_url()),
        }
    }

    /// In which role, and on which day.
    fn role_and_day(&self) -> Vec<Line> {
        let role = self.role.map(|role| {
            let review = format!("to be reviewed by {}", role.review_by);
            ("role", format!("{}, {review}", role.name))
        });
        let day = ("on", self.on.to_string());
        role.into_iter().chain([day]).collect()
    }

    fn cause(&self) -> Option<Line> {
        let cause = self.refusal.as_ref()?.cause.as_ref()?;
        Some(("because", cause.to_string()))
    }

    /// What holds for a call that a rule allows.
    fn terms(&self, grant: &Grant) -> Vec<Line> {
        let record = match self.announced() {
            Some(true) => "on record before it leaves, and when it ends",
            Some(false) | None => "on record when it ends",
        };
        let credential = match (&grant.credential, self.credential()) {
            (None, _) => "none".to_owned(),
            (Some(name), None) => name.to_string(),
            (Some(name), Some(linked)) => format!("{name}, in the {}", linked.placement),
        };
        let mut lines = vec![
            ("verb", format!("{}, {record}", grant.verb.as_str())),
            ("credential", credential),
        ];
        if grant.cookies {
            let told = "cross, the agent's to the upstream and the upstream's to the agent";
            lines.push(("cookies", told.to_owned()));
        }
        if let Some(only) = &grant.headers {
            let only: Vec<&str> = only.iter().map(HeaderName::as_str).collect();
            lines.push((
                "headers",
                format!("{} and what HTTP needs, no others", list(&only)),
            ));
        }
        if let Some(only) = &grant.query {
            let only: Vec<&str> = only.iter().map(|name| &**name).collect();
            lines.push(("query", format!("{}, no others", list(&only))));
        }
        let of_rule = grant.limit.map(|limit| {
            let limit = limit_told(limit);
            format!("{limit} for this identity by the rule")
        });
        let of_role = self.role.map(|role| {
            let whose = "for all identities of the role together";
            format!("{} {whose}", role.limit)
        });
        let limits = of_rule.into_iter().chain(of_role);
        lines.extend(limits.map(|limit| ("limit", limit)));
        lines.extend(self.address());
        lines
    }

    fn address(&self) -> Option<Line> {
        let host = self.target.as_ref()?.host();
        let told = match self.addresses(host)[..] {
            [] => {
                format!("{host} is resolved, and its addresses are judged, when the call is made")
            }
            [..] if host.ip().is_some() => return None,
            ref pinned => {
                let pinned: Vec<String> = pinned.iter().map(ToString::to_string).collect();
                format!("{host} is pinned to {}", pinned.join(", "))
            }
        };
        Some(("address", told))
    }

    /// What would help after a no.
    fn hints(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        if self.reason() == Some(Reason::CertificateInvalid) {
            let domains = self.settings.gate.trust_domains.keys();
            let domains: Vec<&str> = domains.map(|domain| domain.as_str()).collect();
            lines.push(("domains", domains.join(", ")));
        }
        let near = self.near_identities().into_iter();
        lines.extend(near.map(|id| ("near", id.to_string())));
        let Some(nearest) = self.nearest() else {
            return lines;
        };
        let at = place(&nearest.rule.written);
        lines.push(("nearest", format!("the rule {} at {at}", nearest.rule.name)));
        let agrees: Vec<&str> = nearest.matched().map(Part::as_str).collect();
        if !agrees.is_empty() {
            lines.push(("agrees", agrees.join(", ")));
        }
        let differs = nearest.unmatched.iter();
        lines.extend(differs.map(|one| ("differs", format!("{}: {one}", one.part.as_str()))));
        lines
    }
}

/// The names of a list, which may have none.
fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn place(written: &Written) -> String {
    format!("{}:{}", written.file, written.line)
}

fn limit_told(limit: RuleLimit) -> String {
    let rate = limit.rate.map(|rate| rate.to_string());
    let burst = limit.burst.map(|burst| format!("burst {burst}"));
    let in_flight = limit.in_flight.map(|calls| format!("{calls} in flight"));
    let parts: Vec<String> = rate.into_iter().chain(burst).chain(in_flight).collect();
    parts.join(", ")
}

fn told(exception: &Exception) -> String {
    let Exception {
        danger,
        reason,
        until,
        ..
    } = exception;
    let danger = match danger {
        Danger::Cleartext => "spoken to without TLS".to_owned(),
        Danger::Tunnel => "a tunnel that nobody looks into".to_owned(),
        Danger::Addresses(networks) => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            format!("may have addresses in {}", networks.join(", "))
        }
    };
    format!("{danger} until {until}: {reason}")
}
