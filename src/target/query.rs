//! The query as it was sent, once it is known whether it may carry a credential of the agent's own.
//!
//! Upstreams disagree about queries: `;` separates or does not, `+` is a space or is not, `name[]` is `name` or
//! is not. Names are therefore judged under every reading, and the text is sent as it came. Values are neither
//! read nor logged. A rule may list the names that it takes; one that carries a credential needs such a rule.

use std::{borrow::Cow, fmt};

use super::escape::escaped_byte;
use crate::names::{self, Says};

/// The longest query as it was sent, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// A query, without the `?`, exactly as it was sent.
///
/// Its bytes are those of RFC 3986 3.4, and besides `[ ] { } | ^`, which browsers and common clients leave
/// unescaped and no reader takes for anything else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Query {
    text: String,
    carries_credential: bool,
}

/// Why a text is not a query that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryFault {
    /// More than [`QUERY_BYTES_MAX`] bytes.
    TooLong,
    /// A byte that a query may not hold raw: space, controls, non-ASCII, `#`, quotes, `<`, `>`, `\`, backtick.
    Character,
    /// `%` without two hexadecimal digits.
    BrokenEscape,
    /// A name that is not UTF-8, holds a control character, or is encoded twice.
    Name,
    /// A name that says for whom the call is made.
    Identity,
    /// A name that overrides the method or a header at the upstream.
    Override,
}

impl Query {
    /// The text after the first `?` of a request target.
    pub fn parse(raw: &str) -> Result<Query, QueryFault> {
        if raw.len() > QUERY_BYTES_MAX {
            return Err(QueryFault::TooLong);
        }
        check_bytes(raw)?;
        let mut carries_credential = false;
        for piece in pieces(raw) {
            match names::parameter(&decoded_name(piece)?) {
                None => {}
                Some(Says::Credential) => carries_credential = true,
                Some(Says::Identity) => return Err(QueryFault::Identity),
                Some(Says::Override) => return Err(QueryFault::Override),
            }
        }
        Ok(Query {
            text: raw.to_owned(),
            carries_credential,
        })
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a name says that it carries a credential: the agent's own would stand beside the gate's or in its place.
    pub fn carries_credential(&self) -> bool {
        self.carries_credential
    }

    /// The first name, decoded, that is not one of `listed`, letter for letter. A `;` ends a name as a `&` does.
    pub fn other_than(&self, listed: &[Box<str>]) -> Option<Cow<'_, str>> {
        let others = |name: &Cow<'_, str>| !listed.iter().any(|one| **one == **name);
        self.each_name().find(others)
    }

    /// The first name, decoded, that says that it carries a credential.
    pub fn credential_name(&self) -> Option<Cow<'_, str>> {
        let carries = |name: &Cow<'_, str>| names::parameter(name) == Some(Says::Credential);
        self.each_name().find(carries)
    }

    fn each_name(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let pieces = pieces(&self.text).filter(|piece| !piece.is_empty());
        pieces.filter_map(|piece| decoded_name(piece).ok())
    }

    /// Whether some reader takes one of its parameters for `name`, a plain text: under other escapes, in another
    /// case, with brackets, with other or no hyphens, dots and underscores, behind either separator.
    pub fn may_name(&self, name: &str) -> bool {
        let mut names = pieces(&self.text).map(decoded_name);
        names.any(|own| own.map_or(true, |own| names::are_alike(&own, name)))
    }

    /// The decoded names in their order, for the log: what stands before the first `=` of each `&` piece.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.text
            .split('&')
            .filter(|piece| !piece.is_empty())
            .filter_map(|piece| decoded_name(piece).ok())
            .map(Cow::into_owned)
    }
}

/// Splitting at both separators finds every name that a reader of either one sees.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(['&', ';'])
}

fn check_bytes(raw: &str) -> Result<(), QueryFault> {
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                escaped_byte(&mut rest).ok_or(QueryFault::BrokenEscape)?;
            }
            b'#' | b'"' | b'<' | b'>' | b'\\' | b'`' => return Err(QueryFault::Character),
            0x21..=0x7e => {}
            _ => return Err(QueryFault::Character),
        }
    }
    Ok(())
}

/// What stands before the first `=`, with `+` and escapes decoded once.
fn decoded_name(piece: &str) -> Result<Cow<'_, str>, QueryFault> {
    let name = piece.split('=').next().unwrap_or(piece);
    if !name.contains(['%', '+']) {
        return Ok(Cow::Borrowed(name));
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => escaped_byte(&mut rest).ok_or(QueryFault::BrokenEscape)?,
            b'+' => b' ',
            _ => byte,
        });
    }
    let name = String::from_utf8(bytes).map_err(|_| QueryFault::Name)?;
    if name.chars().any(char::is_control) || has_escape(&name) {
        return Err(QueryFault::Name);
    }
    Ok(Cow::Owned(name))
}

fn has_escape(name: &str) -> bool {
    name.split('%')
        .skip(1)
        .any(|after| escaped_byte(&mut after.bytes()).is_some())
}

impl fmt::Debug for Query {
    /// The values may be the agent's secrets: only the length is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} bytes)", self.text.len())
    }
}

impl fmt::Display for QueryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueryFault::TooLong => "The query is longer than 16 KiB.",
            QueryFault::Character => "The query has a character that must be encoded.",
            QueryFault::BrokenEscape => {
                "The query has a percent sign without two hexadecimal digits."
            }
            QueryFault::Name => "The query has a name with more than one reading.",
            QueryFault::Identity => "The query has a name that says for whom the call is made.",
            QueryFault::Override => "The query has a name that overrides the method or a header.",
        })
    }
}

impl std::error::Error for QueryFault {}

#[cfg(test)]
mod tests;
