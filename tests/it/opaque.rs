//! A tunnel that an exception opens without looking into it: bytes as they are, for one role at one place, on record.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::{Answer, Wire},
    builder::Builder,
    patience::{patiently, until},
    pki,
    settings::{Role, in_days},
};

const HOST: &str = "pinned.test";

fn opened() -> Builder {
    World::new()
        .role("agent", "GET api.a.test/v1/**")
        .opaque("agent", HOST)
}

/// `CONNECT` to the host, and what the gate says to it.
async fn ask(world: &World, role: &str, host: &str) -> (Wire, Answer) {
    let host = match host.contains(':') {
        true => host.to_owned(),
        false => world.at(host),
    };
    let mut wire = world.agent(role).wire().await;
    wire.send(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .await;
    let answer = wire.answer_to("CONNECT").await;
    (wire, answer)
}

/// `CONNECT` that is refused with the reason in its phrase.
async fn refused(world: &World, role: &str, reason: Reason) -> serde_json::Value {
    let (_, answer) = ask(world, role, HOST).await;
    assert_eq!(answer.status, reason.status());
    assert!(
        answer.reason_phrase.starts_with(reason.code()),
        "{answer:?}"
    );
    world.refused(&answer, reason).await
}

#[tokio::test]
async fn carries_the_agents_own_tls_to_the_upstream_and_is_on_record() {
    let world = opened().start().await;
    let config = pki::client_config(world.pki.upstreams.roots(), None);
    let tunnel = world.agent("agent").connect(HOST).await;
    let mut inside = tunnel.tls_by(HOST, config).await.unwrap();
    let own = "Authorization: Bearer agents-own\r\n";
    let answer = inside.call_with("GET /anything", HOST, own, "").await;
    assert_eq!(answer.status, 200);
    let seen = world.upstream(HOST).requests().pop().unwrap();
    assert_eq!(seen.head.values("authorization"), ["Bearer agents-own"]);
    drop(inside);
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(ended["request"]["method"], "CONNECT");
    assert_eq!(ended["request"]["host"], HOST);
    assert_eq!(ended["request"]["path"], "");
    assert!(ended["request"]["bytes"].as_u64().unwrap() > 200, "{ended}");
    assert!(
        ended["upstream"]["bytes"].as_u64().unwrap() > 200,
        "{ended}"
    );
    assert_eq!(ended["decision"]["rule"]["name"], "exception: tunnel");
    let file = ended["decision"]["rule"]["file"].as_str().unwrap();
    assert!(file.ends_with("tollgate.yaml"), "{file}");
    assert!(ended.get("credential").is_none());
    world.finish().await;
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = format!("raw.test:{port}");
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .opaque("agent", &place)
        .start()
        .await;
    world.dns.answers("raw.test", &["127.0.0.1"]);
    let mut wire = world.agent("agent").connect(&place).await;
    let (mut far, _) = patiently("the far end", listener.accept()).await.unwrap();
    // not TLS, not HTTP: whatever it is
    wire.send(b"\0\x01up").await;
    let mut four = [0; 4];
    patiently("bytes", far.read_exact(&mut four)).await.unwrap();
    assert_eq!(&four, b"\0\x01up");
    wire.half_close().await;
    let mut rest = Vec::new();
    patiently("the end upstream", far.read_to_end(&mut rest))
        .await
        .unwrap();
    assert_eq!(rest, b"");
    far.write_all(b"down after the end of up").await.unwrap();
    drop(far);
    assert_eq!(wire.rest().await, b"down after the end of up");
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(
        (&ended["outcome"], &ended["request"]["bytes"]),
        (&"complete".into(), &4.into())
    );
    assert_eq!(ended["upstream"]["bytes"], 24);
    world.finish().await;
}

#[tokio::test]
async fn is_opened_for_its_role_and_place_only() {
    let world = opened().role("other", "GET api.a.test/v1/**").start().await;
    // another role: granted, since the port is one of its rules', and looked into
    let mut looked_into = world.agent("other").tunnel(HOST).await;
    let answer = looked_into.call("GET /x", HOST).await;
    world.refused(&answer, Reason::NoRule).await;
    // another place of the same role: looked into as well
    let mut looked_into = world.agent("agent").tunnel("api.a.test").await;
    assert_eq!(
        looked_into.call("GET /v1/x", "api.a.test").await.status,
        200
    );
    assert_eq!(world.upstream(HOST).connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn an_exception_whose_day_is_over_opens_nothing() {
    let world = opened().start().await;
    let settings = world.dir().join("tollgate.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace(&in_days(30), &in_days(-1))).unwrap();
    world.reload().await;
    let mut looked_into = world.agent("agent").tunnel(HOST).await;
    let answer = looked_into.call("GET /x", HOST).await;
    world.refused(&answer, Reason::NoRule).await;
    assert_eq!(world.upstream(HOST).connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_role_past_its_review_date_has_none_and_loses_those_it_had() {
    let overdue = || {
        let role = Role::from("GET api.a.test/v1/**").review_by(&in_days(-1));
        World::new().role("agent", role).opaque("agent", HOST)
    };
    let world = opened().start().await;
    let (mut wire, answer) = ask(&world, "agent", HOST).await;
    assert_eq!(answer.status, 200);
    world.becomes(overdue());
    world.reload().await;
    assert_eq!(wire.rest().await, b"");
    let reached = world.upstream(HOST).connections().len();
    refused(&world, "agent", Reason::ReviewOverdue).await;
    assert_eq!(world.upstream(HOST).connections().len(), reached);
    world.finish().await;
}

#[tokio::test]
async fn goes_to_no_internal_address() {
    let world = opened().guarded(HOST).start().await;
    let event = refused(&world, "agent", Reason::AddressForbidden).await;
    assert_eq!(event["request"]["method"], "CONNECT");
    assert_eq!(world.upstream(HOST).connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn counts_among_the_calls_of_its_role() {
    let world = World::new()
        .role("agent", Role::from("GET api.a.test/v1/**").rate("1/h"))
        .opaque("agent", HOST)
        .start()
        .await;
    drop(ask(&world, "agent", HOST).await);
    refused(&world, "agent", Reason::RateLimited).await;
    world.finish().await;
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_said_at_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let place = format!("{HOST}:{port}");
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .opaque("agent", &place)
        .start()
        .await;
    let (_, answer) = ask(&world, "agent", &place).await;
    assert!(
        answer.reason_phrase.starts_with("upstream_unreachable"),
        "{answer:?}"
    );
    world.refused(&answer, Reason::UpstreamUnreachable).await;
    world.finish().await;
}

#[tokio::test]
async fn ends_with_its_exception() {
    let world = opened().start().await;
    let config = pki::client_config(world.pki.upstreams.roots(), None);
    let tunnel = world.agent("agent").connect(HOST).await;
    let mut inside = tunnel.tls_by(HOST, config).await.unwrap();
    assert_eq!(inside.call("GET /x", HOST).await.status, 200);
    world.becomes(World::new().role("agent", "GET api.a.test/v1/**"));
    world.reload().await;
    let since = Instant::now();
    assert_eq!(inside.rest().await, b"");
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(ended["outcome"], "access_withdrawn");
    world.refusals(Reason::NoRule, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_passes_ends() {
    let world = opened().setting("timeouts: {answer: 1s}").start().await;
    let (mut wire, answer) = ask(&world, "agent", HOST).await;
    assert_eq!(answer.status, 200);
    assert_eq!(wire.rest().await, b"");
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(ended["outcome"], "upstream_idle");
    world.finish().await;
}

#[tokio::test]
async fn is_on_record_before_its_first_byte_leaves() {
    let world = opened()
        .setting("events: {stdout: true, intent: writes}")
        .start()
        .await;
    let (_wire, answer) = ask(&world, "agent", HOST).await;
    assert_eq!(answer.status, 200);
    until("the connection upstream", || {
        (world.upstream(HOST).connections().len() == 1).then_some(())
    })
    .await;
    assert_eq!(world.events.of_kind("allowed").len(), 1);
    world.finish().await;
}
