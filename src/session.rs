//! One client connection: its handshake, who it is, then its requests.
//!
//! Every request ends in `proxy`; what hyper itself refuses, before there is a request, is written as an event here.

pub(crate) mod handshakes;
pub(crate) mod head;
mod opaque;
pub(crate) mod patient;
pub(crate) mod rewind;
pub(crate) mod tunnel;

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response};
use hyper::{body::Incoming, rt::Timer, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::{
    handshakes::Unfinished,
    head::{HeadTimer, Heard, REST_TIMEOUT},
    patient::Patient,
    tunnel::{Opening, Tunnel},
};
use crate::{
    event,
    identity::certificate::Caller,
    live::Look,
    proxy::{self, Agent, Gate},
    refusal::{Reason, Refusal},
    relay::Body,
    shutdown::Ending,
    snapshot::Snapshot,
    target::{Host, asked::Ingress},
};

/// How long a TLS handshake may take.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that is turned away may take to be told so.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(5);
/// From how many bytes on the head of a request is waited for no longer. hyper looks after each read, the last of which may
/// bring as many again: a head that is complete with it is taken.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// An agent's connection. Boxed, like what is inside a tunnel: it is handed on many times, and each that hands it on
/// would keep room for it as long as the connection lasts.
type Agents = Box<TlsStream<Patient<TcpStream>>>;

/// Serves one connection until it ends, of which the handshake has its place in `unfinished`.
pub(crate) async fn serve(
    gate: Arc<Gate>,
    stream: TcpStream,
    unfinished: Unfinished,
    ending: Ending,
) {
    let snapshot = gate.snapshot.load_full();
    let heard = Heard::default();
    let patience = snapshot.upstream.answer_timeout();
    let stream = Patient::new(stream, patience, heard.clone());
    let admitted = Box::pin(admit(&gate, &snapshot, stream, unfinished)).await;
    let (stream, mut agent, ended) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return refused(&gate, None, None, &refusal),
    };
    let attempt = agent.attempt(&gate, &snapshot);
    let place = attempt.and_then(|()| agent.connection(&gate, &snapshot));
    let place = place.or_else(|refusal| agent.turn_away(refusal, (&gate, &snapshot)));
    let _place = match place {
        Ok(place) => place,
        Err(refusal) => return refused(&gate, Some(&agent), None, &refusal),
    };
    look_again(&gate, &agent, snapshot);
    let conversation = Conversation {
        gate,
        agent: Arc::new(agent),
        heard,
        ending,
    };
    tokio::select! {
        biased;
        // Somebody ends it: what is under way breaks off and says why, and nothing that was sent meanwhile is begun.
        _dropped = ended => {}
        () = conversation.hold(stream) => {}
    }
}

/// The handshake, and the agent whose identity it proved.
async fn admit(
    gate: &Gate,
    snapshot: &Snapshot,
    stream: Patient<TcpStream>,
    mut unfinished: Unfinished,
) -> Result<(Agents, Agent, oneshot::Receiver<()>), Refusal> {
    let acceptor = TlsAcceptor::from(snapshot.agents.config.clone());
    let handshake = tokio::select! {
        biased;
        () = unfinished.makes_way() => Err("the TLS handshake made way for others"),
        ended = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => {
            ended.map_err(|_elapsed| "the TLS handshake took too long")
        }
    };
    let stream = handshake
        .map_err(|cause| Refusal::because(Reason::ProtocolRefused, cause))?
        .map_err(|error| handshake_refusal(&error))?;
    drop(unfinished);
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let leaf = chain
        .first()
        .ok_or_else(|| Refusal::because(Reason::CertificateInvalid, "no certificate"))?;
    let caller = Caller::read(leaf)
        .map_err(|fault| Refusal::because(Reason::CertificateInvalid, fault.to_string()))?;
    let (agent, ended) = gate.agent(caller, chain);
    Ok((Box::new(stream), agent, ended))
}

/// Settings that changed during the handshake have not looked at the connection: it was not listed yet.
fn look_again(gate: &Gate, agent: &Agent, seen: Arc<Snapshot>) {
    let current = gate.snapshot.load();
    if !Arc::ptr_eq(&current, &seen) {
        agent.live.review(&current, Look::Certificates, &gate.log);
    }
}

/// A handshake that failed over the certificate, or over anything else.
pub(crate) fn handshake_refusal(error: &std::io::Error) -> Refusal {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(
            error @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented),
        ) => Refusal::because(Reason::CertificateInvalid, error.to_string()),
        Some(error) => Refusal::because(Reason::ProtocolRefused, error.to_string()),
        None => Refusal::because(
            Reason::ProtocolRefused,
            "the connection broke off during the handshake",
        ),
    }
}

/// Writes a refusal that nobody can be answered, and the place of the tunnel that it is about, if it is about one.
fn refused(gate: &Gate, agent: Option<&Agent>, tunnel: Option<(&Host, u16)>, refusal: &Refusal) {
    let source = agent.map_or_else(
        || event::Source::nobody(&gate.log),
        |agent| agent.source.clone(),
    );
    let snapshot = gate.snapshot.load();
    let role = agent.and_then(|agent| snapshot.role_of(&agent.caller));
    let connection = event::Connection {
        source: &source,
        role,
        tunnel,
    };
    event::connection_refused(&gate.log, connection, &snapshot.version, refusal);
}

