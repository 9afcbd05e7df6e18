//! From the request as hyper parsed it to the call as it is judged and sent: read once, strictly.
//!
//! Nothing later reads a URI, a `Host` header or the agent's framing again. What cannot be read in exactly one
//! way is refused, never repaired.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Uri, header, request::Parts, uri::PathAndQuery};
use hyper::body::Incoming;

use super::{Authority, Host, Method, Path, Query, QueryFault, Scheme, Target};
use crate::{
    headers,
    refusal::{Reason, Refusal},
};

/// A call as the agent asked for it: where it goes, and what goes along once it is cleaned.
#[derive(Debug)]
pub struct Asked {
    target: Arc<Target>,
    along: Along,
}

/// What goes along with a call, from which the outbound request is built anew.
#[derive(Debug)]
pub struct Along {
    /// Path and query as the agent spelled them: nothing is read from it, and it is sent only where it is the target's
    /// own spelling.
    pub spelled: Option<PathAndQuery>,
    /// The headers, not cleaned.
    pub headers: HeaderMap,
    /// The body.
    pub body: Incoming,
}

/// How a request came in.
#[derive(Debug, Clone)]
pub enum Ingress {
    /// On the agents' listener itself, in absolute-form.
    Open,
    /// Inside a tunnel: its one authority was fixed by `CONNECT`.
    Tunnel {
        /// The host of `CONNECT`.
        host: Host,
        /// The port of `CONNECT`.
        port: u16,
        /// Whether the tunnel carries plain HTTP/1.1 instead of TLS.
        clear: bool,
    },
}

/// A request that could not be read, with what may be shown of it in the log.
#[derive(Debug)]
pub struct Misread {
    /// The no.
    pub refusal: Refusal,
    /// Method, authority and path as sent, not canonical; of a text longer than [`SEEN_CHARS_MAX`] one character more, so
    /// that the log can say that it was cut.
    pub seen: Seen,
}

/// What the agent wrote, for the log only.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The authority of the tunnel or of the request target, without userinfo: that may be a password.
    pub authority: String,
    /// The path, without its query.
    pub path: String,
}

/// The most characters of a text of the agent's that the log repeats.
pub const SEEN_CHARS_MAX: usize = 256;

impl Asked {
    /// Reads `request`; `cleartext` tells which places may be spoken to without TLS.
    pub fn read(
        request: Request<Incoming>,
        ingress: &Ingress,
        cleartext: impl Fn(&Host, u16) -> bool,
    ) -> Result<Asked, Box<Misread>> {
        let (parts, body) = request.into_parts();
        match target(&parts, ingress, cleartext) {
            Ok(target) => Ok(Asked {
                target: Arc::new(target),
                along: Along {
                    spelled: parts.uri.into_parts().path_and_query,
                    headers: parts.headers,
                    body,
                },
            }),
            Err(refusal) => Err(Box::new(Misread {
                refusal,
                seen: Seen::of(&parts, ingress),
            })),
        }
    }

    /// Where the call goes; shared with the record of the call and the register of what is under way.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Where the call goes, and what goes along.
    pub fn into_parts(self) -> (Arc<Target>, Along) {
        (self.target, self.along)
    }
}

/// Host, port as asked for, and whether it was asked for in clear.
struct Place {
    host: Host,
    port: Option<u16>,
    clear: bool,
}

/// Where the call with these `parts` goes: the only way to read one, whoever asks.
pub(crate) fn target(
    parts: &Parts,
    ingress: &Ingress,
    cleartext: impl Fn(&Host, u16) -> bool,
) -> Result<Target, Refusal> {
    let method = method(parts)?;
    headers::check_framing(&parts.headers)?;
    let place = match ingress {
        Ingress::Open => open_place(parts)?,
        Ingress::Tunnel { host, port, clear } => {
            tunnel_place(parts, host, *port, *clear)?;
            Place {
                host: host.clone(),
                port: Some(*port),
                clear: *clear,
            }
        }
    };
    let (scheme, port) = scheme_and_port(&place, cleartext);
    let path = Path::parse(parts.uri.path())
        .map_err(|fault| Refusal::because(Reason::PathAmbiguous, fault.to_string()))?;
    let query = parts
        .uri
        .query()
        .map(Query::parse)
        .transpose()
        .map_err(query_refusal)?;
    Ok(Target::new(method, scheme, place.host, port, path, query))
}

fn query_refusal(fault: QueryFault) -> Refusal {
    let reason = match fault {
        QueryFault::Identity | QueryFault::Override => Reason::QueryCredential,
        QueryFault::TooLong
        | QueryFault::Character
        | QueryFault::BrokenEscape
        | QueryFault::Name => Reason::TargetMalformed,
    };
    Refusal::because(reason, fault.to_string())
}

fn method(parts: &Parts) -> Result<Method, Refusal> {
    match parts.method.as_str() {
        "TRACE" | "TRACK" | "CONNECT" => Err(Reason::MethodRefused.into()),
        "OPTIONS" if asks_the_gate(&parts.headers) => Err(Refusal::because(
            Reason::MethodRefused,
            "Max-Forwards says that it must not be forwarded",
        )),
        _ => Method::parse(&parts.method)
            .ok_or_else(|| Refusal::because(Reason::NoRule, "no rule can name this method")),
    }
}

/// Whether an OPTIONS is meant for this hop, which has nothing to say of itself (RFC 9110 section 7.6.2).
fn asks_the_gate(headers: &HeaderMap) -> bool {
    let forwards = headers.get_all(header::MAX_FORWARDS);
    forwards.into_iter().any(|left| left == "0")
}

