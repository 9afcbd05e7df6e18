//! The way to an upstream: resolved, checked, dialled, verified, pooled and timed.
//!
//! Only an [`Outbound`] leaves. It goes to an address of its own route, over TLS whose certificate is verified for
//! the judged host, on a connection that serves one role and one credential value. Nothing that may have been sent
//! is sent again. There is no setting that weakens verification.

mod attempts;
mod dial;
mod grammar;
pub(crate) mod idle;
mod pool;
mod proxy;
pub(crate) mod resolve;
pub(crate) mod sending;
mod showing;
mod trust;

use std::{fmt::Debug, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

pub(crate) use self::pool::{Key as Place, Pool};
pub(crate) use self::proxy::Proxy;
pub(crate) use self::resolve::{Resolver, Route};
pub(crate) use self::trust::Trust;
use self::{
    dial::{Dialer, Toward},
    grammar::Fault,
    pool::Connection,
    sending::{Progress, Sending},
};
use crate::{
    event::Record,
    headers::Takes,
    inject::{Outbound, OutboundTunnel},
    limit::Slot,
    refusal::{Reason, Refusal},
};

/// How long each phase may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// TCP and TLS, over all addresses.
    pub(crate) connect: Duration,
    /// Between two pieces of a request's body.
    pub(crate) request: Duration,
    /// From the request to the head of its answer, and between two pieces of the answer's body.
    pub(crate) answer: Duration,
}

/// The edge to the upstreams.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Finds and checks addresses.
    pub(crate) resolver: Resolver,
    dialer: Dialer,
    pool: Arc<Pool>,
    timeouts: Timeouts,
}

/// The bytes of an opaque tunnel, on the upstream's side.
pub(crate) type Bytes = Box<dyn Duplex>;

/// Bytes both ways, straight or through the upstream proxy.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Duplex for S {}

/// An upstream's answer, with what lives until it has ended.
#[derive(Debug)]
#[must_use = "an answer is brought back or dropped with its connection"]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: Leased,
    pub(crate) slot: Option<Slot>,
    pub(crate) idle_timeout: Duration,
    pub(crate) takes: Takes,
}

impl Answer {
    /// Whether the upstream does not take whoever asks for who it should be (RFC 9110 section 15.5.2).
    pub(crate) fn refuses_the_caller(&self) -> bool {
        self.response.status() == StatusCode::UNAUTHORIZED
    }
}

/// A connection in use; it rests again only if it is given back.
#[derive(Debug)]
pub(crate) struct Leased {
    connection: Connection,
    place: Place,
    pool: Arc<Pool>,
    progress: Arc<Progress>,
    /// Whether it serves no other call, however this one ends.
    used_up: bool,
}

impl Leased {
    /// Whether the whole request was handed on.
    pub(crate) fn request_ended(&self) -> bool {
        self.progress.complete()
    }

    /// Keeps it from serving another call.
    pub(crate) fn use_up(&mut self) {
        self.used_up = true;
    }

    /// Bytes of the request's body that were sent.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.progress.bytes()
    }

    /// Lets the connection rest, unless it is used up or the request has not ended.
    pub(crate) fn give_back(self) {
        let may_rest = self.request_ended() && !self.used_up;
        if may_rest && !self.connection.sender.is_closed() {
            self.pool.put(self.place, self.connection);
        }
    }
}

impl Upstream {
    /// An edge that verifies upstreams by `trust` and reaches them through `proxy`, if there is one.
    pub(crate) fn new(
        resolver: Resolver,
        (trust, proxy): (Trust, Option<Proxy>),
        pool: Pool,
        timeouts: Timeouts,
    ) -> Upstream {
        Upstream {
            resolver,
            dialer: Dialer::new(trust, proxy, timeouts.connect),
            pool: Arc::new(pool),
            timeouts,
        }
    }

