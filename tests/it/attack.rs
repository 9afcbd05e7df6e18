//! What an agent could do to the gate and to other agents without breaking a rule.

use tollgate::refusal::Reason;

use crate::world::{
    World,
    gate::{Stderr, Stdout},
    patience::until,
    pki::spiffe_id,
    script::{Answer, Meter},
};

#[tokio::test]
async fn ends_a_call_whose_agent_takes_nothing_of_the_answer() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .setting("timeouts: {answer: 1s}")
        .start()
        .await;
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/much", Answer::Stream(1 << 30, Meter::default()));
    let agent = world.agent("agent");
    let mut open = agent.wire().await;
    open.send(agent.absolute("GET http://api.a.test/v1/much", "", ""))
        .await;
    let mut tunnel = agent.tunnel("api.a.test").await;
    let host = world.at("api.a.test");
    tunnel
        .send(format!("GET /v1/much HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .await;
    until("both calls were ended", || {
        let ended = world.events.of_kind("ended");
        (ended.len() == 2).then(|| {
            for end in ended {
                assert_eq!(end["outcome"], "aborted", "{end}");
            }
        })
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn one_identity_does_not_take_every_connection() {
    let world = World::new()
        .role("greedy", "GET api.a.test/v1/**")
        .role("other", "GET api.a.test/v1/**")
        .setting("connections: 8")
        .start()
        .await;
    let greedy = world.agent("greedy");
    let call = greedy.absolute("GET http://api.a.test/v1/x", "", "");
    let (mut kept, mut served) = (Vec::new(), 0);
    for _ in 0..8 {
        let mut wire = greedy.wire().await;
        let sent = wire.try_send(&call).await.is_ok();
        let answer = wire.try_answer_to("GET").await;
        let answer = answer.ok().flatten().filter(|_| sent).unwrap();
        if answer.status == 200 {
            served += 1;
        } else {
            World::says_no(&answer, Reason::TooManyInFlight);
        }
        kept.push(wire);
    }
    let answer = world
        .agent("other")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(served, 2, "a quarter of all");
    let event = world.refusals(Reason::TooManyInFlight, 6).await;
    assert_eq!(event["caller"]["id"], spiffe_id("greedy"));
    // a connection that ends makes room for the next
    drop(kept);
    greedy
        .call_until("GET http://api.a.test/v1/x", |answer| answer.status == 200)
        .await;
    world.finish().await;
}

#[tokio::test]
async fn an_answer_without_a_body_tells_no_length() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .start()
        .await;
    let bytes = b"HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n";
    world
        .upstream("api.a.test")
        .answers("/v1/x", Answer::Bytes(bytes.into()));
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("content-length"), None);
    world.finish().await;
}

#[tokio::test]
async fn no_trailer_stands_in_the_credentials_place() {
    let world = World::new()
        .role("agent", "POST api.c.test/v1/items")
        .start()
        .await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let headers = "X-Vendor-Pass: agents-own-4711\r\nTrailer: X-Vendor-Pass, X-Sum\r\nTransfer-Encoding: chunked\r\n";
    wire.send(agent.absolute("POST http://api.c.test/v1/items", headers, ""))
        .await;
    wire.send("1\r\nx\r\n0\r\nX-Vendor-Pass: agents-own-4711\r\nX-Sum: 1\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.status, 200);
    let seen = world.upstream("api.c.test").connections()[0]
        .received
        .bytes();
    let seen = String::from_utf8_lossy(&seen).to_lowercase();
    assert!(!seen.contains("agents-own-4711"), "{seen}");
    assert!(seen.contains("x-sum: 1"), "{seen}");
    world.finish().await;
}

#[tokio::test]
async fn serves_while_nobody_hears_what_it_says_of_itself() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .stdout(Stdout::Refusing)
        .stderr(Stderr::Full)
        .start()
        .await;
    let agent = world.agent("agent");
    while agent.call("GET http://api.a.test/v1/x").await.status == 200 {}
    world.gate.read_on();
    agent
        .call_until("GET http://api.a.test/v1/x", |answer| answer.status == 200)
        .await;
    world.finish().await;
}
