//! Which headers cross the gate and which never do: the only list there is.
//!
//! A request header crosses unless it belongs to the connection, or its name says that it carries a credential or an
//! identity, forwards, or overrides the method or the URL (`names`), or has more than one reading. An answer's header
//! crosses unless it belongs to the connection, sets state that outlives the call, or speaks in the gate's name. What a
//! rule injects is `inject`'s.

mod answer;

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub(crate) use self::answer::{authenticates_connection, crossing_answer};
use self::answer::{outlives_call, speaks_as_proxy};
use crate::{
    names::{self, Says},
    refusal::{Reason, Refusal},
};

/// The id of a call's event, on every answer that the gate itself makes.
pub(crate) const EVENT_ID: HeaderName = HeaderName::from_static("tollgate-event");

/// The same id under the name that API SDKs read and print.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The reason code, on every answer that the gate itself makes.
pub(crate) const REASON: HeaderName = HeaderName::from_static("tollgate-reason");

/// The most digits of a `Content-Length`: every length of so many fits into 64 bits, with a sign or without.
const LENGTH_DIGITS_MAX: usize = 18;

/// Headers of which a request has one: two have two readings, even if they are the same.
const ALONE: [HeaderName; 11] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::IF_MODIFIED_SINCE,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::ORIGIN,
    header::RANGE,
    header::REFERER,
    header::USER_AGENT,
];

/// Checks that the request has exactly one reading of its length and of what it says once, and that `Connection`
/// names nothing it must not (RFC 9110 sections 5.3 and 7.6.1, RFC 9112 sections 6.1 and 6.3).
pub(crate) fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let malformed = |cause: &'static str| Err(Refusal::because(Reason::RequestMalformed, cause));
    let (mut lengths, mut hosts, mut expectations, mut names_any) = (0, 0, 0, false);
    // One walk instead of a look-up for each name: a request has few headers.
    for (name, value) in headers {
        match *name {
            header::CONTENT_LENGTH if value.len() > LENGTH_DIGITS_MAX => {
                return malformed("a length of more digits than any body's");
            }
            header::CONTENT_LENGTH => lengths += 1,
            header::TRANSFER_ENCODING if is(value, "chunked") => lengths += 1,
            header::TRANSFER_ENCODING => {
                return malformed("a transfer coding other than chunked");
            }
            header::HOST => hosts += 1,
            header::EXPECT if is(value, "100-continue") => expectations += 1,
            header::EXPECT => return malformed("an expectation other than 100-continue"),
            header::CONTENT_TYPE if is_list(value) => {
                return malformed("more than one media type");
            }
            header::CONNECTION => names_any = true,
            _ => {}
        }
    }
    if lengths > 1 {
        return malformed("the length is given more than once");
    }
    if hosts > 1 {
        return malformed("more than one Host");
    }
    if expectations > 1 {
        return malformed("more than one expectation");
    }
    if headers.len() > headers.keys_len() && ALONE.iter().any(|name| is_repeated(name, headers)) {
        return malformed("a header that stands alone is given more than once");
    }
    if names_any
        && !headers
            .get_all(header::CONNECTION)
            .iter()
            .all(names_its_own)
    {
        return malformed("Connection names a header that is not its own");
    }
    Ok(())
}

fn is_repeated(name: &HeaderName, headers: &HeaderMap) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

/// Whether a `Connection` header is a list of names, and of none that is not for this connection alone.
fn names_its_own(value: &HeaderValue) -> bool {
    let is_own = |name: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        name.is_ok_and(|name| {
            let framing = [
                header::HOST,
                header::CONTENT_LENGTH,
                header::TRANSFER_ENCODING,
            ];
            !framing.contains(&name) && name != header::COOKIE
        })
    };
    value
        .to_str()
        .is_ok_and(|value| tokens_of(value).all(is_own))
}

/// Whether a value that stands for one thing has a comma outside of quotes.
fn is_list(value: &HeaderValue) -> bool {
    let mut quoted = false;
    let mut bytes = value.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()),
            b',' if !quoted => return true,
            _ => {}
        }
    }
    false
}

/// What goes back to the agent only where it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Takes {
    /// The agent takes trailers.
    pub(crate) trailers: bool,
    /// The rule lets cookies cross.
    pub(crate) cookies: bool,
}

/// What a rule says of the headers that cross.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Let<'r> {
    /// Cookies do.
    pub(crate) cookies: bool,
    /// Besides what HTTP itself needs, only these do, of those that may.
    pub(crate) only: Option<&'r [HeaderName]>,
}

/// What HTTP itself needs of a request: it crosses whatever a rule lists.
const NEEDED: [HeaderName; 5] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::USER_AGENT,
];

/// What of a request's `headers` may cross and the rule lets; `Host` stays for whoever writes it anew.
pub(crate) fn crossing_request(headers: HeaderMap, rule: Let<'_>) -> HeaderMap {
    without(headers, |name| {
        let let_through = *name == header::HOST || rule.cookies && *name == header::COOKIE;
        let crosses = let_through || is_ordinary(name) || request_name_crosses(name.as_str());
        let listed =
            |only: &[HeaderName]| let_through || NEEDED.contains(name) || only.contains(name);
        !(crosses && rule.only.is_none_or(listed))
    })
}

