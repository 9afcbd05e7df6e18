//! Every reason to say no is given where it is due, in one documented shape, and nothing leaves the gate.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tollgate::refusal::Reason;

use crate::{
    credentials, identity, limits, log, scope, target,
    world::{
        World, pki,
        script::{Answer, Hold},
    },
};

/// Each reason and a test that shows it.
const SHOWN: &[(Reason, fn())] = &[
    (
        Reason::AuditUnavailable,
        log::refuses_calls_when_the_log_takes_no_more,
    ),
    (
        Reason::CertificateInvalid,
        identity::refuses_a_certificate_of_another_authority,
    ),
    (
        Reason::IdentityUnknown,
        identity::refuses_an_identity_that_no_role_names,
    ),
    (
        Reason::IdentityExpired,
        identity::refuses_calls_once_the_certificate_has_expired,
    ),
    (Reason::Revoked, identity::refuses_a_revoked_identity),
    (
        Reason::AttemptsExhausted,
        limits::refuses_an_identity_that_tries_too_often,
    ),
    (
        Reason::RequestMalformed,
        refuses_a_request_that_names_no_target,
    ),
    (
        Reason::TargetMalformed,
        target::refuses_a_host_in_another_spelling,
    ),
    (
        Reason::PathAmbiguous,
        target::refuses_a_path_with_two_readings,
    ),
    (
        Reason::QueryCredential,
        target::refuses_a_credential_in_the_query,
    ),
    (
        Reason::AuthorityMismatch,
        target::refuses_a_host_header_that_names_another_host,
    ),
    (Reason::MethodRefused, refuses_trace),
    (
        Reason::ProtocolRefused,
        refuses_another_protocol_in_a_tunnel,
    ),
    (Reason::ReviewOverdue, scope::refuses_a_role_past_its_review),
    (Reason::NoRule, scope::refuses_a_host_outside_the_scope),
    (Reason::DeniedByRule, scope::refuses_what_a_deny_rule_covers),
    (
        Reason::QueryForbidden,
        scope::refuses_a_query_name_that_the_rule_does_not_list,
    ),
    (
        Reason::PortForbidden,
        scope::refuses_a_port_that_no_rule_names,
    ),
    (Reason::RateLimited, limits::refuses_calls_above_the_rate),
    (
        Reason::TooManyInFlight,
        limits::refuses_too_many_calls_at_once,
    ),
    (
        Reason::AddressForbidden,
        refuses_a_host_with_an_internal_address,
    ),
    (
        Reason::UpstreamUnresolved,
        refuses_a_host_without_an_address,
    ),
    (
        Reason::CredentialUnavailable,
        credentials::refuses_when_the_secret_cannot_be_had,
    ),
    (
        Reason::CredentialForbidden,
        refuses_to_send_a_credential_in_clear,
    ),
    (Reason::UpstreamUnreachable, refuses_when_nobody_listens),
    (
        Reason::UpstreamTls,
        refuses_an_upstream_with_the_certificate_of_another_host,
    ),
    (
        Reason::UpstreamTimeout,
        refuses_when_the_upstream_does_not_answer,
    ),
    (
        Reason::UpstreamMalformed,
        refuses_an_answer_that_is_not_http,
    ),
    (Reason::RequestTimeout, refuses_a_body_that_does_not_arrive),
];

#[test]
fn every_reason_is_shown() {
    for reason in Reason::ALL.iter() {
        let shown = SHOWN.iter().any(|(its, _test)| its == reason);
        assert!(shown, "no test shows {}", reason.code());
    }
}

#[tokio::test]
async fn refuses_a_request_that_names_no_target() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let mut wire = world.agent("reader").wire().await;
    wire.send("GET /v1/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n")
        .await;
    world
        .refused(&wire.answer().await, Reason::RequestMalformed)
        .await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_trace() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for method in ["TRACE", "TRACK"] {
        let answer = agent
            .call(&format!("{method} http://api.a.test/v1/x"))
            .await;
        world.refused(&answer, Reason::MethodRefused).await;
    }
    let mut wire = agent.tunnel("api.a.test").await;
    let evil = world.at("evil.test");
    wire.send(format!("CONNECT {evil} HTTP/1.1\r\nHost: {evil}\r\n\r\n"))
        .await;
    world
        .refused(&wire.answer().await, Reason::MethodRefused)
        .await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_another_protocol_in_a_tunnel() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for (number, hello) in [b"\x00\x01\x02\x03".as_slice(), b"\x05\x01\x00"]
        .into_iter()
        .enumerate()
    {
        let mut wire = agent.connect("api.a.test").await;
        wire.send(hello).await;
        wire.rest().await;
        let event = world.refusals(Reason::ProtocolRefused, number + 1).await;
        tells_the_tunnel(&world, &event);
    }
    // what begins with a letter is taken for HTTP/1.1, and then is none
    for (number, hello) in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut wire = agent.connect("api.a.test").await;
        wire.send(hello).await;
        wire.rest().await;
        let event = world.refusals(Reason::RequestMalformed, number + 1).await;
        tells_the_tunnel(&world, &event);
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

