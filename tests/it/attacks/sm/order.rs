//! What comes behind a request, between its head and its body, or before its answer.

use tollgate::refusal::Reason;

use super::{
    BEHIND, arena, broken_off, framed_anew, in_step, next_request, one_in_step, one_then_closed,
    post,
};
use crate::{
    attacks::outcome::{inside, r400, refused_and_closed},
    world::World,
};

#[tokio::test]
async fn sm_25_answers_an_expectation_itself_and_refuses_any_other() {
    let world = arena().start().await;
    for expectation in [
        "Expect: y 100-continue",
        "Expect: 100-continue, x",
        "Expect: 100-continue\r\nExpect: x",
        "Expect: x\r\nExpect: 100-continue",
        "Expect: 100-continue\r\nExpect: 100-continue",
        "Expect:\r\n 100-continue",
        "Expect: 100-continue;q=1",
        "Expect: \"100-continue\"",
        "Expect: 100-continue,",
        "Expect:",
        "Expect: 200-ok",
    ] {
        let headers = format!("{expectation}\r\nContent-Length: 5\r\n");
        r400(&world, post(headers, format!("hello{BEHIND}"))).await;
    }
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    let seen = one_in_step(&world, post(headers, "hello"), b"hello").await;
    assert_eq!(seen.head.value("expect"), None);
    world.finish().await;
}

#[tokio::test]
async fn asks_for_an_expected_body_once_it_is_wanted() {
    let world = arena().start().await;
    let headers = "Expect: 100-Continue\r\nContent-Length: 5\r\n";
    let mut wire = inside(&world, post(headers, "")).await;
    wire.until_received("HTTP/1.1 100 Continue\r\n\r\n").await;
    wire.send("hello").await;
    assert_eq!(wire.answer().await.status, 200);
    let seen = next_request(&world, 0, "the one").await;
    framed_anew(&seen, b"hello", "the one");
    in_step(&world, &mut wire, "the one").await;
    world.finish().await;
}

