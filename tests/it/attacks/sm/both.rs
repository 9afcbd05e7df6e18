//! `Content-Length` and `Transfer-Encoding` together: the coding is the length (RFC 9112 section 6.3), what arrives has
//! one of the two, and the connection ends with the answer (section 6.1).

use super::{BEHIND, arena, breaks_off, broken_off, one_then_closed, post};
use crate::attacks::outcome::{inside, refused_and_closed};

#[tokio::test]
async fn sm_01_a_coding_behind_a_length_is_the_one_framing() {
    let world = arena().start().await;
    let behind = "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n";
    let bytes = post(
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        format!("0\r\n\r\nG{behind}"),
    );
    one_then_closed(&world, bytes, b"").await;
    world.finish().await;
}

#[tokio::test]
async fn sm_02_a_coding_before_a_length_is_the_one_framing() {
    let world = arena().start().await;
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n";
    let hidden = "GET /v1/admin HTTP/1.1\r\nHost: api.a.test\r\nContent-Length: 15\r\n\r\nx=1";
    // the chunk says more than comes
    let mut wire = inside(&world, post(both, format!("5c\r\n{hidden}\r\n0\r\n\r\n"))).await;
    wire.half_close().await;
    broken_off(&world, wire, "a chunk that does not end").await;
    world.finish().await;
    // and exactly what comes
    let world = arena().start().await;
    let body = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n{BEHIND}", hidden.len());
    one_then_closed(&world, post(both, body), hidden.as_bytes()).await;
    world.finish().await;
}

#[tokio::test]
async fn a_length_beside_a_coding_is_never_looked_at() {
    let world = arena().start().await;
    for length in ["0", "5", "007", "-1", "x", "", "99999999999999999999999"] {
        for (first, second) in [(true, false), (false, true), (true, true)] {
            let line = |there| match there {
                true => format!("Content-Length: {length}\r\n"),
                false => String::new(),
            };
            let headers = format!(
                "{}Transfer-Encoding: chunked\r\n{}",
                line(first),
                line(second)
            );
            let bytes = post(headers, format!("3\r\nabc\r\n0\r\n\r\n{BEHIND}"));
            // before the coding a length is read, and must be one
            match first && length.parse::<u64>().is_err() {
                true => {
                    let wire = inside(&world, bytes).await;
                    refused_and_closed(wire, &[400, 431], &format!("{length:?}")).await;
                }
                false => {
                    one_then_closed(&world, bytes, b"abc").await;
                }
            }
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn a_refusal_of_both_ends_the_connection() {
    let world = arena().start().await;
    for both in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ] {
        let bytes =
            format!("POST /v1/admin HTTP/1.1\r\nHost: api.a.test\r\n{both}\r\n0\r\n\r\n{BEHIND}");
        let wire = inside(&world, &bytes).await;
        refused_and_closed(wire, &[403], &bytes).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn a_body_shorter_than_its_coding_says_is_no_request() {
    let world = arena().start().await;
    breaks_off(
        &world,
        post("Transfer-Encoding: chunked\r\n", "5\r\nabc\r\n0\r\n\r\n"),
    )
    .await;
    world.finish().await;
}
