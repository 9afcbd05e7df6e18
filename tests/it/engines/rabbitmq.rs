//! A user of RabbitMQ that is made for the gate, and calls the management API for an agent that never has a password.

use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::task::JoinSet;
use tollgate::refusal::Reason;

use super::{allow, login, made_at, only, told};
use crate::{
    openbao::server::{OpenBao, engines::Administered},
    servers::{ROOT, rabbitmq::RabbitMq},
    world::{
        World,
        agent::{Agent, Answer},
        builder::Builder,
        patience::until_told,
        pki::spiffe_id,
    },
};

const CALL: &str = "GET http://mq.test/api/whoami";

/// What the leases are on.
const CREDS: &str = "rabbitmq/creds/agent";

/// A gate whose agent may do this, and that has this login.
fn gate(login: &str, rules: &str) -> Builder {
    World::new()
        .role("reader", rules)
        .credential("mq", "mq.test", &made_at("rabbitmq: rabbitmq, role: agent"))
        .setting(login)
}

/// The RabbitMQ that such a gate's agent calls; `bao` makes its users, and the gate may have them.
async fn server(world: &World, bao: &OpenBao) -> RabbitMq {
    allow(bao, world).await;
    let mq = world.rabbitmq("mq.test").await;
    let server = Administered {
        address: &mq.address,
        root: ROOT,
    };
    bao.makes_rabbitmq_users("agent", &server, ("1h", "2h"))
        .await;
    mq
}

/// Who RabbitMQ says that the call came from.
fn caller(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let who: serde_json::Value = serde_json::from_slice(&answer.body.bytes).unwrap();
    who["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn v26_a_user_that_was_revoked_is_replaced_by_one_and_leaves_with_the_gate() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let login = login(&bao, dir.path()).await;
    let world = gate(&login, "GET mq.test/api/** with mq").start().await;
    let mq = server(&world, &bao).await;
    let agent = world.agent("reader");

    let first = caller(&agent.call(CALL).await);
    assert_eq!(caller(&agent.call(CALL).await), first);
    only("RabbitMQ", async || mq.users().await, &[&first]).await;
    let (before, said) = (told(&world, 1).await, told(&world, 2).await);
    assert_eq!(
        (&said["class"], &said["source"]),
        (&"dynamic".into(), &"vault".into())
    );
    assert_eq!(
        (&said["lease"], &said["expires"]),
        (&before["lease"], &before["expires"])
    );
    let end = OffsetDateTime::parse(said["expires"].as_str().unwrap(), &Rfc3339).unwrap();
    let left = end - OffsetDateTime::now_utc();
    assert!((59..=60).contains(&left.whole_minutes()), "{said}");

    // somebody revokes it: the answer is RabbitMQ's own, and one other user is made, however many calls are refused
    let leases = bao.leases(CREDS).await;
    assert_eq!(leases.len(), 1, "{leases:?}");
    bao.revoke(&leases[0]).await;
    let refused = agent.call(CALL).await;
    assert_eq!(
        (refused.status, refused.header("tollgate-reason")),
        (401, None)
    );
    refused_or_not(&agent, 20).await;
    let answer = agent.call_until(CALL, |answer| answer.status == 200).await;
    let second = caller(&answer);
    assert_ne!(second, first);
    only("RabbitMQ", async || mq.users().await, &[&second]).await;
    assert_eq!(bao.leases(CREDS).await.len(), 1);
    world
        .event_where("a call with the other lease", |event| {
            event["upstream"]["status"] == 200 && event["credential"]["lease"] != said["lease"]
        })
        .await;

    world.gate.signal("TERM");
    world.gate.ended().await;
    only("RabbitMQ", async || mq.users().await, &[]).await;
    world.finish_ended(0).await;
}

/// Makes so many calls at once, each of which RabbitMQ refuses or not.
async fn refused_or_not(agent: &Agent, calls: usize) {
    let mut all = JoinSet::new();
    for _ in 0..calls {
        let agent = agent.clone();
        all.spawn(async move { agent.call(CALL).await });
    }
    for answer in all.join_all().await {
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
    }
}

/// Waits until `bao` knows no lease any more, which it forgets after the user is gone.
async fn no_lease(bao: &OpenBao) {
    until_told("no lease is left", async || {
        bao.leases(CREDS).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_user_is_gone_with_the_last_rule_and_the_last_identity_that_may_use_it() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let rules = "GET mq.test/api/** with mq; GET open.test/**";
    let login = login(&bao, dir.path()).await;
    let world = gate(&login, rules).start().await;
    let mq = server(&world, &bao).await;
    let agent = world.agent("reader");

    let first = caller(&agent.call(CALL).await);
    world.becomes(gate(&login, "GET open.test/**"));
    let said = world.reload().await;
    assert!(said.contains("in force"), "{said}");
    only("RabbitMQ", async || mq.users().await, &[]).await;
    no_lease(&bao).await;
    world.refused(&agent.call(CALL).await, Reason::NoRule).await;
    assert_eq!(agent.call("GET http://open.test/x").await.status, 200);

    world.becomes(gate(&login, rules));
    let said = world.reload().await;
    assert!(said.contains("in force"), "{said}");
    let second = caller(&agent.call(CALL).await);
    assert_ne!(second, first);
    std::fs::write(world.dir().join("revoked"), spiffe_id("reader") + "\n").unwrap();
    only("RabbitMQ", async || mq.users().await, &[]).await;
    no_lease(&bao).await;
    world
        .refused(&agent.call(CALL).await, Reason::Revoked)
        .await;

    world.gate.signal("TERM");
    world.finish_ended(0).await;
}
