//! Connections that end in every way but the decent one: what they held is given back.

use tokio::task::JoinSet;

use super::{super::arena, ok, post, serves};
use crate::world::{
    agent::Agent,
    patience::patiently,
    script::{Answer, Meter},
};

/// Of each kind, and so many at a time.
const STORM: usize = 60;
const AT_ONCE: usize = 10;

/// Half-closes after its request, and reads the answer or not.
async fn half_closes(agent: Agent, reads: bool) {
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/public/x", "", ""))
        .await;
    wire.half_close().await;
    if reads {
        let _ = wire.try_answer_to("GET").await;
    }
}

/// Resets in the middle of the answer: what it was sent lies unread when it closes.
async fn resets_an_answer(agent: Agent) {
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/public/long", "", ""))
        .await;
    let head = patiently("the head", wire.head()).await;
    assert!(matches!(head, Ok(Some((200, _)))), "{head:?}");
}

/// Resets in the middle of its body, while an answer to what it sent before lies unread.
async fn resets_a_body(agent: Agent) {
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/public/x", "", ""))
        .await;
    wire.send(post(&agent, "Content-Length: 1000000\r\n") + "xxx")
        .await;
}

#[tokio::test]
async fn ds_16_storms_of_ends_and_resets_leave_nothing_behind() {
    let world = arena().start().await;
    let long = Answer::Stream(1 << 30, Meter::default());
    world
        .upstream("api.a.test")
        .answers("/v1/public/long", long);
    ok(&world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await);
    let mut storm = JoinSet::new();
    for n in 0..STORM {
        let agent = world.agent("r1");
        storm.spawn(async move {
            half_closes(agent.clone(), n % 2 == 0).await;
            resets_an_answer(agent.clone()).await;
            resets_a_body(agent).await;
        });
        if storm.len() >= AT_ONCE {
            storm.join_next().await.unwrap().unwrap();
        }
    }
    storm.join_all().await;
    serves(&world, "r2").await;
    // `finish` looks for an end of each call, and for descriptors that are left
    world.finish().await;
}
