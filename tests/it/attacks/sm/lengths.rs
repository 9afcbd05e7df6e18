//! `Content-Length`: one number in decimal digits, or no request.

use super::{BEHIND, arena, broken_off, one_in_step, post};
use crate::attacks::outcome::{inside, r400, refused_and_closed};

/// More values than one, or a value that is no number: nothing leaves the gate.
async fn each_is_refused(values: &[&[u8]]) {
    let world = arena().start().await;
    for value in values {
        let line = [b"Content-Length: ", *value, b"\r\n"].concat();
        r400(&world, post(line, format!("hello{BEHIND}"))).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn sm_03_refuses_two_lengths_that_differ() {
    let world = arena().start().await;
    let hidden = "GET /v1/admin HTTP/1.1\r\nHost: a\r\n\r\n";
    for lengths in [
        "Content-Length: 0\r\nContent-Length: 31\r\n",
        "Content-Length: 31\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nX: y\r\ncontent-length: 31\r\n",
        "Content-Length: 31, 0\r\n",
    ] {
        r400(&world, post(lengths, hidden)).await;
    }
    let event = world
        .refusals(tollgate::refusal::Reason::RequestMalformed, 4)
        .await;
    assert_eq!(event["decision"]["effect"], "refuse", "{event}");
    world.finish().await;
}

#[tokio::test]
async fn sm_05_refuses_a_length_that_is_no_decimal_number() {
    each_is_refused(&[
        b"",
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"0o5",
        b"1_0",
        b"5 5",
        b"5;",
        b"5.0",
        b"5e0",
        b"\xa05",
        b"5\x00",
        b"5,",
        b",5",
        b"5, 5",
        b"\x0b5",
        b"\xd9\xa5",
    ])
    .await;
}

#[tokio::test]
async fn sm_06_a_length_with_leading_zeros_is_decimal_and_written_anew() {
    let world = arena().start().await;
    let line = "Content-Length: 010\r\n";
    let mut wire = inside(&world, post(line, "01234567")).await;
    wire.half_close().await;
    broken_off(&world, wire, "two bytes too few").await;
    world.finish().await;
    let world = arena().start().await;
    let seen = one_in_step(&world, post(line, "0123456789"), b"0123456789").await;
    assert_eq!(seen.head.value("content-length"), Some("10"));
    world.finish().await;
}

#[tokio::test]
async fn sm_07_refuses_a_length_that_overflows() {
    let world = arena().start().await;
    for value in [
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        // what has a sign overflows earlier, and zeros before it make it no shorter
        "9223372036854775808",
        "18446744073709551613",
        "0000000000000000005",
    ] {
        let bytes = post(format!("Content-Length: {value}\r\n"), BEHIND);
        let wire = inside(&world, bytes).await;
        // hyper calls what does not fit into its number too large
        refused_and_closed(wire, &[400, 431], value).await;
        world.nothing_left_the_gate();
    }
    world.finish().await;
}

#[tokio::test]
async fn two_lengths_that_agree_are_one() {
    let world = arena().start().await;
    let twice = "Content-Length: 5\r\nContent-Length: 5\r\n";
    let seen = one_in_step(&world, post(twice, "hello"), b"hello").await;
    assert_eq!(seen.head.value("content-length"), Some("5"));
    world.finish().await;
}

#[tokio::test]
async fn the_length_of_a_get_covers_the_request_behind_it() {
    let world = arena().start().await;
    let length = BEHIND.len();
    let bytes = format!(
        "GET /v1/public/x HTTP/1.1\r\nHost: api.a.test\r\nContent-Length: {length}\r\n\r\n{BEHIND}"
    );
    one_in_step(&world, bytes, BEHIND.as_bytes()).await;
    world.finish().await;
}
