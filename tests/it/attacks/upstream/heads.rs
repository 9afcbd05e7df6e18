//! What the head of an answer says.

use super::*;
use crate::world::script::{Answer as Script, Hold};

/// Each has two readings, or none.
const AMBIGUOUS: [&str; 37] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\nContent-Length: 5, 6\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello",
    "hello, this is HTTP/0.9",
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 99 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello",
];

#[tokio::test]
async fn sm_35_refuses_an_answer_with_two_readings_and_drops_its_connection() {
    let world = world().await;
    for bytes in AMBIGUOUS {
        refused(&world, bytes).await;
    }
    // A status line without a reason has one reading (RFC 9112 section 4), and its answer is framed anew.
    let bare = "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello";
    let answer = answered(&world, bare).await;
    assert_eq!((answer.status, &*answer.text()), (200, "hello"));
    assert_eq!(answer.reason_phrase, "OK");
    world.finish().await;
}

#[tokio::test]
async fn sm_38_relays_no_interim_answer_and_bounds_their_number() {
    let world = world().await;
    let canary = world.secret("api-a");
    let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: <{canary}>\r\n\r\n");
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    refused(&world, hint.repeat(100_000) + last).await;
    for interim in ["100 Continue", "102 Processing", "103 Early Hints", "199 ?"] {
        let head = format!("HTTP/1.1 {interim}\r\nLink: <{canary}>\r\n\r\n");
        let script = Script::Bytes((head.repeat(20) + last).into());
        world.upstream("api.a.test").answers("/v1/public/x", script);
        let agent = world.agent("r1");
        let mut wire = agent.wire().await;
        wire.send(agent.absolute(CALL, "", "")).await;
        wire.until_received("ok").await;
        let received = String::from_utf8(wire.received()).unwrap();
        assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
        assert_eq!(received.matches("HTTP/1.1").count(), 1, "{received}");
    }
    world.finish().await;
}

#[tokio::test]
async fn hb_10_an_upstream_cannot_speak_for_the_gate_or_change_its_connection() {
    let world = world().await;
    let headers = [
        "X-Proxy-Decision: allow",
        "Proxy-Authenticate: Basic realm=x",
        "Proxy-Authentication-Info: x",
        "Proxy-Status: gate; error=x",
        "Proxy-Connection: keep-alive",
        "Connection: X-Named, close",
        "X-Named: y",
        "Keep-Alive: timeout=1",
        "Upgrade: h2c",
        "Trailer: X-Checksum",
        "Tollgate-Event: 01JDD3V6ZQ0000000000000000",
        "Tollgate-Reason: no_rule",
        "Alt-Svc: h3=\":443\"",
        "Set-Cookie: session=x",
        "Clear-Site-Data: \"*\"",
        "Public-Key-Pins: pin-sha256=\"x\"; max-age=1",
        "NEL: {\"report_to\":\"x\",\"max_age\":1}",
        "Report-To: {\"group\":\"x\"}",
        "WWW-Authenticate: Negotiate",
        "Persistent-Auth: true",
    ];
    let kept = "X-Kept: kept\r\nX-Request-Id: theirs\r\nStrict-Transport-Security: max-age=1\r\n";
    let lines = headers.join("\r\n") + "\r\n" + kept;
    let script = Script::with("200 Everything is fine", &lines, "ok");
    world.upstream("api.a.test").answers("/v1/public/x", script);
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let call = agent.absolute(CALL, "", "");
    for _ in 0..2 {
        wire.send(&call).await;
        let answer = wire.answer().await;
        assert_eq!(answer.reason_phrase, "OK");
        assert_eq!(answer.header("x-kept"), Some("kept"));
        assert_eq!(answer.header("x-request-id"), Some("theirs"));
        for line in headers {
            let (name, _) = line.split_once(':').unwrap();
            assert_eq!(answer.head.values(name), Vec::<&str>::new(), "{name}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn hb_11_refuses_a_head_that_could_split_the_answer_or_is_too_large() {
    let world = world().await;
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok");
    let line = |n: usize, value: &str| format!("X-{n}: {value}\r\n");
    let (long, longer) = ("x".repeat(1 << 20), "x".repeat(8_000));
    for lines in [
        "X: a\rb\r\n".to_owned(),
        "X: a\rSet-Cookie: b\r\n".to_owned(),
        "X: a\0b\r\n".to_owned(),
        "X: a\x7fb\r\n".to_owned(),
        "X\0: a\r\n".to_owned(),
        "X y: a\r\n".to_owned(),
        "X: a\r\n b\r\n".to_owned(),
        "X: a\r\n\tb\r\n".to_owned(),
        line(0, &long),
        (0..5_000).map(|n| line(n, "y")).collect(),
        (0..200).map(|n| line(n, &longer)).collect(),
    ] {
        refused(&world, head(&lines)).await;
    }
    // and on a connection of the agent's that goes on
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let script = Script::Bytes(head("X: a\rb\r\n").into());
    world.upstream("api.a.test").answers("/v1/public/x", script);
    for (path, status) in [("x", 502), ("y", 200), ("x", 502), ("y", 200)] {
        let call = format!("GET http://api.a.test/v1/public/{path}");
        wire.send(agent.absolute(&call, "", "")).await;
        assert_eq!(wire.answer().await.status, status);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_head_without_an_end_is_given_up() {
    let world = arena().setting("timeouts: {answer: 1s}").start().await;
    let begun = b"HTTP/1.1 200 OK\r\nX: and so on".to_vec();
    let script = Script::Interrupted(begun, Hold::new(), Vec::new());
    world.upstream("api.a.test").answers("/v1/public/x", script);
    let answer = world.agent("r1").call(CALL).await;
    world.refused(&answer, Reason::UpstreamTimeout).await;
    world.finish().await;
}
