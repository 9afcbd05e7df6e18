//! The body of an outbound request: streamed, counted, timed.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::idle::Idle;
use crate::headers;

/// An agent's body on its way up.
#[derive(Debug)]
pub(crate) struct Sending {
    body: Incoming,
    idle: Idle,
    progress: Arc<Progress>,
    /// The header that carries the credential, which no trailer may name.
    slot: Option<HeaderName>,
    /// The only trailers that the rule lets cross, if it lists any.
    only: Option<Arc<[HeaderName]>>,
}

/// How far the body came; shared with whoever waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    complete: AtomicBool,
    timed_out: AtomicBool,
}

/// The body broke off on the agent's side.
#[derive(Debug)]
pub(crate) struct SendingError;

impl std::fmt::Display for SendingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request body broke off")
    }
}

impl std::error::Error for SendingError {}

impl Sending {
    /// A body that may stand still for `patience`.
    pub(crate) fn new(body: Incoming, patience: Duration) -> Sending {
        let progress = Arc::new(Progress::default());
        progress
            .complete
            .store(body.is_end_stream(), Ordering::Release);
        Sending {
            body,
            idle: Idle::new(patience),
            progress,
            slot: None,
            only: None,
        }
    }

    /// Lets no trailers cross but `only`.
    pub(crate) fn limit(&mut self, only: Arc<[HeaderName]>) {
        self.only = Some(only);
    }

    /// Keeps `slot` for the credential: a trailer of that name does not cross.
    pub(crate) fn reserve(&mut self, slot: HeaderName) {
        self.slot = Some(slot);
    }

    fn crossing(&self, trailers: &HeaderMap) -> HeaderMap {
        let mut crossing = headers::crossing_trailers(trailers, self.only.as_deref());
        if let Some(slot) = &self.slot {
            crossing.remove(slot);
        }
        crossing
    }

    /// How far it came.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }
}

impl Progress {
    /// Bytes of the body that were handed on.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether the whole body was handed on.
    pub(crate) fn complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Whether the agent let the body stand still for too long.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Acquire)
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = SendingError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendingError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let ended = match &polled {
            // Trailers are the last of a body, and nobody asks for more behind them.
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers() || this.body.is_end_stream(),
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => this.body.is_end_stream(),
        };
        if ended {
            this.progress.complete.store(true, Ordering::Release);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.reset();
                if let Some(bytes) = frame.data_ref() {
                    this.progress
                        .bytes
                        .fetch_add(bytes.len() as u64, Ordering::AcqRel);
                }
                Poll::Ready(Some(Ok(match frame.into_trailers() {
                    Ok(trailers) => Frame::trailers(this.crossing(&trailers)),
                    Err(data) => data,
                })))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(SendingError))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if this.idle.poll(cx).is_ready() => {
                this.progress.timed_out.store(true, Ordering::Release);
                Poll::Ready(Some(Err(SendingError)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
