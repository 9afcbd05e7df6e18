//! What agents can make Vault do: one read for all of them, and none for a call that may not be made.

use tokio::task::JoinSet;
use tollgate::refusal::Reason;

use super::{CALL, reader};
use crate::world::{
    World,
    agent::Wire,
    patience::until,
    script::{Answer, Hold},
    settings::Role,
    vault::Mood,
};

#[tokio::test]
async fn vt_07_a_thousand_calls_at_once_are_one_read_although_the_first_goes_away() {
    const CALLS: usize = 1000;
    let world = reader().start().await;
    let own = world.upstream("api.a.test").address.ip().to_string();
    // nobody listens there: a call gets as far as its secret, and no thousand handshakes follow
    world.dns.answers("api.a.test", &["127.0.0.10"]);
    let (vault, agent) = (world.vault(), world.agent("r1"));
    let request = agent.absolute(CALL, "", "");
    vault.is(Mood::Holding);
    let mut first = agent.wire().await;
    let mut others: Vec<Wire> = Vec::new();
    for _ in 1..CALLS {
        others.push(agent.wire().await);
    }
    first.send(&request).await;
    until("the first question to Vault", || {
        (!vault.asked().is_empty()).then_some(())
    })
    .await;
    drop(first);
    for wire in &mut others {
        wire.send(&request).await;
    }
    vault.is(Mood::Well);
    for wire in &mut others {
        World::says_no(&wire.answer().await, Reason::UpstreamUnreachable);
    }
    drop(others);
    world.dns.answers("api.a.test", &[&own]);
    assert_eq!(agent.call(CALL).await.status, 200);
    assert_eq!((vault.reads("api-a"), vault.logins()), (1, 1));
    world.finish().await;
}

#[tokio::test]
async fn a_failure_is_shared_and_forgotten_when_its_rest_is_over() {
    let world = reader().start().await;
    let (vault, agent) = (world.vault(), world.agent("r1"));
    vault.is(Mood::Sealed);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let agent = agent.clone();
        calls.spawn(async move { agent.call(CALL).await });
    }
    for answer in calls.join_all().await {
        World::says_no(&answer, Reason::CredentialUnavailable);
    }
    assert!(vault.asked().len() <= 6, "{:?}", vault.asked());
    vault.is(Mood::Well);
    agent.call_until(CALL, |answer| answer.status == 200).await;
    world.finish().await;
}

#[tokio::test]
async fn vt_10_an_agent_that_provokes_refusals_upstream_makes_vault_read_once_more() {
    let world = reader().start().await;
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let refused = Answer::with(status, "WWW-Authenticate: Bearer\r\n", "no");
        world
            .upstream("api.a.test")
            .answers("/v1/public/x", refused);
        let host = world.at("api.a.test");
        let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
        for _ in 0..50 {
            let answer = tunnel.call("GET /v1/public/x", &host).await;
            assert_eq!(answer.status.to_string(), status[..3], "{answer:?}");
        }
    }
    until("the value was read once more", || {
        (world.vault().reads("api-a") > 1).then_some(())
    })
    .await;
    assert_eq!(world.vault().reads("api-a"), 2);
    assert_eq!(
        world.upstream("api.a.test").requests().len(),
        100,
        "none was made again"
    );
    world.finish().await;
}

#[tokio::test]
async fn vt_15_a_call_that_may_not_be_made_costs_no_read_and_others_cost_one() {
    let world = World::new()
        .role(
            "r1",
            Role::from("GET api.a.test/v1/public/**").rule_limit("{rate: 40/h}"),
        )
        .vault()
        .start()
        .await;
    let agent = world.agent("r1");
    let denied = [
        ("GET http://evil.test/v1/public/x", Reason::NoRule),
        ("POST http://api.a.test/v1/public/x", Reason::NoRule),
        ("GET http://api.a.test/v1/admin", Reason::NoRule),
        (
            "GET http://api.a.test/v1/public/../admin",
            Reason::PathAmbiguous,
        ),
        (
            "GET http://api.a.test/v1/public/x?access_token=y",
            Reason::QueryCredential,
        ),
        ("TRACE http://api.a.test/v1/public/x", Reason::MethodRefused),
    ];
    for (call, reason) in denied {
        World::says_no(&agent.call(call).await, reason);
    }
    assert_eq!(world.vault().asked(), Vec::<String>::new());
    for _ in 0..6 {
        for (call, reason) in denied {
            World::says_no(&agent.call(call).await, reason);
            assert_eq!(agent.call(CALL).await.status, 200);
        }
    }
    assert_eq!(world.vault().reads_in_all(), 1);
    // and one that comes too often costs none either
    agent.call_until(CALL, |answer| answer.status == 429).await;
    assert_eq!(world.vault().reads_in_all(), 1);
    world.finish().await;
}

#[tokio::test]
async fn vt_06_a_call_under_way_outlives_its_lease_and_the_next_has_another() {
    let mut world = reader().max_ttl("4s").start().await;
    let old = format!("Bearer {}", world.secret("api-a"));
    let (agent, hold) = (world.agent("r1"), Hold::new());
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc".to_vec();
    let long = Answer::Interrupted(head, hold.clone(), b"def".to_vec());
    world
        .upstream("api.a.test")
        .answers("/v1/public/long", long);
    let mut wire = agent.wire().await;
    let request = agent.absolute("GET http://api.a.test/v1/public/long", "", "");
    wire.send(request).await;
    wire.until_received("abc").await;

    // the lease ends: with Vault away, nothing takes its place
    world.vault().is(Mood::Sealed);
    let answer = agent.call_until(CALL, |answer| answer.status != 200).await;
    World::says_no(&answer, Reason::CredentialUnavailable);
    world.rotate("api-a");
    world.vault().is(Mood::Well);
    agent.call_until(CALL, |answer| answer.status == 200).await;
    hold.release();
    assert_eq!(wire.answer().await.text(), "abcdef");

    let new = format!("Bearer {}", world.secret("api-a"));
    let seen = world.upstream("api.a.test").requests();
    let used: Vec<&str> = seen
        .iter()
        .flat_map(|seen| seen.head.values("authorization"))
        .collect();
    assert!(used.contains(&&*old) && used.contains(&&*new), "{used:?}");
    let last = seen
        .iter()
        .rfind(|seen| seen.target() == "/v1/public/x")
        .unwrap();
    assert_eq!(last.head.values("authorization"), [new]);
    world.finish().await;
}
