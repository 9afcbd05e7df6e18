//! Every reason to say no is given where it is due, in one documented shape, and nothing leaves the gate.

use tollgate::refusal::Reason;

use crate::{
    identity, limits,
    world::{
        World, pki,
        script::{Answer, Hold},
        settings::Role,
    },
};

/// Each reason and a test that shows it.
const SHOWN: &[(Reason, fn())] = &[
    (
        Reason::AuditUnavailable,
        crate::log::refuses_calls_when_the_log_takes_no_more,
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
    (Reason::TargetMalformed, refuses_a_host_in_another_spelling),
    (Reason::PathAmbiguous, refuses_a_path_with_two_readings),
    (Reason::QueryCredential, refuses_a_credential_in_the_query),
    (
        Reason::AuthorityMismatch,
        refuses_a_host_header_that_names_another_host,
    ),
    (Reason::MethodRefused, refuses_trace),
    (
        Reason::ProtocolRefused,
        refuses_another_protocol_in_a_tunnel,
    ),
    (Reason::ReviewOverdue, refuses_a_role_past_its_review),
    (Reason::NoRule, refuses_a_host_outside_the_scope),
    (Reason::DeniedByRule, refuses_what_a_deny_rule_covers),
    (Reason::PortForbidden, refuses_a_port_that_no_rule_names),
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
        crate::credentials::refuses_when_the_secret_cannot_be_had,
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
async fn refuses_a_host_in_another_spelling() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for host in [
        "api..a.test",
        "127.1",
        "0x7f000001",
        "2130706433",
        "xn--api-.a.test",
        "a_b.test",
    ] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        world.refused(&answer, Reason::TargetMalformed).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_path_with_two_readings() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for path in [
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/a%2fb",
        "/v1//x",
        "/v1/x;y",
        "/v1/%5cx",
        "/v1/%zz",
    ] {
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        world.refused(&answer, Reason::PathAmbiguous).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_credential_in_the_query() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for query in [
        "access_token=x",
        "api_key=x",
        "a=1&Access%5FToken=x",
        "_method=DELETE",
    ] {
        let answer = agent
            .call(&format!("GET http://api.a.test/v1/x?{query}"))
            .await;
        world.refused(&answer, Reason::QueryCredential).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_host_header_that_names_another_host() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**; GET api.b.test/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let mut wire = agent.tunnel("api.a.test").await;
    let answer = wire.call("GET /v1/x", "api.b.test").await;
    let event = world.refused(&answer, Reason::AuthorityMismatch).await;
    assert_eq!(event["caller"]["role"], "reader");
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
        world.refusals(Reason::ProtocolRefused, number + 1).await;
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
        world.refusals(Reason::RequestMalformed, number + 1).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_role_past_its_review() {
    let overdue = Role::from("GET api.a.test/v1/**").review_by("2020-01-31");
    let world = World::new()
        .role("overdue", overdue)
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let answer = world
        .agent("overdue")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::ReviewOverdue).await;
    world.nothing_left_the_gate();
    assert_eq!(
        world
            .agent("reader")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_host_outside_the_scope() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for call in [
        "GET http://evil.test/v1/x",
        "GET http://api.a.test/v2/x",
        "GET http://api.a.test/v1",
        "POST http://api.a.test/v1/x",
        "get http://api.a.test/v1/x",
    ] {
        let event = world.refused(&agent.call(call).await, Reason::NoRule).await;
        assert_eq!(event["caller"]["id"], pki::spiffe_id("reader"));
    }
    let mut tunnel = agent.tunnel("evil.test").await;
    world
        .refused(&tunnel.call("GET /v1/x", "evil.test").await, Reason::NoRule)
        .await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_what_a_deny_rule_covers() {
    let rules = "GET api.a.test/v1/**; deny GET api.a.test/v1/admin";
    let world = World::new().role("reader", rules).start().await;
    let agent = world.agent("reader");
    for path in ["/v1/admin", "/v1/ADMIN", "/v1/admin/", "/v1/admin/keys"] {
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        let event = world.refused(&answer, Reason::DeniedByRule).await;
        assert_eq!(event["decision"]["rule"]["name"], "reader-2");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_port_that_no_rule_names() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    for port in ["22", "25", "6379"] {
        let mut wire = world.agent("reader").wire().await;
        let target = format!("api.a.test:{port}");
        wire.send(format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
        ))
        .await;
        let answer = wire.answer_to("CONNECT").await;
        world.refused(&answer, Reason::PortForbidden).await;
        assert!(
            answer.reason_phrase.contains("port_forbidden"),
            "{answer:?}"
        );
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_connect_with_two_readings() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let p = world.port;
    let at = world.at("api.a.test");
    for (target, headers) in [
        ("api.a.test".to_owned(), ""),
        (format!(":{p}"), ""),
        ("api.a.test:".to_owned(), ""),
        ("api.a.test:0".to_owned(), ""),
        ("api.a.test:65536".to_owned(), ""),
        (format!("api.a.test:+{p}"), ""),
        (format!("api.a.test:0{p}"), ""),
        (format!("user@{at}"), ""),
        (format!("{at}@evil.test:{p}"), ""),
        (format!("{at}/x"), ""),
        (format!("[api.a.test]:{p}"), ""),
        (format!("::1:{p}"), ""),
        (format!("api.a.test%00:{p}"), ""),
        (at.clone(), "Host: evil.test\r\n"),
        (at.clone(), "Content-Length: 5\r\n"),
        (at.clone(), "Transfer-Encoding: chunked\r\n"),
    ] {
        let mut wire = agent.wire().await;
        wire.send(format!("CONNECT {target} HTTP/1.1\r\n{headers}\r\n"))
            .await;
        let answer = wire.answer_to("CONNECT").await;
        assert!(
            matches!(answer.status, 400 | 421),
            "{target} {headers}: {answer:?}"
        );
        wire.rest().await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn a_wildcard_covers_exactly_one_label() {
    let world = World::new()
        .role("reader", "GET *.a.test/v1/**; GET x.a.test/nothing")
        .start()
        .await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://x.a.test/v1/x").await.status, 200);
    for host in [
        "a.test",
        "x.y.a.test",
        "evil-a.test",
        "a.test.evil.test",
        "xa.test",
    ] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        world.refused(&answer, Reason::NoRule).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_pattern_ends_at_a_segment() {
    let world = World::new()
        .role(
            "reader",
            "GET api.a.test/repos/*/issues; GET api.a.test/v1/public/**",
        )
        .start()
        .await;
    let agent = world.agent("reader");
    for path in [
        "/repos/a/issues",
        "/v1/public/...",
        "/v1/public/..foo",
        "/v1/publi%63/x",
    ] {
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let sent: Vec<_> = world
        .upstream("api.a.test")
        .requests()
        .iter()
        .map(|seen| seen.target().to_owned())
        .collect();
    assert_eq!(
        sent.last().unwrap(),
        "/v1/public/x",
        "what was matched is what is sent"
    );
    for path in [
        "/v1/publicity",
        "/v1/public",
        "/V1/public/x",
        "/repos/a/b/issues",
        "/repos/a/issues/",
        "/repos/a/issues.json",
        "/repos/issues",
    ] {
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        world.refused(&answer, Reason::NoRule).await;
    }
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
