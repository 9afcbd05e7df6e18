//! Section 11: HTTP/2, which the gate speaks on neither side. What is here shows that it is absent; its attacks come with
//! it.

use rustls::ClientConfig;
use tollgate::refusal::Reason;

use super::arena;
use crate::world::{
    agent::Wire,
    pki::{self, server_config},
    script::Answer,
};

/// What a client of HTTP/2 begins with (RFC 9113 section 3.4), and an empty SETTINGS frame behind it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn offering(mut config: ClientConfig, protocols: &[&str]) -> ClientConfig {
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config
}

/// The gate says no in HTTP/1.1 at most, and closes; no frame is ever read or written.
async fn refuses_the_preface(mut wire: Wire, what: &str) {
    wire.send(PREFACE).await;
    let said = wire.rest().await;
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 400 "),
        "{what}: {said:?}"
    );
}

#[tokio::test]
async fn no_agent_is_spoken_h2_to() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    let outer = || pki::client_config(world.pki.gates.roots(), agent.identity.as_deref());
    let inner = || pki::client_config(world.pki.interception.roots(), None);
    // who speaks nothing else is turned away by an alert, on the listener and in a tunnel
    let only = agent.wire_by(offering(outer(), &["h2"])).await;
    assert!(only.is_err());
    let tunnel = agent.connect("api.a.test").await;
    let only = tunnel
        .tls_by("api.a.test", offering(inner(), &["h2"]))
        .await;
    assert!(only.is_err());
    // who speaks both is spoken to in HTTP/1.1, whatever it would rather have
    let both = offering(outer(), &["h2", "http/1.1"]);
    refuses_the_preface(agent.wire_by(both).await.unwrap(), "on the listener").await;
    let tunnel = agent.connect("api.a.test").await;
    let both = offering(inner(), &["h2", "http/1.1"]);
    let tunnel = tunnel.tls_by("api.a.test", both).await.unwrap();
    refuses_the_preface(tunnel, "in a tunnel").await;
    // without being asked
    refuses_the_preface(agent.connect("api.a.test").await, "in a tunnel in clear").await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn h2_16_no_upstream_is_spoken_h2_to() {
    let world = arena().start().await;
    let upstream = world.upstream("api.a.test");
    let mut h2 = server_config(&world.pki.upstreams.server(&["api.a.test"]));
    h2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    upstream.presents(h2.clone());
    // each call has a connection of its own
    let closes = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    upstream.answers("/v1/public/x", Answer::BytesThenClose(closes.into()));
    let agent = world.agent("r1");
    let call = "GET http://api.a.test/v1/public/x";
    assert_eq!(agent.call(call).await.status, 200);
    let connection = upstream.connections().remove(0);
    assert_eq!(connection.alpn.as_deref(), Some(&b"http/1.1"[..]));
    assert!(
        connection
            .received
            .bytes()
            .starts_with(b"GET /v1/public/x HTTP/1.1\r\n")
    );
    // one that speaks nothing else is not spoken to
    h2.alpn_protocols = vec![b"h2".to_vec()];
    upstream.presents(h2);
    let answer = agent.call(call).await;
    world.refused(&answer, Reason::UpstreamTls).await;
    // one that answers in frames all the same gives no answer
    let plain = server_config(&world.pki.upstreams.server(&["api.a.test"]));
    upstream.presents(plain);
    let frames = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\0".to_vec();
    upstream.answers("/v1/public/x", Answer::BytesThenClose(frames));
    let answer = agent.call(call).await;
    world.refused(&answer, Reason::UpstreamMalformed).await;
    world.finish().await;
}
