//! Before there is a request: connections, handshakes, certificates, descriptors.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_RSA_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
};
use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::{super::arena, serves};
use crate::world::{
    World,
    agent::Agent,
    patience::{patiently, until},
    pki::{self, agent_params, spiffe_id},
};

/// Connections of one flood that the test keeps open; the gate has given up older ones.
const KEPT: usize = 600;
/// The record header of a ClientHello, of which no more comes.
const FIRST_BYTE: &[u8] = &[22];

/// Opens so many connections from `from`, each with the first byte of a handshake.
async fn flood(world: &World, from: IpAddr, count: usize, kept: &mut VecDeque<TcpStream>) {
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        let mut stream = socket.connect(world.listen()).await.unwrap();
        // the gate may have given it up already
        let _ = stream.write_all(FIRST_BYTE).await;
        kept.push_back(stream);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

/// A handshake of an honest agent on a connection that is there already.
async fn completes(world: &World, agent: &Agent, socket: TcpStream) {
    let config = pki::client_config(world.pki.gates.roots(), agent.identity.as_deref());
    let name = ServerName::try_from("gate.test").unwrap();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, socket);
    let stream = patiently("the handshake", handshake).await;
    assert!(stream.is_ok(), "{stream:?}");
}

#[tokio::test]
async fn ds_01_a_flood_of_handshakes_pushes_out_itself() {
    let world = arena().admin().start().await;
    let made_way = "handshakes_made_way_total";
    let mut kept = VecDeque::new();
    let honest = TcpStream::connect(world.listen()).await.unwrap();
    for _ in 0..10 {
        flood(&world, [127, 0, 0, 66].into(), 500, &mut kept).await;
        serves(&world, "r2").await;
    }
    // as many as there are places, and a handshake of another address is as it was, however long ago it began
    world
        .metric_until(made_way, |given_up| given_up >= 4_000.0)
        .await;
    assert!(world.metric("handshakes").await <= 512.0);
    completes(&world, &world.agent("r2"), honest).await;
    // who comes from where the flood comes from needs its place for a moment only
    flood(&world, [127, 0, 0, 1].into(), 1_000, &mut kept).await;
    serves(&world, "r2").await;
    // and none of it took a place of an agent
    assert!(world.metric("connections").await <= 2.0);
    drop(kept);
    world.metric_until("handshakes", |open| open == 0.0).await;
    world.finish().await;
}

/// As many as the row opens, and how many of them the test keeps: the gate takes fewer.
const CROWD: usize = 1_000;

#[tokio::test]
async fn ds_05_runs_out_of_descriptors_without_spinning_and_recovers() {
    let world = arena().descriptors(256).start().await;
    let fit = "connections: 4096 do not fit into 256 descriptors; 32 are taken at a time";
    assert!(world.gate.stderr().contains(fit), "{}", world.gate.stderr());
    let mut crowd = VecDeque::new();
    flood(&world, [127, 0, 0, 66].into(), CROWD, &mut crowd).await;
    serves(&world, "r2").await;
    assert!(world.gate.descriptors() < 256);
    let never_wanted = !world.gate.stderr().contains("could not be accepted");
    assert!(never_wanted, "{}", world.gate.stderr());
    drop(crowd);

    // whatever takes them, the gate comes back: here, that they are taken away
    let mut open = world.agent("r2").wire().await;
    allow(&world, world.gate.descriptors());
    let begun = Instant::now();
    let mut crowd = VecDeque::new();
    flood(&world, [127, 0, 0, 66].into(), 40, &mut crowd).await;
    let refused = || world.gate.stderr().matches("could not be accepted").count();
    until("no descriptor is left", || (refused() > 2).then_some(())).await;
    let call = world
        .agent("r2")
        .absolute("GET http://api.b.test/x", "", "");
    open.send(&call).await;
    let answer = open.answer().await;
    // a handshake that made way may have left it the descriptor that it needs
    assert!(matches!(answer.status, 200 | 502 | 503), "{answer:?}");
    let pauses = begun.elapsed().as_millis() / Duration::from_millis(50).as_millis();
    assert!(refused() as u128 <= pauses + 1, "it spins");
    allow(&world, 256);
    open.send(&call).await;
    assert_eq!(open.answer().await.status, 200);
    serves(&world, "r2").await;
    drop((crowd, open));
    world.finish().await;
}

