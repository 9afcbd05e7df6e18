//! The handshake inside a tunnel: it names the tunnel's host or none, and ends in HTTP/1.1 or not at all.

use rustls::ClientConfig;
use tollgate::refusal::Reason;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::super::arena;
use crate::world::{
    World,
    agent::request,
    hello::{
        ALPN, ENCRYPTED_CLIENT_HELLO, ENCRYPTED_SERVER_NAME, Hello, PADDING, Reply, SERVER_NAME,
        protocols, reply, server_names,
    },
    pki,
};

/// The descriptions of alerts (RFC 8446 section 6).
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const ACCESS_DENIED: u8 = 49;

/// What the gate says to these bytes in a tunnel to `api.a.test`.
async fn said_to(world: &World, bytes: &[u8]) -> Reply {
    let mut wire = world.agent("r1").connect("api.a.test").await;
    let _ = wire.try_send(bytes).await;
    reply(wire).await
}

/// A client that offers these protocols.
fn offering(world: &World, names: &[&[u8]]) -> ClientConfig {
    let mut config = pki::client_config(world.pki.interception.roots(), None);
    config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
    config
}

#[tokio::test]
async fn hn_08_refuses_a_handshake_that_names_another_host() {
    let world = arena().start().await;
    let mut refusals = 0;
    for name in ["api.b.test", "evil.test", "a.test", "api.a.test.evil.test"] {
        let said = said_to(&world, &Hello::to(name).bytes()).await;
        assert_eq!(said, Reply::Alert(ACCESS_DENIED), "{name}");
        refusals += 1;
        let event = world.refusals(Reason::AuthorityMismatch, refusals).await;
        assert_eq!(event["request"]["host"], "api.a.test");
    }
    let (a, b) = (b"api.a.test".as_slice(), b"api.b.test".as_slice());
    for (number, names) in [
        &[][..],
        &[(0, a), (0, b)],
        &[(0, b), (0, a)],
        &[(0, a), (0, a)],
        &[(1, a)],
        &[(0, b"")],
        &[(0, b"api.a.test\0.evil.test")],
        &[(0, "ａpi.a.test".as_bytes())],
        &[(0, b"api.a.test:443")],
        &[(0, b"*.a.test")],
    ]
    .into_iter()
    .enumerate()
    {
        let hello = Hello::to("api.a.test").with(SERVER_NAME, server_names(names));
        let said = said_to(&world, &hello.bytes()).await;
        let alert = matches!(
            said,
            Reply::Alert(ILLEGAL_PARAMETER | DECODE_ERROR | ACCESS_DENIED)
        );
        assert!(alert, "{number}: {said:?}");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

/// No name, an address, which TLS does not take for one, and the host's other spellings mean the tunnel's host.
#[tokio::test]
async fn a_handshake_never_chooses_the_upstream() {
    let world = arena().start().await;
    let hello = Hello::to("api.a.test");
    for other in [
        hello.clone().without(SERVER_NAME),
        hello
            .clone()
            .with(SERVER_NAME, server_names(&[(0, b"127.0.0.3")])),
        hello
            .clone()
            .with(SERVER_NAME, server_names(&[(0, b"API.A.TEST")])),
    ] {
        assert_eq!(said_to(&world, &other.bytes()).await, Reply::Handshake);
    }
    let wire = world.agent("r1").connect("api.a.test").await;
    let mut config = offering(&world, &[]);
    config.enable_sni = false;
    let mut tunnel = wire.tls_by("api.a.test", config).await.unwrap();
    let answer = tunnel.call("GET /v1/public/x", "api.b.test").await;
    World::says_no(&answer, Reason::AuthorityMismatch);
    world.nothing_left_the_gate();
    let answer = tunnel.call("GET /v1/public/x", "api.a.test").await;
    assert_eq!(answer.status, 200);
    let connections = world.upstream("api.a.test").connections();
    assert_eq!(connections[0].sni.as_deref(), Some("api.a.test"));
    world.finish().await;
}

#[tokio::test]
async fn hn_09_no_handshake_ends_in_h2() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    let offers = offering(&world, &[b"h2", b"http/1.1"]);
    let wire = agent.connect("api.a.test").await;
    let mut tunnel = wire.tls_by("api.a.test", offers).await.unwrap();
    assert_eq!(tunnel.alpn.as_deref(), Some(b"http/1.1".as_slice()));
    tunnel
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    tunnel.rest().await;
    world.refusals(Reason::RequestMalformed, 1).await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn hn_10_a_leaf_is_for_the_tunnels_host_alone() {
    let world = arena().start().await;
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    let (_, leaf) = X509Certificate::from_der(&tunnel.peer[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    let only = [GeneralName::DNSName("api.a.test")];
    assert_eq!(names.value.general_names, only);
    let answer = tunnel.call("GET /v1/x", "api.b.test").await;
    world.refused(&answer, Reason::AuthorityMismatch).await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn hn_11_speaks_http_1_1_or_nothing() {
    let world = arena().start().await;
    for names in [
        &[b"h2".as_slice()][..],
        &[b"http/1.0"],
        &[b"acme-tls/1"],
        &[b"h3"],
        &[b"HTTP/1.1"],
        &[b"http/1.1\0"],
        &[b"p".as_slice(); 200],
    ] {
        let wire = world.agent("r1").connect("api.a.test").await;
        let tried = wire.tls_by("api.a.test", offering(&world, names)).await;
        let error = tried.err().expect("no protocol in common").to_string();
        assert!(
            error.contains("NoApplicationProtocol"),
            "{names:?}: {error}"
        );
    }
    let hello = Hello::to("api.a.test");
    for broken in [protocols(&[]), protocols(&[b""]), vec![], vec![0, 9, 2]] {
        let said = said_to(&world, &hello.clone().with(ALPN, broken.clone()).bytes()).await;
        assert!(matches!(said, Reply::Alert(_)), "{broken:?}: {said:?}");
    }
    world.nothing_left_the_gate();
    // h1 is what was agreed, and what is spoken
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    tunnel.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let rest = tunnel.rest().await;
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
        "{rest:?}"
    );
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn hn_13_trusts_no_inner_hello() {
    let world = arena().start().await;
    // as a client that only pretends writes it: outer, HKDF-SHA256 and AES-128-GCM, an id, a key, a payload
    let grease = [
        &[0, 0, 1, 0, 1, 7, 0, 32][..],
        &[0x5a; 32],
        &[0, 144],
        &[0xa5; 144],
    ]
    .concat();
    for (kind, body) in [
        (ENCRYPTED_CLIENT_HELLO, grease.clone()),
        (ENCRYPTED_CLIENT_HELLO, vec![1]),
        (ENCRYPTED_CLIENT_HELLO, vec![]),
        (ENCRYPTED_CLIENT_HELLO, vec![0; 3]),
        (ENCRYPTED_SERVER_NAME, grease),
    ] {
        let hello = Hello::to("api.a.test").with(kind, body.clone());
        let said = said_to(&world, &hello.bytes()).await;
        assert!(
            matches!(said, Reply::Handshake | Reply::Alert(_)),
            "{body:?}"
        );
        // the outer name is the one that counts
        let hello = Hello::to("evil.test").with(kind, body.clone());
        let said = said_to(&world, &hello.bytes()).await;
        assert!(matches!(said, Reply::Alert(_)), "{body:?}: {said:?}");
    }
    world.nothing_left_the_gate();
    serves(&world).await;
    world.finish().await;
}

/// The gate is there still, and nothing in it broke off.
async fn serves(world: &World) {
    let answer = world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await;
    assert_eq!(answer.status, 200);
    let speech = world.gate.stderr();
    assert!(!speech.contains("panicked"), "{speech}");
}

#[tokio::test]
async fn hn_14_reads_a_hello_in_pieces_and_none_without_end() {
    let world = arena().start().await;
    let hello = Hello::to("api.a.test");
    // a byte a segment
    let bytes = hello.bytes();
    let every_byte: Vec<usize> = (1..bytes.len()).collect();
    let mut wire = world.agent("r1").connect("api.a.test").await;
    wire.send_cut(&bytes, &every_byte).await;
    assert_eq!(reply(wire).await, Reply::Handshake);
    for record_bytes in [100, 7, 1] {
        let said = said_to(&world, &hello.records(record_bytes)).await;
        assert_eq!(said, Reply::Handshake, "records of {record_bytes} bytes");
    }
    let large = hello.clone().with(PADDING, vec![0; 60_000]);
    for bytes in [
        large.records(16_384),
        large.bytes(),
        hello.clone().without_extensions().bytes(),
        hello.clone().without_extensions().records(1),
        // an empty record, a message without a body, and one that says 16 MiB
        vec![22, 3, 1, 0, 0],
        vec![22, 3, 1, 0, 4, 1, 0, 0, 0],
        [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 0x3ffc]].concat(),
        // a record of SSL 2, and one of no version
        vec![22, 9, 9, 0, 1, 1],
    ] {
        let mut wire = world.agent("r1").connect("api.a.test").await;
        let _ = wire.try_send(&bytes).await;
        let _ = wire.try_half_close().await;
        let said = reply(wire).await;
        assert!(
            matches!(said, Reply::Handshake | Reply::Alert(_) | Reply::Close),
            "{said:?}"
        );
    }
    world.nothing_left_the_gate();
    serves(&world).await;
    world.finish().await;
}

/// A tunnel in clear stays in clear, and TLS inside TLS is no request.
#[tokio::test]
async fn what_a_tunnel_carries_is_decided_once() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    let hello = Hello::to("api.a.test").bytes();
    let mut clear = world.agent("r1").connect("api.a.test").await;
    clear.send(request("GET", "/v1/admin", &host, "", "")).await;
    World::says_no(&clear.answer().await, Reason::NoRule);
    clear.send(&hello).await;
    assert_eq!(clear.answer().await.status, 400);
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    tunnel.send(&hello).await;
    assert_eq!(tunnel.answer().await.status, 400);
    world.nothing_left_the_gate();
    world.finish().await;
}
