//! Which events are wanted.

use std::collections::HashMap;

use super::event::{Event, Kind};

/// Callers whose role is remembered; the log counts the refusals of no more than these apart.
const CALLERS_MAX: usize = 4096;

/// Which events are wanted: those to which everything applies that is asked for.
#[derive(Debug)]
pub(super) struct Filter {
    /// The caller acted in this role.
    role: Option<String>,
    /// It is about this caller.
    caller: Option<String>,
    /// Something was refused.
    refused: bool,
    /// The role in which each caller acted last: counted lines name the caller only.
    roles: HashMap<String, String>,
}

impl Filter {
    /// Events about `caller`, in `role`, that `refused` something, as far as each is asked for.
    pub(super) fn new(role: Option<&str>, caller: Option<&str>, refused: bool) -> Filter {
        Filter {
            role: role.map(str::to_owned),
            caller: caller.map(str::to_owned),
            refused,
            roles: HashMap::new(),
        }
    }

    /// Whether `event`, the next of the log, is wanted.
    pub(super) fn wants(&mut self, event: &Event) -> bool {
        self.remember(event);
        if self.refused && !matches!(event.kind, Kind::Refused | Kind::Counted) {
            return false;
        }
        if self.caller.is_some() && event.caller() != self.caller.as_deref() {
            return false;
        }
        self.role.is_none() || self.role.as_deref() == self.role_of(event)
    }

    fn role_of<'a>(&'a self, event: &'a Event) -> Option<&'a str> {
        match (&event.kind, event.caller()) {
            (Kind::Counted, Some(id)) => self.roles.get(id).map(String::as_str),
            _ => event.role(),
        }
    }

    fn remember(&mut self, event: &Event) {
        let (Some(_), Some(id), Some(role)) = (&self.role, event.caller(), event.role()) else {
            return;
        };
        if self.roles.get(id).is_some_and(|known| known == role) {
            return;
        }
        if self.roles.len() < CALLERS_MAX || self.roles.contains_key(id) {
            self.roles.insert(id.to_owned(), role.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: [&str; 6] = [
        r#""kind":"started""#,
        r#""kind":"ended","caller":{"id":"spiffe://a.test/one","role":"reader"}"#,
        r#""kind":"refused","caller":{"id":"spiffe://a.test/one","role":"reader"}"#,
        r#""kind":"refused","caller":{"id":"spiffe://a.test/two","role":"writer"}"#,
        r#""kind":"counted","caller":{"id":"spiffe://a.test/one"}"#,
        r#""kind":"refused""#,
    ];

    /// The numbers of the events in [`LOG`] that are wanted.
    fn wanted(role: Option<&str>, caller: Option<&str>, refused: bool) -> Vec<usize> {
        let mut filter = Filter::new(role, caller, refused);
        let events = LOG.map(|fields| {
            let line = format!(r#"{{"schema":"tollgate.event/1","time":"",{fields}}}"#);
            Event::parse(line.as_bytes()).unwrap()
        });
        let numbered = (0..).zip(&events);
        numbered
            .filter(|(_, event)| filter.wants(event))
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn whatever_is_asked_for_must_apply() {
        let (one, two) = (Some("spiffe://a.test/one"), Some("spiffe://a.test/two"));
        assert_eq!(wanted(None, None, false), [0, 1, 2, 3, 4, 5]);
        assert_eq!(wanted(None, None, true), [2, 3, 4, 5]);
        assert_eq!(wanted(Some("reader"), None, false), [1, 2, 4]);
        assert_eq!(wanted(Some("reader"), None, true), [2, 4]);
        assert_eq!(wanted(None, one, false), [1, 2, 4]);
        assert_eq!(wanted(Some("writer"), two, true), [3]);
        assert_eq!(wanted(Some("writer"), one, false), [0; 0]);
    }
}
