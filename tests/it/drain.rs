//! How it ends: calls under way are finished, new ones refused, and nothing waits for ever.

use crate::world::{
    World,
    patience::until,
    script::{Answer, Hold},
};

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**")
        .start()
        .await
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
    let start = std::time::Instant::now();
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
    world.gate.signal("TERM");
    wire.rest().await;
    world.gate.ended().await;
    let stopped = world.events.of_kind("stopped").pop().unwrap();
    assert_eq!(stopped["outcome"], "deadline");
    let ended = world.events.of_kind("ended").pop().unwrap();
    assert_eq!(ended["outcome"], "aborted");
    // a run that cut calls off has failed
    world.finish_ended(1).await;
}
