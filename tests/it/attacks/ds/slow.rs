//! Whoever is slow holds what is its own: a connection, a place among its calls, and nothing of another agent.

use std::time::Duration;

use http::Method;
use tokio::time::interval;
use tollgate::refusal::Reason;

use super::{super::arena, ok, post, serves};
use crate::world::{
    World,
    agent::{Agent, Wire},
    patience::{patiently, until},
    pki::spiffe_id,
    script::{Answer, Meter},
    settings::Role,
};

/// How often a slow side says a little more.
const PACE: Duration = Duration::from_millis(100);

/// Says `piece` again and again until the gate has closed.
async fn dribbles(mut wire: Wire, piece: &str) -> Wire {
    let mut pace = interval(PACE);
    patiently("the gate closes", async {
        loop {
            pace.tick().await;
            if wire.try_send(piece).await.is_err() {
                return wire;
            }
        }
    })
    .await
}

#[tokio::test]
async fn ds_02_a_head_that_comes_slowly_has_little_time() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    let mut rests = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/public/x", "", "");
    rests.send(&call).await;
    ok(&rests.answer().await);
    let begun = format!(
        "GET /v1/public/x HTTP/1.1\r\nHost: {}\r\n",
        agent.at("api.a.test")
    );
    let mut slow = [
        agent.wire().await,
        agent.tunnel("api.a.test").await,
        agent.connect("api.a.test").await,
    ];
    for wire in &mut slow {
        wire.send(&begun).await;
    }
    let [open, tunnel, clear] = slow;
    tokio::join!(
        dribbles(open, "X-a: b\r\n"),
        dribbles(tunnel, "X-a: b\r\n"),
        dribbles(clear, "X-a: b\r\n"),
    );
    world.refusals(Reason::RequestTimeout, 3).await;
    // between calls a connection may rest for longer
    rests.send(&call).await;
    ok(&rests.answer().await);
    assert_eq!(world.upstream("api.a.test").requests().len(), 2);
    world.finish().await;
}

/// A call that takes as long as its agent likes: its body comes byte by byte, each in time.
async fn slow_body(agent: &Agent) -> Wire {
    let mut wire = agent.wire().await;
    wire.send(post(agent, "Content-Length: 1000000\r\n")).await;
    wire.send("x").await;
    wire
}

#[tokio::test]
async fn ds_03_slow_bodies_and_slow_readers_hold_only_places_of_their_own() {
    let limited = "POST api.a.test/v1/items; GET api.a.test/v1/public/**";
    let world = World::new()
        .role(
            "r1",
            Role::from(limited).rule_limit("{rate: 6000/min, in_flight: 2}"),
        )
        .role("r2", "GET api.b.test/**")
        .setting("timeouts: {request: 2s, answer: 6s}")
        .start()
        .await;
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/public/much", Answer::Stream(1 << 30, Meter::default()));
    let agent = world.agent("r1");
    // what comes byte by byte goes on, and counts as long as it does
    let (one, other) = (slow_body(&agent).await, slow_body(&agent).await);
    until("both upstream", || {
        (upstream.heads().len() == 2).then_some(())
    })
    .await;
    let third = agent
        .call_with("POST http://api.a.test/v1/items", "", "x")
        .await;
    world.refused(&third, Reason::TooManyInFlight).await;
    serves(&world, "r2").await;
    let dribbling = tokio::spawn(dribbles(other, "x"));
    // what stands still ends, in either direction, and its place is free again
    let mut reads_nothing = agent.wire().await;
    let much = agent.absolute("GET http://api.a.test/v1/public/much", "", "");
    reads_nothing.send(much).await;
    let timed_out = world.refusals(Reason::RequestTimeout, 1).await;
    assert_eq!(timed_out["request"]["method"], Method::POST.as_str());
    world
        .event_where("the end of what nobody reads", |event| {
            event["kind"] == "ended" && event["outcome"] == "aborted"
        })
        .await;
    let third = agent
        .call_with("POST http://api.a.test/v1/items", "", "x")
        .await;
    ok(&third);
    // even what comes in time has an end: that of the answer's time
    world.refusals(Reason::UpstreamTimeout, 1).await;
    patiently("the end of what dribbles", dribbling)
        .await
        .unwrap();
    drop((one, reads_nothing));
    world.finish().await;
}

/// All places of a small gate, held by slow calls of identities that have no more than their quarter each.
async fn fill(world: &World, roles: &[&str], each: usize) -> Vec<Wire> {
    let mut held = Vec::new();
    for role in roles {
        let agent = world.agent(role);
        for _ in 0..each {
            held.push(slow_body(&agent).await);
        }
    }
    let upstream = world.upstream("api.a.test");
    until("all of them upstream", || {
        (upstream.heads().len() == held.len()).then_some(())
    })
    .await;
    held
}

