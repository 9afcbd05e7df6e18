//! What an upstream answers: it reaches the call that it belongs to and no other, and cannot speak for the gate.

use tollgate::refusal::Reason;

use crate::world::{
    World,
    patience::until,
    script::{Answer, Hold},
};

async fn world() -> World {
    World::new()
        .role("one", "GET,HEAD api.a.test/v1/**; POST api.a.test/v1/items")
        .role("two", "GET api.a.test/v1/**")
        .start()
        .await
}

#[tokio::test]
async fn bytes_behind_an_answer_are_nobodys_answer() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    for (call, first) in [
        (
            "GET",
            format!("HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n{evil}"),
        ),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\n\r\n{evil}")),
        (
            "HEAD",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{evil}"),
        ),
        (
            "GET",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{evil}"),
        ),
        (
            "GET",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{evil}"
            ),
        ),
    ] {
        let world = world().await;
        let upstream = world.upstream("api.a.test");
        upstream.answers("/v1/first", Answer::Bytes(first.into()));
        let agent = world.agent("one");
        let mut wire = agent.wire().await;
        wire.send(agent.absolute(&format!("{call} http://api.a.test/v1/first"), "", ""))
            .await;
        let answer = wire.answer_to(call).await;
        assert!(!answer.text().contains("EVIL"), "{answer:?}");
        for _ in 0..3 {
            let answer = agent.call("GET http://api.a.test/v1/next").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        }
        world.finish().await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_nobodys() {
    let world = world().await;
    let upstream = world.upstream("api.a.test");
    let hold = Hold::new();
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    let script = Answer::Interrupted(ok.into(), hold.clone(), evil.into());
    upstream.answers("/v1/first", script);
    let agent = world.agent("one");
    assert_eq!(
        agent.call("GET http://api.a.test/v1/first").await.text(),
        "ok"
    );
    // on a connection at rest
    hold.release();
    until("the surplus answer was sent", || {
        (upstream.requests().len() == 1).then_some(())
    })
    .await;
    for _ in 0..5 {
        assert_eq!(
            agent.call("GET http://api.a.test/v1/next").await.text(),
            "ok"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn an_answer_that_was_given_up_reaches_nobody_else() {
    let world = world().await;
    let upstream = world.upstream("api.a.test");
    let hold = Hold::new();
    let first = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
    let script = Answer::Interrupted(first.into(), hold.clone(), b"EVIL".into());
    upstream.answers("/v1/half", script);
    let agent = world.agent("one");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/half", "", ""))
        .await;
    wire.until_received("half").await;
    drop(wire);
    world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    hold.release();
    for _ in 0..5 {
        assert_eq!(
            agent.call("GET http://api.a.test/v1/next").await.text(),
            "ok"
        );
    }
    assert!(
        upstream.connections().len() > 1,
        "the connection was used again"
    );
    world.finish().await;
}

#[tokio::test]
async fn roles_share_no_connection() {
    let world = world().await;
    for _ in 0..2 {
        for role in ["one", "two"] {
            let answer = world.agent(role).call("GET http://api.a.test/v1/x").await;
            assert_eq!(answer.status, 200);
        }
    }
    assert_eq!(world.upstream("api.a.test").connections().len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn no_interim_answer_is_relayed() {
    let world = world().await;
    let mut bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n".repeat(20);
    bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    world
        .upstream("api.a.test")
        .answers("/v1/x", Answer::Bytes(bytes));
    let agent = world.agent("one");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
        .await;
    wire.until_received("ok").await;
    let received = String::from_utf8(wire.received()).unwrap();
    assert!(received.starts_with("HTTP/1.1 200"), "{received}");
    assert!(!received.contains("Early Hints"), "{received}");
    world.finish().await;
}

#[tokio::test]
async fn an_upstream_cannot_speak_for_the_gate_or_change_its_connection() {
    let world = world().await;
    let headers = [
        "Proxy-Authenticate: Basic realm=x",
        "Proxy-Status: gate; error=x",
        "Proxy-Connection: keep-alive",
        "Connection: X-Named, close",
        "X-Named: y",
        "Keep-Alive: timeout=1",
        "Upgrade: h2c",
        "Tollgate-Event: 01JDD3V6ZQ0000000000000000",
        "Tollgate-Reason: no_rule",
        "Alt-Svc: h3=\":443\"",
        "Set-Cookie: session=x",
        "WWW-Authenticate: Negotiate",
    ];
    let lines = headers.join("\r\n") + "\r\nX-Kept: kept\r\n";
    world.upstream("api.a.test").answers(
        "/v1/x",
        Answer::with("200 Everything is fine", &lines, "ok"),
    );
    let agent = world.agent("one");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/x", "", "");
    for _ in 0..2 {
        wire.send(&call).await;
        let answer = wire.answer().await;
        assert_eq!(answer.reason_phrase, "OK");
        assert_eq!(answer.header("x-kept"), Some("kept"));
        for line in headers {
            let (name, _) = line.split_once(':').unwrap();
            assert_eq!(answer.head.values(name), Vec::<&str>::new(), "{name}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn refuses_an_answer_whose_head_is_too_large() {
    let world = world().await;
    let value = "x".repeat(8_000);
    let many: String = (0..200).map(|n| format!("X-{n}: {value}\r\n")).collect();
    world
        .upstream("api.a.test")
        .answers("/v1/x", Answer::with("200 OK", &many, "ok"));
    let answer = world.agent("one").call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::UpstreamMalformed).await;
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_switch_of_protocols() {
    let world = world().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/x", Answer::Bytes(switch.into()));
    let agent = world.agent("one");
    let headers = "Connection: Upgrade\r\nUpgrade: foo\r\n";
    let answer = agent
        .call_with("GET http://api.a.test/v1/x", headers, "")
        .await;
    world.refused(&answer, Reason::UpstreamMalformed).await;
    // asked for, ignored, and what follows is a request of its own
    let mut tunnel = agent.tunnel("api.a.test").await;
    let answer = tunnel
        .call_with("GET /v1/y", "api.a.test", headers, "")
        .await;
    assert_eq!(answer.status, 200);
    let answer = tunnel.call("GET /admin", "api.a.test").await;
    world.refused(&answer, Reason::NoRule).await;
    assert_eq!(
        upstream.requests().pop().unwrap().head.value("upgrade"),
        None
    );
    world.finish().await;
}