/// Sets how many descriptors the gate may have open.
fn allow(world: &World, most: usize) {
    let prlimit = Command::new("prlimit")
        .arg(format!("--nofile={most}:256"))
        .arg(format!("--pid={}", world.gate.pid))
        .status();
    assert!(prlimit.unwrap().success());
}

/// An authority of a test's own, below `parent` or by itself.
struct Forged {
    params: CertificateParams,
    key: KeyPair,
}

impl Forged {
    fn new(name: &str) -> Forged {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Forged { params, key }
    }

    fn signs(&self, other: &Forged) -> CertificateDer<'static> {
        self.signs_key(&other.params, &other.key)
    }

    fn signs_key(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> CertificateDer<'static> {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().der().clone()
    }
}

/// An RSA key of 16,384 bits, of which nobody has the other half.
struct Huge(Vec<u8>);

impl Huge {
    fn new() -> Huge {
        let mut modulus = vec![0xa5; 16_384 / 8];
        modulus[0] = 0;
        modulus.insert(1, 0xc3);
        let mut key = der(0x02, &modulus);
        key.extend(der(0x02, &[1, 0, 1]));
        Huge(der(0x30, &key))
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut der = match content.len() {
        0..=127 => vec![tag, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    der.extend(content);
    der
}

impl PublicKeyData for Huge {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

/// The row's chains, each leaf first, by what is wrong with them.
fn bombs(world: &World) -> Vec<(&'static str, Vec<CertificateDer<'static>>)> {
    let id = spiffe_id("r1");
    let leaf = agent_params(&[&id]);
    let own = KeyPair::generate().unwrap();
    let forged: Vec<_> = (0..100).map(|n| Forged::new(&format!("{n}"))).collect();
    let mut long = vec![forged[0].signs_key(&leaf, &own)];
    long.extend(forged.windows(2).map(|pair| pair[1].signs(&pair[0])));
    // each is signed by each, and all have one name
    let same: Vec<_> = (0..9).map(|_| Forged::new("same")).collect();
    let mut cyclic = vec![same[0].signs_key(&leaf, &own)];
    cyclic.extend(
        same.iter()
            .flat_map(|one| same.iter().map(|other| one.signs(other))),
    );
    let mut heavy = leaf.clone();
    heavy
        .subject_alt_names
        .extend((0..5_000).map(|n| SanType::DnsName(format!("n{n}.a.test").try_into().unwrap())));
    let mut constrained = Forged::new("constrained");
    let subtree = |n| GeneralSubtree::DnsName(format!("n{n}.a.test"));
    constrained.params.name_constraints = Some(NameConstraints {
        permitted_subtrees: (0..1_000).map(subtree).collect(),
        excluded_subtrees: Vec::new(),
    });
    let mut many_names = leaf.clone();
    many_names
        .subject_alt_names
        .extend((0..1_000).map(|n| SanType::DnsName(format!("n{n}.a.test").try_into().unwrap())));
    let explosion = vec![
        constrained.signs_key(&many_names, &own),
        forged[0].signs(&constrained),
    ];
    let huge = world.pki.agents.sign_key(&leaf, &Huge::new());
    vec![
        ("100 certificates", long),
        ("certificates that sign each other", cyclic),
        (
            "64 KiB of certificate",
            vec![forged[0].signs_key(&heavy, &own)],
        ),
        ("name constraints", explosion),
        ("RSA of 16,384 bits", vec![huge]),
    ]
}

/// A client that shows `chain`, whatever its key.
fn showing(world: &World, chain: Vec<CertificateDer<'static>>) -> ClientConfig {
    let key = KeyPair::generate().unwrap();
    let key: PrivateKeyDer<'_> = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = aws_lc_rs::sign::any_ecdsa_type(&key).unwrap();
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(world.pki.gates.roots())
        .with_client_cert_resolver(Arc::new(shown))
}

#[tokio::test]
async fn ds_10_chains_that_cost_much_end_in_an_alert() {
    let world = arena().start().await;
    let bombs = bombs(&world);
    let count = bombs.len();
    for (what, chain) in bombs {
        let config = showing(&world, chain);
        if let Ok(mut wire) = world.agent("r1").wire_by(config).await {
            // TLS 1.3 tells a client with the first bytes from the server
            assert_eq!(wire.rest().await, b"", "{what}");
        }
        serves(&world, "r2").await;
    }
    until("an event for each", || {
        let mut refused = world.events.of_kind("refused");
        refused.retain(|event| event["caller"].is_null());
        (refused.len() == count).then_some(())
    })
    .await;
    world.finish().await;
}
