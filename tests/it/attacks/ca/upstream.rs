//! Who the upstream is: no byte of a request before its certificate is good.

use rcgen::{CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::CertificateDer, pki_types::pem::PemObject};
use time::{Duration, OffsetDateTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tollgate::refusal::Reason;

use crate::{
    attacks::arena,
    world::{
        World,
        der::tlv,
        openssl::{authority, openssl},
        pki::{self, Authority, Identity, server_config, server_params},
        recorder::Recorder,
        tape::Tape,
    },
};

const CALL: &str = "GET http://api.a.test/v1/public/x";

/// The certificate of the API with one thing changed.
fn api(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = server_params(&["api.a.test"]);
    change(&mut params);
    params
}

/// A call is refused for the certificate, in every form in which it can be made, and not a byte of it was sent.
async fn refused(world: &World, api: &Recorder, tls: ServerConfig, what: &str) {
    api.presents(tls);
    let agent = world.agent("r1");
    let answer = agent.call(CALL).await;
    assert_eq!(answer.status, 502, "{what}");
    World::says_no(&answer, Reason::UpstreamTls);
    let mut tunnel = agent.tunnel("api.a.test").await;
    let answer = tunnel.call("GET /v1/public/x", "api.a.test").await;
    World::says_no(&answer, Reason::UpstreamTls);
    assert_eq!(api.received_bytes(), 0, "{what}");
}

fn names(kind: u8, name: &[u8]) -> CustomExtension {
    let names = tlv(0x30, &tlv(kind, name));
    CustomExtension::from_oid_content(&[2, 5, 29, 17], names)
}

#[tokio::test]
async fn ca_06_says_nothing_to_an_upstream_whose_certificate_is_not_good() {
    let world = arena().start().await;
    let upstream = world.upstream("api.a.test");
    let address = upstream.address.ip().to_string();
    for name in [
        "api.b.test",
        "api.a.test.evil.test",
        "evil-api.a.test",
        "a.test",
        "*.test",
        "*",
        "*.api.a.test",
        "a*.a.test",
        &address,
    ] {
        let identity = world.pki.upstreams.server(&[name]);
        refused(&world, upstream, server_config(&identity), name).await;
    }
    for (what, params) in changed() {
        let identity = world.pki.upstreams.sign(&params);
        refused(&world, upstream, server_config(&identity), what).await;
    }
    let good = api(|_| {});
    for (who, identity) in [
        (
            "an unknown authority",
            Authority::new("another").sign(&good),
        ),
        ("the same name", Authority::new("upstreams CA").sign(&good)),
        ("the agents' authority", world.pki.agents.sign(&good)),
        (
            "the interception authority",
            world.pki.interception.sign(&good),
        ),
        ("itself", by_itself()),
    ] {
        refused(&world, upstream, server_config(&identity), who).await;
    }
    let wildcard = world.pki.upstreams.server(&["*.a.test"]);
    upstream.presents(server_config(&wildcard));
    assert_eq!(world.agent("r1").call(CALL).await.status, 200);
    world.finish().await;
}

/// What a trusted authority may have signed by mistake, or for something else.
fn changed() -> Vec<(&'static str, CertificateParams)> {
    let now = OffsetDateTime::now_utc();
    let nameless = |name: Option<CustomExtension>| {
        api(|params| {
            params.subject_alt_names.clear();
            params.custom_extensions = name.into_iter().collect();
            let name = &mut params.distinguished_name;
            name.push(DnType::CommonName, "api.a.test");
        })
    };
    let for_others = |purpose| api(|params| params.extended_key_usages = vec![purpose]);
    vec![
        (
            "expired",
            api(|params| params.not_after = now - Duration::seconds(1)),
        ),
        (
            "not valid yet",
            api(|params| params.not_before = now + Duration::hours(1)),
        ),
        ("a common name alone", nameless(None)),
        (
            "NUL in the name",
            nameless(Some(names(0x82, b"api.a.test\0.evil.test"))),
        ),
        (
            "the name as mail",
            nameless(Some(names(0x81, b"api.a.test"))),
        ),
        (
            "the name as a URI",
            nameless(Some(names(0x86, b"https://api.a.test/"))),
        ),
        (
            "for clients",
            for_others(ExtendedKeyUsagePurpose::ClientAuth),
        ),
        (
            "for mail",
            for_others(ExtendedKeyUsagePurpose::EmailProtection),
        ),
        (
            "an authority's",
            api(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
        ),
    ]
}

fn by_itself() -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = api(|_| {}).self_signed(&key).unwrap();
    Identity { certificate, key }
}

/// Also of CA-06: an authority that is trusted, and signs what nobody should believe.
#[tokio::test]
async fn a_weak_signature_vouches_for_no_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for bits in [2048, 1024] {
        openssl(dir, &format!("genrsa -out rsa{bits}.key {bits}"));
        authority(dir, &format!("rsa{bits}"));
    }
    let roots =
        ["rsa2048.crt", "rsa1024.crt"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap());
    let world = arena()
        .file("pki/upstream-ca.crt", &roots.concat())
        .start()
        .await;
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    std::fs::write(dir.join("api.csr"), request.pem().unwrap()).unwrap();
    let extensions = "subjectAltName = DNS:api.a.test\nextendedKeyUsage = serverAuth\n";
    std::fs::write(dir.join("api.cnf"), extensions).unwrap();
    let shown = |signer: &str, digest: &str| {
        let who = format!("-CA {signer}.crt -CAkey {signer}.key -{digest} -set_serial 7 -days 1");
        openssl(
            dir,
            &format!("x509 -req -in api.csr {who} -extfile api.cnf -out api.crt"),
        );
        let leaf = CertificateDer::from_pem_file(dir.join("api.crt")).unwrap();
        pki::server_showing(vec![leaf], &key)
    };
    let upstream = world.upstream("api.a.test");
    for (signer, digest) in [
        ("rsa2048", "sha1"),
        ("rsa2048", "md5"),
        ("rsa1024", "sha256"),
    ] {
        let what = format!("{signer} {digest}");
        refused(&world, upstream, shown(signer, digest), &what).await;
    }
    upstream.presents(shown("rsa2048", "sha256"));
    assert_eq!(world.agent("r1").call(CALL).await.status, 200);
    world.finish().await;
}

