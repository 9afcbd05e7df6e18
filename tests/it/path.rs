//! A request's way to its upstream and back: every form in which clients ask, and what crosses in each direction.

use rustls::RootCertStore;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::{Agent, Wire, request},
    pki,
};

/// A world with one role that reads from and writes to `api.a.test`.
async fn world() -> World {
    World::new()
        .role(
            "agent",
            "GET,HEAD api.a.test/v1/**; POST api.a.test/v1/items; GET api.b.test/**",
        )
        .start()
        .await
}

/// The only request at `api.a.test` carried the credential, once, and no other.
fn injected_once(world: &World) {
    let seen = world.upstream("api.a.test").only_request();
    let bearer = format!("Bearer {}", world.secret("api-a"));
    assert_eq!(seen.head.values("authorization"), [bearer]);
    assert_eq!(seen.head.values("host"), [world.at("api.a.test")]);
}

#[tokio::test]
async fn serves_an_absolute_form_request_over_tls_upstream() {
    let world = world().await;
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x?page=2")
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    injected_once(&world);
    let upstream = world.upstream("api.a.test");
    assert_eq!(upstream.only_request().target(), "/v1/x?page=2");
    let connection = &upstream.connections()[0];
    assert_eq!(connection.sni.as_deref(), Some("api.a.test"));
    assert!(!connection.cleartext);
    world.finish().await;
}

#[tokio::test]
async fn serves_an_absolute_form_request_that_says_https() {
    let world = world().await;
    let answer = world
        .agent("agent")
        .call("GET https://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    injected_once(&world);
    world.finish().await;
}

#[tokio::test]
async fn serves_a_tunnel_with_tls_inside() {
    let world = world().await;
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let answer = tunnel.call("GET /v1/x", "api.a.test").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    injected_once(&world);
    world.finish().await;
}

#[tokio::test]
async fn serves_many_requests_on_one_connection() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    for host in ["api.a.test", "api.b.test", "api.a.test"] {
        wire.send(agent.absolute(&format!("GET http://{host}/v1/x"), "", ""))
            .await;
        assert_eq!(wire.answer().await.status, 200);
    }
    let mut tunnel = agent.tunnel("api.a.test").await;
    for _ in 0..3 {
        assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    }
    assert_eq!(world.upstream("api.a.test").requests().len(), 5);
    assert_eq!(world.upstream("api.b.test").requests().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn serves_cleartext_only_where_the_settings_say_so() {
    let world = World::new()
        .role("agent", "GET plain.test/**; GET api.a.test/v1/**")
        .cleartext("plain.test")
        .start()
        .await;
    let agent = world.agent("agent");
    assert_eq!(agent.call("GET http://plain.test/x").await.status, 200);
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    assert!(world.upstream("plain.test").connections()[0].cleartext);
    assert!(!world.upstream("api.a.test").connections()[0].cleartext);
    world.finish().await;
}

#[tokio::test]
async fn asks_for_https_on_443_where_a_clear_request_names_port_80_or_none() {
    let world = World::new()
        .role("agent", "GET api.a.test:443/v1/** with none")
        .start()
        .await;
    for authority in ["api.a.test", "api.a.test:80", "api.a.test:443"] {
        let mut wire = world.agent("agent").wire().await;
        wire.send(request(
            "GET",
            &format!("http://{authority}/v1/x"),
            authority,
            "",
            "",
        ))
        .await;
        // nobody listens on that port: what counts is where the gate went
        let event = world
            .refused(&wire.answer().await, Reason::UpstreamUnreachable)
            .await;
        assert_eq!(event["request"]["scheme"], "https");
        assert_eq!(event["request"]["port"], 443);
    }
    world.finish().await;
}

/// Opens a tunnel with `head`, then calls in it with TLS.
async fn tunnel_opened_by(agent: &Agent, head: String) -> Wire {
    let mut wire = agent.wire().await;
    wire.send(head).await;
    let answer = wire.answer_to("CONNECT").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    wire.tls("api.a.test").await
}

#[tokio::test]
async fn serves_the_odd_ways_in_which_clients_open_a_tunnel() {
    let world = world().await;
    let agent = world.agent("agent");
    let target = world.at("api.a.test");
    let long = "x".repeat(700);
    let heads = [
        // Python up to 3.11: HTTP/1.0 and no Host at all
        format!("CONNECT {target} HTTP/1.0\r\n\r\n"),
        // aiohttp, undici, axios, Java: Host without the port
        format!("CONNECT {target} HTTP/1.1\r\nHost: api.a.test\r\n\r\n"),
        // Node's fetch: a close that is not meant
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n"),
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Connection: close\r\n\r\n"),
        // uv and pip: 700 bytes of User-Agent
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {long}\r\n\r\n"),
        // userinfo of the proxy URL
        format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
        ),
    ];
    for (number, head) in heads.into_iter().enumerate() {
        let mut tunnel = tunnel_opened_by(&agent, head).await;
        for _ in 0..2 {
            let answer = tunnel.call("GET /v1/x", "api.a.test").await;
            assert_eq!(answer.status, 200, "form {number}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn serves_plain_http_inside_a_tunnel_like_an_absolute_form_request() {
    let world = world().await;
    let mut wire = world.agent("agent").connect("api.a.test").await;
    assert_eq!(wire.call("GET /v1/x", "api.a.test").await.status, 200);
    injected_once(&world);
    assert!(!world.upstream("api.a.test").connections()[0].cleartext);
    let answer = wire.call("GET /v2/x", "api.a.test").await;
    world.refused(&answer, Reason::NoRule).await;
    world.finish().await;
}

#[tokio::test]
async fn serves_a_tunnel_whose_client_says_no_server_name() {
    let world = world().await;
    let mut config = pki::client_config(world.pki.interception.roots(), None);
    config.enable_sni = false;
    let wire = world.agent("agent").connect("api.a.test").await;
    let mut tunnel = wire.tls_by("api.a.test", config).await.unwrap();
    assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn shows_an_interception_leaf_that_the_agent_can_refuse() {
    let world = world().await;
    let config = pki::client_config(RootCertStore::empty(), None);
    let wire = world.agent("agent").connect("api.a.test").await;
    assert!(wire.tls_by("api.a.test", config).await.is_err());
    assert_eq!(world.upstream("api.a.test").received_bytes(), 0);
    world.finish().await;
}

#[tokio::test]
async fn serves_curl() {
    let world = world().await;
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}/v1/x", world.at("api.a.test"));
        let output = world.curl("agent", &[&url]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ok", "{output:?}");
    }
    let url = format!("https://{}/v2/x", world.at("api.a.test"));
    let output = world
        .curl("agent", &["--write-out", "%{http_code}", &url])
        .await;
    assert!(
        String::from_utf8_lossy(&output.stdout).ends_with("403"),
        "{output:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn serves_curl_through_the_front_door() {
    let world = world().await;
    let door = world.connect("agent").await;
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}/v1/x", world.at("api.a.test"));
        let output = world.curl_through(&door, &[&url]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ok", "{output:?}");
    }
    drop(door);
    world.finish().await;
}
