//! A request's way to its upstream and back: every form in which clients ask, and what crosses in each direction.

use rustls::RootCertStore;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::{Agent, Wire, request},
    pki,
    script::{Answer, Meter},
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
async fn refuses_a_server_name_that_is_not_the_tunnels_host() {
    let world = world().await;
    for name in ["api.b.test", "evil.test"] {
        let config = pki::client_config(world.pki.interception.roots(), None);
        let wire = world.agent("agent").connect("api.a.test").await;
        assert!(wire.tls_by(name, config).await.is_err(), "{name}");
        world.refusals(Reason::AuthorityMismatch, 1).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_request_in_a_tunnel_that_names_another_target() {
    let world = world().await;
    let agent = world.agent("agent");
    let port = world.port;
    let b = world.at("api.b.test");
    for (target, host) in [
        ("/v1/x".to_owned(), b.clone()),
        (
            "/v1/x".to_owned(),
            format!("api.a.test:{}", port.wrapping_add(1)),
        ),
        ("/v1/x".to_owned(), world.at("evil.test")),
        (format!("https://{b}/v1/x"), world.at("api.a.test")),
        (format!("https://{b}/v1/x"), b.clone()),
    ] {
        let mut tunnel = agent.tunnel("api.a.test").await;
        tunnel.send(request("GET", &target, &host, "", "")).await;
        world
            .refused(&tunnel.answer().await, Reason::AuthorityMismatch)
            .await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn sends_no_credential_of_the_agent_on_and_no_header_of_its_leg() {
    let world = world().await;
    let carriers = [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Api-Key",
        "Api-Key",
        "X-Goog-Api-Key",
        "X-Auth-Token",
        "Private-Token",
        "Job-Token",
        "X-Amz-Security-Token",
        "X-Shopify-Access-Token",
        "DD-API-KEY",
        "Ocp-Apim-Subscription-Key",
        "X-Vault-Token",
        "DPoP",
        "X_Api_Key",
        "Authorization_",
    ];
    let of_this_leg = [
        "Proxy-Connection: keep-alive",
        "Keep-Alive: timeout=1",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMA",
        "X-Named: y",
        "Connection: X-Named, Authorization, keep-alive",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-Client-Cert: URI=spiffe://td.test/admin",
        "X-Original-URL: /v1/admin",
        "X-Rewrite-URL: /v1/admin",
        "X-HTTP-Method-Override: DELETE",
        "Transfer_Encoding: chunked",
        "Content_Length: 3",
    ];
    let mut headers = String::from("X-Kept: kept\r\nTE: trailers, gzip\r\n");
    for carrier in carriers {
        headers += &format!("{carrier}: agents-own-4711\r\n");
    }
    for line in of_this_leg {
        headers += &format!("{line}\r\n");
    }
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let answer = tunnel
        .call_with("GET /v1/x", "api.a.test", &headers, "")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    injected_once(&world);
    let seen = world.upstream("api.a.test").only_request();
    assert_eq!(seen.head.value("x-kept"), Some("kept"));
    for carrier in carriers.iter().filter(|name| **name != "Authorization") {
        assert_eq!(seen.head.values(carrier), Vec::<&str>::new(), "{carrier}");
    }
    for line in of_this_leg {
        let (name, _) = line.split_once(':').unwrap();
        assert_eq!(seen.head.values(name), Vec::<&str>::new(), "{name}");
    }
    let received = world.upstream("api.a.test").connections()[0]
        .received
        .bytes();
    assert!(!String::from_utf8_lossy(&received).contains("agents-own-4711"));
    world.finish().await;
}

#[tokio::test]
async fn regenerates_the_framing_of_a_request_body() {
    let world = world().await;
    let agent = world.agent("agent");
    world
        .upstream("api.a.test")
        .answers("/v1/items", Answer::BodyLength);
    let answer = agent
        .call_with("POST http://api.a.test/v1/items", "", "twelve bytes")
        .await;
    assert_eq!(answer.text(), "12");
    let mut wire = agent.wire().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/items", chunked, ""))
        .await;
    wire.send("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "6");
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(
            seen.head.values("content-length").len() + seen.head.values("transfer-encoding").len(),
            1
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn answers_100_continue_and_sends_no_expectation_twice() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/items", headers, ""))
        .await;
    let line = wire.bytes("HTTP/1.1 100 Continue\r\n\r\n".len()).await;
    assert_eq!(
        String::from_utf8(line).unwrap(),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    wire.send("hello").await;
    assert_eq!(wire.answer().await.status, 200);
    let seen = world.upstream("api.a.test").only_request();
    assert_eq!(seen.body.bytes, b"hello");
    assert_eq!(seen.head.value("expect"), None);
    world.finish().await;
}

#[tokio::test]
async fn takes_no_trailer_of_the_agent_for_a_header() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let headers = "TE: trailers\r\nTrailer: Authorization\r\nTransfer-Encoding: chunked\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/items", headers, ""))
        .await;
    wire.send("1\r\nx\r\n0\r\nAuthorization: Bearer agents-own-4711\r\nHost: evil.test\r\n\r\n")
        .await;
    wire.answer().await;
    for connection in world.upstream("api.a.test").connections() {
        let received = connection.received.bytes();
        let received = String::from_utf8_lossy(&received);
        assert!(
            !received.contains("agents-own-4711") && !received.contains("evil.test"),
            "{received}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn relays_the_trailers_of_an_answer() {
    let world = world().await;
    world
        .upstream("api.a.test")
        .answers("/v1/x", Answer::Stream(1000, Meter::default()));
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let answer = tunnel
        .call_with("GET /v1/x", "api.a.test", "TE: trailers\r\n", "")
        .await;
    assert_eq!((answer.body.total, answer.body.complete), (1000, true));
    let trailers: Vec<_> = answer
        .body
        .trailers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .collect();
    assert_eq!(trailers, [("x-checksum".to_owned(), "all-of-it")]);
    world.finish().await;
}

#[tokio::test]
async fn answers_head_and_304_without_a_body() {
    let world = world().await;
    let agent = world.agent("agent");
    let not_modified = Answer::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n".into());
    world
        .upstream("api.a.test")
        .answers("/v1/cached", not_modified);
    let length_of_get = Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".into());
    world
        .upstream("api.a.test")
        .answers("/v1/head", length_of_get);
    let mut wire = agent.wire().await;
    for (call, status) in [
        ("HEAD http://api.a.test/v1/head", 200),
        ("GET http://api.a.test/v1/cached", 304),
        ("GET http://api.a.test/v1/x", 200),
    ] {
        wire.send(agent.absolute(call, "", "")).await;
        let answer = wire.answer_to(call.split(' ').next().unwrap()).await;
        assert_eq!(answer.status, status, "{call}");
    }
    world.finish().await;
}

#[tokio::test]
async fn judges_each_of_two_requests_in_one_piece() {
    let world = world().await;
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let host = world.at("api.a.test");
    let allowed = request("GET", "/v1/x", &host, "", "");
    let denied = request("POST", "/v1/admin", &host, "Content-Length: 0\r\n", "");
    tunnel.send(format!("{allowed}{denied}")).await;
    assert_eq!(tunnel.answer().await.status, 200);
    world.refused(&tunnel.answer().await, Reason::NoRule).await;
    assert_eq!(
        world.upstream("api.a.test").only_request().target(),
        "/v1/x"
    );
    world.finish().await;
}

#[tokio::test]
async fn does_not_execute_what_follows_a_refused_connect() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let hidden = agent.absolute("GET http://api.a.test/v1/x", "", "");
    wire.send(format!(
        "CONNECT denied.test:22 HTTP/1.1\r\nHost: denied.test:22\r\n\r\n{hidden}"
    ))
    .await;
    let answer = wire.answer_to("CONNECT").await;
    assert_eq!(answer.status, 403);
    wire.rest().await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn takes_the_bytes_behind_an_accepted_connect_as_the_tunnels() {
    let world = world().await;
    let host = world.at("api.a.test");
    let inside = request("GET", "/v1/x", &host, "", "");
    let mut wire = world.agent("agent").wire().await;
    wire.send(format!(
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n{inside}"
    ))
    .await;
    assert_eq!(wire.answer_to("CONNECT").await.status, 200);
    assert_eq!(wire.answer().await.status, 200);
    injected_once(&world);
    world.finish().await;
}

#[tokio::test]
async fn reads_a_request_that_comes_in_any_two_pieces() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let call = agent.absolute("POST http://api.a.test/v1/items", "", "12345");
    for cut in 1..call.len() {
        wire.send_cut(&call, &[cut]).await;
        assert_eq!(wire.answer().await.status, 200, "cut at {cut}");
    }
    let every_byte: Vec<usize> = (1..call.len()).collect();
    wire.send_cut(&call, &every_byte).await;
    assert_eq!(wire.answer().await.status, 200);
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.body.bytes, b"12345");
    }
    world.finish().await;
}

#[tokio::test]
async fn refuses_framing_with_two_readings() {
    let world = world().await;
    let agent = world.agent("agent");
    for framing in [
        "Content-Length: 0\r\nContent-Length: 31\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\n",
    ] {
        let mut tunnel = agent.tunnel("api.a.test").await;
        let host = world.at("api.a.test");
        let smuggled = request("GET", "/v1/admin", &host, "", "");
        tunnel
            .send(request("POST", "/v1/items", &host, framing, "") + &smuggled)
            .await;
        let answer = tunnel.answer().await;
        assert_eq!(answer.status, 400, "{framing}: {answer:?}");
        tunnel.rest().await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_heads_with_two_readings() {
    let world = world().await;
    let agent = world.agent("agent");
    let host = world.at("api.a.test");
    let evil = world.at("evil.test");
    for head in [
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nHost: {evil}\r\n\r\n"),
        "GET /v1/x HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nNo Colon\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\n: no name\r\n\r\n"),
        format!("GET  /v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /v1/x y HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET @{evil}/v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET .evil.test/v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET * HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nConnection: Host\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nExpect: x, 100-continue\r\n\r\n"),
    ] {
        let mut tunnel = agent.tunnel("api.a.test").await;
        tunnel.send(&head).await;
        let answer = tunnel.answer().await;
        assert!((400..430).contains(&answer.status), "{head}: {answer:?}");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_before_it_asks_for_a_body() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/admin", headers, ""))
        .await;
    world.refused(&wire.answer().await, Reason::NoRule).await;
    assert!(wire.received().starts_with(b"HTTP/1.1 403"));
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn sends_one_request_where_both_framings_are_given() {
    let world = world().await;
    let host = world.at("api.a.test");
    let both = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n";
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let body = "0\r\n\r\nG";
    tunnel
        .send(request("POST", "/v1/items", &host, both, "") + body)
        .await;
    tunnel.answer().await;
    tunnel.rest().await;
    let requests = world.upstream("api.a.test").requests();
    assert!(requests.len() <= 1, "{requests:?}");
    for seen in requests {
        let framings =
            seen.head.values("content-length").len() + seen.head.values("transfer-encoding").len();
        assert_eq!((framings, seen.body.total), (1, 0));
    }
    world.finish().await;
}

#[tokio::test]
async fn follows_no_redirect() {
    let world = world().await;
    let evil = world.at("evil.test");
    let redirect = Answer::with("302 Found", &format!("Location: https://{evil}/\r\n"), "");
    world.upstream("api.a.test").answers("/v1/x", redirect);
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 302);
    assert_eq!(
        answer.header("location"),
        Some(format!("https://{evil}/").as_str())
    );
    world.finish().await;
}

#[tokio::test]
async fn does_not_repeat_a_request_whose_upstream_hangs_up() {
    let world = world().await;
    let agent = world.agent("agent");
    world
        .upstream("api.a.test")
        .answers("/v1/items", Answer::Close);
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let answer = agent
        .call_with("POST http://api.a.test/v1/items", "", "x")
        .await;
    world.refused(&answer, Reason::UpstreamUnreachable).await;
    let posts = world.upstream("api.a.test").heads();
    assert_eq!(
        posts
            .iter()
            .filter(|start| start.starts_with("POST"))
            .count(),
        1,
        "{posts:?}"
    );
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
