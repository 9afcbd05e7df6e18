//! An explanation for a program: one JSON object, schema `tollgate.explain/1`.
//!
//! Every key is always there, `null` or empty where there is nothing to say; keys are added and never change.

use http::HeaderName;
use serde::Serialize;

use super::Explanation;
use crate::{
    config::{Danger, Exception},
    scope::{Effect, Rule, RuleLimit, nearest::Part},
};

/// The schema of every object.
const SCHEMA: &str = "tollgate.explain/1";

#[derive(Serialize)]
struct Told<'e> {
    schema: &'static str,
    decision: &'static str,
    reason: Option<&'static str>,
    cause: Option<&'e str>,
    on: String,
    caller: Caller<'e>,
    request: Request<'e>,
    rule: Option<RuleTold<'e>>,
    passage: Option<Place<'e>>,
    credential: Option<CredentialTold<'e>>,
    limits: Limits,
    on_record_before_it_leaves: Option<bool>,
    exceptions: Vec<ExceptionTold<'e>>,
    nearest: Option<NearestTold<'e>>,
    near_identities: Vec<&'e str>,
}

#[derive(Serialize)]
struct Caller<'e> {
    id: &'e str,
    role: Option<&'e str>,
    review_by: Option<String>,
}

#[derive(Serialize)]
struct Request<'e> {
    method: &'e str,
    /// As it is judged and sent, without its query; as it is written if it cannot be read.
    url: String,
    canonical: bool,
}

#[derive(Serialize)]
struct RuleTold<'e> {
    name: &'e str,
    file: &'e str,
    line: u32,
    effect: &'static str,
    verb: Option<&'static str>,
    /// `pass` or `stripped`; none of a rule that denies.
    cookies: Option<&'static str>,
    /// The only headers that cross beside those that HTTP needs, and the only query names; none if it lists none.
    headers: Option<Vec<&'e str>>,
    query: Option<Vec<&'e str>>,
}

/// Where the exception stands that opens a tunnel which nobody looks into.
#[derive(Serialize)]
struct Place<'e> {
    file: &'e str,
    line: u32,
}

#[derive(Serialize)]
struct CredentialTold<'e> {
    name: &'e str,
    /// Where in the request it goes.
    place: String,
}

#[derive(Serialize)]
struct Limits {
    role: Option<String>,
    rule: Option<LimitTold>,
}

#[derive(Serialize)]
struct LimitTold {
    rate: Option<String>,
    burst: Option<u32>,
    in_flight: Option<u32>,
}

#[derive(Serialize)]
struct ExceptionTold<'e> {
    danger: &'static str,
    addresses: Vec<String>,
    reason: &'e str,
    until: String,
}

#[derive(Serialize)]
struct NearestTold<'e> {
    rule: RuleTold<'e>,
    agrees: Vec<&'static str>,
    differs: Vec<Differs>,
}

#[derive(Serialize)]
struct Differs {
    part: &'static str,
    how: String,
}

impl Explanation<'_> {
    /// The explanation as one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.told()).expect("texts and numbers can be written")
    }

    fn told(&self) -> Told<'_> {
        let allowed = self.refusal.is_none();
        let nearest = self.nearest().map(|nearest| NearestTold {
            rule: rule(nearest.rule),
            agrees: nearest.matched().map(Part::as_str).collect(),
            differs: nearest
                .unmatched
                .iter()
                .map(|one| Differs {
                    part: one.part.as_str(),
                    how: one.to_string(),
                })
                .collect(),
        });
        Told {
            schema: SCHEMA,
            decision: if allowed { "allow" } else { "refuse" },
            reason: self.reason().map(|reason| reason.code()),
            cause: self.refusal.as_ref().and_then(|no| no.cause.as_deref()),
            on: self.on.to_string(),
            caller: Caller {
                id: self.call.caller.as_str(),
                role: self.role.map(|role| &*role.name),
                review_by: self.role.map(|role| role.review_by.to_string()),
            },
            request: self.request_told(),
            rule: self.rule.map(rule),
            passage: self.passage.as_ref().map(|exception| Place {
                file: &exception.written.file,
                line: exception.written.line,
            }),
            credential: self.credential().map(|linked| CredentialTold {
                name: &linked.name,
                place: linked.placement.to_string(),
            }),
            limits: Limits {
                role: self.role.map(|role| role.limit.to_string()),
                rule: self.grant().and_then(|grant| grant.limit).map(limit),
            },
            on_record_before_it_leaves: self.announced().filter(|_| allowed),
            exceptions: self.exceptions.iter().map(exception).collect(),
            nearest,
            near_identities: self
                .near_identities()
                .into_iter()
                .map(|id| id.as_str())
                .collect(),
        }
    }

    fn request_told(&self) -> Request<'_> {
        match &self.target {
            Some(target) => Request {
                method: target.method().as_str(),
                url: target.url(),
                canonical: true,
            },
            None => Request {
                method: self.call.spelled.method.as_str(),
                url: self.written_url().to_owned(),
                canonical: false,
            },
        }
    }
}

fn rule(rule: &Rule) -> RuleTold<'_> {
    let (effect, grant) = match &rule.effect {
        Effect::Allow(grant) => ("allow", Some(grant)),
        Effect::Deny => ("deny", None),
    };
    RuleTold {
        name: &rule.name,
        file: &rule.written.file,
        line: rule.written.line,
        effect,
        verb: grant.map(|grant| grant.verb.as_str()),
        cookies: grant.map(|grant| if grant.cookies { "pass" } else { "stripped" }),
        headers: grant.and_then(|grant| {
            let only = grant.headers.as_deref()?;
            Some(only.iter().map(HeaderName::as_str).collect())
        }),
        query: grant.and_then(|grant| {
            let only = grant.query.as_deref()?;
            Some(only.iter().map(|name| &**name).collect())
        }),
    }
}

fn limit(limit: RuleLimit) -> LimitTold {
    LimitTold {
        rate: limit.rate.map(|rate| rate.to_string()),
        burst: limit.burst,
        in_flight: limit.in_flight,
    }
}

fn exception(exception: &Exception) -> ExceptionTold<'_> {
    let (danger, addresses) = match &exception.danger {
        Danger::Cleartext => ("cleartext", Vec::new()),
        Danger::Tunnel => ("tunnel", Vec::new()),
        Danger::Addresses(networks) => {
            let networks = networks.iter().map(ToString::to_string);
            ("addresses", networks.collect())
        }
    };
    ExceptionTold {
        danger,
        addresses,
        reason: &exception.reason,
        until: exception.until.to_string(),
    }
}
