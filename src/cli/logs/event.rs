//! A line as whoever reads the log sees it: the fields that are shown or asked for.
//!
//! What the schema allows to be absent may be absent here, and what a newer gate may add is left alone.

use serde::Deserialize;

use crate::event::SCHEMA;

/// One event.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    schema: String,
    pub(super) time: String,
    pub(super) kind: Kind,
    pub(super) caller: Option<Caller>,
    pub(super) request: Option<Request>,
    pub(super) decision: Option<Decision>,
    pub(super) credential: Option<Credential>,
    pub(super) upstream: Option<Upstream>,
    pub(super) outcome: Option<String>,
    pub(super) time_us: Option<TimeUs>,
    pub(super) count: Option<u64>,
    pub(super) listen: Option<String>,
    pub(super) version: Option<String>,
    pub(super) snapshot: Option<String>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum Kind {
    Allowed,
    Refused,
    Ended,
    Counted,
    Started,
    Stopped,
    /// What a newer gate may say.
    Other(String),
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Caller {
    pub(super) id: String,
    pub(super) role: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) scheme: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Decision {
    pub(super) reason: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) rule: Option<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rule {
    pub(super) name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Credential {
    pub(super) name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Upstream {
    pub(super) status: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct TimeUs {
    pub(super) total: u64,
}

impl Event {
    /// The event that `line` is, if it is one.
    pub(super) fn parse(line: &[u8]) -> Option<Event> {
        let event: Event = serde_json::from_slice(line).ok()?;
        (event.schema == SCHEMA).then_some(event)
    }

    /// The caller's SPIFFE ID, if the line is about a caller.
    pub(super) fn caller(&self) -> Option<&str> {
        self.caller.as_ref().map(|caller| &*caller.id)
    }

    /// The role in which the caller acted, if it had one.
    pub(super) fn role(&self) -> Option<&str> {
        self.caller.as_ref()?.role.as_deref()
    }

    /// The name of the rule that decided.
    pub(super) fn rule(&self) -> Option<&str> {
        let rule = self.decision.as_ref()?.rule.as_ref()?;
        Some(&rule.name)
    }
}

impl From<String> for Kind {
    fn from(word: String) -> Kind {
        match word.as_str() {
            "allowed" => Kind::Allowed,
            "refused" => Kind::Refused,
            "ended" => Kind::Ended,
            "counted" => Kind::Counted,
            "started" => Kind::Started,
            "stopped" => Kind::Stopped,
            _ => Kind::Other(word),
        }
    }
}
