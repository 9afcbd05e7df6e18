//! A gate, an upstream and their certificates, in a directory of their own.

use std::{
    convert::Infallible,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const HOST: &str = "api.bench.test";
/// Under which one role may ask for any name.
pub(crate) const WILDCARD: &str = "hostile.bench.test";
const TOLLGATE: &str = env!("CARGO_BIN_EXE_tollgate");
/// What the upstream answers: a JSON of ordinary size.
const ANSWER_BYTES: usize = 1024;

/// All that a run needs; the gate ends with it.
pub(crate) struct Stage {
    directory: TempDir,
    gate: Child,
    gate_address: String,
    upstream_port: u16,
    to_upstream: TlsConnector,
    to_gate: TlsConnector,
    in_tunnel: TlsConnector,
}

impl Stage {
    /// Starts the upstream in this process and the gate in one of its own.
    pub(crate) async fn set() -> Stage {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().to_owned();
        let upstream_port = upstream(&at).await;
        tollgate(&[
            "pki",
            "init",
            "--dir",
            &text(&at.join("pki")),
            "--trust-domain",
            "bench.test",
        ]);
        for agent in ["bench", "hostile"] {
            tollgate(&[
                "pki",
                "issue",
                "--dir",
                &text(&at.join("pki")),
                "--id",
                &format!("spiffe://bench.test/agent/{agent}"),
            ]);
        }
        write_settings(&at, upstream_port);
        let gate = Command::new(TOLLGATE)
            .arg("serve")
            .arg("--config")
            .arg(at.join("tollgate.yaml"))
            .spawn();
        let gate_address = started(&at.join("events.jsonl")).await;
        let agent = (at.join("pki/bench.crt"), at.join("pki/bench.key"));
        Stage {
            gate: gate.expect("the gate starts"),
            gate_address,
            upstream_port,
            to_upstream: connector(&at.join("upstream-ca.crt"), None),
            to_gate: connector(&at.join("pki/gate-ca.crt"), Some(agent)),
            in_tunnel: connector(&at.join("pki/interception-ca.crt"), None),
            directory,
        }
    }

    /// The upstream as a client names it.
    pub(crate) fn authority(&self) -> String {
        format!("{HOST}:{}", self.upstream_port)
    }

    /// Where the gate is, the port of the upstream, and the directory of the settings.
    pub(crate) fn place(&self) -> [String; 3] {
        [
            self.gate_address.clone(),
            self.upstream_port.to_string(),
            text(self.directory.path()),
        ]
    }

    /// A connection straight to the upstream.
    pub(crate) async fn direct(&self) -> SendRequest<Empty<Bytes>> {
        let stream = dial(&format!("127.0.0.1:{}", self.upstream_port)).await;
        speak(tls(&self.to_upstream, HOST, stream).await).await
    }

    /// A connection inside a tunnel through the gate.
    pub(crate) async fn through_the_gate(&self) -> SendRequest<Empty<Bytes>> {
        let mut stream = tls(&self.to_gate, "localhost", dial(&self.gate_address).await).await;
        let authority = self.authority();
        let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream
            .write_all(connect.as_bytes())
            .await
            .expect("CONNECT is sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer to CONNECT"));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        speak(tls(&self.in_tunnel, HOST, stream).await).await
    }

    /// The CPU time that the gate has used so far.
    pub(crate) fn gate_cpu(&self) -> Duration {
        let stat = procfs::process::Process::new(self.gate.id().cast_signed())
            .and_then(|gate| gate.stat());
        let stat = stat.expect("the gate runs");
        Duration::from_secs_f64(
            (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        )
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.gate.kill().ok();
        self.gate.wait().ok();
        let _kept_until_now = &self.directory;
    }
}

async fn dial(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    stream
}

async fn tls<S: AsyncRead + AsyncWrite + Unpin>(
    connector: &TlsConnector,
    name: &str,
    stream: S,
) -> tokio_rustls::client::TlsStream<S> {
    let stream = try_tls(connector, name, stream).await;
    stream.expect("a handshake")
}

/// TLS with `name`, if the other side wants it.
pub(crate) async fn try_tls<S: AsyncRead + AsyncWrite + Unpin>(
    connector: &TlsConnector,
    name: &str,
    stream: S,
) -> Option<tokio_rustls::client::TlsStream<S>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    connector.connect(name, stream).await.ok()
}

/// HTTP/1.1 on an open stream.
pub(crate) async fn speak<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
) -> SendRequest<Empty<Bytes>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