/// The place that an absolute-form target names (RFC 9112 section 3.2.2); a `Host` beside it must agree.
fn open_place(parts: &Parts) -> Result<Place, Refusal> {
    let (Some(scheme), Some(authority)) = (parts.uri.scheme_str(), parts.uri.authority()) else {
        return Err(Refusal::because(
            Reason::RequestMalformed,
            "the request target is not in absolute-form",
        ));
    };
    let clear = match scheme {
        "http" => true,
        "https" => false,
        _ => {
            return Err(Refusal::because(
                Reason::TargetMalformed,
                "the scheme is neither http nor https",
            ));
        }
    };
    let authority = parse_authority(authority.as_str())?;
    if let Some(named) = host_header(&parts.headers)? {
        let default = if clear { 80 } else { 443 };
        let port = authority.port().unwrap_or(default);
        if named.host() != authority.host() || named.port().is_some_and(|named| named != port) {
            return Err(Refusal::because(
                Reason::AuthorityMismatch,
                "Host differs from the request target",
            ));
        }
    }
    let (host, port) = authority.into_parts();
    Ok(Place { host, port, clear })
}

/// Checks that a request inside a tunnel names the tunnel's own authority and no other.
fn tunnel_place(parts: &Parts, host: &Host, port: u16, clear: bool) -> Result<(), Refusal> {
    if parts.version == http::Version::HTTP_11 && !parts.headers.contains_key(header::HOST) {
        return Err(Refusal::because(
            Reason::RequestMalformed,
            "an HTTP/1.1 request without Host",
        ));
    }
    let same =
        |named: &Authority| named.host() == host && named.port().is_none_or(|named| named == port);
    if !names_verbatim(&parts.headers, host, port)
        && host_header(&parts.headers)?.is_some_and(|named| !same(&named))
    {
        return Err(Refusal::because(
            Reason::AuthorityMismatch,
            "Host differs from the tunnel",
        ));
    }
    check_inner_form(&parts.uri, clear, host, port)
}

/// Origin-form, or an absolute-form that repeats the tunnel's scheme and authority.
fn check_inner_form(uri: &Uri, clear: bool, host: &Host, port: u16) -> Result<(), Refusal> {
    let expected = if clear { "http" } else { "https" };
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => Ok(()),
        (Some(scheme), Some(authority)) if scheme == expected => {
            let named = parse_authority(authority.as_str())?;
            let default = if clear { 80 } else { 443 };
            if named.host() == host && named.port().unwrap_or(default) == port {
                return Ok(());
            }
            Err(Refusal::because(
                Reason::AuthorityMismatch,
                "the request target differs from the tunnel",
            ))
        }
        _ => Err(Refusal::because(
            Reason::AuthorityMismatch,
            "the request target is of another scheme or form",
        )),
    }
}

/// In clear on no port or 80 goes to https on 443, in clear on another port to https on that port, unless the
/// place is listed as cleartext; https stays.
fn scheme_and_port(place: &Place, cleartext: impl Fn(&Host, u16) -> bool) -> (Scheme, u16) {
    if !place.clear {
        return (Scheme::Https, place.port.unwrap_or(443));
    }
    let asked = place.port.unwrap_or(80);
    if cleartext(&place.host, asked) {
        return (Scheme::Http, asked);
    }
    (Scheme::Https, if asked == 80 { 443 } else { asked })
}

/// Whether `Host` is this authority letter for letter, as nearly every client writes it: then it need not be read.
fn names_verbatim(headers: &HeaderMap, host: &Host, port: u16) -> bool {
    let named = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let after_host = named.and_then(|named| named.strip_prefix(host.in_url().as_bytes()));
    match after_host {
        Some([]) => true,
        Some([b':', digits @ ..]) => is_decimal(digits, port),
        Some(_) | None => false,
    }
}

/// Whether `digits` are `port` in decimal and nothing else.
fn is_decimal(digits: &[u8], port: u16) -> bool {
    let value = digits.iter().try_fold(0_u32, |value, byte| match byte {
        b'0'..=b'9' if value <= u32::from(u16::MAX) => Some(value * 10 + u32::from(byte - b'0')),
        _ => None,
    });
    !digits.starts_with(b"0") && value == Some(port.into())
}

fn host_header(headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
    let Some(value) = headers.get(header::HOST) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Refusal::because(Reason::TargetMalformed, "Host is not ASCII"))?;
    parse_authority(text).map(Some)
}

/// Reads `host`, `host:port` or `[v6]:port`, as in a request target, a `Host` header or a `CONNECT`.
pub fn parse_authority(text: &str) -> Result<Authority, Refusal> {
    Authority::parse(text)
        .map_err(|fault| Refusal::because(Reason::TargetMalformed, fault.to_string()))
}

impl Seen {
    /// What may be shown of a request that cannot be read.
    pub fn of(parts: &Parts, ingress: &Ingress) -> Seen {
        let authority = match ingress {
            Ingress::Open => parts
                .uri
                .authority()
                .map(|authority| cut(without_userinfo(authority.as_str())))
                .unwrap_or_default(),
            Ingress::Tunnel { host, port, .. } => format!("{host}:{port}"),
        };
        Seen {
            method: cut(parts.method.as_str()),
            authority,
            path: cut(parts.uri.path()),
        }
    }
}

fn without_userinfo(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, place)| place)
}

/// The first [`SEEN_CHARS_MAX`] characters of `text`, and one that tells that there are more.
fn cut(text: &str) -> String {
    text.chars().take(SEEN_CHARS_MAX + 1).collect()
}
