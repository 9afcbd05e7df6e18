use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::Path};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::*;
use crate::{
    cli::pki::{Init, Issue},
    identity::{SpiffeId, TrustDomain},
};

type GateStream = TlsStream<TcpStream>;

/// A directory with authorities, a gate's certificate and that of `agent`.
fn pki() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    issue(dir.path(), "agent", OffsetDateTime::now_utc());
    dir
}

fn init(dir: &Path) {
    let init = Init {
        dir: dir.to_owned(),
        trust_domain: TrustDomain::parse("example.org").unwrap(),
        gate_names: vec![],
        force: true,
    };
    init.write(OffsetDateTime::now_utc()).unwrap();
}

fn issue(dir: &Path, agent: &str, now: OffsetDateTime) {
    let issue = Issue {
        id: SpiffeId::parse(&format!("spiffe://example.org/{agent}")).unwrap(),
        dir: dir.to_owned(),
        ttl: Duration::from_mins(30),
        days: None,
        out: Some("agent".to_owned()),
        force: true,
    };
    issue.write(now).unwrap();
}

/// A gate that lets agents in and gives the test each connection.
struct TestGate {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TestGate {
    async fn start(dir: &Path) -> TestGate {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(dir.join("agents-ca.crt")).unwrap())
            .unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let chain = vec![CertificateDer::from_pem_file(dir.join("gate.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(dir.join("gate.key")).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.send_tls13_tickets = 0;
        TestGate {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    async fn accept(&self) -> io::Result<GateStream> {
        let (tcp, _) = self.listener.accept().await?;
        self.acceptor.accept(tcp).await
    }
}

fn settings(dir: &Path, gate: &str) -> Connect {
    Connect {
        gate: Authority::parse(gate).unwrap(),
        cert: dir.join("agent.crt"),
        key: dir.join("agent.key"),
        ca: dir.join("gate-ca.crt"),
        gate_name: Some(Host::parse("localhost").unwrap()),
        listen: "127.0.0.1:0".parse().unwrap(),
        peer_uids: vec![],
    }
}

/// A connector that serves until it is dropped.
struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

async fn serve(settings: Connect) -> Serving {
    let connector = Connector::bind(&settings).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    Serving {
        address: connector.address(),
        stop,
        ended: tokio::spawn(connector.serve(async {
            let _ = stopped.await;
        })),
    }
}

const CONNECT: &[u8] = b"CONNECT api.a.test:443 HTTP/1.1\r\nHost: api.a.test:443\r\n\r\n";

/// What a client is answered to a `CONNECT`: the status line, and the body.
async fn answer_to_connect(connector: &Serving) -> (String, serde_json::Value) {
    let mut client = TcpStream::connect(connector.address).await.unwrap();
    client.write_all(CONNECT).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
        "{head}"
    );
    (
        head.lines().next().unwrap().to_owned(),
        serde_json::from_str(body).unwrap(),
    )
}

/// The agent that a connection's certificate names.
fn agent(gate: &GateStream) -> String {
    let shown = gate
        .get_ref()
        .1
        .peer_certificates()
        .unwrap()
        .first()
        .unwrap();
    let (_, x509) = X509Certificate::from_der(shown).unwrap();
    let names = x509.subject_alternative_name().unwrap().unwrap();
    let [GeneralName::URI(id)] = names.value.general_names[..] else {
        panic!("not one URI");
    };
    SpiffeId::parse(id).unwrap().path().to_owned()
}

#[tokio::test]
async fn bytes_reach_the_gate_with_the_agents_certificate() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let mut client = TcpStream::connect(connector.address).await.unwrap();
    client.write_all(CONNECT).await.unwrap();

    let mut inside = gate.accept().await.unwrap();
    let mut seen = vec![0; CONNECT.len()];
    inside.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, CONNECT);
    assert_eq!(agent(&inside), "/agent");
    assert_eq!(inside.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_client_that_has_said_all_still_hears_the_answer() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let mut client = TcpStream::connect(connector.address).await.unwrap();
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();

    let mut inside = gate.accept().await.unwrap();
    let (mut question, mut answer) = (String::new(), String::new());
    inside.read_to_string(&mut question).await.unwrap();
    inside.write_all(b"answer").await.unwrap();
    inside.shutdown().await.unwrap();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
}

#[tokio::test]
async fn a_gate_that_has_said_all_still_hears_the_client() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let mut client = TcpStream::connect(connector.address).await.unwrap();

    let mut inside = gate.accept().await.unwrap();
    inside.write_all(b"goodbye").await.unwrap();
    inside.shutdown().await.unwrap();
    let (mut goodbye, mut more) = (String::new(), String::new());
    client.read_to_string(&mut goodbye).await.unwrap();
    client.write_all(b"one more thing").await.unwrap();
    client.shutdown().await.unwrap();
    inside.read_to_string(&mut more).await.unwrap();
    assert_eq!(
        (goodbye.as_str(), more.as_str()),
        ("goodbye", "one more thing")
    );
}

#[tokio::test]
async fn half_an_answer_is_not_taken_for_a_whole_one() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let mut client = TcpStream::connect(connector.address).await.unwrap();

