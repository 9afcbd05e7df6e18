//! A [`Refusal`] becomes one status, one code, one sentence: the only place where a no is put into words.
//!
//! Code and sentence stand in the reason phrase too: it is all that wget, and the errors of Python's clients, show.
//! The body is `application/problem+json` (RFC 9457) with an `error` member in the shape that API SDKs and coding
//! agents print. It repeats nothing that the agent sent but the canonical method and host, and nothing at all of
//! what the upstream or the credential store said.
//!
//! A connection ends with the no to what could not be read in one way, or whose body may or may not be on its way:
//! what comes next would have two readings too.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use serde::Serialize;

use crate::{
    event::Record,
    headers,
    refusal::{Reason, Refusal},
    relay::Body,
    target::{Host, Method, Target},
};

/// What a refusal says of the call: canonical, so that nothing of the agent's is repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Called {
    what: Option<(Method, Host)>,
    shows_plain_text_only: bool,
    /// Whether its headers leave open how much of a body comes after them.
    leaves_body_open: bool,
}

impl Called {
    /// A call with these headers, of which nothing else is known yet.
    ///
    /// git shows its user what it was answered only if that is plain text ("remote: ..." in gitprotocol-http).
    pub(crate) fn with(headers: &HeaderMap) -> Called {
        let agent = headers.get(header::USER_AGENT);
        Called {
            what: None,
            shows_plain_text_only: agent.is_some_and(|name| name.as_bytes().starts_with(b"git/")),
            leaves_body_open: headers.contains_key(header::TRANSFER_ENCODING)
                || headers.contains_key(header::EXPECT),
        }
    }

    /// The call is one of `target`.
    pub(crate) fn names(&mut self, target: &Target) {
        self.what = Some((target.method(), target.host().clone()));
    }

    fn method(&self) -> &'static str {
        self.what.as_ref().map_or("", |(method, _)| method.as_str())
    }

    fn host(&self) -> &str {
        self.what.as_ref().map_or("", |(_, host)| host.as_str())
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    event: &'a str,
    retryable: bool,
    error: SdkError<'a>,
}

#[derive(Serialize)]
struct SdkError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    request_id: &'a str,
}

/// The answer that says `refusal`, whose record is closed with it.
pub(crate) fn answer(refusal: &Refusal, called: &Called, record: Record) -> Response<Body> {
    let answer = say(refusal, called, record.id());
    record.refused(refusal);
    answer
}

/// The answer to a call that cannot be recorded.
pub(crate) fn unrecorded() -> Response<Body> {
    say(&Reason::AuditUnavailable.into(), &Called::default(), "")
}

/// The answer to a `CONNECT` that is refused.
pub(crate) fn connect(refusal: &Refusal, record: Record) -> Response<Body> {
    let mut answer = answer(refusal, &Called::default(), record);
    answer
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn say(refusal: &Refusal, called: &Called, event: &str) -> Response<Body> {
    let reason = refusal.reason;
    let detail = match called.host() {
        "" => reason.sentence().to_owned(),
        host => format!("{} ({} {host})", reason.sentence(), called.method()),
    };
    let (kind, body) = match called.shows_plain_text_only {
        true => (
            "text/plain",
            format!("{}: {detail} (event {event})\n", reason.code()).into_bytes(),
        ),
        false => (
            "application/problem+json",
            problem(reason, called, &detail, event),
        ),
    };
    let mut answer = Response::new(Body::of(body));
    *answer.status_mut() = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::FORBIDDEN);
    if let Ok(phrase) = ReasonPhrase::try_from(format!("{}: {}", reason.code(), reason.sentence()))
    {
        answer.extensions_mut().insert(phrase);
    }
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(headers::REASON, HeaderValue::from_static(reason.code()));
    if let Ok(event) = HeaderValue::from_str(event) {
        fields.insert(headers::REQUEST_ID, event.clone());
        fields.insert(headers::EVENT_ID, event);
    }
    if let Some(wait) = retry_after(refusal) {
        fields.insert(header::RETRY_AFTER, wait);
    }
    if called.leaves_body_open || ends_connection(reason) {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if reason == Reason::MethodRefused {
        fields.insert(
            header::ALLOW,
            HeaderValue::from_static("GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),
        );
    }
    answer
}

/// Whether it is in question where the request ends, and so where the next one would begin.
fn ends_connection(reason: Reason) -> bool {
    matches!(reason, Reason::RequestMalformed | Reason::RequestTimeout)
}

/// The body of a refusal (RFC 9457).
fn problem(reason: Reason, called: &Called, detail: &str, event: &str) -> Vec<u8> {
    let problem = Problem {
        kind: "about:blank",
        title: StatusCode::from_u16(reason.status())
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("Refused"),
        status: reason.status(),
        detail,
        code: reason.code(),
        method: called.method(),
        host: called.host(),
        event,
        retryable: reason.retryable(),
        error: SdkError {
            kind: reason.code(),
            message: detail,
            request_id: event,
        },
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}

/// `Retry-After` in whole seconds, rounded up (RFC 9110 section 10.2.3): always on 429 and 503.
fn retry_after(refusal: &Refusal) -> Option<HeaderValue> {
    let expected = matches!(refusal.reason.status(), 429 | 503).then_some(1);
    let known = refusal
        .retry_after
        .map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    known
        .or(expected)
        .map(|seconds| HeaderValue::from(seconds.max(1)))
}
