//! Large bodies, however large, pass through and are kept nowhere.

use std::process::{Command, Stdio};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

use super::{super::arena, held, ok, post, serves};
use crate::world::{
    World,
    agent::{Agent, Wire},
    patience::{patiently, until},
    script::{Answer, Meter},
};

/// How much more memory the gate may hold for one body.
const GROWTH_BYTES_MAX: u64 = 16 << 20;

/// What the gate holds after a first call: nothing that every call needs is counted as growth.
async fn warm(world: &World) -> u64 {
    ok(&world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await);
    serves(world, "r2").await;
    world.gate.resident_bytes()
}

fn did_not_grow(world: &World, from: u64) {
    let growth = world.gate.resident_bytes_peak().saturating_sub(from);
    assert!(
        growth < GROWTH_BYTES_MAX,
        "the gate grew by {} MiB",
        growth >> 20
    );
}

/// Zeros, so many that nobody should unpack them for nothing.
fn gzip(of: &str) -> Vec<u8> {
    let gzip = format!("{of} | gzip -9");
    let output = Command::new("sh")
        .args(["-c", &gzip])
        .stderr(Stdio::inherit())
        .output();
    output.unwrap().stdout
}

/// A zstd frame of `blocks` blocks of 128 KiB that are one byte each (RFC 8878 sections 3.1.1 and 3.1.1.2.2).
fn zstd(blocks: usize) -> Vec<u8> {
    const SIZE: u32 = 128 << 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    for n in 1..=blocks {
        let block = (SIZE << 3) | (1 << 1) | u32::from(n == blocks);
        frame.extend(&block.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[tokio::test]
async fn ds_06_an_answer_is_not_unpacked() {
    let world = arena().start().await;
    let zeros = "head -c 100000000 /dev/zero";
    let bombs = [
        ("gzip", gzip(zeros)),
        (
            "gzip, gzip, gzip",
            gzip(&format!("{zeros} | gzip -9 | gzip -9")),
        ),
        ("zstd", zstd(10_000)),
        ("br", b"whatever these bytes stand for".to_vec()),
    ];
    let warm = warm(&world).await;
    for (coding, packed) in bombs {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        );
        let answer = Answer::Bytes([head.as_bytes(), &packed].concat());
        world
            .upstream("api.a.test")
            .answers("/v1/public/bomb", answer);
        let call = "GET http://api.a.test/v1/public/bomb";
        let answer = world
            .agent("r1")
            .call_with(call, "Accept-Encoding: gzip, br, zstd\r\n", "")
            .await;
        ok(&answer);
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert!(answer.body.bytes == packed, "{coding} came as other bytes");
    }
    did_not_grow(&world, warm);
    world.finish().await;
}

/// Sends `piece` until the gate takes no more for now, and then goes away.
async fn pours(wire: Wire, piece: Vec<u8>) {
    let (_read, mut write) = tokio::io::split(wire.into_stream());
    let meter = Meter::default();
    let poured = meter.clone();
    let pouring = tokio::spawn(async move {
        while write.write_all(&piece).await.is_ok() {
            poured.add(piece.len());
        }
    });
    meter.stalled().await;
    pouring.abort();
    let _ = pouring.await;
}

#[tokio::test]
async fn ds_07_a_body_of_any_length_is_kept_nowhere() {
    let world = arena().start().await;
    let warm = warm(&world).await;
    let (hold, script) = held();
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/items", script);
    let agent = world.agent("r1");
    let chunk = [b"10000\r\n".as_slice(), &[b'u'; 0x1_0000], b"\r\n"].concat();
    for (headers, piece) in [
        ("Content-Length: 10737418240\r\n", vec![b'u'; 0x1_0000]),
        ("Transfer-Encoding: chunked\r\n", chunk),
    ] {
        let mut wire = agent.wire().await;
        wire.send(post(&agent, headers)).await;
        pours(wire, piece).await;
    }
    did_not_grow(&world, warm);
    // the agent is gone, which the gate hears once its upstream takes more
    hold.release();
    until("the end of both", || {
        let ended = world.events.all();
        let finals = ended
            .iter()
            .filter(|event| event["request"]["method"] == "POST" && event["kind"] != "allowed");
        (finals.count() == 2).then_some(())
    })
    .await;
    // a body that is packed crosses as it is
    upstream.answers("/v1/items", Answer::BodyLength);
    let packed = gzip("head -c 10000000 /dev/zero");
    let mut wire = agent.wire().await;
    let length = packed.len();
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\n");
    wire.send([post(&agent, &headers).as_bytes(), &packed].concat())
        .await;
    let answer = wire.answer_to("POST").await;
    assert_eq!((answer.status, answer.text()), (200, length.to_string()));
    drop(wire);
    did_not_grow(&world, warm);
    world.finish().await;
}

/// The row's transfers.
const TRANSFERS: usize = 200;
const TRANSFER_BYTES: u64 = 100 << 20;
/// How many of them begin at a time.
const AT_ONCE: usize = 10;
/// The row's memory: a gate that stays within it needs to shed nothing.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// Asks for a long answer and takes the beginning of it.
async fn transfer(agent: Agent) -> Wire {
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/public/long", "", ""))
        .await;
    let head = patiently("the head", wire.head()).await;
    assert!(matches!(head, Ok(Some((200, _)))), "{head:?}");
    wire
}

#[tokio::test]
async fn ds_15_two_hundred_long_transfers_fit_into_little_memory() {
    let world = arena().start().await;
    let meter = Meter::default();
    let long = Answer::Stream(TRANSFER_BYTES, meter.clone());
    world
        .upstream("api.a.test")
        .answers("/v1/public/long", long);
    let (mut transfers, mut open) = (JoinSet::new(), Vec::new());
    for _ in 0..TRANSFERS {
        transfers.spawn(transfer(world.agent("r1")));
        if transfers.len() >= AT_ONCE {
            open.push(transfers.join_next().await.unwrap().unwrap());
        }
    }
    open.extend(transfers.join_all().await);
    // nobody takes more: what is under way stands still, wherever it is
    assert!(meter.stalled().await < TRANSFERS as u64 * TRANSFER_BYTES);
    serves(&world, "r2").await;
    // and goes on for who does
    let mut one = open.pop().unwrap().into_stream();
    let mut piece = vec![0; 8 << 20];
    patiently("8 MiB more", one.read_exact(&mut piece))
        .await
        .unwrap();
    let peak = world.gate.resident_bytes_peak();
    assert!(peak < MEMORY_BYTES_MAX, "{} MiB", peak >> 20);
    drop((open, one));
    world.finish().await;
}
