//! The log of the tour's gate, read as the SOC reads it: line by line, while it grows.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::page::{Ink, Span};
use crate::cli::Failure;

/// How often the file is looked at for what was added.
const LOOK_TIME: Duration = Duration::from_millis(20);

/// How long an event is waited for; the gate hands its lines over within 20 ms.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The log, as far as it was read.
pub(super) struct Journal {
    path: PathBuf,
    read_bytes: u64,
    rest: String,
    /// Every event of the tour, in the order of the log.
    pub(super) events: Vec<Event>,
}

/// One line of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    /// The line as it stands there, without its end.
    pub(super) line: String,
    json: Value,
}

impl Journal {
    /// The log in the file at `path`.
    pub(super) fn of(path: PathBuf) -> Journal {
        Journal {
            path,
            read_bytes: 0,
            rest: String::new(),
            events: Vec::new(),
        }
    }

    /// Waits for the last event that is `wanted`; the answer is the event.
    pub(super) async fn wait_for(
        &mut self,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event, Failure> {
        let patience = Instant::now() + EVENT_TIMEOUT;
        loop {
            self.read()?;
            if let Some(event) = self.events.iter().rev().find(|event| wanted(event)) {
                return Ok(event.clone());
            }
            if Instant::now() > patience {
                return Err(Failure::Run("an event did not come in time".to_owned()));
            }
            sleep(LOOK_TIME).await;
        }
    }

    /// Reads what was added since the last time.
    pub(super) fn read(&mut self) -> Result<(), Failure> {
        let added = self.added()?;
        self.events.extend(added);
        Ok(())
    }

    /// What was added since the last time, kept by nobody.
    pub(super) fn added(&mut self) -> Result<Vec<Event>, Failure> {
        let failed = |error| Failure::Run(format!("{}: {error}", self.path.display()));
        let added = added(&self.path, self.read_bytes).map_err(failed)?;
        self.read_bytes += added.len() as u64;
        self.rest.push_str(&added);
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.rest.split_off(whole);
        let lines = std::mem::replace(&mut self.rest, rest);
        Ok(lines.lines().map(Event::parse).collect())
    }
}

fn added(path: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut added = String::new();
    file.read_to_string(&mut added)?;
    Ok(added)
}

impl Event {
    fn parse(line: &str) -> Event {
        Event {
            line: line.to_owned(),
            json: serde_json::from_str(line).unwrap_or_default(),
        }
    }

    /// The text at `pointer` (RFC 6901), empty if there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.json
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The number at `pointer`, 0 if there is none.
    pub(super) fn number(&self, pointer: &str) -> u64 {
        self.json
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// What the line says: `allowed`, `refused`, `ended` and others.
    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Whether it says what was decided, about a call or a connection.
    pub(super) fn is_a_decision(&self) -> bool {
        !self.text("/decision/effect").is_empty()
    }

    /// Whether it is the last line of a call.
    pub(super) fn ends_a_call(&self) -> bool {
        let of_a_call = self.json.pointer("/request").is_some();
        of_a_call && matches!(self.kind(), "ended" | "refused")
    }

    /// Whether it is about this path and method.
    pub(super) fn is_about(&self, method: &str, path: &str) -> bool {
        self.text("/request/method") == method && self.text("/request/path") == path
    }

    /// Who called, in a word.
    fn who(&self) -> &str {
        match (self.text("/caller/role"), self.text("/caller/id")) {
            ("", "") => "nobody",
            ("", _) => "unknown",
            (role, _) => role,
        }
    }

    /// What became of it, in a few words.
    fn outcome(&self) -> String {
        let rule = self.text("/decision/rule/name");
        match (self.kind(), self.text("/decision/reason")) {
            ("refused", "denied_by_rule") => format!("denied_by_rule {rule}"),
            ("refused", reason) => reason.to_owned(),
            ("allowed", _) => rule.to_owned(),
            ("ended", _) => format!(
                "{rule}, {} → {}",
                self.text("/credential/name"),
                self.number("/upstream/status")
            ),
            _ => String::new(),
        }
    }

    /// The event in one line, in columns: when, what, who, the call, the outcome.
    pub(super) fn columns(&self) -> Columns {
        let time = self.text("/time");
        Columns {
            time: time.get(11..19).unwrap_or(time).to_owned(),
            kind: format!("{:<8}", self.kind()),
            call: format!(
                "{:<7} {:<6} {:<33} ",
                self.who(),
                self.text("/request/method"),
                format!(
                    "{}{}",
                    self.text("/request/host"),
                    self.text("/request/path")
                ),
            ),
            outcome: self.outcome(),
            refused: self.kind() == "refused",
        }
    }
}

/// An event in one line.
pub(super) struct Columns {
    time: String,
    kind: String,
    call: String,
    outcome: String,
    refused: bool,
}

impl Columns {
    /// The parts of the line.
    pub(super) fn spans(&self) -> [Span<'_>; 6] {
        let ink = if self.refused { Ink::Bad } else { Ink::Good };
        [
            (Ink::Faint, "   "),
            (Ink::Faint, &self.time),
            (Ink::Plain, "  "),
            (ink, &self.kind),
            (Ink::Plain, &self.call),
            (Ink::Plain, &self.outcome),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn line_of(event: &str) -> String {
        let columns = Event::parse(event).columns();
        columns.spans().map(|(_, text)| text).concat()
    }

    #[test]
    fn a_call_that_was_made_is_one_line() {
        let line = line_of(
            r#"{"time":"2026-11-22T05:43:55.120000Z","kind":"ended","caller":{"id":"spiffe://a/b","role":"triage"},
            "request":{"method":"GET","host":"api.demo.test","path":"/v1/tickets"},"decision":{"rule":{"name":"read"}},
            "credential":{"name":"demo"},"upstream":{"status":200}}"#,
        );
        assert_eq!(
            line,
            "   05:43:55  ended   triage  GET    api.demo.test/v1/tickets          read, demo → 200"
        );
    }

    #[test]
    fn a_refusal_tells_its_reason() {
        let line = line_of(r#"{"kind":"refused","decision":{"reason":"certificate_invalid"}}"#);
        assert!(
            line.contains("refused nobody") && line.ends_with("certificate_invalid"),
            "{line}"
        );
        let denied =
            r#"{"kind":"refused","decision":{"reason":"denied_by_rule","rule":{"name":"no"}}}"#;
        assert!(line_of(denied).ends_with("denied_by_rule no"));
    }

    #[test]
    fn half_a_line_is_read_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut journal = Journal::of(file.path().to_owned());
        file.write_all(b"{\"kind\":\"a\"}\n{\"kind\"").unwrap();
        journal.read().unwrap();
        assert_eq!(journal.events.len(), 1);
        file.write_all(b":\"b\"}\n").unwrap();
        journal.read().unwrap();
        let kinds: Vec<&str> = journal.events.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["a", "b"]);
    }
}
