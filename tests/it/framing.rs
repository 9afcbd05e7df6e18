//! Where a request begins and ends has one reading, whatever the bytes around it and however they arrive.

use tollgate::refusal::Reason;

use crate::world::{World, agent::request};

async fn world() -> World {
    World::new()
        .role(
            "agent",
            "GET,HEAD api.a.test/v1/**; POST api.a.test/v1/items",
        )
        .start()
        .await
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
    let seen = world.upstream("api.a.test").only_request();
    let bearer = format!("Bearer {}", world.secret("api-a"));
    assert_eq!(seen.head.values("authorization"), [bearer]);
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
async fn refuses_heads_with_two_readings() {
    let world = world().await;
    let agent = world.agent("agent");
    let host = world.at("api.a.test");
    let evil = world.at("evil.test");
    for head in [
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nHost: {evil}\r\n\r\n"),
        "GET /v1/x HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET @{evil}/v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET .evil.test/v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET * HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /v1/x HTTP/1.1\r\nHost: {host}\r\nConnection: Host\r\n\r\n"),
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
