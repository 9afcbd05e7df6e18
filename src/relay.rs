//! The answer on its way back: what may pass, and what is taken out.
//!
//! An answer streams: nothing here holds a body. Its framing is made anew, its headers cross by `headers`' list,
//! its end closes the call's record and gives its connection back. Redirects are the agent's to follow, as calls
//! of their own.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{
    event::Record,
    headers::{self, Takes},
    limit::Slot,
    live::Underway,
    outcome::Outcome,
    refusal::{Reason, Refusal},
    upstream::{Answer, Leased, idle::Idle},
};

/// The body of an answer to an agent.
#[derive(Debug)]
pub(crate) struct Body(Inner);

#[derive(Debug)]
enum Inner {
    /// The gate's own words.
    Own(Full<Bytes>),
    /// The upstream's.
    Upstream(Box<Relayed>),
}

/// An upstream's body on its way, with all that lives until it ends.
#[derive(Debug)]
struct Relayed {
    body: Incoming,
    idle: Idle,
    record: Option<Record>,
    connection: Option<Leased>,
    /// The call's place among those in flight and its entry among those under way, held until the body has ended.
    _held: (Option<Slot>, Underway),
}

/// An answer that broke on the way; the agent's connection ends with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for Broken {}

/// Brings `answer` back, cleaned, with the call's record in its body; the call is `underway` until that ends.
///
/// An answer that came before the request had ended ends both connections: what the agent still sends was meant for
/// this call. One that asks to authenticate the connection itself ends the upstream's.
///
/// # Errors
/// The answer can be read in more than one way; its connection is dropped.
pub(crate) fn answer(
    (answer, underway): (Answer, Underway),
    record: Record,
) -> Result<Response<Body>, (Refusal, Record)> {
    let Answer {
        response,
        mut connection,
        slot,
        idle_timeout,
        takes,
    } = answer;
    let (parts, body) = response.into_parts();
    if let Err(refusal) = check(parts.status, &parts.headers) {
        return Err((refusal, record));
    }
    let early = !connection.request_ended();
    if early || headers::authenticates_connection(&parts.headers) {
        connection.use_up();
    }
    let bodiless = body.is_end_stream() && parts.status != StatusCode::NO_CONTENT;
    let (length, trailers) = announced(&parts.headers, bodiless, takes);
    let mut cleaned = headers::crossing_answer(parts.headers, takes.cookies);
    if let Some(length) = length {
        cleaned.insert(header::CONTENT_LENGTH, length.into());
    }
    if let Some(trailers) = trailers {
        cleaned.insert(header::TRAILER, trailers);
    }
    if early {
        cleaned.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let relayed = Relayed::new(body, idle_timeout, record, (connection, (slot, underway)));
    let mut response = Response::new(Body(Inner::Upstream(Box::new(relayed))));
    *response.status_mut() = parts.status;
    *response.headers_mut() = cleaned;
    Ok(response)
}

/// What an answer tells of its length and its trailers, as far as the agent is told too: the length only of a body that
/// does not come, as of a HEAD or 304 answer (RFC 9110 section 8.6); a 204 has none.
fn announced(
    answered: &HeaderMap,
    bodiless: bool,
    takes: Takes,
) -> (Option<u64>, Option<HeaderValue>) {
    let length = if bodiless { length(answered) } else { None };
    let trailers = if takes.trailers {
        headers::trailer_names(answered, None)
    } else {
        None
    };
    (length, trailers)
}

/// One reading of the length (RFC 9112 section 6.3), and no switch of protocols that nobody asked for.
pub(crate) fn check(status: StatusCode, headers: &HeaderMap) -> Result<(), Refusal> {
    let malformed = |cause: &'static str| Err(Refusal::because(Reason::UpstreamMalformed, cause));
    let mut lengths = 0;
    for (name, value) in headers {
        match *name {
            header::CONTENT_LENGTH if is_number(value) => lengths += 1,
            header::CONTENT_LENGTH => return malformed("the answer's length is no number"),
            header::TRANSFER_ENCODING if value.as_bytes().eq_ignore_ascii_case(b"chunked") => {
                lengths += 1;
            }
            header::TRANSFER_ENCODING => {
                return malformed("the answer has a transfer coding other than chunked");
            }
            _ => {}
        }
    }
    if lengths > 1 {
        return malformed("the answer gives its length more than once");
    }
    if status.is_informational() {
        return malformed("the answer switches protocols unasked");
    }
    Ok(())
}

/// Decimal digits and nothing else: a list of equal numbers is read in two ways.
fn is_number(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn length(answered: &HeaderMap) -> Option<u64> {
    answered
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

impl Body {
    /// A body of the gate's own.
    pub(crate) fn of(bytes: impl Into<Bytes>) -> Body {
        Body(Inner::Own(Full::new(bytes.into())))
    }
}

impl Relayed {
    fn new(
        body: Incoming,
        idle: Duration,
        record: Record,
        (connection, held): (Leased, (Option<Slot>, Underway)),
    ) -> Relayed {
        let ended = body.is_end_stream();
        let mut relayed = Relayed {
            body,
            idle: Idle::new(idle),
            record: Some(record),
            connection: Some(connection),
            _held: held,
        };
        if ended {
            relayed.end();
        }
        relayed
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(self.pass(frame)))),
            Poll::Ready(Some(Err(_))) => {
                Poll::Ready(Some(Err(self.break_off(Outcome::UpstreamAborted))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending if self.idle.poll(cx).is_ready() => {
                Poll::Ready(Some(Err(self.break_off(Outcome::UpstreamIdle))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        self.idle.reset();
        if let (Some(bytes), Some(record)) = (frame.data_ref(), &mut self.record) {
            record.answer_bytes(bytes.len() as u64);
        }
        if self.body.is_end_stream() {
            self.end();
        }
        match frame.into_trailers() {
            Ok(trailers) => Frame::trailers(headers::crossing_trailers(&trailers, None)),
            Err(data) => data,
        }
    }

    /// The answer went back whole: its connection may serve another call.
    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            if let Some(record) = &mut self.record {
                record.sent_bytes(connection.sent_bytes());
            }
            connection.give_back();
        }
        if let Some(record) = self.record.take() {
            record.ended();
        }
    }

    /// The upstream broke the answer off.
    fn break_off(&mut self, outcome: Outcome) -> Broken {
        if let Some(record) = self.give_up() {
            record.broken(outcome);
        }
        Broken
    }

    /// Drops the connection; the record, if it is still open, knows what was sent on it.
    fn give_up(&mut self) -> Option<Record> {
        let sent = self
            .connection
            .take()
            .map(|connection| connection.sent_bytes());
        let mut record = self.record.take()?;
        record.sent_bytes(sent.unwrap_or_default());
        Some(record)
    }
}

impl Drop for Relayed {
    /// The agent went away, or its connection is ended: what was under way is on record, and the upstream's connection
    /// rests no more.
    fn drop(&mut self) {
        if let Some(record) = self.give_up() {
            record.aborted();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.get_mut().0 {
            Inner::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Inner::Upstream(relayed) => relayed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Own(body) => body.is_end_stream(),
            Inner::Upstream(relayed) => relayed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Own(body) => body.size_hint(),
            Inner::Upstream(relayed) => relayed.body.size_hint(),
        }
    }
}
