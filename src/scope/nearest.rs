//! The rule that comes nearest to a call that no rule names, and what of the call it does not name.
//!
//! Nearness is one order for all: the host first (a rule for another host is about something else), then the port,
//! then how many of method and path agree, then encoded slash and query, then how many leading segments of the path do; between
//! equals the file's order decides. It explains a decision and makes none.

use std::fmt;

use super::{Effect, HostPattern, NamePattern, PathPattern, Role, Rule, path::Difference};
use crate::target::{Host, Target};

/// An allow rule and how it differs from a call.
#[derive(Debug, Clone)]
pub struct Nearest<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What of the call it does not name, in the order of [`Part`]; nothing if it names the call.
    pub unmatched: Vec<Unmatched<'a>>,
    asked: Asked,
    nearness: Nearness,
}

/// Which of the parts that few calls have the call has.
#[derive(Debug, Clone, Copy)]
struct Asked {
    encoded_slash: bool,
    query: bool,
}

/// What a rule must agree with a call in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The name or address.
    Host,
    /// The port.
    Port,
    /// The method.
    Method,
    /// The path.
    Path,
    /// Whether `%2F` may stand in a segment.
    EncodedSlash,
    /// The names in the query.
    Query,
}

/// A part of a call that a rule does not name.
#[derive(Debug, Clone, Copy)]
pub struct Unmatched<'a> {
    /// Which part.
    pub part: Part,
    rule: &'a Rule,
    target: &'a Target,
    host: Option<&'a HostPattern>,
    path: Option<Difference<'a>>,
}

/// How near a rule is: the larger the nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Nearness {
    host: Likeness,
    port: bool,
    agreeing: usize,
    segments: usize,
}

/// How like a host is to the one that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// So many labels from the right are the same.
    Labels(usize),
    /// The pattern names it.
    Named,
}

impl Part {
    /// Every part, in order.
    pub const ALL: [Part; 6] = [
        Part::Host,
        Part::Port,
        Part::Method,
        Part::Path,
        Part::EncodedSlash,
        Part::Query,
    ];

    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Host => "host",
            Part::Port => "port",
            Part::Method => "method",
            Part::Path => "path",
            Part::EncodedSlash => "encoded slash",
            Part::Query => "query",
        }
    }
}

impl Role {
    /// The allow rule that comes nearest to `target`; none if the role has no allow rule.
    pub fn nearest<'a>(&'a self, target: &'a Target) -> Option<Nearest<'a>> {
        let allows = |rule: &&Rule| matches!(rule.effect, Effect::Allow(_));
        let rules = self.rules().iter().filter(allows);
        rules
            .map(|rule| Nearest::of(rule, target))
            .reduce(|first, next| {
                if next.nearness > first.nearness {
                    next
                } else {
                    first
                }
            })
    }
}

impl<'a> Nearest<'a> {
    fn of(rule: &'a Rule, target: &'a Target) -> Nearest<'a> {
        let host = nearest_host(&rule.hosts, target);
        let path = nearest_path(&rule.paths, target);
        let likeness = host.map_or(Likeness::Labels(0), |pattern| {
            likeness(pattern, target.host())
        });
        let agrees = |part: &Part| match part {
            Part::Host => likeness == Likeness::Named,
            Part::Port => host.is_some_and(|pattern| pattern.port == target.port()),
            Part::Method => rule.methods.contains(target.method()),
            Part::Path => matches!(path, Some(None)),
            Part::EncodedSlash => rule.encoded_slash || !target.path().has_encoded_slash(),
            Part::Query => match &rule.effect {
                Effect::Allow(grant) => grant.check_query(target.query()).is_ok(),
                Effect::Deny => true,
            },
        };
        let unmatched = |part| Unmatched {
            part,
            rule,
            target,
            host,
            path: path.flatten(),
        };
        let nearness = Nearness {
            host: likeness,
            port: agrees(&Part::Port),
            agreeing: Part::ALL
                .iter()
                .filter(|part| agrees(part))
                .map(weight)
                .sum(),
            segments: path.map_or(0, agreeing_segments),
        };
        Nearest {
            rule,
            unmatched: Part::ALL
                .into_iter()
                .filter(|part| !agrees(part))
                .map(unmatched)
                .collect(),
            asked: Asked {
                encoded_slash: target.path().has_encoded_slash(),
                query: target.query().is_some(),
            },
            nearness,
        }
    }

    /// The parts in which the rule agrees with the call; nothing is said of an encoded slash or a query that is not
    /// asked.
    pub fn matched(&self) -> impl Iterator<Item = Part> {
        let told = |part: &Part| match part {
            Part::EncodedSlash => self.asked.encoded_slash,
            Part::Query => self.asked.query,
            Part::Host | Part::Port | Part::Method | Part::Path => true,
        };
        let differs = |part: &Part| self.unmatched.iter().any(|one| one.part == *part);
        Part::ALL
            .into_iter()
            .filter(move |part| told(part) && !differs(part))
    }
}

