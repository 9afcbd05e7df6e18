//! The proxy through which upstreams are reached where the gate has no way out of its own: `CONNECT`, and nothing else.
//!
//! The settings name it and no agent has a say, so its own address is not held against the guard. It carries bytes: the
//! upstream's certificate is verified through it as ever. It gets its login and never a credential of the catalogue.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1,
    upgrade::{self, Upgraded},
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Failure, Resolver,
    attempts::Attempts,
    dial,
    pool::{Driver, Way},
};
use crate::{scope::HostPattern, target::Host};

/// The most bytes of the head of its answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The login is wrong: it is not tried again with another address.
pub(super) const LOGIN_REFUSED: u16 = 407;

/// A proxy that takes `CONNECT`.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Its host.
    pub(crate) host: Host,
    /// Its port.
    pub(crate) port: u16,
    /// How it is verified, where it is spoken to over TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// `Proxy-Authorization`, marked sensitive.
    pub(crate) login: Option<HeaderValue>,
    /// What is reached without it.
    pub(crate) except: Vec<HostPattern>,
}

/// A tunnel to an upstream, and what it was opened to.
pub(super) type Tunnel = (TokioIo<Upgraded>, Way);

/// What it is asked for, and the address that was checked where the gate resolves names.
pub(super) type Destination = (String, Option<SocketAddr>);

impl Proxy {
    /// Whether `host` on `port` is reached through it.
    pub(super) fn serves(&self, host: &Host, port: u16) -> bool {
        !self
            .except
            .iter()
            .any(|pattern| pattern.matches(host, port))
    }

    /// Asks for a tunnel.
    pub(super) async fn open_until(
        &self,
        until: Instant,
        resolver: &Resolver,
        (authority, address): Destination,
    ) -> Result<Tunnel, Failure> {
        let opened = timeout_at(until, self.open(resolver, &authority)).await;
        let (tunnel, via) = opened.unwrap_or(Err(Failure::ProxyTimeout))?;
        let via = Some(via);
        Ok((TokioIo::new(tunnel), Way { address, via }))
    }

    async fn open(
        &self,
        resolver: &Resolver,
        authority: &str,
    ) -> Result<(Upgraded, SocketAddr), Failure> {
        let addresses = resolver
            .addresses_of(&self.host)
            .await
            .map_err(|_| Failure::Proxy("the upstream proxy's name has no address"))?;
        let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, self.port));
        let (stream, via) = Attempts::of(addresses)
            .next()
            .await
            .ok_or(Failure::Proxy("the upstream proxy cannot be reached"))?;
        let tunnel = match &self.tls {
            None => self.connect(stream, authority).await?,
            Some(tls) => {
                let stream = TlsConnector::from(tls.clone())
                    .connect(dial::server_name(&self.host)?, stream)
                    .await
                    .map_err(Failure::of_tls)
                    .map_err(Failure::at_the_proxy)?;
                self.connect(stream, authority).await?
            }
        };
        Ok((tunnel, via))
    }

    /// `CONNECT` (RFC 9110 section 9.3.6), and the bytes behind its answer.
    async fn connect<S>(&self, stream: S, authority: &str) -> Result<Upgraded, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(not_http)?;
        let driving = tokio::spawn(connection.with_upgrades());
        let _driver = Driver(driving.abort_handle());
        let answer = sender
            .send_request(self.request(authority)?)
            .await
            .map_err(not_http)?;
        check(&answer)?;
        upgrade::on(answer).await.map_err(not_http)
    }

    fn request(&self, authority: &str) -> Result<Request<Empty<Bytes>>, Failure> {
        let unaskable = Failure::Proxy("the upstream proxy cannot be asked for this host");
        let (Ok(uri), Ok(host)) = (Uri::try_from(authority), HeaderValue::from_str(authority))
        else {
            return Err(unaskable);
        };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::HOST, host);
        if let Some(login) = &self.login {
            request
                .headers_mut()
                .insert(header::PROXY_AUTHORIZATION, login.clone());
        }
        Ok(request)
    }
}

fn check(answer: &Response<Incoming>) -> Result<(), Failure> {
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(Failure::ProxyRefused(answer.status().as_u16()))
    }
}

fn not_http(_error: hyper::Error) -> Failure {
    Failure::Proxy("the upstream proxy broke off, or its answer is not HTTP")
}

impl Failure {
    fn at_the_proxy(self) -> Failure {
        match self {
            Failure::Tls(cause) => Failure::ProxyTls(cause),
            _broken => Failure::Proxy("the upstream proxy broke off the TLS handshake"),
        }
    }
}
