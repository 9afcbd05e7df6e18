//! Chunks: their sizes, extensions and ends. What is not well-formed breaks the body off; what is goes on in chunks of
//! the gate's own.

use super::{BEHIND, arena, breaks_off, chunked, one_in_step, post};

/// Each of these bodies breaks off, in a world of its own: there no request is ever whole.
async fn each_breaks_off(bodies: &[&[u8]]) {
    let world = arena().start().await;
    for body in bodies {
        breaks_off(&world, chunked(body)).await;
    }
    world.finish().await;
}

/// Each of these bodies is `hello`, and nothing of its spelling arrives.
async fn each_is_hello(bodies: &[&str]) {
    let world = arena().start().await;
    for body in bodies {
        let bytes = post("Transfer-Encoding: chunked\r\n", body);
        let seen = one_in_step(&world, bytes, b"hello").await;
        assert_eq!(seen.body.trailers, []);
    }
    let received = world.upstream("api.a.test").connections();
    for connection in received {
        let received = connection.received.bytes();
        let text = String::from_utf8_lossy(&received);
        assert!(!text.contains(';') && !text.contains("5 \r\n"), "{text}");
    }
    world.finish().await;
}

#[tokio::test]
async fn sm_17_whitespace_behind_a_chunk_size_does_not_arrive() {
    each_is_hello(&[
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "5 ;a\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0 \r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn sm_18_a_bad_chunk_size_breaks_the_body_off() {
    each_breaks_off(&[
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b";a\r\nhello\r\n0\r\n\r\n",
        b"G\r\nhello\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        b"10000000000000000\r\nhello\r\n0\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
        b"5\x00\r\nhello\r\n0\r\n\r\n",
        b"5\xff\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n\r\n0\r\n\r\n",
        b"\n5\r\nhello\r\n0\r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn sm_20_a_chunk_extension_ends_where_the_line_does() {
    let hidden = "GET /v1/admin HTTP/1.1\r\nHost: a\r\nX: ";
    let lines = [
        "2;\n",
        "2;\r",
        "2;\rX",
        "2;\r\r",
        "2;a\n",
        "2;a=\"\n\"\r\n",
        "2\n",
        "2\r",
        "2\rX",
    ];
    let bodies = lines.map(|line| format!("{line}xx\r\n4c\r\n0\r\n\r\n{hidden}").into_bytes());
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    each_breaks_off(&bodies).await;
}

#[tokio::test]
async fn a_chunk_extension_does_not_arrive() {
    each_is_hello(&[
        "5;a\r\nhello\r\n0\r\n\r\n",
        "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n",
        "5;\x00\r\nhello\r\n0\r\n\r\n",
        "5;a=\"0\t0\"\r\nhello\r\n0\r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn leading_zeros_of_a_chunk_size_do_not_arrive() {
    let zeros = "0".repeat(100);
    each_is_hello(&[
        "0005\r\nhello\r\n0\r\n\r\n",
        &format!("{zeros}5\r\nhello\r\n{zeros}\r\n\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn sm_21_a_chunk_ends_where_its_size_says() {
    each_breaks_off(&[
        b"5\r\nAAAAA\n0\r\n\r\n",
        b"5\r\nAAAAAxx0\r\n\r\n",
        b"5\r\nAAAAA0\r\n\r\n",
        b"5\r\nAAAAA\r0\r\n\r\n",
        b"5\r\nAAAAA\rX0\r\n\r\n",
        b"5\r\nAAAAA\n\r0\r\n\r\n",
        b"5\r\nAAAAAA\r\n0\r\n\r\n",
        b"5\r\nAAAA\r\n0\r\n\r\n",
        b"5\r\nAAAAA\r\n0\n\n",
        b"5\r\nAAAAA\r\n0\r\n\rX",
    ])
    .await;
}

/// The last chunk without its end: the line behind it is a trailer's, and no trailer has such a name.
#[tokio::test]
async fn the_end_of_a_body_is_not_taken_for_granted() {
    each_breaks_off(&[b"5\r\nAAAAA\r\n0\r\n", b"0\r\n"]).await;
}

#[tokio::test]
async fn sm_22_overhead_of_chunks_is_bounded() {
    let world = arena().start().await;
    let extension = "a".repeat(64 << 10);
    breaks_off(
        &world,
        chunked(format!("5;{extension}\r\nhello\r\n0\r\n\r\n")),
    )
    .await;
    // the bound is one for the body, not for the chunk
    let extended = format!("1;{}\r\nx\r\n", "a".repeat(1 << 10)).repeat(64);
    breaks_off(&world, chunked(format!("{extended}0\r\n\r\n"))).await;
    world.finish().await;
}

#[tokio::test]
async fn many_tiny_chunks_are_not_held() {
    let world = arena().start().await;
    let chunks = 100_000;
    let before = world.gate.resident_bytes_peak();
    let body = format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(chunks));
    let bytes = post("Transfer-Encoding: chunked\r\n", body);
    one_in_step(&world, bytes, &vec![b'x'; chunks]).await;
    let grown = world.gate.resident_bytes_peak() - before;
    assert!(grown < 32 << 20, "grown by {grown} bytes");
    world.finish().await;
}

#[tokio::test]
async fn chunks_that_look_like_requests_are_bytes() {
    let world = arena().start().await;
    let body = format!("{:x}\r\n{BEHIND}\r\n0\r\n\r\n", BEHIND.len());
    let bytes = post("Transfer-Encoding: chunked\r\n", body);
    one_in_step(&world, bytes, BEHIND.as_bytes()).await;
    world.finish().await;
}
