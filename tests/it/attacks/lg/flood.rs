//! However much one identity does, and however calls break off, the log tells the end of each call and no other
//! identity's goes missing.

use tollgate::refusal::Reason;

use super::{arena, tells_of, told};
use crate::world::{
    World,
    agent::Agent,
    builder::Builder,
    patience::until,
    pki::spiffe_id,
    script::{Answer, Hold},
    settings::Role,
};

/// What an agent does in turn, and how many calls that makes.
async fn misbehaves(world: &World, agent: &Agent, number: usize) -> usize {
    let path = format!("/v1/public/{number}");
    let call = agent.absolute(&format!("GET http://api.a.test{path}"), "", "");
    let upstream = world.upstream("api.a.test");
    let mut wire = agent.wire().await;
    match number % 8 {
        0 => {
            wire.send(&call).await;
            assert_eq!(wire.answer().await.status, 200);
        }
        1 => {
            wire.send(agent.absolute("GET http://api.a.test/v1/admin", "", ""))
                .await;
            assert_eq!(wire.answer().await.status, 403);
        }
        // the upstream breaks off in its answer, or before it
        2 => {
            upstream.answers(
                &path,
                Answer::BytesThenClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into()),
            );
            wire.send(&call).await;
            let _ = wire.try_answer_to("GET").await;
        }
        3 => {
            upstream.answers(&path, Answer::Close);
            wire.send(&call).await;
            assert_eq!(wire.answer().await.status, 502);
        }
        // the agent breaks off once its call is upstream, or in the middle of a body
        4 | 5 => {
            let hold = Hold::new();
            upstream.answers(
                &path,
                Answer::Held(hold.clone(), Box::new(Answer::Text("late".into()))),
            );
            wire.send(&call).await;
            until("the call upstream", || {
                upstream
                    .heads()
                    .iter()
                    .any(|head| head.contains(&format!("{path} ")))
                    .then_some(())
            })
            .await;
            drop(wire);
            hold.release();
        }
        // it breaks off a head, which is no call yet, after one that is
        6 => {
            wire.send(&call).await;
            assert_eq!(wire.answer().await.status, 200);
            let _ = wire.try_send(&call.as_bytes()[..20]).await;
        }
        _ => {
            let mut tunnel = agent.tunnel("api.a.test").await;
            assert_eq!(
                tunnel
                    .call(&format!("GET {path}"), "api.a.test")
                    .await
                    .status,
                200
            );
            assert_eq!(tunnel.call("GET /v1/admin", "api.a.test").await.status, 403);
            return 2;
        }
    }
    1
}

/// That each was announced before its first byte upstream, and ended once, is looked at by the world at its end.
#[tokio::test]
async fn lg_06_each_call_ends_once_in_the_log_however_it_ends() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    let mut calls = 0;
    for round in 0..40 {
        let several = (0..8).map(|kind| misbehaves(&world, &agent, round * 8 + kind));
        let made = futures_of(several).await;
        calls += made.iter().sum::<usize>();
    }
    tells_of(&world, calls).await;
    let announced = world.events.of_kind("allowed").len();
    assert_eq!(world.upstream("api.a.test").heads().len(), announced);
    world.finish().await;
}

/// All of them at the same time.
async fn futures_of<F: Future<Output = usize>>(several: impl Iterator<Item = F>) -> Vec<usize> {
    let mut all: Vec<_> = several.map(Box::pin).collect();
    let mut made = vec![None; all.len()];
    std::future::poll_fn(|context| {
        for (future, made) in all.iter_mut().zip(&mut made) {
            if made.is_none()
                && let std::task::Poll::Ready(calls) = future.as_mut().poll(context)
            {
                *made = Some(calls);
            }
        }
        match made.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    made.into_iter().flatten().collect()
}

fn two() -> Builder {
    let often = |rules: &str| Role::from(rules).rate("600000/min");
    World::new()
        .setting("attempts: 600000/min")
        .role("greedy", often("GET api.a.test/v1/**"))
        .role("other", often("GET api.a.test/v1/**"))
}

#[tokio::test]
async fn a_flood_of_refusals_hides_neither_its_own_calls_nor_the_refusals_of_others() {
    let world = two().start().await;
    let (greedy, other) = (world.agent("greedy"), world.agent("other"));
    let mut wire = greedy.wire().await;
    let (mut calls, mut answers) = (0, 0);
    for _ in 0..20 {
        for _ in 0..20 {
            wire.send(greedy.absolute("GET http://api.a.test/none", "", ""))
                .await;
            assert_eq!(wire.answer().await.status, 403);
        }
        wire.send(greedy.absolute("GET http://api.a.test/v1/own", "", ""))
            .await;
        assert_eq!(wire.answer().await.status, 200);
        (calls, answers) = (calls + 21, answers + 1);
    }
    // of its own the other has each told
    let refused = other.call("GET http://api.a.test/none").await;
    let event = world.refused(&refused, Reason::NoRule).await;
    assert_eq!(event["caller"]["id"], spiffe_id("other"));
    tells_of(&world, calls + 1).await;
    assert_eq!(world.events.of_kind("ended").len(), answers);
    let counted = world.events.of_kind("counted");
    assert!(!counted.is_empty());
    assert!(
        counted
            .iter()
            .all(|line| line["caller"]["id"] == spiffe_id("greedy")),
        "{counted:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_flood_of_failed_handshakes_hides_nobody_who_has_an_identity() {
    let world = two().start().await;
    let nobody = world.agent_showing(None);
    let handshakes = 40;
    for _ in 0..handshakes {
        if let Ok(mut wire) = nobody.try_wire().await {
            let _ = wire.try_send("GET / HTTP/1.1\r\n\r\n").await;
            wire.rest().await;
        }
    }
    let refused = world
        .agent("other")
        .call("GET http://api.a.test/none")
        .await;
    world.refused(&refused, Reason::NoRule).await;
    tells_of(&world, handshakes + 1).await;
    world.finish().await;
}

/// Nobody reads the log: the greedy one has its part of what may wait, and the calls of others are still taken.
#[tokio::test]
async fn one_identity_does_not_fill_the_log_for_others() {
    let world = two()
        .setting("events: {stdout: true, intent: writes}")
        .setting("connections: 8")
        .stdout(crate::world::gate::Stdout::Stuck)
        .start()
        .await;
    let greedy = world.agent("greedy");
    let call = greedy.absolute("GET http://api.a.test/v1/x", "", "");
    let mut wire = greedy.wire().await;
    let mut served = 0;
    let refused = loop {
        wire.send(&call).await;
        let answer = wire.answer().await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 20_000, "the log never fills up");
    };
    assert_eq!(refused.code(), Reason::AuditUnavailable.code());
    for _ in 0..20 {
        assert_eq!(
            world
                .agent("other")
                .call("GET http://api.a.test/v1/x")
                .await
                .status,
            200
        );
    }
    world.gate.read_on();
    greedy
        .call_until("GET http://api.a.test/v1/x", |answer| answer.status == 200)
        .await;
    until("all ends", || (told(&world) == served + 21).then_some(())).await;
    world.finish().await;
}
