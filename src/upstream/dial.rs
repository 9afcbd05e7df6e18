//! A new connection to an upstream: to the first address of its route that answers, and verified.
//!
//! An address that cannot be reached is no reason to give up while others are left. A certificate that is not the
//! upstream's is: to go on until some address shows a good one would hide an attack, or a fault, from everybody.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ProtocolVersion, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Failure, Place, Route,
    attempts::{Attempts, Open},
    pool::{Connection, Driver},
};
use crate::target::{Host, Scheme};

/// The most bytes of an answer's head.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Dialer {
    tls: Arc<ClientConfig>,
    /// TCP and TLS, over all addresses of an upstream.
    timeout: Duration,
}

impl Dialer {
    /// Verifies upstreams by `tls`; a connection is there within `timeout` or not at all.
    pub(super) fn new(tls: Arc<ClientConfig>, timeout: Duration) -> Dialer {
        Dialer { tls, timeout }
    }

    /// A connection for `place`, to an address of `route`.
    pub(super) async fn connect(
        &self,
        place: &Place,
        route: &Route,
    ) -> Result<Connection, Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut attempts = Attempts::of(route.addresses());
        let mut failure = Failure::Connect;
        loop {
            let open = match timeout_at(deadline, attempts.next()).await {
                Ok(Some(open)) => open,
                Ok(None) => return Err(failure),
                Err(_elapsed) => return Err(Failure::ConnectTimeout),
            };
            let until = share(deadline, attempts.any_left());
            match timeout_at(until, self.speak(place, open)).await {
                Ok(Err(broken)) if broken.is_of_the_address() => failure = broken,
                Ok(decided) => return decided,
                Err(_elapsed) => failure = Failure::ConnectTimeout,
            }
        }
    }

    /// A connection to an address of `route` on which nothing is said yet.
    pub(super) async fn open(&self, route: &Route) -> Result<Open, Failure> {
        let mut attempts = Attempts::of(route.addresses());
        let open = timeout_at(Instant::now() + self.timeout, attempts.next()).await;
        open.map_err(|_elapsed| Failure::ConnectTimeout)?
            .ok_or(Failure::Connect)
    }

    /// What the place speaks, on an open connection.
    async fn speak(&self, place: &Place, (stream, address): Open) -> Result<Connection, Failure> {
        match place.scheme {
            Scheme::Http => http(stream, address, None).await,
            Scheme::Https => {
                let name = server_name(&place.host)?;
                let stream = TlsConnector::from(self.tls.clone())
                    .connect(name, stream)
                    .await
                    .map_err(Failure::of_tls)?;
                let version = match stream.get_ref().1.protocol_version() {
                    Some(ProtocolVersion::TLSv1_3) => "1.3",
                    _ => "1.2",
                };
                http(stream, address, Some(version)).await
            }
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
async fn http<S>(
    stream: S,
    address: SocketAddr,
    tls: Option<&'static str>,
) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(ANSWER_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::Exchange)?;
    let driver = Driver(tokio::spawn(connection).abort_handle());
    Ok(Connection {
        sender,
        address,
        tls,
        _driver: driver,
    })
}

fn server_name(host: &Host) -> Result<ServerName<'static>, Failure> {
    match host.ip() {
        Some(ip) => Ok(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(host.as_str().to_owned()).map_err(|_| Failure::Connect),
    }
}

impl Failure {
    /// Whether another address of the same upstream may do better.
    fn is_of_the_address(&self) -> bool {
        match self {
            Failure::Connect | Failure::ConnectTimeout | Failure::TlsBroken => true,
            Failure::Tls(_) | Failure::Exchange(_) => false,
        }
    }

    fn of_tls(error: io::Error) -> Failure {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(tls) => Failure::Tls(tls.to_string()),
            None => Failure::TlsBroken,
        }
    }
}
