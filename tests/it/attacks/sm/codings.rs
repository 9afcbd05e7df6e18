//! `Transfer-Encoding`: the word `chunked`, once, or no request.

use tollgate::refusal::Reason;

use super::{BEHIND, arena, next_request, one_in_step, post};
use crate::attacks::outcome::{inside, r400, refused_and_closed};

const CHUNKS: &str = "3\r\nabc\r\n0\r\n\r\n";

#[tokio::test]
async fn sm_08_refuses_a_list_that_ends_in_chunked() {
    let world = arena().start().await;
    for value in [
        "gzip, chunked",
        "identity, chunked",
        "cow, chunked",
        ",chunked",
        "chunked,chunked",
        "chunked, chunked",
        "chunked,",
        "chunked, identity",
    ] {
        let line = format!("Transfer-Encoding: {value}\r\n");
        r400(&world, post(&line, format!("{CHUNKS}{BEHIND}"))).await;
        // an empty body is read to its end by hyper, and still nothing behind it is a request
        r400(&world, post(&line, format!("0\r\n\r\n{BEHIND}"))).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn refuses_two_lines_of_codings() {
    let world = arena().start().await;
    for (first, second) in [
        ("chunked", "chunked"),
        ("identity", "chunked"),
        ("chunked", "identity"),
        ("chunked", "cow"),
        ("", "chunked"),
        ("chunked", ""),
    ] {
        let lines = format!("Transfer-Encoding: {first}\r\ntransfer-encoding: {second}\r\n");
        r400(&world, post(lines, format!("0\r\n\r\n{BEHIND}"))).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn sm_10_refuses_a_coding_in_disguise() {
    let world = arena().start().await;
    let values: [&[u8]; 13] = [
        b"xchunked",
        b"\"chunked\"",
        b"'chunked'",
        b"chunked;q=1",
        b"chunked identity",
        b"chunk",
        b"\x0bchunked",
        b"\x0cchunked",
        b"chunked\x00",
        b"\xffchunked\xff",
        b"\xa0chunked",
        b"",
        b"chunked\r\n ",
    ];
    let names: [&[u8]; 6] = [
        b" Transfer-Encoding",
        b"Transfer-Encoding ",
        b"Transfer-Encoding\t",
        b"Transfer\r-Encoding",
        b"Transfer-Encoding\x00",
        b"\xefTransfer-Encoding",
    ];
    let lines = values.map(|value| [b"Transfer-Encoding: ", value].concat());
    let odd_names = names.map(|name| [name, b": chunked"].concat());
    for line in lines.iter().chain(&odd_names) {
        let line = [line.as_slice(), b"\r\n"].concat();
        r400(&world, post(line, format!("{CHUNKS}{BEHIND}"))).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn the_word_itself_is_read_in_any_case_and_spacing() {
    let world = arena().start().await;
    for line in [
        "Transfer-Encoding: chunked",
        "transfer-encoding:chunked",
        "TRANSFER-ENCODING: \t Chunked \t",
    ] {
        let bytes = post(format!("{line}\r\n"), CHUNKS);
        let seen = one_in_step(&world, bytes, b"abc").await;
        assert_eq!(seen.head.value("transfer-encoding"), Some("chunked"));
    }
    world.finish().await;
}

/// Whatever it is refused for, and so before its framing is looked at.
#[tokio::test]
async fn every_refusal_of_a_coding_ends_the_connection() {
    let world = arena().start().await;
    for (call, status) in [
        ("POST /v1/admin", 403),
        ("POST /v1/%2e%2e/items", 400),
        ("TRACE /v1/items", 405),
        ("FOO /v1/items", 403),
    ] {
        for coding in ["chunked", "gzip, chunked"] {
            let bytes = format!(
                "{call} HTTP/1.1\r\nHost: api.a.test\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n{BEHIND}"
            );
            let wire = inside(&world, &bytes).await;
            refused_and_closed(wire, &[status, 400], &bytes).await;
        }
    }
    world.nothing_left_the_gate();
    world.refusals(Reason::NoRule, 2).await;
    world.finish().await;
}

#[tokio::test]
async fn a_get_keeps_its_chunked_body() {
    let world = arena().start().await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        let before = world.upstream("api.a.test").requests().len();
        let head = format!("{method} /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n");
        let mut wire = inside(
            &world,
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{CHUNKS}"),
        )
        .await;
        assert_eq!(wire.answer_to(method).await.status, 200, "{method}");
        let seen = next_request(&world, before, method).await;
        super::framed_anew(&seen, b"abc", method);
        if method != "HEAD" {
            super::in_step(&world, &mut wire, method).await;
        }
    }
    world.finish().await;
}
