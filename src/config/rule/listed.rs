//! The keys `headers` and `query` of an allow rule: the only names that cross with its calls.
//!
//! A list narrows. What never crosses cannot be listed, but for a query name that only looks like a credential's to the
//! gate: an API may use `key` or `code` for something harmless, and the rule says so by its exact name.

use std::sync::Arc;

use http::HeaderName;

use super::super::{
    mistake::{Place, Wrong, quoted},
    value::Value,
};
use crate::{
    headers,
    names::{self, Says},
};

/// The longest name of a query parameter, in characters.
const QUERY_NAME_CHARS_MAX: usize = 128;

/// Lowers `headers`; what could be read is in `read` also after a mistake.
pub(super) fn headers(
    value: Value<'_>,
    read: &mut Vec<(HeaderName, Place)>,
) -> Option<Arc<[HeaderName]>> {
    let names = value.each(|value| {
        let name = value.parse(header)?;
        read.push((name.clone(), value.at().clone()));
        Some(name)
    })?;
    Some(names.into())
}

fn header(text: &str) -> Result<HeaderName, Wrong> {
    let name = HeaderName::from_bytes(text.as_bytes());
    let Ok(name) = name.map_err(drop) else {
        let what = format!("{} is no name of a header", quoted(text));
        return Err(Wrong::new(what, "write one like notion-version"));
    };
    if name.as_str() != text {
        let what = format!("{} is not in lower case", quoted(text));
        return Err(Wrong::new(what, format!("write {name}")));
    }
    match headers::never_listed(&name) {
        Some(why) => {
            let what = format!("a list has no place for the header {}", quoted(text));
            Err(Wrong::new(what, why))
        }
        None => Ok(name),
    }
}

/// Lowers `query`; what could be read is in `read` also after a mistake.
pub(super) fn query(
    value: Value<'_>,
    read: &mut Vec<(Box<str>, Place)>,
) -> Option<Arc<[Box<str>]>> {
    let names = value.each(|value| {
        let name = value.parse(parameter)?;
        read.push((name.clone(), value.at().clone()));
        Some(name)
    })?;
    Some(names.into())
}

fn parameter(text: &str) -> Result<Box<str>, Wrong> {
    let wrong = |instead: &str| {
        let what = format!("{} is no query name that a rule can list", quoted(text));
        Err(Wrong::new(what, instead))
    };
    let ends = |letter: char| letter.is_control() || "&;=%+".contains(letter);
    if text.is_empty() || text.chars().count() > QUERY_NAME_CHARS_MAX || text.contains(ends) {
        return wrong("write it decoded, up to 128 characters and none of & ; = % +");
    }
    match names::parameter(text) {
        Some(Says::Identity) => wrong("it says for whom the call is, and is never sent on"),
        Some(Says::Override) => wrong("it overrides the method, and is never sent on"),
        Some(Says::Credential) | None => Ok(text.into()),
    }
}