/// To the agent that was refused, its body is not on its way; to the gate it may be.
#[tokio::test]
async fn what_follows_a_refused_expectation_is_neither_body_nor_request() {
    let world = arena().start().await;
    for framing in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        for behind in ["", "hello", "0\r\n\r\n"] {
            let bytes = format!(
                "POST /v1/admin HTTP/1.1\r\nHost: api.a.test\r\nExpect: 100-continue\r\n{framing}\r\n{behind}{BEHIND}"
            );
            let wire = inside(&world, &bytes).await;
            let answer = refused_and_closed(wire, &[403], &bytes).await;
            assert_eq!(answer.header("connection"), Some("close"));
        }
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

/// Whether it is all there or not, the body of a refused request is no request.
#[tokio::test]
async fn the_body_of_a_refused_request_is_never_read_as_one() {
    let world = arena().start().await;
    for length in [BEHIND.len(), 4096] {
        let bytes = format!(
            "POST /v1/admin HTTP/1.1\r\nHost: api.a.test\r\nContent-Length: {length}\r\n\r\n{BEHIND}{BEHIND}"
        )
        .replacen("/v1/public/behind", "/v1/public/body", 1);
        let mut wire = inside(&world, &bytes).await;
        World::says_no(&wire.answer().await, Reason::NoRule);
        // what comes behind a body that is all there may be read, or the connection ends
        let _ = wire.try_answer_to("GET").await;
    }
    let starts = world.upstream("api.a.test").heads();
    assert!(
        !starts.iter().any(|start| start.contains("body")),
        "{starts:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn sm_27_judges_each_of_two_requests_in_one_piece() {
    let world = arena().start().await;
    let both = "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n\
                POST /v1/admin HTTP/1.1\r\nHost: api.a.test\r\nContent-Length: 0\r\n\r\n";
    let mut wire = inside(&world, both).await;
    assert_eq!(wire.answer().await.status, 200);
    world.refused(&wire.answer().await, Reason::NoRule).await;
    let seen = world.upstream("api.a.test").only_request();
    assert_eq!(seen.target(), "/v1/public/x");
    let ended = world.event_where("the end of the first", |event| event["kind"] == "ended");
    assert_eq!(ended.await["request"]["path"], "/v1/public/x");
    world.finish().await;
}

#[tokio::test]
async fn sm_28_a_request_in_http_1_0_is_the_last_and_has_no_coding() {
    let world = arena().start().await;
    for coding in ["chunked", "identity", "gzip"] {
        let head = format!("POST /v1/items HTTP/1.0\r\nTransfer-Encoding: {coding}\r\n\r\n");
        r400(&world, format!("{head}0\r\n\r\n{BEHIND}")).await;
    }
    for more in [
        "",
        "Connection: keep-alive\r\n",
        "Connection: keep-alive\r\nHost: api.a.test\r\n",
    ] {
        let head = format!("POST /v1/items HTTP/1.0\r\n{more}\r\n");
        let hidden = "GET /v1/admin HTTP/1.1\r\n";
        one_then_closed(&world, format!("{head}{hidden}{BEHIND}"), b"").await;
    }
    world.finish().await;
}

#[tokio::test]
async fn sm_32_what_follows_an_upgrade_is_a_request_like_any_other() {
    let world = arena().start().await;
    for protocol in ["foo", "websocket", "h2c", "HTTP/2.0, foo", "TLS/1.3"] {
        let before = world.upstream("api.a.test").requests().len();
        let bytes = format!(
            "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n\
             GET /v1/admin HTTP/1.1\r\nHost: api.a.test\r\n\r\n"
        );
        let mut wire = inside(&world, &bytes).await;
        assert_eq!(wire.answer().await.status, 200, "{protocol}");
        World::says_no(&wire.answer().await, Reason::NoRule);
        let seen = next_request(&world, before, protocol).await;
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.head.value(name), None, "{protocol}: {seen:?}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn sm_33_a_body_that_comes_too_late_is_never_read() {
    let world = arena().setting("timeouts: {request: 1s}").start().await;
    let late = "GET /v1/public/x HTTP/1.1\r\nHost: a.b\r\n\r\n";
    assert_eq!(late.len(), 40);
    let mut wire = inside(&world, post("Content-Length: 40\r\n", "")).await;
    World::says_no(&wire.answer().await, Reason::RequestTimeout);
    // it may be closed by then
    let _ = wire.try_send(late).await;
    let _ = wire.try_send(BEHIND).await;
    broken_off(&world, wire, "too late").await;
    world.finish().await;
}

#[tokio::test]
async fn sm_40_what_arrives_has_the_length_of_what_was_sent() {
    let world = arena().start().await;
    let stripped = "Authorization: Bearer agents-own\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\n\
                    Content-Encoding: gzip\r\nContent-Length: 0005\r\n";
    let seen = one_in_step(&world, post(stripped, "hello"), b"hello").await;
    assert_eq!(seen.head.value("content-length"), Some("5"));
    assert_eq!(seen.head.value("x-gone"), None);
    let seen = one_in_step(&world, post("", ""), b"").await;
    assert_eq!(seen.head.value("content-length"), Some("0"));
    // a name in `Connection` that would take the length away
    for name in [
        "content-length",
        "Transfer-Encoding",
        "HOST",
        "close, Content-Length",
    ] {
        let headers = format!("Connection: {name}\r\nContent-Length: 5\r\n");
        let bytes = post(headers, format!("hello{BEHIND}"));
        let wire = inside(&world, &bytes).await;
        refused_and_closed(wire, &[400], name).await;
    }
    assert_eq!(world.upstream("api.a.test").heads().len(), 4);
    world.finish().await;
}

#[tokio::test]
async fn sm_41_refuses_a_connect_with_a_body() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    let behind = BEHIND.replace("GET /", "GET http://api.a.test/");
    for (framing, body) in [
        ("Content-Length: 5\r\n", "hello"),
        ("Content-Length: 00\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"),
        ("Expect: x\r\n", ""),
    ] {
        let mut wire = world.agent("r1").wire().await;
        let head = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n");
        wire.send(format!("{head}{body}{behind}")).await;
        refused_and_closed(wire, &[400], framing).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn nothing_is_read_behind_a_request_that_closes() {
    let world = arena().start().await;
    let close = "Connection: close\r\nConnection: keep-alive\r\nContent-Length: 5\r\n";
    one_then_closed(&world, post(close, format!("hello{BEHIND}")), b"hello").await;
    world.finish().await;
}

/// A client of HTTP/2 that asks nobody: there is no answer it could read.
#[tokio::test]
async fn the_preface_of_http_2_is_no_request() {
    let world = arena().start().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut wire = inside(&world, format!("{preface}{BEHIND}")).await;
    wire.rest().await;
    world.refusals(Reason::RequestMalformed, 1).await;
    world.nothing_left_the_gate();
    world.finish().await;
}