/// Also of CA-06: an upstream that settles on what the gate did not offer.
#[tokio::test]
async fn an_old_version_or_an_anonymous_suite_is_no_tls() {
    let world = arena().start().await;
    let listener = TcpListener::bind(("127.0.0.14", world.port)).await.unwrap();
    world.dns.answers("api.a.test", &["127.0.0.14"]);
    let received = Tape::default();
    for (what, version, suite) in [
        ("SSL 3", 0x0300, 0x002f),
        ("TLS 1.0", 0x0301, 0xc013),
        ("TLS 1.1", 0x0302, 0xc013),
        ("an anonymous suite", 0x0303, 0x0034),
        ("no encryption", 0x0303, 0x0001),
        ("static RSA", 0x0303, 0x002f),
        ("RC4", 0x0303, 0xc011),
    ] {
        let serving = serve_once(&listener, server_hello(version, suite), &received);
        let agent = world.agent("r1");
        let (answer, ()) = tokio::join!(agent.call(CALL), serving);
        World::says_no(&answer, Reason::UpstreamTls);
        assert!(
            !received.bytes().windows(5).any(|piece| piece == b"HTTP/"),
            "{what}"
        );
    }
    world.finish().await;
}

/// A ServerHello of this version with this suite, and no extension.
fn server_hello(version: u16, suite: u16) -> Vec<u8> {
    let [version, suite] = [version, suite].map(u16::to_be_bytes);
    let body = [&version[..], &[9; 32], &[0], &suite, &[0]].concat();
    let message = [&[2, 0, 0, body.len() as u8][..], &body].concat();
    [&[22][..], &version, &[0, message.len() as u8], &message].concat()
}

async fn serve_once(listener: &TcpListener, hello: Vec<u8>, received: &Tape) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut first = vec![0; 4096];
    let length = socket.read(&mut first).await.unwrap();
    received.record(&first[..length]);
    socket.write_all(&hello).await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    received.record(&rest);
}

#[tokio::test]
async fn ca_08_every_leg_is_verified_by_the_same_rules() {
    let stranger = Authority::new("vaults CA");
    let world = arena()
        .vault()
        .file("pki/vault-ca.crt", &stranger.certificate.pem())
        .start()
        .await;
    let (agent, upstream) = (world.agent("r1"), world.upstream("api.a.test"));
    // the store of credentials: it is told neither who the gate is nor what it wants
    let answer = agent.call(CALL).await;
    world.refused(&answer, Reason::CredentialUnavailable).await;
    assert_eq!(
        (world.vault().logins(), world.vault().reads_in_all()),
        (0, 0)
    );
    assert_eq!(upstream.received_bytes(), 0);
    world.finish().await;
    // the handshake of a WebSocket, an answer that asks for a login, and every other method
    let world = arena().start().await;
    let (agent, upstream) = (world.agent("r1"), world.upstream("api.a.test"));
    upstream.presents(server_config(
        &Authority::new("another").server(&["api.a.test"]),
    ));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (call, headers, body) in [
        (CALL, upgrade, ""),
        (CALL, "Expect: 100-continue\r\n", ""),
        ("HEAD http://api.a.test/v1/public/x", "", ""),
        ("OPTIONS http://api.a.test/v1/public/x", "", ""),
        ("POST http://api.a.test/v1/items", "", "{}"),
    ] {
        let answer = agent.call_with(call, headers, body).await;
        assert!(
            matches!(answer.status, 400..=599),
            "{call} {headers}: {answer:?}"
        );
    }
    assert_eq!(upstream.received_bytes(), 0);
    world.finish().await;
    retries_are_verified().await;
}

/// A connection that the upstream gave up is made anew, with a certificate that is looked at again.
async fn retries_are_verified() {
    use crate::world::script::Answer;
    let world = arena().start().await;
    let (agent, upstream) = (world.agent("r1"), world.upstream("api.a.test"));
    let ends = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    upstream.answers("/v1/public/x", Answer::BytesThenClose(ends.to_vec()));
    assert_eq!(agent.call(CALL).await.status, 401);
    let before = upstream.received_bytes();
    upstream.presents(server_config(
        &Authority::new("another").server(&["api.a.test"]),
    ));
    world
        .refused(&agent.call(CALL).await, Reason::UpstreamTls)
        .await;
    assert_eq!(upstream.received_bytes(), before);
    world.finish().await;
}
