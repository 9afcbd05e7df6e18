//! The fields of a line, in one list.

use serde::Serialize;
use std::net::SocketAddr;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{AskedFor, Open, SCHEMA, micros};
use crate::{outcome::Outcome, refusal::Refusal, target::Query};

/// The most names of a query that a line lists.
const QUERY_NAMES_MAX: usize = 32;
/// The most characters of a text that is not the gate's own.
const TEXT_CHARS_MAX: usize = 1024;

/// What a line says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It is about to be made.
    Allowed,
    /// It was not made, or could not be finished.
    Refused,
    /// It was made.
    Ended,
}

#[derive(Serialize)]
pub(super) struct Event<'a> {
    schema: &'static str,
    id: &'a str,
    time: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Caller<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request<'a>>,
    decision: Decision<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<Credential<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Upstream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    time_us: TimeUs,
}

#[derive(Serialize)]
struct Caller<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    certificate: &'a str,
}

#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    path: &'a str,
    bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    query_names: Vec<String>,
    /// Whether the fields are the agent's own words because they could not be read in one way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    as_sent: bool,
}

#[derive(Serialize)]
struct Decision<'a> {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Rule<'a>>,
    snapshot: &'a str,
}

#[derive(Serialize)]
struct Rule<'a> {
    name: &'a str,
    file: &'a str,
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<&'static str>,
}

#[derive(Serialize)]
struct Credential<'a> {
    name: &'a str,
    source: &'static str,
    class: &'static str,
    lease: &'a str,
    expires: String,
}

#[derive(Serialize)]
struct Limit {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u32>,
}

#[derive(Serialize)]
struct Upstream {
    address: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    bytes: u64,
}

#[derive(Serialize)]
struct TimeUs {
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decide: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte: Option<u64>,
}

/// The gate started.
#[derive(Serialize)]
pub(super) struct Started<'a> {
    pub(super) schema: &'static str,
    pub(super) id: String,
    pub(super) time: String,
    pub(super) kind: &'static str,
    pub(super) listen: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<String>,
    pub(super) version: &'static str,
    pub(super) snapshot: &'a str,
}

/// The gate stopped.
#[derive(Serialize)]
pub(super) struct Stopped {
    pub(super) schema: &'static str,
    pub(super) id: String,
    pub(super) time: String,
    pub(super) kind: &'static str,
    pub(super) outcome: &'static str,
}

impl Open {
    pub(super) fn shape(
        &self,
        kind: Kind,
        refusal: Option<&Refusal>,
        outcome: Option<Outcome>,
    ) -> Event<'_> {
        Event {
            schema: SCHEMA,
            id: &self.id,
            time: super::now(),
            kind,
            caller: self.caller(),
            request: self.asked.as_ref().map(|asked| self.request(asked)),
            decision: self.decision(refusal),
            credential: self.credential.as_ref().map(|used| Credential {
                name: &used.name,
                source: used.source,
                class: used.class,
                lease: &used.lease,
                expires: timestamp(used.expires),
            }),
            limit: self.limit(refusal),
            upstream: self.upstream.address.map(|address| Upstream {
                address,
                tls: self.upstream.tls,
                status: self.upstream.status,
                bytes: self.upstream.answer_bytes,
            }),
            outcome: outcome.map(Outcome::as_str),
            time_us: self.time_us(),
        }
    }

    fn caller(&self) -> Option<Caller<'_>> {
        let caller = self.caller.as_ref()?;
        Some(Caller {
            id: caller.id.as_str(),
            role: self.role.as_ref().map(|role| &*role.name),
            owner: self.role.as_ref().map(|role| &*role.owner),
            certificate: &caller.fingerprint,
        })
    }

    fn request<'a>(&'a self, asked: &'a AskedFor) -> Request<'a> {
        let bytes = self.upstream.sent_bytes;
        match asked {
            AskedFor::Read(target) => Request {
                method: target.method().as_str(),
                scheme: Some(target.scheme().as_str()),
                host: target.host().as_str(),
                port: Some(target.port()),
                path: target.path().as_str(),
                bytes,
                query_names: target.query().map(query_names).unwrap_or_default(),
                as_sent: false,
            },
            AskedFor::Tunnel(host, port) => Request {
                method: "CONNECT",
                scheme: None,
                host: host.as_str(),
                port: Some(*port),
                path: "",
                bytes,
                query_names: Vec::new(),
                as_sent: false,
            },
            AskedFor::Seen(seen) => Request {
                method: &seen.method,
                scheme: None,
                host: &seen.authority,
                port: None,
                path: &seen.path,
                bytes,
                query_names: Vec::new(),
                as_sent: true,
            },
        }
    }

    fn decision(&self, refusal: Option<&Refusal>) -> Decision<'_> {
        Decision {
            effect: if refusal.is_some() { "refuse" } else { "allow" },
            reason: refusal.map(|refusal| refusal.reason.code()),
            cause: refusal
                .and_then(|refusal| refusal.cause.as_deref())
                .map(printable),
            rule: self.rule.as_ref().map(|rule| Rule {
                name: &rule.name,
                file: &rule.written.file,
                line: rule.written.line,
                verb: rule.verb.map(crate::scope::Verb::as_str),
            }),
            snapshot: &self.snapshot,
        }
    }

    fn limit(&self, refusal: Option<&Refusal>) -> Option<Limit> {
        let limited =
            refusal.is_some_and(|refusal| refusal.reason.fault() == crate::refusal::Fault::Limit);
        if limited {
            return Some(Limit {
                state: "reached",
                remaining: None,
            });
        }
        self.remaining.map(|remaining| Limit {
            state: "within",
            remaining: Some(remaining),
        })
    }

    fn time_us(&self) -> TimeUs {
        TimeUs {
            total: micros(self.begun.elapsed()),
            decide: self.spent.decide,
            credential: self.spent.credential,
            connect: self.spent.connect,
            first_byte: self.spent.first_byte,
        }
    }
}

/// One line with its newline.
pub(super) fn line(event: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::with_capacity(1024);
    if let Err(error) = serde_json::to_writer(&mut line, event) {
        tracing::error!(%error, "an event could not be written as JSON");
        line.clear();
    }
    line.push(b'\n');
    line
}

/// The names of a query as the log lists them.
fn query_names(query: &Query) -> Vec<String> {
    query
        .names()
        .take(QUERY_NAMES_MAX)
        .map(|name| printable(&name))
        .collect()
}

/// `text` in printable ASCII, everything else escaped, cut to a length.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len().min(TEXT_CHARS_MAX));
    for character in text.chars().take(TEXT_CHARS_MAX) {
        match character {
            ' '..='~' => printable.push(character),
            _ => printable.extend(character.escape_unicode()),
        }
    }
    printable
}

const RFC3339_MICROS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// RFC 3339 in UTC with microseconds.
pub(super) fn timestamp(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC)
        .format(RFC3339_MICROS)
        .unwrap_or_default()
}
