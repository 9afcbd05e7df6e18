//! A Vault that is away, in trouble, or sends its callers elsewhere.

use tokio::{net::TcpListener, task::JoinSet};
use tollgate::refusal::Reason;

use super::{CALL, fails_closed, reader};
use crate::world::{World, patience::at_once, vault::Mood};

#[tokio::test]
async fn vt_01_without_vault_a_call_that_needs_a_secret_is_refused_and_others_are_not() {
    // nobody listens at its address when the gate starts
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = unused.local_addr().unwrap();
    drop(unused);
    let world = reader()
        .admin()
        .setting(&format!(
            "vault: {{address: \"https://{closed}\", ca: pki/vault-ca.crt, \
             approle: {{role_id: secrets/role_id, secret_id: secrets/secret_id}}}}"
        ))
        .start()
        .await;
    fails_closed(&world, "closed").await;
    // told to those who run it; another gate would be no better off, so it counts as ready
    let told = world.told("/readyz").await.body;
    assert!(
        told.contains("degraded credential api-a: vault: it cannot be reached"),
        "{told}"
    );
    world.finish().await;

    // it takes connections and says nothing, at the first call and later
    let world = reader().max_ttl("4s").start().await;
    world.vault().is(Mood::Hanging);
    fails_closed(&world, "hanging").await;
    world.vault().is(Mood::Well);
    let agent = world.agent("r1");
    agent.call_until(CALL, |answer| answer.status == 200).await;
    world.vault().is(Mood::Hanging);
    assert_eq!(agent.call(CALL).await.status, 200, "while the lease lasts");
    let answer = agent.call_until(CALL, |answer| answer.status != 200).await;
    World::says_no(&answer, Reason::CredentialUnavailable);
    world.vault().is(Mood::Well);
    world.finish().await;
}

#[tokio::test]
async fn vt_02_no_status_is_taken_for_a_secret_and_no_redirect_is_followed() {
    let mut worlds = JoinSet::new();
    for status in [
        200, 204, 301, 302, 303, 308, 400, 404, 405, 412, 429, 472, 473, 500, 501, 502, 503, 530,
    ] {
        worlds.spawn(gets_no_secret(Mood::Saying(status)));
    }
    for mood in [Mood::Redirecting, Mood::RedirectingAll, Mood::Garbled] {
        worlds.spawn(gets_no_secret(mood));
    }
    worlds.join_all().await;
}

async fn gets_no_secret(mood: Mood) {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = reader().start().await;
    let vault = world.vault();
    for scheme in ["https", "http"] {
        vault.sends_elsewhere(&format!("{scheme}://{}", elsewhere.local_addr().unwrap()));
        vault.is(mood);
        fails_closed(&world, &format!("{mood:?}")).await;
    }
    // at most twice for each of the two calls, whatever it said
    let (reads, asked) = (vault.reads("api-a"), vault.asked());
    assert!(reads <= 4, "{mood:?}: {reads}");
    assert!(asked.len() <= 10, "{mood:?}: {asked:?}");
    assert!(at_once(elsewhere.accept()).await.is_none(), "{mood:?}");
    vault.is(Mood::Well);
    let agent = world.agent("r1");
    if mood != Mood::Saying(429) {
        agent.call_until(CALL, |answer| answer.status == 200).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn vt_03_a_denial_is_asked_for_once_and_a_revoked_token_replaced_once() {
    let world = reader().start().await;
    let (vault, agent) = (world.vault(), world.agent("r1"));
    vault.is(Mood::Denying);
    for _ in 0..20 {
        let answer = agent.call(CALL).await;
        World::says_no(&answer, Reason::CredentialUnavailable);
    }
    // once, and three times more since a standby may be behind so soon after a login
    assert!(vault.reads("api-a") <= 4, "{}", vault.reads("api-a"));
    assert_eq!(vault.logins(), 1, "a token that is good is kept");
    assert!(
        world
            .gate
            .stderr()
            .contains("vault's policy denies the gate a path")
    );
    assert_eq!(world.upstream("api.a.test").received_bytes(), 0);
    vault.is(Mood::Well);
    world.finish().await;

    let world = reader()
        .role(
            "r2",
            "GET api.b.test/**; GET git.test/**; GET payments.test/**",
        )
        .start()
        .await;
    let vault = world.vault();
    assert_eq!(world.agent("r1").call(CALL).await.status, 200);
    vault.forget_tokens();
    let mut calls = JoinSet::new();
    for number in 0..30 {
        let agent = world.agent("r2");
        let host = ["api.b.test", "git.test", "payments.test"][number % 3];
        calls.spawn(async move { agent.call(&format!("GET http://{host}/x")).await });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(vault.logins(), 2);
    world.finish().await;
}
