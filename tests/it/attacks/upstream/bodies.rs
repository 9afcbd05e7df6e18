//! A body that breaks off or goes beyond its framing: the agent never takes it for a whole one.

use super::*;
use crate::world::{
    agent::Wire,
    script::{Answer as Script, Hold},
};

async fn called(world: &World, script: Script, headers: &str) -> Wire {
    world.upstream("api.a.test").answers("/v1/public/x", script);
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute(CALL, headers, "")).await;
    wire
}

/// The agent sees that the answer broke off.
async fn breaks_off(mut wire: Wire, what: &str) {
    let whole = match wire.try_answer_to("GET").await {
        Ok(Some(answer)) => answer.status == 200 && answer.body.complete,
        Ok(None) | Err(_) => false,
    };
    assert!(!whole, "{what} came as a whole answer");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_a_whole_one() {
    let world = world().await;
    for body in [
        "Content-Length: 10\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Transfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-Checksum: 1\r\n",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{body}");
        let script = Script::BytesThenClose(bytes.into());
        breaks_off(called(&world, script, "").await, body).await;
    }
    until("five broken ends on record", || {
        let mut ended = world.events.of_kind("ended");
        ended.retain(|event| event["outcome"] == "upstream_aborted");
        (ended.len() == 5).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_body_that_only_its_connection_ends_needs_an_end_that_nobody_can_forge() {
    let world = world().await;
    let begun = b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec();
    let script = Script::Interrupted(begun, Hold::new(), Vec::new());
    let mut wire = called(&world, script, "").await;
    wire.until_received("half").await;
    // TCP ends without TLS's own end (RFC 8446 section 6.1)
    world.upstream("api.a.test").close();
    let rest = wire.rest().await;
    assert!(
        !String::from_utf8_lossy(&rest).contains("0\r\n\r\n"),
        "{rest:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn chunks_beside_their_grammar_break_the_answer_off() {
    let world = world().await;
    let flood = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(64 << 10));
    let trailers: String = (0..5_000).map(|n| format!("X-{n}: y\r\n")).collect();
    for chunks in [
        "0x4\r\nhalf\r\n0\r\n\r\n",
        "+4\r\nhalf\r\n0\r\n\r\n",
        "-4\r\nhalf\r\n0\r\n\r\n",
        "\r\nhalf\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhalf\r\n0\r\n\r\n",
        "4\nhalf\r\n0\r\n\r\n",
        "4;\nhalf\r\n0\r\n\r\n",
        "4\r\nhalfxx0\r\n\r\n",
        "4\r\nhalf\n0\r\n\r\n",
        &flood,
        &format!("0\r\n{trailers}\r\n"),
        "0\r\nX: a\0b\r\n\r\n",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let script = Script::Bytes(bytes.into());
        let shown = &chunks[..chunks.len().min(40)];
        breaks_off(called(&world, script, "TE: trailers\r\n").await, shown).await;
        let next = world
            .agent("r1")
            .call("GET http://api.a.test/v1/public/y")
            .await;
        assert_eq!((next.status, &*next.text()), (200, "ok"), "{shown}");
    }
    world.finish().await;
}

#[tokio::test]
async fn of_the_trailers_of_an_answer_none_frames_routes_or_authorises() {
    let world = world().await;
    let trailers = [
        "Set-Cookie: a=1",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Location: https://evil.test/",
        "WWW-Authenticate: Basic",
        "Alt-Svc: h3=\":443\"",
        "Clear-Site-Data: \"*\"",
        "Tollgate-Reason: no_rule",
        "X-Proxy-Decision: allow",
        "Connection: close",
    ];
    let names: Vec<_> = trailers
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let bytes = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum, {}\r\n\r\n\
         2\r\nok\r\n0\r\nX-Checksum: 1\r\n{}\r\n\r\n",
        names.join(", "),
        trailers.join("\r\n"),
    );
    let script = Script::Bytes(bytes.into());
    let mut wire = called(&world, script, "TE: trailers\r\n").await;
    let answer = wire.answer().await;
    let came: Vec<_> = answer
        .body
        .trailers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    assert_eq!(came, ["x-checksum"]);
    let announced = answer.header("trailer").unwrap_or_default().to_lowercase();
    assert_eq!(announced, "x-checksum");
    world.finish().await;
}
