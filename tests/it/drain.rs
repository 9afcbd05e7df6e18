//! How it ends: calls under way are finished, new ones refused, and nothing waits for ever.

use std::time::{Duration, Instant};

use crate::world::{
    World,
    agent::Wire,
    patience::{patiently, until},
    pki,
    script::{Answer, Hold},
};

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**")
        .start()
        .await
}

/// A call that is with the upstream, and never answered.
async fn endless_call(world: &World) -> Wire {
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/never", Answer::Silence);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/never", "", ""))
        .await;
    until("the head upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    wire
}

#[tokio::test]
async fn finishes_a_call_under_way() {
    let world = world().await;
    let hold = Hold::new();
    let upstream = world.upstream("api.a.test");
    upstream.answers(
        "/v1/slow",
        Answer::Held(hold.clone(), Box::new(Answer::Text("whole".into()))),
    );
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/slow", "", ""))
        .await;
    until("the head upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    world.gate.signal("TERM");
    world.no_longer_listens().await;
    hold.release();
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "whole"));
    assert_eq!(answer.header("connection"), Some("close"));
    wire.rest().await;
    world.gate.ended().await;
    world.finish_ended(0).await;
}

#[tokio::test]
async fn ends_at_once_when_nothing_is_under_way() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut idle = agent.wire().await;
    idle.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
        .await;
    assert_eq!(idle.answer().await.status, 200);
    let mut tunnel = agent.tunnel("api.a.test").await;
    assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    let start = Instant::now();
    world.gate.signal("TERM");
    world.gate.ended().await;
    assert!(
        start.elapsed().as_secs() < 5,
        "idle connections hold the end up"
    );
    assert_eq!(idle.rest().await, b"");
    assert_eq!(tunnel.rest().await, b"");
    world.finish_ended(0).await;
}

#[tokio::test]
async fn takes_no_new_call_while_it_ends() {
    let world = world().await;
    let hold = Hold::new();
    let upstream = world.upstream("api.a.test");
    upstream.answers(
        "/v1/slow",
        Answer::Held(hold.clone(), Box::new(Answer::Text("whole".into()))),
    );
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let slow = agent.absolute("GET http://api.a.test/v1/slow", "", "");
    let next = agent.absolute("GET http://api.a.test/v1/next", "", "");
    // the second request is already with the gate when it is told to end
    wire.send(format!("{slow}{next}")).await;
    until("the head upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    world.gate.signal("TERM");
    world.no_longer_listens().await;
    hold.release();
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(wire.rest().await, b"");
    assert_eq!(upstream.heads().len(), 1);
    world.gate.ended().await;
    world.finish_ended(0).await;
}

#[tokio::test]
async fn closes_what_is_not_done_at_the_deadline() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .setting("drain: 1s")
        .start()
        .await;
    let mut wire = endless_call(&world).await;
    world.gate.signal("TERM");
    wire.rest().await;
    world.gate.ended().await;
    let stopped = world.events.of_kind("stopped").pop().unwrap();
    assert_eq!(stopped["outcome"], "deadline");
    let ended = world.events.of_kind("ended").pop().unwrap();
    assert_eq!(ended["outcome"], "drain_deadline");
    world.finish_ended(3).await;
}

#[tokio::test]
async fn a_tunnel_that_is_not_looked_into_may_finish_until_the_deadline() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .opaque("agent", "pinned.test")
        .setting("drain: 2s")
        .start()
        .await;
    let agent = world.agent("agent");
    let through = async || {
        let config = pki::client_config(world.pki.upstreams.roots(), None);
        let tunnel = agent.connect("pinned.test").await;
        tunnel.tls_by("pinned.test", config).await.unwrap()
    };
    let (mut finishes, mut stays) = (through().await, through().await);
    world.gate.signal("TERM");
    world.no_longer_listens().await;
    let answer = finishes.call("GET /x", "pinned.test").await;
    assert_eq!(answer.status, 200);
    drop(finishes);
    stays.rest().await;
    world.gate.ended().await;
    let mut outcomes: Vec<_> = world
        .events
        .of_kind("ended")
        .iter()
        .map(|event| event["outcome"].as_str().unwrap().to_owned())
        .collect();
    outcomes.sort();
    assert_eq!(outcomes.last().unwrap(), "drain_deadline");
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes[0] != "drain_deadline", "{outcomes:?}");
    world.finish_ended(3).await;
}

#[tokio::test]
async fn ends_at_once_when_it_is_told_twice() {
    let world = world().await;
    let mut wire = endless_call(&world).await;
    world.gate.signal("TERM");
    world.no_longer_listens().await;
    world.gate.signal("TERM");
    wire.rest().await;
    world.gate.ended().await;
    let ended = world.events.of_kind("ended").pop().unwrap();
    assert_eq!(ended["outcome"], "drain_at_once");
    let stopped = world.events.of_kind("stopped").pop().unwrap();
    assert_eq!(stopped["outcome"], "at_once");
    world.finish_ended(4).await;
}

#[tokio::test]
async fn is_not_ready_before_it_stops_listening() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .admin()
        .setting("drain_delay: 3s")
        .start()
        .await;
    assert_eq!(world.told("/readyz").await.status, 200);
    let begun = Instant::now();
    world.gate.signal("TERM");
    patiently("the end of readiness", async {
        while world.told("/readyz").await.status == 200 {}
    })
    .await;
    let told = world.told("/readyz").await;
    assert!(
        told.body
            .contains("failing  listening: yes, but about to end")
    );
    assert_eq!(world.told("/livez").await.status, 200);
    // a call that somebody sends before the word has gone round
    let agent = world.agent("agent");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "the delay was over"
    );
    world.no_longer_listens().await;
    assert!(
        begun.elapsed() >= Duration::from_secs(3),
        "there was no delay"
    );
    world.finish_ended(0).await;
}

#[tokio::test]
async fn answers_those_who_run_it_while_calls_finish() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .admin()
        .start()
        .await;
    let hold = Hold::new();
    let slow = Answer::Held(hold.clone(), Box::new(Answer::Text("whole".into())));
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/slow", slow);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/slow", "", ""))
        .await;
    until("the head upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    world.gate.signal("TERM");
    world.no_longer_listens().await;
    let told = world.told("/readyz").await;
    assert_eq!(told.status, 503);
    assert!(
        told.body
            .contains("failing  listening: no, open calls are ending")
    );
    assert_eq!(world.metric("calls_in_flight{role=\"agent\"}").await, 1.0);
    assert_eq!(world.metric("ready").await, 0.0);
    hold.release();
    assert_eq!(wire.answer().await.status, 200);
    world.finish_ended(0).await;
}

#[tokio::test]
async fn ends_at_once_when_it_is_told_twice_within_the_delay() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .admin()
        .setting("drain_delay: 10m")
        .start()
        .await;
    world.gate.signal("TERM");
    patiently("the end of readiness", async {
        while world.told("/readyz").await.status == 200 {}
    })
    .await;
    world.gate.signal("INT");
    world.finish_ended(4).await;
}