/// TLS that trusts `roots` and shows the certificate and key of `agent`, if there is one.
pub(crate) fn connector(roots: &Path, agent: Option<(PathBuf, PathBuf)>) -> TlsConnector {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots).expect("roots") {
        store.add(root.expect("a root")).expect("a root");
    }
    let builder = ClientConfig::builder().with_root_certificates(store);
    let config = match agent {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_file_iter(chain)
                .expect("a chain")
                .map(|c| c.expect("a certificate"));
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            builder
                .with_client_auth_cert(chain.collect(), key)
                .expect("an agent's certificate")
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// An HTTPS upstream with a certificate of its own authority, whose certificate it leaves in `at`.
async fn upstream(at: &Path) -> u16 {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    fs::write(
        at.join("upstream-ca.crt"),
        authority.self_signed(&key).expect("a root").pem(),
    )
    .expect("a file");
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![HOST.to_owned()])
        .expect("parameters")
        .signed_by(&key, &issuer)
        .expect("a leaf");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let answer = service_fn(async |request: Request<Incoming>| {
                    request.into_body().collect().await.ok();
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                        &[b' '; ANSWER_BYTES],
                    ))))
                });
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await
                    .ok();
            });
        }
    });
    port
}

fn write_settings(at: &Path, port: u16) {
    let write = |name: &str, text: String| {
        fs::write(at.join(name), text).expect("a file");
        fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    fs::create_dir(at.join("roles")).expect("a directory");
    write("token", "a-secret-of-the-benchmark".to_owned());
    write(
        "tollgate.yaml",
        format!(
            "listen: 127.0.0.1:0
certificate: {{chain: pki/gate.crt, key: pki/gate.key}}
trust_domains: {{bench.test: {{bundle: pki/agents-ca.crt}}}}
interception: {{ca: pki/interception-ca.crt, key: pki/interception-ca.key}}
upstream: {{roots: [upstream-ca.crt], pins: {{{HOST}: 127.0.0.1}}}}
events: {{stdout: false, file: events.jsonl}}
attempts: 1000000000/min
exceptions:
  - {{role: bench, host: {HOST}, port: {port}, addresses: [127.0.0.0/8], reason: the benchmark's own upstream, until: 2099-01-01}}
  - {{role: hostile, host: {HOST}, port: {port}, addresses: [127.0.0.0/8], reason: the benchmark's own upstream, until: 2099-01-01}}
"
        ),
    );
    write(
        "credentials.yaml",
        format!(
            "bench:
  roles: [bench]
  hosts: [\"{HOST}:{port}\"]
  file: token
  place: {{header: Authorization, value: \"Bearer {{token}}\"}}
  max_ttl: 1h
  allow_static: {{owner: bench@example.com, rotate_by: 2099-01-01}}
"
        ),
    );
    write_role(
        at,
        "bench",
        &format!(
            "{{name: read, verb: read, hosts: [\"{HOST}:{port}\"], methods: [GET], paths: [\"/v1/**\"], credential: bench}}"
        ),
    );
    write_role(at, "hostile", &format!(
        "{{name: limited, verb: read, hosts: [\"{HOST}:{port}\"], methods: [GET], paths: [\"/limited/*\"], credential: none, limit: {{rate: 1/h}}}}
  - {{name: upload, verb: write, hosts: [\"{HOST}:{port}\"], methods: [POST], paths: [\"/v1/**\"], credential: none}}
  - {{name: any, verb: read, hosts: [\"*.{WILDCARD}:{port}\"], methods: [GET], paths: [\"/**\"], credential: none}}"
    ));
}

fn write_role(at: &Path, name: &str, rules: &str) {
    let manifest = format!(
        "purpose: Measure one exchange
owner: bench@example.com
sponsor: speed@example.com
review_by: 2099-01-01
identities: [spiffe://bench.test/agent/{name}]
limit: {{rate: 1000000000/min}}
rules:
  - {rules}
"
    );
    fs::write(at.join("roles").join(name).with_extension("yaml"), manifest).expect("a file");
}

/// The address in the event `started`, once it is there.
async fn started(events: &Path) -> String {
    loop {
        let line = fs::read_to_string(events).unwrap_or_default();
        if let Some((_, rest)) = line.split_once("\"listen\":\"") {
            return rest.split('"').next().unwrap_or_default().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn tollgate(arguments: &[&str]) {
    let done = Command::new(TOLLGATE)
        .args(arguments)
        .output()
        .expect("tollgate runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
