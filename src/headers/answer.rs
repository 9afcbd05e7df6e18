//! What of an answer's headers crosses back to the agent.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{is_connection_own, is_ordinary, without};

/// Says that the connection is authenticated for the requests to come (MS-N2HT).
const PERSISTENT_AUTH: HeaderName = HeaderName::from_static("persistent-auth");

/// What of an answer's `headers` may cross back, its `cookies` only if the rule lets them.
pub(crate) fn crossing_answer(headers: HeaderMap, cookies: bool) -> HeaderMap {
    let mut crossing = without(headers, |name| {
        let let_through = cookies && *name == header::SET_COOKIE;
        !(let_through || is_ordinary(name) || answer_name_crosses(name.as_str()))
    });
    if let header::Entry::Occupied(challenges) = crossing.entry(header::WWW_AUTHENTICATE) {
        let (name, challenges) = challenges.remove_entry_mult();
        let may_cross: Vec<_> = challenges.filter(|one| !is_connection_bound(one)).collect();
        for challenge in may_cross {
            crossing.append(name.clone(), challenge);
        }
    }
    crossing
}

/// Whether an answer would have its connection authenticated instead of a request, or says that it was.
pub(crate) fn authenticates_connection(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
    challenges.any(is_connection_bound) || headers.contains_key(PERSISTENT_AUTH)
}

/// Whether an answer's header of this name may cross back, as long as `Connection` does not name it.
pub(super) fn answer_name_crosses(name: &str) -> bool {
    // The length is told anew by whoever frames the answer.
    name != "content-length"
        && !is_connection_own(name)
        && !speaks_as_proxy(name)
        && !outlives_call(name)
}

/// Headers in which a proxy says what it decided: of an answer, the gate alone does.
pub(super) fn speaks_as_proxy(name: &str) -> bool {
    ["proxy-", "x-proxy-", "tollgate-", "x-tollgate-"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Headers of an answer that set what outlives the call: cookies, another way to the host, a key that the gate's own
/// certificates do not have, an address that is told of later calls, an authenticated connection.
pub(super) fn outlives_call(name: &str) -> bool {
    matches!(
        name,
        "set-cookie"
            | "set-cookie2"
            | "clear-site-data"
            | "alt-svc"
            | "public-key-pins"
            | "public-key-pins-report-only"
            | "expect-ct"
            | "nel"
            | "report-to"
            | "reporting-endpoints"
            | "persistent-auth"
    )
}

/// Schemes whose answer authenticates the connection instead of the request (RFC 4559, MS-NTHT).
const CONNECTION_BOUND: [&[u8]; 4] = [b"negotiate", b"ntlm", b"kerberos", b"nego2"];

/// Whether one of the challenges in a value, which may have several (RFC 9110 section 11.6.1), is for the connection.
/// Quotes are not read: a reader that does not read them either must not find one.
fn is_connection_bound(challenges: &HeaderValue) -> bool {
    let mut starts = challenges.as_bytes().split(|byte| *byte == b',');
    starts.any(|start| {
        let mut words = start
            .trim_ascii_start()
            .split(|byte| matches!(byte, b' ' | b'\t' | b'=' | b'"'));
        let scheme = words.next().unwrap_or_default();
        CONNECTION_BOUND
            .iter()
            .any(|bound| scheme.eq_ignore_ascii_case(bound))
    })
}
