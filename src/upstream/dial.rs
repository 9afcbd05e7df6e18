//! A new connection to an upstream: to the first address of its route that answers, straight or through the
//! proxy, and verified.
//!
//! An address that cannot be reached is no reason to give up while others are left. A certificate that is not the
//! upstream's is: to go on until some address shows a good one would hide an attack, or a fault, from everybody.

use std::{io, time::Duration};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ProtocolVersion, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Bytes, Failure, Place, Proxy, Resolver, Route, Trust,
    attempts::Attempts,
    grammar::{Exchanges, Grammar},
    pool::{Connection, Driver, Way},
    proxy,
    showing::Showing,
};
use crate::{
    secret::Certificate,
    target::{Host, Scheme},
};

/// The most bytes of an answer's head.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Addresses of one upstream for which the proxy is asked in one call.
const TUNNELS_ASKED_MAX: usize = 4;

/// Where a connection leads, and what is shown there of the gate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Toward<'t> {
    pub(super) place: &'t Place,
    pub(super) certificate: Option<&'t Certificate>,
}

/// Opens connections.
#[derive(Debug)]
pub(super) struct Dialer {
    trust: Trust,
    proxy: Option<Proxy>,
    /// TCP and TLS, over all addresses of an upstream.
    timeout: Duration,
}

impl Dialer {
    /// Verifies upstreams by `trust`; a connection is there within `timeout` or not at all.
    pub(super) fn new(trust: Trust, proxy: Option<Proxy>, timeout: Duration) -> Dialer {
        Dialer {
            trust,
            proxy,
            timeout,
        }
    }

    /// A connection for its place, to an address of `route`.
    pub(super) async fn connect(
        &self,
        resolver: &Resolver,
        toward: Toward<'_>,
        route: &Route,
    ) -> Result<Connection, Failure> {
        let (deadline, place) = (Instant::now() + self.timeout, toward.place);
        match &self.proxy {
            Some(proxy) if proxy.serves(&place.host, place.port) => {
                let proxy = (proxy, resolver);
                self.through(proxy, toward, (route, deadline)).await
            }
            Some(_) | None => self.straight(toward, route, deadline).await,
        }
    }

    async fn straight(
        &self,
        toward: Toward<'_>,
        route: &Route,
        deadline: Instant,
    ) -> Result<Connection, Failure> {
        let mut attempts = Attempts::of(route.addresses());
        let mut failure = Failure::Connect;
        loop {
            let (stream, address) = match timeout_at(deadline, attempts.next()).await {
                Ok(Some(open)) => open,
                Ok(None) => return Err(failure),
                Err(_elapsed) => return Err(Failure::ConnectTimeout),
            };
            let until = share(deadline, attempts.any_left());
            let open = (stream, Way::straight_to(address));
            match self.speak_until(until, toward, open).await {
                Err(broken) if broken.is_of_the_address() => failure = broken,
                decided => return decided,
            }
        }
    }

    /// One address after the other, since it is the proxy that dials them.
    async fn through(
        &self,
        (proxy, resolver): (&Proxy, &Resolver),
        toward: Toward<'_>,
        (route, deadline): (&Route, Instant),
    ) -> Result<Connection, Failure> {
        let asked = route.asked(&toward.place.host);
        let mut asked = asked.take(TUNNELS_ASKED_MAX).peekable();
        let mut failure = Failure::Connect;
        while let Some(destination) = asked.next() {
            let until = share(deadline, asked.peek().is_some());
            let tried = match proxy.open_until(until, resolver, destination).await {
                Ok(open) => self.speak_until(until, toward, open).await,
                Err(failed) => Err(failed),
            };
            match tried {
                Err(failed) if failed.is_of_the_address() => failure = failed,
                decided => return decided,
            }
        }
        Err(failure)
    }

