//! A connection to the upstream, straight or through a proxy, and one request on it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::SendRequest,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{Arguments, Fault};

const HOST: &str = "api.example.test";
const PROXY: &str = "proxy.example.test";
/// The upstream's port, as every peer's settings name it.
const PORT: u16 = 9443;
const CONNECT_ANSWER_BYTES_MAX: usize = 8192;
static PIECE: [u8; 64 * 1024] = [b'u'; 64 * 1024];

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

enum Proxy {
    None,
    Tcp,
    Mtls(TlsConnector),
}

/// How to reach the upstream.
pub(crate) struct Client {
    to: SocketAddr,
    proxy: Proxy,
    upstream: TlsConnector,
    pub(crate) path: String,
}

/// An open connection.
pub(crate) struct Connection(pub(crate) SendRequest<Upload>);

/// What an exchange brought.
pub(crate) struct Exchange {
    pub(crate) status: u16,
    /// Whether the upstream saw the credential.
    pub(crate) injected: bool,
    pub(crate) bytes: u64,
}

/// A request's body of so many bytes.
pub(crate) struct Upload(u64);

impl Client {
    pub(crate) fn new(arguments: &Arguments) -> Result<Client, Fault> {
        let certs = arguments.text("certs", "certs");
        let file = |name: &str| format!("{certs}/{name}");
        let upstream = ClientConfig::builder()
            .with_root_certificates(roots(&file(arguments.text("ca", "up-ca.crt")))?)
            .with_no_client_auth();
        let proxy = match arguments.text("proxy", "") {
            "" => Proxy::None,
            "tcp" => Proxy::Tcp,
            _ => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_file_iter(file("client.crt"))?.collect();
                let key = PrivateKeyDer::from_pem_file(file("client.key"))?;
                let agent = ClientConfig::builder()
                    .with_root_certificates(roots(&file("proxy-ca.crt"))?)
                    .with_client_auth_cert(chain?, key)?;
                Proxy::Mtls(connector(agent))
            }
        };
        Ok(Client {
            to: arguments.text("to", "127.0.0.1:9443").parse()?,
            proxy,
            upstream: connector(upstream),
            path: arguments.text("path", "/v1/json").to_owned(),
        })
    }

    /// A new connection, ready for requests: TCP, then as the proxy asks for, then TLS with the host.
    pub(crate) async fn open(&self) -> Result<Connection, Fault> {
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.proxy {
            Proxy::None => Box::new(stream),
            Proxy::Tcp => Box::new(tunnel(stream).await?),
            Proxy::Mtls(connector) => {
                let name = ServerName::try_from(PROXY)?;
                Box::new(tunnel(connector.connect(name, stream).await?).await?)
            }
        };
        let stream = self
            .upstream
            .connect(ServerName::try_from(HOST)?, stream)
            .await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection(sender))
    }
}

impl Connection {
    /// Sends a request for `path`, a `POST` if it has `upload` bytes, and gives its answer.
    pub(crate) async fn send(
        &mut self,
        path: &str,
        upload: u64,
    ) -> Result<Response<Incoming>, Fault> {
        self.0.ready().await?;
        let request = Request::builder()
            .method(if upload > 0 { "POST" } else { "GET" })
            .uri(path)
            .header("host", format!("{HOST}:{PORT}"))
            .header("user-agent", "bench/1")
            .header("accept", "*/*")
            .body(Upload(upload))?;
        Ok(self.0.send_request(request).await?)
    }

    /// One exchange with the whole of its answer.
    pub(crate) async fn exchange(&mut self, path: &str, upload: u64) -> Result<Exchange, Fault> {
        let (parts, mut body) = self.send(path, upload).await?.into_parts();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(Exchange {
            status: parts.status.as_u16(),
            injected: parts.headers.contains_key("x-auth-ok"),
            bytes,
        })
    }
}

/// Asks for a tunnel. A proxy does not speak first inside it, so whole pieces may be read.
async fn tunnel<S: Stream>(mut stream: S) -> Result<S, Fault> {
    let connect = format!("CONNECT {HOST}:{PORT} HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await?;
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 || head.len() > CONNECT_ANSWER_BYTES_MAX {
            return Err("no proper answer to CONNECT".into());
        }
    }
    let granted = head.get(8..13) == Some(b" 200 ");
    let line = String::from_utf8_lossy(&head);
    let line = line.lines().next().unwrap_or_default();
    granted
        .then_some(stream)
        .ok_or_else(|| format!("CONNECT: {line}").into())
}

fn connector(mut config: ClientConfig) -> TlsConnector {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Arc::new(config).into()
}

fn roots(file: &str) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(file)? {
        roots.add(root?)?;
    }
    Ok(roots)
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.0.min(PIECE.len() as u64);
        self.0 -= length;
        let piece = PIECE
            .get(..length as usize)
            .filter(|piece| !piece.is_empty());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}