/// A rule that only does not take an encoded slash or the query is nearer than one for another method or path.
fn weight(part: &Part) -> usize {
    match part {
        Part::Host | Part::Port => 0,
        Part::Method | Part::Path => 2,
        Part::EncodedSlash | Part::Query => 1,
    }
}

/// The most like of `patterns`: the name counts more than the port, and the first of equals is taken.
fn nearest_host<'a>(patterns: &'a [HostPattern], target: &Target) -> Option<&'a HostPattern> {
    let near = |pattern: &HostPattern| {
        let port = pattern.port == target.port();
        (likeness(pattern, target.host()), port)
    };
    patterns.iter().reduce(|first, next| {
        if near(next) > near(first) {
            next
        } else {
            first
        }
    })
}

fn likeness(pattern: &HostPattern, host: &Host) -> Likeness {
    if pattern.matches(host, pattern.port) {
        return Likeness::Named;
    }
    let name = match &pattern.name {
        NamePattern::Exact(name) if name.ip().is_some() => return Likeness::Labels(0),
        NamePattern::Exact(name) => name.as_str(),
        NamePattern::OneLabel(suffix) => suffix,
    };
    let labels = host.as_str().rsplit('.').zip(name.rsplit('.'));
    Likeness::Labels(
        labels
            .take_while(|(asked, written)| asked == written)
            .count(),
    )
}

/// The difference of the pattern that goes along furthest: an inner `None` if one names the path, none if there is
/// no pattern.
fn nearest_path<'a>(
    patterns: &'a [PathPattern],
    target: &'a Target,
) -> Option<Option<Difference<'a>>> {
    let differences = patterns
        .iter()
        .map(|pattern| pattern.difference(target.path()));
    differences.reduce(|first, next| {
        if agreeing_segments(next) > agreeing_segments(first) {
            next
        } else {
            first
        }
    })
}

/// How many leading segments agree; more than any number where all of them do.
fn agreeing_segments(difference: Option<Difference<'_>>) -> usize {
    difference.map_or(usize::MAX, |difference| difference.segment - 1)
}

impl fmt::Display for Unmatched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmatched { rule, target, .. } = self;
        match (self.part, self.host, self.path) {
            (Part::Host, Some(pattern), _) => {
                write!(f, "{} is asked, the rule names {pattern}", target.host())?;
                match rule.hosts.len() {
                    0 | 1 => Ok(()),
                    hosts => write!(f, " and {} more", hosts - 1),
                }
            }
            (Part::Host | Part::Port, None, _) => f.write_str("the rule names no host"),
            (Part::Port, Some(pattern), _) => write!(
                f,
                "{} is asked, the rule names {}",
                target.port(),
                pattern.port
            ),
            (Part::Method, ..) => {
                let taken: Vec<&str> = rule.methods.iter().map(|method| method.as_str()).collect();
                let taken = if taken.is_empty() {
                    "none".to_owned()
                } else {
                    taken.join(", ")
                };
                write!(f, "{} is asked, the rule takes {taken}", target.method())
            }
            (Part::Path, _, Some(difference)) => difference.fmt(f),
            (Part::Path, _, None) => f.write_str("the rule names no path"),
            (Part::EncodedSlash, ..) => {
                f.write_str("%2F is asked, which the rule takes only with encoded_slash: allow")
            }
            (Part::Query, ..) => self.write_query(f),
        }
    }
}

impl Unmatched<'_> {
    fn write_query(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = match &self.rule.effect {
            Effect::Allow(grant) => grant.query.as_deref(),
            Effect::Deny => None,
        };
        let query = self.target.query();
        match (query, listed) {
            (Some(query), Some([])) => {
                let name = query.other_than(&[]).unwrap_or_default();
                write!(f, "{name:?} is asked, the rule takes no parameter")
            }
            (Some(query), Some(listed)) => {
                let name = query.other_than(listed).unwrap_or_default();
                write!(f, "{name:?} is asked, the rule takes {}", listed.join(", "))
            }
            (Some(query), None) => {
                let name = query.credential_name().unwrap_or_default();
                write!(
                    f,
                    "{name:?} says that it carries a credential, and the rule does not list it in query"
                )
            }
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