/// The event of a connection that had become a tunnel says where to.
fn tells_the_tunnel(world: &World, event: &Value) {
    let tunnel = json!({"method": "CONNECT", "host": "api.a.test", "port": world.port, "path": "", "bytes": 0});
    assert_eq!(event["request"], tunnel, "{event}");
}

#[tokio::test]
async fn tells_where_a_tunnel_went_whose_handshake_failed() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    // a client that was not given the authority's certificate
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trusting_nobody = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let wire = agent.connect("api.a.test").await;
    assert!(wire.tls_by("api.a.test", trusting_nobody).await.is_err());
    let event = world.refusals(Reason::ProtocolRefused, 1).await;
    tells_the_tunnel(&world, &event);
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_host_with_an_internal_address() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .guarded("api.a.test")
        .start()
        .await;
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::AddressForbidden).await;
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_host_without_an_address() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    world.dns.answers("api.a.test", &[]);
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::UpstreamUnresolved).await;
    world.finish().await;
}

#[tokio::test]
async fn refuses_to_send_a_credential_in_clear() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .cleartext("api.a.test")
        .start()
        .await;
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::CredentialForbidden).await;
    assert_eq!(world.upstream("api.a.test").received_bytes(), 0);
    world.finish().await;
}

#[tokio::test]
async fn refuses_when_nobody_listens() {
    let world = World::new()
        .role("reader", "GET api.a.test:1/v1/** with none")
        .start()
        .await;
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test:1/v1/x")
        .await;
    world.refused(&answer, Reason::UpstreamUnreachable).await;
    world.finish().await;
}

#[tokio::test]
async fn refuses_an_upstream_with_the_certificate_of_another_host() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let upstream = world.upstream("api.a.test");
    let stranger = pki::Authority::new("stranger");
    let mut expired = pki::server_params(&["api.a.test"]);
    expired.not_after = time::OffsetDateTime::now_utc() - time::Duration::minutes(1);
    for certificate in [
        world.pki.upstreams.server(&["api.b.test"]),
        world.pki.upstreams.sign(&expired),
        stranger.server(&["api.a.test"]),
        world.pki.interception.server(&["api.a.test"]),
    ] {
        upstream.presents(pki::server_config(&certificate));
        let answer = world
            .agent("reader")
            .call("GET http://api.a.test/v1/x")
            .await;
        world.refused(&answer, Reason::UpstreamTls).await;
    }
    assert_eq!(upstream.received_bytes(), 0);
    world.finish().await;
}

#[tokio::test]
async fn refuses_when_the_upstream_does_not_answer() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("timeouts: {connect: 1s, answer: 1s}")
        .start()
        .await;
    let agent = world.agent("reader");
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/x", Answer::Silence);
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    let event = world.refused(&answer, Reason::UpstreamTimeout).await;
    assert_eq!(event["upstream"]["address"], upstream.address.to_string());
    upstream.is_mute();
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::UpstreamTimeout).await;
    world.finish().await;
}

#[tokio::test]
async fn refuses_an_answer_that_is_not_http() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for (number, bytes) in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/v1/{number}");
        world
            .upstream("api.a.test")
            .answers(&path, Answer::BytesThenClose(bytes.into()));
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        world.refused(&answer, Reason::UpstreamMalformed).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_body_that_does_not_arrive() {
    let world = World::new()
        .role("writer", "POST api.a.test/v1/items")
        .setting("timeouts: {request: 1s}")
        .start()
        .await;
    let agent = world.agent("writer");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute(
        "POST http://api.a.test/v1/items",
        "Content-Length: 10\r\n",
        "",
    ))
    .await;
    wire.send("12345").await;
    world
        .refused(&wire.answer().await, Reason::RequestTimeout)
        .await;
    assert_eq!(
        world
            .upstream("api.a.test")
            .requests()
            .iter()
            .filter(|seen| seen.body.complete)
            .count(),
        0
    );
    world.finish().await;
}

#[tokio::test]
async fn a_refusal_repeats_nothing_that_the_agent_or_the_upstream_said() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let mark = "x-mark-4711";
    let answer = agent
        .call_with(
            &format!("GET http://evil.test/{mark}"),
            &format!("X-Agent: {mark}\r\nUser-Agent: {mark}\r\n"),
            "",
        )
        .await;
    assert!(!answer.text().contains(mark), "{}", answer.text());
    let hold = Hold::new();
    hold.release();
    let garbage = Answer::BytesThenClose(format!("{mark}\r\n\r\n").into());
    world
        .upstream("api.a.test")
        .answers("/v1/x", Answer::Held(hold, Box::new(garbage)));
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    assert!(!answer.text().contains(mark), "{}", answer.text());
    world.finish().await;
}