#[tokio::test]
async fn identities_that_fill_the_gate_together_make_way_for_one_that_has_less() {
    let slow = ["one", "two", "three", "four"];
    let mut world = World::new()
        .role("honest", "GET api.b.test/**")
        .setting("connections: 8")
        .admin();
    for role in slow {
        world = world.role(role, "POST api.a.test/v1/items");
    }
    let world = world.start().await;
    let held = fill(&world, &slow, 2).await;
    assert_eq!(world.metric("connections").await, 8.0);
    // an equal part of 8 places for 5 identities is one
    let mut honest = world.agent("honest").wire().await;
    honest
        .send(
            world
                .agent("honest")
                .absolute("GET http://api.b.test/x", "", ""),
        )
        .await;
    ok(&honest.answer().await);
    let ended = world
        .event_where("the end of a slow call", |event| event["kind"] == "ended")
        .await;
    assert_eq!(ended["outcome"], "made_way");
    let told = world.refusals(Reason::TooManyInFlight, 1).await;
    assert_eq!(
        told["decision"]["cause"],
        "the connection made way for one of an identity that has fewer"
    );
    // it has its part now: a second one takes nobody's place, and is told so
    let second = world.agent("honest").call("GET http://api.b.test/x").await;
    world.refused(&second, Reason::TooManyInFlight).await;
    world.metric_until("connections", |open| open == 8.0).await;
    drop((held, honest));
    world.finish().await;
}

#[tokio::test]
async fn who_makes_way_rests_if_one_does() {
    let slow = ["one", "two", "three"];
    let mut world = World::new()
        .role("honest", "GET api.b.test/**")
        .role("rests", "GET api.b.test/**")
        .setting("connections: 8");
    for role in slow {
        world = world.role(role, "POST api.a.test/v1/items");
    }
    let world = world.start().await;
    let held = fill(&world, &slow, 2).await;
    let call = world
        .agent("rests")
        .absolute("GET http://api.b.test/x", "", "");
    let mut resting = [
        world.agent("rests").wire().await,
        world.agent("rests").wire().await,
    ];
    for wire in &mut resting {
        wire.send(&call).await;
        ok(&wire.answer().await);
    }
    serves(&world, "honest").await;
    let told = world.refusals(Reason::TooManyInFlight, 1).await;
    assert_eq!(told["caller"]["id"], spiffe_id("rests"));
    let [older, newer] = &mut resting;
    assert_eq!(older.rest().await, b"");
    newer.send(&call).await;
    ok(&newer.answer().await);
    drop((held, resting));
    world.finish().await;
}

/// An answer's head of which one line more comes each time.
fn endless_head() -> Vec<u8> {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    head.extend(
        "X-Filler: 0123456789abcdef0123456789abcdef\r\n"
            .repeat(2_000)
            .as_bytes(),
    );
    head
}

#[tokio::test]
async fn ds_13_an_upstream_that_hangs_or_drips_is_given_up() {
    let world = arena().setting("timeouts: {answer: 2s}").start().await;
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/public/hang", Answer::Silence);
    // each byte in time, and the head never whole: its time is counted as one
    upstream.answers("/v1/public/drip", Answer::Drip(endless_head(), PACE));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    upstream.answers("/v1/public/stall", Answer::Bytes(head));
    upstream.answers("/v1/public/endless", Answer::Bytes(endless_head()));
    let agent = world.agent("r1");
    let call = |path: &str| {
        let (agent, call) = (
            agent.clone(),
            format!("GET http://api.a.test/v1/public/{path}"),
        );
        async move { agent.call(&call).await }
    };
    let stalls = async {
        let mut wire = agent.wire().await;
        let stall = agent.absolute("GET http://api.a.test/v1/public/stall", "", "");
        wire.send(stall).await;
        let head = patiently("the head", wire.head()).await;
        assert!(matches!(head, Ok(Some((200, _)))), "{head:?}");
        assert_eq!(wire.rest().await, b"");
    };
    let (hang, drip, (), endless) =
        tokio::join!(call("hang"), call("drip"), stalls, call("endless"));
    world.refused(&hang, Reason::UpstreamTimeout).await;
    World::says_no(&drip, Reason::UpstreamTimeout);
    world.refused(&endless, Reason::UpstreamMalformed).await;
    world
        .event_where("the end of what stalled", |event| {
            event["kind"] == "ended" && event["outcome"] == "upstream_idle"
        })
        .await;
    let closed = || {
        upstream
            .connections()
            .iter()
            .all(|one| one.closed)
            .then_some(())
    };
    until("the end of each connection upstream", closed).await;
    world.finish().await;
}
