//! Heads: the request line and the header lines, each read in one way or refused.

use super::{BEHIND, arena, one_in_step, post};
use crate::attacks::outcome::{inside, r400, refused_and_closed};

/// A request for something public with this line among its headers.
fn with_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    let start = b"GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n";
    [start, line.as_ref(), b"\r\n\r\n"].concat()
}

async fn each_line_is_refused(lines: &[&[u8]]) {
    let world = arena().start().await;
    for line in lines {
        let bytes = [with_line(line).as_slice(), BEHIND.as_bytes()].concat();
        r400(&world, bytes).await;
    }
    world.finish().await;
}

async fn each_start_is_refused(starts: &[&[u8]], statuses: &[u16]) {
    let world = arena().start().await;
    for start in starts {
        let bytes = [*start, b"\r\nHost: api.a.test\r\n\r\n", BEHIND.as_bytes()].concat();
        let wire = inside(&world, &bytes).await;
        refused_and_closed(wire, statuses, &super::shown(&bytes)).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn sm_11_no_name_with_an_underscore_goes_on() {
    let world = arena().start().await;
    let aliases = "Transfer_Encoding: chunked\r\nContent_Length: 3\r\nX_Api_Key: attacker\r\nAuthorization_: x\r\n";
    let seen = one_in_step(
        &world,
        post(format!("{aliases}Content-Length: 5\r\n"), "hello"),
        b"hello",
    )
    .await;
    let names = seen.head.headers.iter().map(|(name, _)| name);
    assert!(names.clone().all(|name| !name.contains('_')), "{seen:?}");
    world.finish().await;
}

#[tokio::test]
async fn sm_12_refuses_a_folded_line() {
    each_line_is_refused(&[
        b"X: a\r\n Transfer-Encoding: chunked",
        b"X: a\r\n\tTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Content-Length:\r\n 5",
        b"Expect:\r\n 100-continue",
    ])
    .await;
    let world = arena().start().await;
    r400(
        &world,
        "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n\tevil\r\n\r\n",
    )
    .await;
    r400(
        &world,
        "GET /v1/public/x HTTP/1.1\r\n Host: api.a.test\r\n\r\n",
    )
    .await;
    world.finish().await;
}

/// hyper takes a line feed for the end of a line, as RFC 9112 section 2.2 allows, everywhere and with one outcome.
#[tokio::test]
async fn sm_13_a_bare_line_feed_ends_a_line_and_does_not_arrive() {
    let world = arena().start().await;
    for bytes in [
        "GET /v1/public/x HTTP/1.1\nHost: api.a.test\n\n",
        "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\n\r\n",
        "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n\n",
    ] {
        let mut wire = inside(&world, bytes).await;
        assert_eq!(wire.answer().await.status, 200, "{bytes:?}");
        super::in_step(&world, &mut wire, bytes).await;
    }
    let hidden = post(
        "X: y\nTransfer-Encoding: chunked\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
    );
    let seen = one_in_step(&world, hidden, b"abc").await;
    assert_eq!(seen.head.value("x"), Some("y"));
    // the recorder takes no line that ends otherwise than in CRLF
    assert_eq!(world.upstream("api.a.test").requests().len(), 8);
    world.finish().await;
}

#[tokio::test]
async fn sm_15_refuses_control_characters() {
    each_line_is_refused(&[
        b"X: a\x00b",
        b"X: a\x08b",
        b"X: a\x7fb",
        b"X: a\x0bb",
        b"X: a\rb",
        b"X\x7f: a",
        b"X\x08: a",
        b"\x00X: a",
        b"Ho\x00st: a",
    ])
    .await;
    each_start_is_refused(
        &[
            b"GET /\x00 HTTP/1.1",
            b"GET /v1/public/\x7f HTTP/1.1",
            b"GET /v1/public/\x08 HTTP/1.1",
            b"\x00GET /v1/public/x HTTP/1.1",
            b"GET /v1/public/x\rHTTP/1.1",
        ],
        &[400],
    )
    .await;
}

#[tokio::test]
async fn sm_16_refuses_a_line_that_is_no_field() {
    each_line_is_refused(&[
        b"Content-Length 10",
        b": ignored",
        b":",
        b"Te\r\nst: x",
        b"Transfer-\r\nEncoding: chunked",
        b"Content-Length",
        b"Content-Length : 10",
        b"Content Length: 10",
        b"\xe2\x80\x8bX: a",
        b"X(: a",
    ])
    .await;
}

#[tokio::test]
async fn sm_30_refuses_odd_whitespace_in_a_request_line() {
    each_start_is_refused(
        &[
            b"GET  /x HTTP/1.1",
            b"GET\t/x\tHTTP/1.1",
            b"GET /a b HTTP/1.1",
            b"GET /\nHTTP/1.1",
            b"GET /v1/public/x HTTP/1.1 ",
            b"GET /v1/public/x  HTTP/1.1",
            b"GET /v1/public/x\tHTTP/1.1",
            b" GET /v1/public/x HTTP/1.1",
            b"\tGET /v1/public/x HTTP/1.1",
            b"GET\x0b/v1/public/x HTTP/1.1",
            b"GET /v1/public/x\xa0HTTP/1.1",
        ],
        &[400],
    )
    .await;
}

#[tokio::test]
async fn refuses_another_version() {
    each_start_is_refused(
        &[
            b"GET /v1/public/x",
            b"GET /v1/public/x ",
            b"GET /v1/public/x HTTP/0.9",
            b"GET /v1/public/x HTTP/1.2",
            b"GET /v1/public/x HTTP/2.0",
            b"GET /v1/public/x HTTP/1.10",
            b"GET /v1/public/x HTTP/01.1",
            b"GET /v1/public/x HTTP/1,1",
            b"GET /v1/public/x http/1.1",
            b"GET /v1/public/x HTTPS/1.1",
            b"GET /v1/public/x ICY/1.1",
        ],
        &[400],
    )
    .await;
}

#[tokio::test]
async fn sm_31_a_flood_of_empty_lines_is_cut_off() {
    let world = arena().start().await;
    let flood = "\r\n".repeat(1_000_000);
    let mut wire = inside(&world, flood + BEHIND).await;
    // what it sent in vain may cost it the answer
    if let Ok(Some(answer)) = wire.try_answer_to("GET").await {
        assert!(matches!(answer.status, 400 | 431), "{answer:?}");
    }
    wire.rest().await;
    world.nothing_left_the_gate();
    // a stray one, as old clients send behind a body, is read over (RFC 9112 section 2.2)
    let one = "\r\nGET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n";
    let mut wire = inside(&world, one).await;
    assert_eq!(wire.answer().await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn sm_42_refuses_a_method_that_is_none() {
    let long = "G".repeat(10 << 10);
    let world = arena().start().await;
    for method in [
        "G=\"x\"", "GET\x0b", "get", "post", "Get", "GET/", "G\u{e9}T", &*long,
    ] {
        let bytes = format!("{method} /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n");
        let mut wire = inside(&world, &bytes).await;
        let answer = wire.answer().await;
        // a token that is no method of any rule is refused like one that is
        assert!(
            matches!(answer.status, 400 | 403 | 405),
            "{method:?}: {answer:?}"
        );
    }
    world.nothing_left_the_gate();
    world.finish().await;
}
