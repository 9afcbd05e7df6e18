//! The floor: the least that a proxy of the same stack (hyper, rustls, tokio) and the same shape can do.
//!
//! mTLS in, `CONNECT`, a minted leaf that is kept, one header set, a pooled and verified connection upstream. It
//! decides nothing, limits nothing, records nothing, and has no deadline: what the gate costs above it is what
//! those cost.
//!
//! `floor PORT CERTS UPSTREAM`: the directory of the certificates, and the address at which every host is.

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    fs,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::SendRequest,
    header::{AUTHORIZATION, CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, server::TlsStream};

type Fault = Box<dyn Error + Send + Sync>;
type Agent = TlsStream<TcpStream>;

struct Floor {
    resting: Mutex<HashMap<String, Vec<SendRequest<Incoming>>>>,
    leaves: Mutex<HashMap<String, Arc<ServerConfig>>>,
    issuer: Issuer<'static, KeyPair>,
    leaf_key: KeyPair,
    connector: TlsConnector,
    upstream: String,
}

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, certs, upstream] = arguments.as_slice() else {
        return Err("usage: floor PORT CERTS UPSTREAM".into());
    };
    let floor = Arc::new(Floor::new(certs, upstream.clone())?);
    let acceptor = acceptor(certs)?;
    let address = format!("127.0.0.1:{port}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (floor, acceptor) = (floor.clone(), acceptor.clone());
            tokio::spawn(async move {
                if let Ok(agent) = acceptor.accept(stream).await {
                    floor.serve(agent).await;
                }
            });
        }
    })
}

impl Floor {
    fn new(certs: &str, upstream: String) -> Result<Floor, Fault> {
        let key = KeyPair::from_pem(&fs::read_to_string(format!("{certs}/mitm-ca.key"))?)?;
        let ca = fs::read_to_string(format!("{certs}/mitm-ca.crt"))?;
        let client = ClientConfig::builder()
            .with_root_certificates(roots(&format!("{certs}/up-ca.crt"))?)
            .with_no_client_auth();
        Ok(Floor {
            resting: Mutex::default(),
            leaves: Mutex::default(),
            issuer: Issuer::from_ca_cert_pem(&ca, key)?,
            leaf_key: KeyPair::generate()?,
            connector: Arc::new(client).into(),
            upstream,
        })
    }

    async fn serve(self: Arc<Self>, agent: Agent) {
        let answer = service_fn(|mut request: Request<Incoming>| {
            let floor = self.clone();
            async move {
                let mut response = Response::new(Nothing);
                if request.method() != Method::CONNECT {
                    *response.status_mut() = hyper::StatusCode::METHOD_NOT_ALLOWED;
                    return Ok::<_, Infallible>(response);
                }
                let authority = request.uri().to_string();
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    if let Ok(upgraded) = upgrade.await {
                        floor.tunnel(authority, upgraded).await.ok();
                    }
                });
                Ok(response)
            }
        });
        http1::Builder::new()
            .serve_connection(TokioIo::new(agent), answer)
            .with_upgrades()
            .await
            .ok();
    }

    async fn tunnel(self: Arc<Self>, authority: String, upgraded: Upgraded) -> Result<(), Fault> {
        let config = self.leaf(host(&authority))?;
        // The stream itself is taken back out: that saves a layer of indirection at every read and write.
        let parts = upgraded
            .downcast::<TokioIo<Agent>>()
            .map_err(|_| "not ours")?;
        let stream = TlsAcceptor::from(config)
            .accept(parts.io.into_inner())
            .await?;
        let answer = service_fn(|request| forward(self.clone(), authority.clone(), request));
        Ok(http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer)
            .await?)
    }

    fn leaf(&self, host: &str) -> Result<Arc<ServerConfig>, Fault> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = leaves.get(host) {
            return Ok(config.clone());
        }
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(self.leaf_key.serialize_der())?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        let config = Arc::new(config);
        leaves.insert(host.to_owned(), config.clone());
        Ok(config)
    }

    fn take(&self, authority: &str) -> Option<SendRequest<Incoming>> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get_mut(authority)?.pop()
    }

    fn put(&self, authority: &str, sender: SendRequest<Incoming>) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match resting.get_mut(authority) {
            Some(senders) => senders.push(sender),
            None => drop(resting.insert(authority.to_owned(), vec![sender])),
        }
    }

    async fn connection(&self, authority: &str) -> Result<SendRequest<Incoming>, Fault> {
        while let Some(mut sender) = self.take(authority) {
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host(authority).to_owned())?;
        let stream = self.connector.connect(name, stream).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn forward(
    floor: Arc<Floor>,
    authority: String,
    mut request: Request<Incoming>,
) -> Result<Response<Pooled>, Fault> {
    let credential = HeaderValue::from_static("Bearer s3cret-upstream-token");
    request.headers_mut().insert(AUTHORIZATION, credential);
    let mut sender = floor.connection(&authority).await?;
    let (mut parts, body) = sender.send_request(request).await?.into_parts();
    parts.headers.remove(CONNECTION);
    let mut pooled = Pooled {
        body,
        sender: Some(sender),
        floor,
        authority,
    };
    pooled.put_if_ended();
    Ok(Response::from_parts(parts, pooled))
}

/// An answer's body, which gives its connection back once it has ended.
struct Pooled {
    body: Incoming,
    sender: Option<SendRequest<Incoming>>,
    floor: Arc<Floor>,
    authority: String,
}

impl Pooled {
    fn put_if_ended(&mut self) {
        if self.body.is_end_stream()
            && let Some(sender) = self.sender.take()
        {
            self.floor.put(&self.authority, sender);
        }
    }
}

impl Body for Pooled {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.put_if_ended();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of the answer to a `CONNECT`.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

fn acceptor(certs: &str) -> Result<TlsAcceptor, Fault> {
    let agents = Arc::new(roots(&format!("{certs}/client-ca.crt"))?);
    let verifier = WebPkiClientVerifier::builder(agents).build()?;
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(format!("{certs}/proxy.crt"))?.collect();
    let key = PrivateKeyDer::from_pem_file(format!("{certs}/proxy.key"))?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain?, key)?;
    Ok(Arc::new(config).into())
}

fn roots(file: &str) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(file)? {
        roots.add(root?)?;
    }
    Ok(roots)
}

fn host(authority: &str) -> &str {
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}
