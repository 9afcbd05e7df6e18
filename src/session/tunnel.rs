//! `CONNECT`: answer it, then serve what is inside.
//!
//! A tunnel has one authority, fixed by `CONNECT`. Its first byte decides: a TLS handshake is intercepted, an HTTP/1.1
//! request is served as it is, anything else is closed: there is no way through that is not read. What the role does
//! not allow is refused inside, where the agent can read why; only ports outside the role, malformed requests and
//! spent budgets are refused at `CONNECT` itself.
//!
//! The exception is an opaque tunnel, which `tollgate.yaml` opens for one role, host and port: it has no inside to
//! speak in, so whatever is refused of it is refused at `CONNECT`.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, header, request::Parts};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{
    Agents, Conversation, HANDSHAKE_TIMEOUT, handshake_refusal, opaque::Opaque, rewind::Rewind,
};
use crate::{
    event::Record,
    headers,
    proxy::{Agent, Gate, opaque},
    refusal::{Reason, Refusal},
    refuse,
    relay::Body,
    snapshot::{Passage, Snapshot},
    target::{
        Host,
        asked::{Ingress, Seen, parse_authority},
    },
    tls::mint,
};

/// How long a tunnel may stay silent before its first byte.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(120);
/// What a first read may take.
const FIRST_READ_BYTES: usize = 4096;
/// The first byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Where a connection leaves the tunnel that it is about to become.
#[derive(Debug, Default)]
pub(crate) struct Opening(Mutex<Option<Tunnel>>);

/// A tunnel that was granted.
#[derive(Debug)]
pub(crate) struct Tunnel {
    upgrade: OnUpgrade,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// What it carries is looked into.
    Read { host: Host, port: u16 },
    /// What it carries is not looked into.
    Opaque(Box<Opaque>),
}

type Outer = Rewind<Agents>;

impl Opening {
    /// The tunnel, if one was granted.
    pub(crate) fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn leave(&self, tunnel: Tunnel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }
}

/// Answers a `CONNECT`: yes and a tunnel in `opening`, or no with the reason in the reason phrase.
pub(crate) async fn connect(
    gate: &Gate,
    agent: &Agent,
    request: Request<Incoming>,
    opening: &Opening,
) -> Response<Body> {
    let snapshot = gate.snapshot.load_full();
    let (parts, body) = request.into_parts();
    let kind = match grant((gate, &snapshot), agent, &parts) {
        Ok(Granted::Read(host, port)) => Kind::Read { host, port },
        // Boxed, since it is rare and its future is large: every connection would carry it otherwise.
        Ok(Granted::Opaque(passage)) => {
            match Box::pin(open_opaque(gate, agent, &snapshot, passage)).await {
                Ok(opaque) => Kind::Opaque(Box::new(opaque)),
                Err(refused) => return refused,
            }
        }
        Err(refusal) => return refuse_connect(gate, agent, &refusal, &parts),
    };
    let upgrade = hyper::upgrade::on(Request::from_parts(parts, body));
    opening.leave(Tunnel { upgrade, kind });
    Response::new(Body::of(Bytes::new()))
}

/// What may be had of what a `CONNECT` asks for.
enum Granted {
    Read(Host, u16),
    Opaque(Passage),
}

fn grant(
    (gate, snapshot): (&Gate, &Snapshot),
    agent: &Agent,
    parts: &Parts,
) -> Result<Granted, Refusal> {
    agent.attempt(gate, snapshot)?;
    let now = OffsetDateTime::now_utc();
    let standing = snapshot.standing(&agent.caller, now)?;
    let (host, port) = authority(parts)?;
    if let Some(passage) = standing.passage(&host, port, now.date())? {
        Ok(Granted::Opaque(passage))
    } else if standing.role.may_tunnel(port) {
        Ok(Granted::Read(host, port))
    } else {
        Err(Reason::PortForbidden.into())
    }
}

/// An opaque tunnel whose far end is open, or the answer that refuses it.
async fn open_opaque(
    gate: &Gate,
    agent: &Agent,
    snapshot: &Snapshot,
    passage: Passage,
) -> Result<Opaque, Response<Body>> {
    let mut record = Record::open(&gate.log, &agent.source, &snapshot.version)
        .map_err(|_| refuse::unrecorded())?;
    let opened = async {
        let standing = snapshot.standing(&agent.caller, OffsetDateTime::now_utc())?;
        record.role(&standing.told, &standing.counts);
        opaque::open((gate, agent), (snapshot, standing), passage, &mut record).await
    };
    match opened.await {
        Ok(far) => Ok(Opaque::new(far, record, snapshot.upstream.answer_timeout())),
        Err(refusal) => Err(refuse::connect(&refusal, record)),
    }
}

/// A granted `CONNECT` is no call and has no event; a refused one is told like a call.
fn refuse_connect(gate: &Gate, agent: &Agent, refusal: &Refusal, parts: &Parts) -> Response<Body> {
    let snapshot = gate.snapshot.load();
    let Ok(mut record) = Record::open(&gate.log, &agent.source, &snapshot.version) else {
        return refuse::unrecorded();
    };
    if let Some((role, counts)) = snapshot.role_of(&agent.caller) {
        record.role(role, counts);
    }
    record.seen(Seen::of(parts, &Ingress::Open));
    refuse::connect(refusal, record)
}

