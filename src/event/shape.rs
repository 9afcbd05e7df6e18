//! The fields of a line, in one list.

use std::net::SocketAddr;

use time::OffsetDateTime;

use super::{
    AskedFor, Open,
    line::{Fields, Line, first, key},
    micros,
};
use crate::{
    identity::certificate::Caller,
    outcome::Outcome,
    refusal::{Fault, Refusal},
    scope::{Role, Verb, Written},
    target::{Query, asked::SEEN_CHARS_MAX},
};

/// The most names of a query that a line lists.
const QUERY_NAMES_MAX: usize = 32;
/// The most characters of a text that is not the gate's own.
const TEXT_CHARS_MAX: usize = 1024;
/// What stands for the rest of a text that was cut; an agent's own is escaped.
const CUT: char = '…';

/// What a line says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is about to be made.
    Allowed,
    /// It was not made, or could not be finished.
    Refused,
    /// It was made.
    Ended,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Allowed => "allowed",
            Kind::Refused => "refused",
            Kind::Ended => "ended",
        }
    }
}

impl Open {
    /// The line of a call.
    pub(super) fn line(
        &self,
        kind: Kind,
        refusal: Option<&Refusal>,
        outcome: Option<Outcome>,
    ) -> Vec<u8> {
        let mut line = Line::begin(&self.id, kind.as_str());
        self.caller(&mut line);
        self.request(&mut line);
        self.decision(&mut line, refusal);
        self.credential(&mut line);
        self.limit(&mut line, refusal);
        self.upstream(&mut line);
        line.word_if(key!("outcome"), outcome.map(Outcome::as_str));
        self.time_us(&mut line);
        line.end()
    }

    fn caller(&self, line: &mut Line) {
        let Some(caller) = &self.caller else { return };
        line.object(key!("caller"), |line| {
            line.fields(&caller.id);
            if let Some(role) = &self.role {
                line.fields(role);
            }
            line.fields(&caller.certificate);
        });
    }

    fn request(&self, line: &mut Line) {
        let bytes = self.upstream.sent_bytes;
        match &self.asked {
            Some(AskedFor::Read(target)) => line.object(key!("request"), |line| {
                line.word(first!("method"), target.method().as_str());
                line.word(key!("scheme"), target.scheme().as_str());
                line.text(key!("host"), target.host().as_str());
                line.number(key!("port"), target.port().into());
                line.text(key!("path"), target.path().as_str());
                line.number(key!("bytes"), bytes);
                if let Some(query) = target.query() {
                    line.texts_if(key!("query_names"), query_names(query));
                }
            }),
            Some(AskedFor::Tunnel(host, port)) => line.object(key!("request"), |line| {
                line.word(first!("method"), "CONNECT");
                line.text(key!("host"), host.as_str());
                line.number(key!("port"), (*port).into());
                line.text(key!("path"), "");
                line.number(key!("bytes"), bytes);
            }),
            // the agent's own words, because they could not be read in one way
            Some(AskedFor::Seen(seen)) => line.object(key!("request"), |line| {
                line.text(first!("method"), &seen.method);
                line.text(key!("host"), &seen.authority);
                line.text(key!("path"), &seen.path);
                line.number(key!("bytes"), bytes);
                line.yes(key!("as_sent"));
            }),
            None => {}
        }
    }

    fn decision(&self, line: &mut Line, refusal: Option<&Refusal>) {
        let effect = if refusal.is_some() { "refuse" } else { "allow" };
        line.object(key!("decision"), |line| {
            line.word(first!("effect"), effect);
            if let Some(refusal) = refusal {
                line.word(key!("reason"), refusal.reason.code());
                let cause = refusal.cause.as_deref().map(printable);
                line.text_if(key!("cause"), cause.as_deref());
            }
            if let Some(rule) = &self.rule {
                line.object(key!("rule"), |line| line.fields(rule));
            }
            line.text(key!("snapshot"), &self.snapshot);
        });
    }

    fn credential(&self, line: &mut Line) {
        let Some(used) = &self.credential else { return };
        line.object(key!("credential"), |line| {
            line.text(first!("name"), &used.name);
            line.word(key!("source"), used.source);
            line.fields(&used.lease);
        });
    }

    fn limit(&self, line: &mut Line, refusal: Option<&Refusal>) {
        let reached = refusal.is_some_and(|refusal| refusal.reason.fault() == Fault::Limit);
        if reached {
            line.object(key!("limit"), |line| line.word(first!("state"), "reached"));
        } else if let Some(remaining) = self.remaining {
            line.object(key!("limit"), |line| {
                line.word(first!("state"), "within");
                line.number(key!("remaining"), remaining.into());
            });
        }
    }

