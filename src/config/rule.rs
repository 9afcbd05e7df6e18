//! One entry of a manifest's `rules`.
//!
//! Provides the lowering of rules into [`Rule`]s and the [`Reach`] of each, which other files are held against. It
//! deliberately decides nothing about calls (`scope`): it sees to it that a rule says what it means, so that
//! verb and methods agree, an allow rule names its credential or says `none`, and a deny rule grants nothing.

mod listed;

use std::{collections::HashMap, sync::Arc};

use http::HeaderName;

use super::{
    fields::Fields,
    host,
    mistake::{Place, Wrong, quoted},
    scalar,
    value::Value,
};
use crate::{
    scope::{self, Effect, Grant, HostPattern, PathPattern, Rule, RuleLimit, Verb},
    target::{Method, Methods, Path},
};

/// The largest burst and the largest number of calls in flight that a rule may write.
const BURST_MAX: u32 = 1_000_000;
const IN_FLIGHT_MAX: u32 = 100_000;

/// The keys that only an allow rule has.
const ALLOW_KEYS: [&str; 8] = [
    "verb",
    "safe_post",
    "encoded_slash",
    "credential",
    "cookies",
    "headers",
    "query",
    "limit",
];

/// Where an allow rule reaches, and with which credential, as far as either could be read.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) hosts: Vec<(HostPattern, Place)>,
    pub(super) credential: Option<(Arc<str>, Place)>,
    /// The headers that it lists.
    pub(super) headers: Vec<(HeaderName, Place)>,
    /// The query names that it lists.
    pub(super) query: Vec<(Box<str>, Place)>,
}

/// Lowers the list `rules`, each with its place; what could be read of an allow rule is in `reaches` also after a
/// mistake.
pub(super) fn lower_all(value: Value<'_>, reaches: &mut Vec<Reach>) -> Option<Vec<(Rule, Place)>> {
    let mut lines = HashMap::new();
    value.each(|value| {
        let rule = value.mapping(|fields| rule(fields, &mut lines, reaches));
        Some((rule?, value.at().clone()))
    })
}

fn rule(
    fields: &mut Fields<'_>,
    lines: &mut HashMap<String, u32>,
    reaches: &mut Vec<Reach>,
) -> Option<Rule> {
    let name = fields.required("name", |v| unique_name(v, lines));
    let word = fields.or("effect", Word::Allow, |v| {
        v.word(&[("allow", Word::Allow), ("deny", Word::Deny)])
    });
    let mut reach = Reach::default();
    let hosts = fields.required("hosts", |v| some(v, |v| host(v, &mut reach.hosts)));
    let body = match word {
        Some(Word::Allow) => {
            let body = allow(fields, &mut reach);
            reaches.push(reach);
            body
        }
        Some(Word::Deny) => deny(fields),
        None => {
            fields.leave(&["methods", "paths"]);
            fields.leave(&ALLOW_KEYS);
            None
        }
    };
    let at = fields.at();
    let body = body?;
    Some(Rule {
        name: name?.into(),
        effect: body.effect,
        hosts: hosts?,
        methods: body.methods,
        paths: body.paths,
        encoded_slash: body.encoded_slash,
        written: scope::Written {
            file: Arc::clone(&at.file),
            line: at.line,
        },
    })
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Allow,
    Deny,
}

/// What depends on the effect.
struct Body {
    effect: Effect,
    methods: Methods,
    paths: Vec<PathPattern>,
    encoded_slash: bool,
}

fn allow(fields: &mut Fields<'_>, reach: &mut Reach) -> Option<Body> {
    let verb = fields.required("verb", |v| {
        v.word(&[
            ("read", Verb::Read),
            ("write", Verb::Write),
            ("execute", Verb::Execute),
        ])
    });
    let safe_post = fields.or("safe_post", false, |v| safe_post(v, verb));
    let agreed = verb.zip(safe_post);
    let methods = fields.required("methods", |v| some(v, |v| agreed_method(v, agreed)));
    let encoded_slash = fields.or("encoded_slash", false, |v| v.word(&[("allow", true)]));
    let paths = fields.required("paths", |v| some(v, |v| path(v, encoded_slash)));
    let credential = fields.required("credential", |v| credential(v, &mut reach.credential));
    let cookies = fields.or("cookies", false, |v| v.word(&[("pass", true)]));
    let headers = fields.optional("headers", |v| listed::headers(v, &mut reach.headers));
    let query = fields.optional("query", |v| listed::query(v, &mut reach.query));
    let limit = fields.optional("limit", |v| v.mapping(limit));
    let grant = Grant {
        verb: verb?,
        credential: credential?,
        cookies: cookies?,
        headers: headers?,
        query: query?,
        limit: limit?,
    };
    safe_post?;
    Some(Body {
        effect: Effect::Allow(grant),
        methods: methods?.into_iter().collect(),
        paths: paths?,
        encoded_slash: encoded_slash?,
    })
}

/// A deny rule without methods denies all of them, without paths the whole host: `/` and everything below.
fn deny(fields: &mut Fields<'_>) -> Option<Body> {
    let all = || Some(vec![PathPattern::parse("/").ok()?]);
    let methods = fields.or("methods", Method::ALL.to_vec(), |v| some(v, method));
    let paths = fields.optional("paths", |v| some(v, |v| path(v, Some(true))));
    for key in ALLOW_KEYS {
        fields.optional(key, |v| grants_nothing(key, v));
    }
    Some(Body {
        effect: Effect::Deny,
        methods: methods?.into_iter().collect(),
        paths: paths?.or_else(all)?,
        encoded_slash: false,
    })
}

