//! What the agents' listener listens to: TLS 1.3 with a certificate, and no word that stands beside it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate::refusal::Reason;

use super::{CALL, let_in, showing, world};
use crate::world::{World, patience::patiently, pki, pki::spiffe_id};

/// The first byte of a record with a part of a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// What the gate says to these bytes on a connection of their own, until it closes.
async fn reply(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(world.listen()).await.unwrap();
    let mut reply = Vec::new();
    let exchange = async {
        // the gate may close before it has taken all of it
        let _ = socket.write_all(bytes).await;
        let _ = socket.read_to_end(&mut reply).await;
    };
    patiently("the end of the connection", exchange).await;
    world.agent_received(&reply);
    reply
}

/// A ClientHello that offers this version in its legacy field, these suites and, as an extension, these versions.
fn hello(version: u16, suites: &[u16], versions: &[u16]) -> Vec<u8> {
    let listed = |numbers: &[u16]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    };
    let sized =
        |bytes: Vec<u8>| -> Vec<u8> { [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat() };
    let extension =
        |kind: u16, bytes: Vec<u8>| [kind.to_be_bytes().to_vec(), sized(bytes)].concat();
    let mut extensions = [
        extension(10, sized(listed(&[0x001d, 0x0017]))),
        extension(13, sized(listed(&[0x0403, 0x0804, 0x0401, 0x0201]))),
    ]
    .concat();
    if !versions.is_empty() {
        let versions = listed(versions);
        let versions = [&[versions.len() as u8][..], &versions].concat();
        extensions.extend(extension(43, versions));
    }
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &sized(listed(suites)),
        &[1, 0],
        &sized(extensions),
    ]
    .concat();
    let message = [&[1, 0][..], &sized(body)].concat();
    let record = version.min(0x0301).to_be_bytes();
    [&[HANDSHAKE][..], &record, &sized(message)].concat()
}

#[tokio::test]
async fn tc_15_speaks_tls_1_3_and_nothing_older() {
    const GOOD: &[u16] = &[0xc02b, 0xc02c, 0xc02f];
    let world = world().await;
    world.pki.agent("r1").write(&world.dir().join("pki"), "r1");
    for (what, bytes) in [
        (
            "SSL 2",
            b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80".to_vec(),
        ),
        ("SSL 3", hello(0x0300, &[0x0005, 0x000a, 0x002f], &[])),
        ("TLS 1.0", hello(0x0301, &[0xc013, 0x002f], &[])),
        ("TLS 1.1", hello(0x0302, &[0xc013, 0x002f], &[])),
        ("TLS 1.2", hello(0x0303, GOOD, &[])),
        ("TLS 1.2 by name", hello(0x0303, GOOD, &[0x0303])),
        ("static RSA", hello(0x0303, &[0x002f, 0x009c], &[])),
        ("CBC", hello(0x0303, &[0xc009, 0xc013], &[])),
        ("export", hello(0x0303, &[0x0003, 0x0008], &[])),
        (
            "no encryption",
            hello(0x0303, &[0x0001, 0x0002, 0xc006], &[]),
        ),
        ("anonymous", hello(0x0303, &[0x0034, 0xc018], &[])),
        ("RC4", hello(0x0303, &[0x0005, 0xc007], &[])),
        (
            "TLS 1.3 with no suite of it",
            hello(0x0303, GOOD, &[0x0304]),
        ),
        ("a draft of TLS 1.3", hello(0x0303, &[0x1301], &[0x7f1c])),
    ] {
        let reply = reply(&world, &bytes).await;
        assert_ne!(reply.first(), Some(&HANDSHAKE), "{what}: {reply:?}");
        assert!(reply.len() <= 7, "{what}: more than an alert: {reply:?}");
    }
    // with a good certificate, and as a library says it that still can
    let call = format!(
        "GET http://{0}/v1/public/x HTTP/1.1\r\nHost: {0}\r\n\r\n",
        world.at("api.a.test")
    );
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        let words = format!("-cert pki/r1.crt -key pki/r1.key {version}");
        assert_eq!(world.s_client(&words, &call).await, "", "{version}");
    }
    world.nothing_left_the_gate();
    let good = world.pki.agent("r1");
    let_in(&world, showing(&world, &good, &[]), "TLS 1.3").await;
    world.finish().await;
}