    fn upstream(&self, line: &mut Line) {
        let upstream = &self.upstream;
        if upstream.address.or(upstream.via).is_none() {
            return;
        }
        line.object(key!("upstream"), |line| {
            match (upstream.address, upstream.via) {
                (Some(address), None) => line.address(first!("address"), address),
                (Some(address), Some(via)) => {
                    line.address(first!("address"), address);
                    line.address(key!("via"), via);
                }
                (None, Some(via)) => line.address(first!("via"), via),
                (None, None) => {}
            }
            line.word_if(key!("tls"), upstream.tls);
            line.number_if(key!("status"), upstream.status.map(u64::from));
            line.number(key!("bytes"), upstream.answer_bytes);
        });
    }

    fn time_us(&self, line: &mut Line) {
        let spent = &self.spent;
        line.object(key!("time_us"), |line| {
            line.number(first!("total"), micros(self.begun.elapsed()));
            line.number_if(key!("decide"), spent.decide);
            line.number_if(key!("credential"), spent.credential);
            line.number_if(key!("connect"), spent.connect);
            line.number_if(key!("first_byte"), spent.first_byte);
        });
    }
}

/// Whose calls they are, around what is told of the role.
#[derive(Debug, Clone)]
pub(super) struct CallerFields {
    id: Fields,
    certificate: Fields,
}

impl CallerFields {
    pub(super) fn of(caller: &Caller) -> CallerFields {
        CallerFields {
            id: Fields::written(|line| line.text(first!("id"), caller.id.as_str())),
            certificate: Fields::written(|line| {
                line.text(key!("certificate"), &caller.fingerprint);
            }),
        }
    }
}

impl Fields {
    /// What is told of a role.
    pub(crate) fn of_role(role: &Role) -> Fields {
        Fields::written(|line| {
            line.text(key!("role"), &role.name);
            line.text(key!("owner"), &role.owner);
        })
    }

    /// What is told of the rule of this name, or of the exception that stands for one.
    pub(crate) fn of_rule(name: &str, written: &Written, verb: Option<Verb>) -> Fields {
        Fields::written(|line| {
            line.text(first!("name"), name);
            line.text(key!("file"), &written.file);
            line.number(key!("line"), written.line.into());
            line.word_if(key!("verb"), verb.map(Verb::as_str));
        })
    }

    /// What is told of a lease: whether its source ends it, a keyed hash, when it ends, and the source's own name for
    /// the answer that brought it, by which the source's log is joined.
    pub(crate) fn of_lease(
        (class, id): (&'static str, &str),
        expires: OffsetDateTime,
        request_id: Option<&str>,
    ) -> Fields {
        Fields::written(|line| {
            line.word(key!("class"), class);
            line.text(key!("lease"), id);
            line.time(key!("expires"), expires);
            line.text_if(key!("request_id"), request_id);
        })
    }
}

/// The line that says that the gate started, and where it listens: for agents, and for those who run it.
pub(super) fn started(listen: SocketAddr, admin: Option<&str>, snapshot: &str) -> Vec<u8> {
    let mut line = Line::begin(&super::new_id(), "started");
    line.address(key!("listen"), listen);
    line.text_if(key!("admin"), admin);
    line.word(key!("version"), env!("CARGO_PKG_VERSION"));
    line.text(key!("snapshot"), snapshot);
    line.end()
}

/// The line that says that the gate stopped, and how.
pub(super) fn stopped(outcome: &'static str) -> Vec<u8> {
    let mut line = Line::begin(&super::new_id(), "stopped");
    line.word(key!("outcome"), outcome);
    line.end()
}

/// The line that stands for `count` refusals of `identity`, or of nobody.
pub(super) fn counted(identity: Option<&str>, count: u64) -> Vec<u8> {
    let mut line = Line::begin(&super::new_id(), "counted");
    if let Some(identity) = identity {
        line.object(key!("caller"), |line| line.text(first!("id"), identity));
    }
    line.number(key!("count"), count);
    line.end()
}

/// The names of a query as the log lists them.
fn query_names(query: &Query) -> impl Iterator<Item = String> {
    query
        .names()
        .take(QUERY_NAMES_MAX)
        .map(|name| printable(&name))
}

/// `text` in printable ASCII, everything else escaped, cut to a length.
pub(crate) fn printable(text: &str) -> String {
    within(text, TEXT_CHARS_MAX)
}

/// An agent's own words, of which more may have come than are told.
pub(super) fn words(text: &str) -> String {
    within(text, SEEN_CHARS_MAX)
}

fn within(text: &str, chars_max: usize) -> String {
    let mut printable = String::with_capacity(text.len().min(chars_max));
    let mut characters = text.chars();
    for character in characters.by_ref().take(chars_max) {
        match character {
            ' '..='~' => printable.push(character),
            _ => printable.extend(character.escape_unicode()),
        }
    }
    if characters.next().is_some() {
        printable.push(CUT);
    }
    printable
}