fn grants_nothing(key: &str, value: Value<'_>) -> Option<()> {
    value.wrong(Wrong::new(
        format!("a deny rule has no {}", quoted(key)),
        "take it away: the rule grants nothing",
    ))
}

/// A list that names something; an empty one is taken at its word, with a warning.
fn some<T>(value: Value<'_>, lower: impl FnMut(Value<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = value.each(lower)?;
    if items.is_empty() {
        value.warning(Wrong::new(
            "this list is empty",
            "the rule can never match: an empty list names nothing",
        ));
    }
    Some(items)
}

fn unique_name(value: Value<'_>, lines: &mut HashMap<String, u32>) -> Option<String> {
    let name = value.parse(scalar::name)?;
    match lines.insert(name.clone(), value.at().line) {
        None => Some(name),
        Some(line) => value.wrong(Wrong::new(
            format!("a second rule has the name {}", quoted(&name)),
            format!("the first is in line {line}; a name stands for one rule in the log"),
        )),
    }
}

/// A host; an address that no exception can open either is a mistake.
fn host(value: Value<'_>, read: &mut Vec<(HostPattern, Place)>) -> Option<HostPattern> {
    let pattern = value.parse(host::pattern)?;
    if let Some(class) = host::never_opened(&pattern) {
        return value.wrong(Wrong::new(
            format!("{pattern} is an address that no rule and no exception opens ({class})"),
            "name a host that is not a part of the machine's own surroundings",
        ));
    }
    read.push((pattern.clone(), value.at().clone()));
    Some(pattern)
}

fn safe_post(value: Value<'_>, verb: Option<Verb>) -> Option<bool> {
    let safe_post = value.boolean()?;
    match verb {
        Some(Verb::Write | Verb::Execute) if safe_post => value.wrong(Wrong::new(
            "safe_post is for rules of the verb read",
            "take it away: this verb has POST anyway",
        )),
        Some(Verb::Read | Verb::Write | Verb::Execute) | None => Some(safe_post),
    }
}

fn method(value: Value<'_>) -> Option<Method> {
    value.word(&Method::ALL.map(|method| (method.as_str(), method)))
}

/// A method that belongs to the rule's verb; any, if the verb could not be read.
fn agreed_method(value: Value<'_>, agreed: Option<(Verb, bool)>) -> Option<Method> {
    let method = method(value)?;
    let Some((verb, safe_post)) = agreed else {
        return Some(method);
    };
    if methods_of(verb).contains(&method) || (safe_post && method == Method::Post) {
        return Some(method);
    }
    let known: Vec<&str> = methods_of(verb)
        .iter()
        .map(|method| method.as_str())
        .collect();
    let safe_post = match (verb, method) {
        (Verb::Read, Method::Post) => "; a POST that changes nothing needs safe_post: true",
        _ => "",
    };
    value.wrong(Wrong::new(
        format!("{method} is no method of the verb {}", verb.as_str()),
        format!("{} is {}{safe_post}", verb.as_str(), known.join(", ")),
    ))
}

fn methods_of(verb: Verb) -> &'static [Method] {
    match verb {
        Verb::Read => &[Method::Get, Method::Head, Method::Options],
        Verb::Write => &[Method::Post, Method::Put, Method::Patch, Method::Delete],
        Verb::Execute => &[Method::Post],
    }
}

fn path(value: Value<'_>, encoded_slash: Option<bool>) -> Option<PathPattern> {
    let pattern = value.parse(path_pattern)?;
    if pattern.has_encoded_slash() && encoded_slash == Some(false) {
        return value.wrong(Wrong::new(
            "this path has an encoded slash, which the rule does not take",
            "write encoded_slash: allow if the upstream means one segment by it",
        ));
    }
    Some(pattern)
}

fn path_pattern(text: &str) -> Result<PathPattern, Wrong> {
    PathPattern::parse(text).map_err(|fault| {
        let what = format!("{} is no path pattern", quoted(text));
        match Path::parse(text) {
            Err(fault) => Wrong::fault(what, fault),
            Ok(path) if path.as_str() != text => {
                Wrong::new(what, format!("its canonical form is {path}"))
            }
            Ok(_) => Wrong::fault(what, fault),
        }
    })
}

/// `none` is an answer; saying nothing is not.
fn credential(value: Value<'_>, named: &mut Option<(Arc<str>, Place)>) -> Option<Option<Arc<str>>> {
    let name = value.parse(scalar::name)?;
    if name == "none" {
        return Some(None);
    }
    let name: Arc<str> = name.into();
    *named = Some((Arc::clone(&name), value.at().clone()));
    Some(Some(name))
}

fn limit(fields: &mut Fields<'_>) -> Option<RuleLimit> {
    let rate = fields.optional("rate", |v| v.parse(scalar::rate));
    let burst = fields.optional("burst", |v| v.integer(1, BURST_MAX));
    let in_flight = fields.optional("in_flight", |v| v.integer(1, IN_FLIGHT_MAX));
    let limit = RuleLimit {
        rate: rate?,
        burst: burst?,
        in_flight: in_flight?,
    };
    match limit {
        RuleLimit {
            rate: None,
            burst: Some(_),
            ..
        } => fields.wrong(Wrong::new(
            "a burst without a rate",
            "write the rate above which the burst may go",
        )),
        RuleLimit {
            rate: None,
            burst: None,
            in_flight: None,
        } => fields.wrong(Wrong::new(
            "this limit limits nothing",
            "write rate or in_flight, or take it away",
        )),
        RuleLimit { .. } => Some(limit),
    }
}