#[tokio::test]
async fn tc_16_takes_no_header_for_an_identity() {
    let world = world().await;
    let id = spiffe_id("r1");
    for header in [
        format!("X-Forwarded-Client-Cert: URI={id}"),
        format!("X-Forwarded-Client-Cert: By=spiffe://td.test/gate;Hash=00;URI={id}"),
        format!("Client-Cert: :{id}:"),
        format!("X-SPIFFE-ID: {id}"),
        format!(
            "X-Client-Cert: {id}\r\nX-SSL-Client-S-DN: CN={id}\r\nX-SSL-Client-Verify: SUCCESS"
        ),
        "Proxy-Authorization: Basic admin".to_owned(),
        "Proxy-Authorization: Basic cjE6cjE=\r\nX-Forwarded-User: r1\r\nX-Remote-User: r1"
            .to_owned(),
        format!(
            "Forwarded: for=127.0.0.1;by={id}\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1"
        ),
        format!("Tollgate-Role: r1\r\nTollgate-Caller: {id}\r\nX-Tollgate-Identity: {id}"),
    ] {
        let agent = world.agent("r2");
        let answer = agent.call_with(CALL, &format!("{header}\r\n"), "").await;
        if answer.code() != Reason::RequestMalformed.code() {
            let event = world.refused(&answer, Reason::NoRule).await;
            assert_eq!(event["caller"]["id"], spiffe_id("r2"), "{header}");
            assert_eq!(event["caller"]["role"], "r2", "{header}");
        }
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn tc_17_listens_to_nothing_in_clear() {
    let world = world().await;
    let call = format!(
        "GET http://{0}/v1/public/x HTTP/1.1\r\nHost: {0}\r\n\r\n",
        world.at("api.a.test")
    );
    let then_tls = |header: &[u8]| [header, &hello(0x0303, &[0x1301], &[0x0304])].concat();
    let proxy_2 =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x50\x01\xbb";
    for (what, bytes) in [
        ("HTTP", call.clone().into_bytes()),
        (
            "CONNECT",
            b"CONNECT api.a.test:443 HTTP/1.1\r\nHost: api.a.test:443\r\n\r\n".to_vec(),
        ),
        (
            "h2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        ),
        ("SOCKS 5", b"\x05\x01\x00".to_vec()),
        (
            "PROXY 1",
            then_tls(b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n"),
        ),
        (
            "PROXY 1 and HTTP",
            format!("PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n{call}").into_bytes(),
        ),
        ("PROXY 2", then_tls(proxy_2)),
        ("an SSH client", b"SSH-2.0-x\r\n".to_vec()),
    ] {
        let reply = reply(&world, &bytes).await;
        assert_ne!(reply.first(), Some(&HANDSHAKE), "{what}: {reply:?}");
        assert!(reply.len() <= 7, "{what}: more than an alert: {reply:?}");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

/// Somebody else's certificate, for a server that asks for one.
#[derive(Debug)]
struct Impostor {
    asked: AtomicBool,
    shown: Arc<CertifiedKey>,
}

impl ResolvesClientCert for Impostor {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        Some(self.shown.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn tc_19_asks_for_no_certificate_inside_a_tunnel() {
    let world = world().await;
    let admin = world.pki.agent("r1");
    let key = pki::signing_key(&admin.key);
    let impostor = Arc::new(Impostor {
        asked: AtomicBool::new(false),
        shown: Arc::new(CertifiedKey::new(admin.chain(), key)),
    });
    let mut config = pki::client_config(world.pki.interception.roots(), None);
    config.client_auth_cert_resolver = impostor.clone();
    let tunnel = world.agent("r2").connect("api.a.test").await;
    let mut inside = tunnel.tls_by("api.a.test", config).await.unwrap();
    let answer = inside.call("GET /v1/public/x", "api.a.test").await;
    let event = world.refused(&answer, Reason::NoRule).await;
    assert_eq!(event["caller"]["id"], spiffe_id("r2"));
    assert!(
        !impostor.asked.load(Ordering::Acquire),
        "it was asked who it is"
    );
    world.finish().await;
}