/// What the requests of one connection have in common.
#[derive(Clone)]
pub(crate) struct Conversation {
    pub(crate) gate: Arc<Gate>,
    pub(crate) agent: Arc<Agent>,
    /// Whether the agent sent something.
    heard: Heard,
    pub(crate) ending: Ending,
}

impl Conversation {
    /// Serves all of a connection: its requests, and the tunnel that it may become. Each part is boxed, so that its
    /// room is given back with its end.
    async fn hold(&self, stream: Agents) {
        if let Some(refusal) = &self.agent.turned_away {
            return Box::pin(self.turn_away(stream, refusal)).await;
        }
        let opening = Opening::default();
        Box::pin(self.open(stream, &opening)).await;
        if let Some(tunnel) = opening.take() {
            Box::pin(self.tunnel(tunnel)).await;
        }
    }

    /// Serves the requests of the agents' listener, until the connection ends or becomes a tunnel.
    async fn open(&self, stream: Agents, opening: &Opening) {
        let answer = async |request| Ok::<_, Infallible>(self.answer(request, opening).await);
        let connection = self
            .http()
            .serve_connection(TokioIo::new(stream), service_fn(answer))
            .with_upgrades();
        let ended = self
            .converse(pin!(connection), |connection| {
                connection.graceful_shutdown()
            })
            .await;
        self.note(ended, &Ingress::Open);
    }

    /// Answers a request of the agents' listener.
    async fn answer(&self, request: Request<Incoming>, opening: &Opening) -> Response<Body> {
        match *request.method() {
            Method::CONNECT => tunnel::connect(&self.gate, &self.agent, request, opening).await,
            _ => self.exchange(&Ingress::Open, request).await,
        }
    }

    /// Lets one request be answered, which is with the refusal, and ends the connection. If none comes, the refusal is
    /// told as the connection's.
    async fn turn_away(&self, stream: Agents, refusal: &Refusal) {
        let (opening, asked) = (Opening::default(), AtomicBool::new(false));
        let answer = async |request| {
            asked.store(true, Ordering::Relaxed);
            Ok::<_, Infallible>(self.answer(request, &opening).await)
        };
        let connection = self
            .http()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        // However it ends, the agent has had its time.
        let _ended = timeout(TURN_AWAY_TIMEOUT, connection).await;
        if !asked.load(Ordering::Relaxed) {
            refused(&self.gate, Some(&self.agent), None, refusal);
        }
    }

    /// Serves the requests inside a tunnel.
    pub(crate) async fn inside<S>(&self, stream: S, ingress: Ingress)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = async |request| Ok::<_, Infallible>(self.exchange(&ingress, request).await);
        let connection = self
            .http()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let ended = self
            .converse(pin!(connection), |connection| {
                connection.graceful_shutdown()
            })
            .await;
        self.note(ended, &ingress);
    }

    /// Drives a connection to its end; once the gate is ending, `finish` tells it to take no further request.
    async fn converse<C>(
        &self,
        mut connection: Pin<&mut C>,
        finish: impl FnOnce(Pin<&mut C>),
    ) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut ending = self.ending.clone();
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = ending.wait() => {
                finish(connection.as_mut());
                connection.await
            }
        }
    }

    /// An answer is in the version of its request: behind one in HTTP/1.0, where a body may end with its connection,
    /// hyper reads no further request.
    async fn exchange(&self, ingress: &Ingress, request: Request<Incoming>) -> Response<Body> {
        let version = request.version();
        let mut answer = proxy::exchange(&self.gate, &self.agent, ingress, request).await;
        *answer.version_mut() = version;
        answer
    }

    /// Notes that the connection has become a tunnel, if a rule names its host: then it ends with that rule. Noted
    /// before the settings are asked, so that no change of theirs comes between.
    pub(crate) fn opened(&self, host: &Host, port: u16) {
        let live = &self.agent.live;
        live.tunnels_to(Some((host.clone(), port)));
        let snapshot = self.gate.snapshot.load();
        let standing = snapshot.standing(&self.agent.caller, OffsetDateTime::now_utc());
        if !standing.is_ok_and(|standing| standing.names_tunnel(host, port)) {
            live.tunnels_to(None);
        }
    }

    /// Serves the tunnel that a connection has become.
    async fn tunnel(&self, tunnel: Tunnel) {
        let place = tunnel.place();
        if let Err(refusal) = tunnel.serve(self).await {
            let place = place.as_ref().map(|(host, port)| (host, *port));
            refused(&self.gate, Some(&self.agent), place, &refusal);
        }
    }

    /// Writes what hyper refused by itself; a connection that merely closed is none of it.
    fn note(&self, ended: hyper::Result<()>, ingress: &Ingress) {
        let Err(error) = ended else { return };
        let refusal = match () {
            () if error.is_parse() => Refusal::because(Reason::RequestMalformed, error.to_string()),
            () if error.is_timeout() => {
                Refusal::because(Reason::RequestTimeout, "the head did not arrive in time")
            }
            () => return,
        };
        let place = match ingress {
            Ingress::Open => None,
            Ingress::Tunnel { host, port, .. } => Some((host, *port)),
        };
        refused(&self.gate, Some(&self.agent), place, &refusal);
    }

    fn http(&self) -> http1::Builder {
        reading(HeadTimer(self.heard.clone()))
    }
}

/// How the requests of a connection are read, each head and each rest before it timed by `timer`.
pub(crate) fn reading(timer: impl Timer + Send + Sync + 'static) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(timer)
        .header_read_timeout(REST_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
}