/// The authority of a `CONNECT` (RFC 9110 section 9.3.6): with a port, without a body, and no other in `Host`.
pub(crate) fn authority(parts: &Parts) -> Result<(Host, u16), Refusal> {
    let malformed = |cause: &'static str| Refusal::because(Reason::RequestMalformed, cause);
    headers::check_framing(&parts.headers)?;
    if has_body(&parts.headers) {
        return Err(malformed("CONNECT with a body"));
    }
    if parts.uri.scheme().is_some() || !parts.uri.path().is_empty() {
        return Err(malformed("CONNECT with more than an authority"));
    }
    let named = parts
        .uri
        .authority()
        .ok_or_else(|| malformed("CONNECT without an authority"))?;
    let named = parse_authority(named.as_str())?;
    let (host, port) = named.into_parts();
    let port = port.ok_or_else(|| malformed("CONNECT without a port"))?;
    if let Some(value) = parts.headers.get(header::HOST) {
        let value = value.to_str().map_err(|_| malformed("Host is not ASCII"))?;
        let beside = parse_authority(value)?;
        if *beside.host() != host || beside.port().is_some_and(|beside| beside != port) {
            return Err(Refusal::because(
                Reason::AuthorityMismatch,
                "Host differs from the target of CONNECT",
            ));
        }
    }
    Ok((host, port))
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

impl Tunnel {
    /// Where it goes, if what it carries is looked into.
    pub(crate) fn place(&self) -> Option<(Host, u16)> {
        match &self.kind {
            Kind::Read { host, port } => Some((host.clone(), *port)),
            Kind::Opaque(_) => None,
        }
    }

    /// Serves what is inside until it ends.
    pub(crate) async fn serve(self, conversation: &Conversation) -> Result<(), Refusal> {
        let Tunnel { upgrade, kind } = self;
        // An error says that the agent went away before it was answered.
        let Ok(upgraded) = upgrade.await else {
            return Ok(());
        };
        let (host, port) = match kind {
            Kind::Read { host, port } => (host, port),
            Kind::Opaque(opaque) => {
                if let Some(stream) = agents(upgraded) {
                    opaque.carry(stream).await;
                }
                return Ok(());
            }
        };
        conversation.opened(&host, port);
        let mut ending = conversation.ending.clone();
        let first = tokio::select! {
            first = timeout(FIRST_BYTE_TIMEOUT, first_bytes(upgraded)) => first,
            () = ending.wait() => return Ok(()),
        };
        let (first_byte, stream) = match first {
            Ok(Some(first)) => first,
            Ok(None) => return Ok(()),
            Err(_elapsed) => {
                return Err(Refusal::because(
                    Reason::RequestTimeout,
                    "the tunnel stayed silent",
                ));
            }
        };
        match first_byte {
            TLS_HANDSHAKE => {
                let stream = Box::pin(intercept(conversation, stream, &host, port)).await?;
                let clear = false;
                conversation
                    .inside(stream, Ingress::Tunnel { host, port, clear })
                    .await;
            }
            b'A'..=b'Z' => {
                let clear = true;
                conversation
                    .inside(stream, Ingress::Tunnel { host, port, clear })
                    .await;
            }
            _ => return Err(Reason::ProtocolRefused.into()),
        }
        Ok(())
    }
}

/// The agent's connection as a tunnel, with what came of it already.
fn agents(upgraded: Upgraded) -> Option<Outer> {
    let parts = upgraded.downcast::<TokioIo<Agents>>().ok()?;
    Some(Rewind::new(parts.read_buf, parts.io.into_inner()))
}

/// The first byte of a tunnel and the stream with it; none if the agent closed it.
async fn first_bytes(upgraded: Upgraded) -> Option<(u8, Outer)> {
    let mut stream = agents(upgraded)?;
    let mut first = BytesMut::with_capacity(FIRST_READ_BYTES);
    stream.read_buf(&mut first).await.ok()?;
    let byte = *first.first()?;
    Some((byte, stream.again(first.freeze())))
}

/// The TLS handshake inside, with a leaf for the tunnel's host and for no other.
async fn intercept(
    conversation: &Conversation,
    stream: Outer,
    host: &Host,
    port: u16,
) -> Result<Box<TlsStream<Outer>>, Refusal> {
    let too_long = |_| {
        Refusal::because(
            Reason::ProtocolRefused,
            "the handshake in the tunnel took too long",
        )
    };
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
    let hello = timeout(HANDSHAKE_TIMEOUT, hello)
        .await
        .map_err(too_long)?
        .map_err(|e| handshake_refusal(&e))?;
    let named = mint::names(host, &hello.client_hello());
    let snapshot = conversation.gate.snapshot.load_full();
    let standing = snapshot.standing(&conversation.agent.caller, OffsetDateTime::now_utc());
    let role = standing.ok().map(|standing| &standing.role);
    let keep_for = role.filter(|role| role.names_host(host, port));
    let keep_for = keep_for.map(|role| &role.name);
    let config = snapshot.mint.config(host, keep_for).map_err(|error| {
        tracing::error!(%error, "no certificate could be made for a tunnel");
        Refusal::because(Reason::ProtocolRefused, "no certificate could be made")
    })?;
    drop(snapshot);
    // A handshake that names another host gets its alert from here.
    let handshake = timeout(HANDSHAKE_TIMEOUT, hello.into_stream(config))
        .await
        .map_err(too_long)?;
    if !named {
        return Err(Refusal::because(
            Reason::AuthorityMismatch,
            "SNI differs from the target of CONNECT",
        ));
    }
    handshake
        .map(Box::new)
        .map_err(|error| handshake_refusal(&error))
}