    let mut inside = gate.accept().await.unwrap();
    inside.write_all(b"half an ans").await.unwrap();
    let mut half = [0; 11];
    client.read_exact(&mut half).await.unwrap();
    drop(inside);
    assert_eq!(
        client.read(&mut half).await.unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn says_so_when_no_gate_listens() {
    let dir = pki();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let connector = serve(settings(dir.path(), &nobody.to_string())).await;
    let (status, body) = answer_to_connect(&connector).await;
    assert_eq!(
        status,
        "HTTP/1.1 503 gate_unreachable: The gate cannot be reached."
    );
    for (pointer, expected) in [
        ("/type", "about:blank"),
        ("/title", "Service Unavailable"),
        ("/detail", "The gate cannot be reached."),
        ("/code", "gate_unreachable"),
        ("/error/type", "gate_unreachable"),
        ("/error/message", "The gate cannot be reached."),
    ] {
        assert_eq!(body.pointer(pointer).unwrap(), expected, "{pointer}");
    }
    assert_eq!(
        (body["status"].as_u64(), body["retryable"].as_bool()),
        (Some(503), Some(true))
    );
    assert_eq!(body["error"]["request_id"].as_str().unwrap().len(), 26);
}

#[tokio::test]
async fn says_so_when_the_gates_certificate_is_for_another_name() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let gate_name = Some(Host::parse("gate.example.org").unwrap());
    let connector = serve(Connect {
        gate_name,
        ..settings(dir.path(), &gate.address())
    })
    .await;
    let (answer, accepted) = tokio::join!(answer_to_connect(&connector), gate.accept());
    assert!(accepted.is_err());
    assert_eq!(
        answer.0,
        "HTTP/1.1 503 gate_unreachable: What answers in the gate's place is not the gate."
    );
}

#[tokio::test]
async fn says_so_when_the_gate_refuses_the_certificate() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let other = pki();
    let cert = other.path().join("agent.crt");
    let key = other.path().join("agent.key");
    let connector = serve(Connect {
        cert,
        key,
        ..settings(dir.path(), &gate.address())
    })
    .await;
    let (answer, accepted) = tokio::join!(answer_to_connect(&connector), gate.accept());
    assert!(accepted.is_err());
    assert_eq!(
        answer.0,
        "HTTP/1.1 503 gate_unreachable: The gate does not accept the agent's certificate."
    );
}

#[tokio::test]
async fn says_so_when_the_certificate_has_expired() {
    let dir = pki();
    issue(
        dir.path(),
        "agent",
        OffsetDateTime::now_utc() - Duration::from_hours(1),
    );
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let (answer, accepted) = tokio::join!(answer_to_connect(&connector), gate.accept());
    assert!(accepted.is_err());
    assert_eq!(
        answer.0,
        "HTTP/1.1 503 gate_unreachable: The agent's certificate has expired."
    );
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_on_the_next_connection() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let _client = TcpStream::connect(connector.address).await.unwrap();
    assert_eq!(agent(&gate.accept().await.unwrap()), "/agent");

    issue(dir.path(), "renewed", OffsetDateTime::now_utc());
    let _client = TcpStream::connect(connector.address).await.unwrap();
    assert_eq!(agent(&gate.accept().await.unwrap()), "/renewed");
}

#[tokio::test]
async fn a_broken_renewal_leaves_the_last_good_certificate() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    std::fs::write(dir.path().join("agent.crt"), "half a certificate").unwrap();
    let _client = TcpStream::connect(connector.address).await.unwrap();
    assert_eq!(agent(&gate.accept().await.unwrap()), "/agent");
}

#[tokio::test]
async fn refuses_to_listen_where_others_can_reach_it() {
    let dir = pki();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let listen = listen.parse().unwrap();
        let bound = Connector::bind(&Connect {
            listen,
            ..settings(dir.path(), "127.0.0.1:1")
        })
        .await;
        assert!(matches!(bound, Err(Failure::Usage(_))), "{listen}");
    }
}

#[tokio::test]
async fn refuses_to_start_with_a_key_of_another_certificate() {
    let dir = pki();
    let key = dir.path().join("gate.key");
    let bound = Connector::bind(&Connect {
        key,
        ..settings(dir.path(), "127.0.0.1:1")
    })
    .await;
    assert!(matches!(bound, Err(Failure::Usage(_))));
}

#[tokio::test]
async fn refuses_a_key_that_others_may_read_at_the_start_and_at_a_renewal() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let key = dir.path().join("agent.key");
    let mode = |mode| std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let bound = Connector::bind(&settings(dir.path(), &gate.address())).await;
    let Err(Failure::Usage(said)) = bound else {
        panic!("it listens");
    };
    assert!(said.contains("agent.key"), "{said}");
    assert!(said.contains("its mode 0644 lets others at it"), "{said}");

    mode(0o600);
    let connector = serve(settings(dir.path(), &gate.address())).await;
    issue(dir.path(), "renewed", OffsetDateTime::now_utc());
    for (now, agent_then) in [(0o644, "/agent"), (0o600, "/renewed")] {
        mode(now);
        let _client = TcpStream::connect(connector.address).await.unwrap();
        assert_eq!(agent(&gate.accept().await.unwrap()), agent_then, "{now:o}");
    }
}

#[tokio::test]
async fn open_connections_end_when_it_is_told_to_stop() {
    let dir = pki();
    let gate = TestGate::start(dir.path()).await;
    let connector = serve(settings(dir.path(), &gate.address())).await;
    let mut client = TcpStream::connect(connector.address).await.unwrap();
    let _inside = gate.accept().await.unwrap();
    connector.stop.send(()).unwrap();
    connector.ended.await.unwrap();
    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(connector.address).await.is_err());
}

#[test]
fn a_gate_is_named_with_its_port() {
    assert!(host_and_port("gate.example.org:8443").is_ok());
    assert!(host_and_port("gate.example.org").is_err());
}