/// Why a rule cannot let a request header of this name cross by listing it.
pub(crate) fn never_listed(name: &HeaderName) -> Option<&'static str> {
    let text = name.as_str();
    match names::header(text) {
        _ if *name == header::COOKIE => Some("cookies cross with cookies: pass, and not otherwise"),
        Some(Says::Credential) => Some("it carries a credential: the agent's own never crosses"),
        Some(Says::Identity) => Some("it speaks of who calls: the agent's own word never crosses"),
        Some(Says::Override) => Some("it overrides the method or the URL, and never crosses"),
        None if NEEDED.contains(name) => Some("it crosses anyway: HTTP itself needs it"),
        None if !is_plain(text) => {
            Some("it has a sign that readers take for another: letters, digits and hyphens cross")
        }
        None if !request_name_crosses(text) => Some("it belongs to the connection or the gate"),
        None => None,
    }
}

/// `headers` without those whose names `stays` tells or `Connection` names. Most messages have few of them or none, so
/// that what crosses is not copied.
fn without(mut headers: HeaderMap, stays: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named = headers.contains_key(header::CONNECTION);
    let staying: Vec<HeaderName> = headers
        .keys()
        .filter(|name| stays(name) || named && is_named(name, &headers))
        .cloned()
        .collect();
    for name in &staying {
        headers.remove(name);
    }
    headers
}

/// Names that nearly every message has and that no list below has: they cross without a walk through the lists.
const ORDINARY: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::SERVER,
    header::USER_AGENT,
    header::VARY,
];

fn is_ordinary(name: &HeaderName) -> bool {
    ORDINARY.contains(name)
}

/// Whether a request header of this name may cross, as long as `Connection` does not name it.
fn request_name_crosses(name: &str) -> bool {
    is_plain(name)
        && !is_connection_own(name)
        && !is_gate_side(name)
        && names::header(name).is_none()
}

/// Whether every reader takes the name for the same: CGI and its heirs make one of all signs.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.bytes().all(plain)
}

/// Whether a trailer of this name may cross, in either direction, and is one of `only` if the rule lists any: what would
/// change how the message is framed, routed or authorised may not (RFC 9110 section 6.5.1).
fn trailer_crosses(name: &HeaderName, only: Option<&[HeaderName]>) -> bool {
    let text = name.as_str();
    let controls = matches!(
        text,
        "host" | "content-length" | "content-encoding" | "content-type" | "content-range"
    );
    !controls
        && request_name_crosses(text)
        && !speaks_as_proxy(text)
        && !outlives_call(text)
        && !matches!(text, "location" | "www-authenticate")
        && only.is_none_or(|only| only.contains(name))
}

/// What of `trailers` may cross, in either direction; of a request's, only what its rule lists if it lists any.
pub(crate) fn crossing_trailers(trailers: &HeaderMap, only: Option<&[HeaderName]>) -> HeaderMap {
    trailers
        .iter()
        .filter(|(name, _)| trailer_crosses(name, only))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

/// The names of a `Trailer` header that may cross, as one value; absent if none may.
pub(crate) fn trailer_names(
    headers: &HeaderMap,
    only: Option<&[HeaderName]>,
) -> Option<HeaderValue> {
    let crossing: Vec<&str> = tokens(headers, &header::TRAILER)
        .filter(|name| {
            let name = HeaderName::from_bytes(name.as_bytes());
            name.is_ok_and(|name| trailer_crosses(&name, only))
        })
        .collect();
    if crossing.is_empty() {
        None
    } else {
        HeaderValue::from_str(&crossing.join(", ")).ok()
    }
}

/// Whether the agent takes trailers (RFC 9110 section 6.5.1).
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// Whether a catalogue entry may inject a header of this name: one that a connection or the framing owns may not.
pub(crate) fn may_be_injected(name: &HeaderName) -> bool {
    let text = name.as_str();
    !is_connection_own(text) && !matches!(text, "host" | "content-length" | "cookie" | "expect")
}

/// Headers that belong to one connection (RFC 9110 section 7.6.1), and those that speak to a proxy.
fn is_connection_own(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
    )
}

/// Headers that the gate makes itself, and those that proxies write for each other.
fn is_gate_side(name: &str) -> bool {
    matches!(
        name,
        "host" | "content-length" | "expect" | "max-forwards" | "via"
    )
}

fn is_named(name: &HeaderName, headers: &HeaderMap) -> bool {
    named_by_connection(headers).any(|named| named.eq_ignore_ascii_case(name.as_str()))
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    tokens(headers, &header::CONNECTION)
}

/// The comma-separated tokens of every header `name`; what is not ASCII names nothing.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(tokens_of)
}

fn tokens_of(list: &str) -> impl Iterator<Item = &str> {
    let tokens = list.split(',').map(|token| token.trim_matches([' ', '\t']));
    tokens.filter(|token| !token.is_empty())
}

fn is(value: &HeaderValue, expected: &str) -> bool {
    value.as_bytes().eq_ignore_ascii_case(expected.as_bytes())
}

#[cfg(test)]
mod tests;
