//! What comes where no answer is due: before the request has ended, behind an answer, unasked.

use super::*;
use crate::world::script::{Answer as Script, Hold};

#[tokio::test]
async fn sm_26_ends_both_connections_when_an_answer_comes_before_the_request_has_ended() {
    let world = world().await;
    let agent = world.agent("r1");
    let early = Script::Early(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n".into());
    world.upstream("api.a.test").answers("/v1/items", early);
    let hidden = agent.absolute("GET http://api.a.test/v1/admin", "", "");
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let before = world.upstream("api.a.test").connections().len();
        let mut wire = agent.wire().await;
        let call = "POST http://api.a.test/v1/items";
        wire.send(agent.absolute(call, &format!("{framing}\r\n"), ""))
            .await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, 413, "{framing}");
        assert_eq!(answer.header("connection"), Some("close"), "{framing}");
        let _ = wire.try_send(&hidden).await;
        assert_eq!(wire.rest().await, b"", "{framing}");
        assert_eq!(agent.call(CALL).await.status, 200);
        let after = world.upstream("api.a.test").connections().len();
        // one that rested may have served the call with the early answer
        assert!(after > before, "{framing}: the connection was used again");
    }
    let heads = world.upstream("api.a.test").heads();
    assert!(
        !heads.iter().any(|head| head.contains("admin")),
        "{heads:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn sm_36_bytes_behind_an_answer_are_nobodys_answer() {
    for (call, first) in [
        (
            "GET",
            format!("HTTP/1.1 204 x\r\nContent-Length: 40\r\n\r\n{EVIL}"),
        ),
        (
            "GET",
            format!("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n{EVIL}"),
        ),
        (
            "GET",
            format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n{EVIL}"),
        ),
        (
            "HEAD",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{EVIL}"),
        ),
        (
            "HEAD",
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{EVIL}"),
        ),
        (
            "GET",
            format!("HTTP/1.1 103 x\r\nContent-Length: 40\r\n\r\n{EVIL}{EVIL}"),
        ),
        (
            "GET",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{EVIL}"),
        ),
        (
            "GET",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{EVIL}"
            ),
        ),
    ] {
        let world = world().await;
        let upstream = world.upstream("api.a.test");
        upstream.answers("/v1/public/first", Script::Bytes(first.clone().into()));
        let agent = world.agent("r1");
        let mut wire = agent.wire().await;
        let asked = format!("{call} http://api.a.test/v1/public/first");
        wire.send(agent.absolute(&asked, "", "")).await;
        let answer = wire.answer_to(call).await;
        let of_the_call = first.starts_with("HTTP/1.1 103");
        assert_eq!(answer.text().contains("EVIL"), of_the_call, "{answer:?}");
        if answer.status == 204 {
            assert_eq!(answer.header("content-length"), None);
        }
        for _ in 0..3 {
            wire.send(agent.absolute(CALL, "", "")).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status, &*answer.text()), (200, "ok"), "{first}");
        }
        world.finish().await;
    }
}

/// Each round the surplus is there before the next call is: however busy the gate, that call has its own answer.
#[tokio::test]
async fn sm_37_an_answer_that_nobody_asked_for_is_nobodys() {
    let world = world().await;
    let upstream = world.upstream("api.a.test");
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let next = agent.absolute(CALL, "", "");
    for round in 0..100 {
        let hold = Hold::new();
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let script = Script::Interrupted(ok.into(), hold.clone(), EVIL.into());
        let path = format!("/v1/public/{round}");
        upstream.answers(&path, script);
        let call = format!("GET http://api.a.test{path}");
        wire.send(agent.absolute(&call, "", "")).await;
        assert_eq!(wire.answer().await.text(), "ok");
        let before = upstream.requests().len();
        hold.release();
        until("the surplus answer was sent", || {
            (upstream.requests().len() > before).then_some(())
        })
        .await;
        wire.send(&next).await;
        assert_eq!(wire.answer().await.text(), "ok", "round {round}");
    }
    world.finish().await;
}

#[tokio::test]
async fn se_07_opens_no_tunnel_for_an_upgrade_that_the_upstream_refuses() {
    let world = world().await;
    for status in ["426 Upgrade Required", "200 OK", "400 Bad Request"] {
        let script = Script::with(status, "Upgrade: websocket\r\n", "no");
        world.upstream("api.a.test").answers("/v1/public/x", script);
        let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1337\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer = tunnel
            .call_with("GET /v1/public/x", "api.a.test", upgrade, "")
            .await;
        assert_eq!(answer.status.to_string(), status[..3]);
        let answer = tunnel.call("GET /v1/admin", "api.a.test").await;
        world.refused(&answer, Reason::NoRule).await;
    }
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.target(), "/v1/public/x");
        assert_eq!(seen.head.value("upgrade"), None);
        assert_eq!(seen.head.value("connection"), None);
    }
    world.finish().await;
}

#[tokio::test]
async fn se_08_refuses_a_switch_of_protocols_that_nobody_asked_for() {
    let world = world().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";
    refused(&world, switch).await;
    refused(&world, format!("{switch}{EVIL}")).await;
    refused(&world, "HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
    // asked for by the agent, which the upstream never heard of
    let agent = world.agent("r1");
    let headers = "Connection: Upgrade\r\nUpgrade: foo\r\n";
    let answer = agent.call_with(CALL, headers, "").await;
    World::says_no(&answer, Reason::UpstreamMalformed);
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.head.value("upgrade"), None);
    }
    world.finish().await;
}
