//! A [`Refusal`] becomes one status, one code, one sentence: the only place where a no is put into words.
//!
//! The body is `application/problem+json` (RFC 9457) with an `error` member in the shape that API SDKs and coding
//! agents print. It repeats nothing that the agent sent but the canonical method and host, and nothing at all of
//! what the upstream or the credential store said.

use http::{HeaderValue, Response, StatusCode, header};
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
pub(crate) struct Called(Option<(Method, Host)>);

impl Called {
    /// Method and host of `target`.
    pub(crate) fn of(target: &Target) -> Called {
        Called(Some((target.method(), target.host().clone())))
    }

    fn method(&self) -> &'static str {
        self.0.as_ref().map_or("", |(method, _)| method.as_str())
    }

    fn host(&self) -> &str {
        self.0.as_ref().map_or("", |(_, host)| host.as_str())
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

/// The answer to a `CONNECT` that is refused: the reason stands in the reason phrase too, since clients hide bodies.
pub(crate) fn connect(refusal: &Refusal, record: Record) -> Response<Body> {
    let mut answer = answer(refusal, &Called::default(), record);
    answer
        .extensions_mut()
        .insert(ReasonPhrase::from_static(refusal.reason.code().as_bytes()));
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
    let problem = Problem {
        kind: "about:blank",
        title: StatusCode::from_u16(reason.status())
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("Refused"),
        status: reason.status(),
        detail: &detail,
        code: reason.code(),
        method: called.method(),
        host: called.host(),
        event,
        retryable: reason.retryable(),
        error: SdkError {
            kind: reason.code(),
            message: &detail,
            request_id: event,
        },
    };
    let mut answer = Response::new(Body::of(serde_json::to_vec(&problem).unwrap_or_default()));
    *answer.status_mut() = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::FORBIDDEN);
    let fields = answer.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(headers::REASON, HeaderValue::from_static(reason.code()));
    if let Ok(event) = HeaderValue::from_str(event) {
        fields.insert(headers::REQUEST_ID, event.clone());
        fields.insert(headers::EVENT_ID, event);
    }
    if let Some(wait) = retry_after(refusal) {
        fields.insert(header::RETRY_AFTER, wait);
    }
    if reason == Reason::MethodRefused {
        fields.insert(
            header::ALLOW,
            HeaderValue::from_static("GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),
        );
    }
    answer
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