    /// How long the body of a request may stand still.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.timeouts.request
    }

    /// How long an answer may stand still, on its way here and on its way to the agent.
    pub(crate) fn answer_timeout(&self) -> Duration {
        self.timeouts.answer
    }

    /// Drops connections that rested for too long; to be called every few seconds.
    pub(crate) fn sweep(&self) {
        self.pool.sweep();
    }

    /// Connections that rest between calls.
    pub(crate) fn resting(&self) -> usize {
        self.pool.resting()
    }

    /// Drops every resting connection, and lets none rest from now on.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    /// Opens an opaque tunnel to an address of its route; nothing is said on it by the gate.
    pub(crate) async fn open(
        &self,
        outbound: OutboundTunnel,
        record: &mut Record,
    ) -> Result<Bytes, Refusal> {
        let OutboundTunnel { host, port, route } = outbound;
        let opened = self.dialer.open(&self.resolver, (&host, port), &route);
        let (bytes, way) = opened
            .await
            .map_err(|failure| failure.refusal(&Progress::default()))?;
        record.connected(way.address, way.via, None);
        Ok(bytes)
    }

    /// Sends `outbound` and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        outbound: Outbound,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let Outbound {
            place,
            route,
            request,
            certificate,
            slot,
            takes,
        } = outbound;
        let progress = request.body().progress();
        let deadline = Instant::now() + self.timeouts.answer;
        let toward = Toward {
            place: &place,
            certificate: certificate.as_deref(),
        };
        let sent = timeout_at(deadline, self.exchange(toward, &route, request, record)).await;
        record.sent_bytes(progress.bytes());
        let (response, connection) = match sent {
            Ok(Ok(answered)) => answered,
            Ok(Err(failure)) => return Err(failure.refusal(&progress)),
            Err(_elapsed) => {
                return Err(Refusal::because(
                    Reason::UpstreamTimeout,
                    "no answer in time",
                ));
            }
        };
        record.answered(response.status().as_u16());
        let connection = Leased {
            connection,
            place,
            pool: self.pool.clone(),
            progress,
            used_up: false,
        };
        Ok(Answer {
            response,
            connection,
            slot,
            idle_timeout: self.timeouts.answer,
            takes,
        })
    }

    /// One exchange on a resting connection, or on a new one if there is none or it closed before anything was sent.
    async fn exchange(
        &self,
        toward: Toward<'_>,
        route: &Route,
        mut request: Request<Sending>,
        record: &mut Record,
    ) -> Result<(Response<Incoming>, Connection), Failure> {
        while let Some(mut resting) = self.pool.take(toward.place, route) {
            if resting.sender.ready().await.is_err() {
                continue;
            }
            record.connected(resting.way.address, resting.way.via, resting.tls);
            resting.exchanges.begin();
            match resting.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, resting)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Exchange(error.into_error())),
                },
            }
        }
        // Boxed, since it is rare and its future is large: every call would carry it otherwise.
        let dialled = Box::pin(self.dialer.connect(&self.resolver, toward, route)).await;
        let mut connection = dialled?;
        record.connected(connection.way.address, connection.way.via, connection.tls);
        connection.exchanges.begin();
        let answered = connection.sender.send_request(request).await;
        answered
            .map(|response| (response, connection))
            .map_err(Failure::Exchange)
    }
}

/// The stream of an upstream that is about to answer one request.
#[cfg(fuzzing)]
pub(crate) fn answering<S>(stream: S) -> impl AsyncRead + AsyncWrite + Unpin
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchanges = grammar::Exchanges::default();
    exchanges.begin();
    grammar::Grammar::new(stream, exchanges)
}

/// What went wrong on the way to an answer.
#[derive(Debug)]
enum Failure {
    Connect,
    ConnectTimeout,
    /// The other side is not who it should be, or speaks no TLS that is good enough.
    Tls(String),
    /// The connection broke off during the handshake.
    TlsBroken,
    /// The other side does not want to see the certificate with which the call is to be made.
    CertificateUnasked,
    /// No tunnel could be had from the upstream proxy: what it did.
    Proxy(&'static str),
    /// The upstream proxy answered with this status.
    ProxyRefused(u16),
    /// The upstream proxy gave no tunnel in time.
    ProxyTimeout,
    /// The upstream proxy is not who it should be.
    ProxyTls(String),
    Exchange(hyper::Error),
}

impl Failure {
    fn refusal(self, progress: &Progress) -> Refusal {
        match self {
            Failure::Connect => Refusal::because(
                Reason::UpstreamUnreachable,
                "the connection was not accepted",
            ),
            Failure::ConnectTimeout => {
                Refusal::because(Reason::UpstreamTimeout, "no connection in time")
            }
            Failure::Tls(cause) => Refusal::because(Reason::UpstreamTls, cause),
            Failure::TlsBroken => Refusal::because(
                Reason::UpstreamTls,
                "the connection broke off during the handshake",
            ),
            Failure::CertificateUnasked => Refusal::because(
                Reason::UpstreamTls,
                "the upstream did not ask for the client certificate",
            ),
            Failure::Proxy(cause) => Refusal::because(Reason::UpstreamUnreachable, cause),
            Failure::ProxyRefused(status) => Refusal::because(
                Reason::UpstreamUnreachable,
                format!("the upstream proxy answered {status}"),
            ),
            Failure::ProxyTimeout => Refusal::because(
                Reason::UpstreamTimeout,
                "the upstream proxy gave no tunnel in time",
            ),
            Failure::ProxyTls(cause) => {
                Refusal::because(Reason::UpstreamTls, format!("the upstream proxy: {cause}"))
            }
            Failure::Exchange(_) if progress.timed_out() => Reason::RequestTimeout.into(),
            Failure::Exchange(error) if error.is_user() => {
                Refusal::because(Reason::RequestMalformed, "the request body broke off")
            }
            Failure::Exchange(error) if error.is_parse() => Refusal::because(
                Reason::UpstreamMalformed,
                "the answer's head cannot be read",
            ),
            Failure::Exchange(error) => match Fault::behind(&error) {
                Some(fault) => Refusal::because(Reason::UpstreamMalformed, fault.as_str()),
                None => Refusal::because(Reason::UpstreamUnreachable, "the connection broke off"),
            },
        }
    }
}
