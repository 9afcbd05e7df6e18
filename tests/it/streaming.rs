//! Bodies stream through the gate in both directions: nothing is gathered, and the slower side sets the pace.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{
    World,
    patience::{patiently, until},
    script::{Answer, Hold, Meter},
};

/// The size of the bodies, and how much more memory the gate may hold for one.
const BODY_BYTES: u64 = 64 << 20;
const GROWTH_BYTES_MAX: u64 = 16 << 20;

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**; POST api.a.test/v1/items")
        .start()
        .await
}

/// What the gate holds after a first call: nothing that every call needs is counted as growth.
async fn warm(world: &World) -> u64 {
    assert_eq!(
        world
            .agent("agent")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
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

#[tokio::test]
async fn streams_a_large_request_body_at_the_pace_of_the_upstream() {
    let world = world().await;
    let warm = warm(&world).await;
    let hold = Hold::new();
    let script = Answer::Held(hold.clone(), Box::new(Answer::BodyLength));
    world.upstream("api.a.test").answers("/v1/items", script);

    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let head = agent.absolute(
        "POST http://api.a.test/v1/items",
        &format!("Content-Length: {BODY_BYTES}\r\n"),
        "",
    );
    wire.send(head).await;
    until("the head upstream", || {
        (world.upstream("api.a.test").heads().len() == 2).then_some(())
    })
    .await;

    let (mut read, mut write) = tokio::io::split(wire.into_stream());
    let meter = Meter::default();
    let pushed = meter.clone();
    let sending = tokio::spawn(async move {
        let piece = vec![b'u'; 64 << 10];
        for _ in 0..BODY_BYTES / piece.len() as u64 {
            write.write_all(&piece).await.unwrap();
            pushed.add(piece.len());
        }
        write.flush().await.unwrap();
        write
    });
    // while the upstream reads nothing, the agent cannot send it all
    let quiet = meter.stalled().await;
    assert!(
        quiet < BODY_BYTES,
        "the gate took the whole body although its upstream read nothing of it"
    );
    assert!(!sending.is_finished());
    hold.release();
    let _write = patiently("the body", sending).await.unwrap();
    let mut answer = vec![0; 12];
    patiently("the answer", read.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    did_not_grow(&world, warm);
    let seen = world.upstream("api.a.test").requests().pop().unwrap();
    assert_eq!((seen.body.total, seen.body.complete), (BODY_BYTES, true));
    drop((read, _write));
    world.finish().await;
}

#[tokio::test]
async fn streams_a_large_answer_at_the_pace_of_the_agent() {
    let world = world().await;
    let warm = warm(&world).await;
    let meter = Meter::default();
    world
        .upstream("api.a.test")
        .answers("/v1/big", Answer::Stream(BODY_BYTES, meter.clone()));
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/big", "TE: trailers\r\n", ""))
        .await;
    // while the agent reads nothing, the upstream cannot send it all
    assert!(meter.stalled().await < BODY_BYTES);
    let answer = wire.answer().await;
    assert_eq!(
        (answer.body.total, answer.body.complete),
        (BODY_BYTES, true)
    );
    assert_eq!(answer.body.trailers.len(), 1);
    did_not_grow(&world, warm);
    world.finish().await;
}

#[tokio::test]
async fn passes_each_piece_of_an_answer_on_when_it_comes() {
    let world = world().await;
    let hold = Hold::new();
    let first = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nd\r\ndata: first\n\n\r\n";
    let rest = b"e\r\ndata: second\n\n\r\n0\r\n\r\n";
    let script = Answer::Interrupted(first.into(), hold.clone(), rest.into());
    world.upstream("api.a.test").answers("/v1/events", script);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/events", "", ""))
        .await;
    wire.until_received("data: first").await;
    hold.release();
    wire.until_received("data: second").await;
    world.finish().await;
}