    /// A connection to an address of `route` on which the gate says nothing.
    pub(super) async fn open(
        &self,
        resolver: &Resolver,
        (host, port): (&Host, u16),
        route: &Route,
    ) -> Result<(Bytes, Way), Failure> {
        let deadline = Instant::now() + self.timeout;
        match &self.proxy {
            Some(proxy) if proxy.serves(host, port) => {
                let mut asked = route.asked(host).take(TUNNELS_ASKED_MAX).peekable();
                let mut failure = Failure::Connect;
                while let Some(destination) = asked.next() {
                    let until = share(deadline, asked.peek().is_some());
                    match proxy.open_until(until, resolver, destination).await {
                        Ok((tunnel, way)) => return Ok((Box::new(tunnel), way)),
                        Err(failed) if failed.is_of_the_address() => failure = failed,
                        Err(failed) => return Err(failed),
                    }
                }
                Err(failure)
            }
            Some(_) | None => {
                let mut attempts = Attempts::of(route.addresses());
                let open = timeout_at(deadline, attempts.next()).await;
                let (stream, address) = open
                    .map_err(|_elapsed| Failure::ConnectTimeout)?
                    .ok_or(Failure::Connect)?;
                Ok((Box::new(stream), Way::straight_to(address)))
            }
        }
    }

    async fn speak_until<S>(
        &self,
        until: Instant,
        toward: Toward<'_>,
        open: (S, Way),
    ) -> Result<Connection, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let spoken = timeout_at(until, self.speak(toward, open)).await;
        spoken.unwrap_or(Err(Failure::ConnectTimeout))
    }

    /// What the place speaks, on an open connection.
    async fn speak<S>(
        &self,
        toward: Toward<'_>,
        (stream, way): (S, Way),
    ) -> Result<Connection, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match (toward.place.scheme, toward.certificate) {
            (Scheme::Http, None) => http(stream, way, None).await,
            (Scheme::Http, Some(_)) => Err(Failure::CertificateUnasked),
            (Scheme::Https, certificate) => {
                let stream = self.tls(&toward.place.host, certificate, stream).await?;
                let version = match stream.get_ref().1.protocol_version() {
                    Some(ProtocolVersion::TLSv1_3) => "1.3",
                    _ => "1.2",
                };
                http(stream, way, Some(version)).await
            }
        }
    }

    /// TLS with `host`, which is verified; a certificate of the gate's is shown or there is no connection.
    async fn tls<S>(
        &self,
        host: &Host,
        certificate: Option<&Certificate>,
        stream: S,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (trust, showing) = (self.trust.of(host), certificate.map(Showing::of));
        let config = match &showing {
            Some(showing) => showing.on(trust),
            None => trust.clone(),
        };
        let name = server_name(host)?;
        let stream = TlsConnector::from(config).connect(name, stream);
        let stream = stream.await.map_err(Failure::of_tls)?;
        match showing {
            Some(showing) if !showing.was_asked_for() => Err(Failure::CertificateUnasked),
            Some(_) | None => Ok(stream),
        }
    }
}

/// Until when one handshake may take: half of what is left, so that a silent server leaves time for another address.
fn share(deadline: Instant, any_left: bool) -> Instant {
    let now = Instant::now();
    if any_left {
        now + deadline.saturating_duration_since(now) / 2
    } else {
        deadline
    }
}

/// HTTP/1.1 on an open stream; the task that drives the connection ends with whoever holds the connection.
async fn http<S>(stream: S, way: Way, tls: Option<&'static str>) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let exchanges = Exchanges::default();
    let stream = Grammar::new(stream, exchanges.clone());
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(ANSWER_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::Exchange)?;
    let driver = Driver(tokio::spawn(connection).abort_handle());
    Ok(Connection {
        sender,
        exchanges,
        way,
        tls,
        _driver: driver,
    })
}

pub(super) fn server_name(host: &Host) -> Result<ServerName<'static>, Failure> {
    match host.ip() {
        Some(ip) => Ok(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(host.as_str().to_owned()).map_err(|_| Failure::Connect),
    }
}

impl Failure {
    /// Whether another address of the same upstream may do better.
    fn is_of_the_address(&self) -> bool {
        match self {
            Failure::Connect
            | Failure::ConnectTimeout
            | Failure::TlsBroken
            | Failure::ProxyTimeout => true,
            Failure::ProxyRefused(status) => *status != proxy::LOGIN_REFUSED,
            Failure::Tls(_)
            | Failure::CertificateUnasked
            | Failure::Exchange(_)
            | Failure::Proxy(_)
            | Failure::ProxyTls(_) => false,
        }
    }

    pub(super) fn of_tls(error: io::Error) -> Failure {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(tls) => Failure::Tls(tls.to_string()),
            None => Failure::TlsBroken,
        }
    }
}
