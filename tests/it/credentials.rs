//! A secret is read only for a call that may be made, travels only to its own upstream, and without it no call leaves.

use std::fs;

use tokio::task::JoinSet;
use tollgate::refusal::Reason;

use crate::world::{World, patience::until, settings::write_secret, vault::Mood};

async fn vault_world() -> World {
    World::new()
        .role(
            "reader",
            "GET api.a.test/v1/**; GET api.b.test/**; GET open.test/**",
        )
        .vault()
        .start()
        .await
}

#[tokio::test]
async fn reads_a_secret_once_for_many_calls() {
    let world = vault_world().await;
    let agent = world.agent("reader");
    for _ in 0..5 {
        assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    }
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let agent = agent.clone();
        calls.spawn(async move { agent.call("GET http://api.b.test/v1/x").await });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(world.vault().reads("api-a"), 1);
    assert_eq!(world.vault().reads("api-b"), 1);
    assert_eq!(world.vault().logins(), 1);
    for seen in world.upstream("api.b.test").requests() {
        assert_eq!(seen.head.values("x-api-key"), [world.secret("api-b")]);
        assert_eq!(seen.head.values("authorization"), Vec::<&str>::new());
    }
    world.finish().await;
}

#[tokio::test]
async fn reads_no_secret_for_a_refused_call() {
    let world = vault_world().await;
    let agent = world.agent("reader");
    for (call, reason) in [
        ("GET http://evil.test/v1/x", Reason::NoRule),
        ("POST http://api.a.test/v1/x", Reason::NoRule),
        ("GET http://api.a.test/v1/../x", Reason::PathAmbiguous),
        (
            "GET http://api.a.test/v1/x?access_token=y",
            Reason::QueryCredential,
        ),
        ("TRACE http://api.a.test/v1/x", Reason::MethodRefused),
    ] {
        world.refused(&agent.call(call).await, reason).await;
    }
    world.nothing_left_the_gate();
    assert_eq!(agent.call("GET http://open.test/x").await.status, 200);
    assert_eq!(world.vault().reads_in_all(), 0);
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_when_the_secret_cannot_be_had() {
    for mood in [
        Mood::Denying,
        Mood::Busy,
        Mood::Sealed,
        Mood::Garbled,
        Mood::Hanging,
        Mood::Forgetful,
    ] {
        let world = vault_world().await;
        world.vault().is(mood);
        let agent = world.agent("reader");
        let own = "Authorization: Bearer agents-own\r\n";
        let answer = agent.call_with("GET http://api.a.test/v1/x", own, "").await;
        world.refused(&answer, Reason::CredentialUnavailable).await;
        assert_eq!(world.upstream("api.a.test").received_bytes(), 0, "{mood:?}");
        // a call that needs no secret is not held up
        assert_eq!(agent.call("GET http://open.test/x").await.status, 200);
        world.vault().is(Mood::Well);
        world.finish().await;
    }
}

#[tokio::test]
async fn serves_a_lease_while_the_source_is_down_and_refuses_after_its_end() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .vault()
        .max_ttl("6s")
        .start()
        .await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.vault().is(Mood::Sealed);
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let answer = agent
        .call_until("GET http://api.a.test/v1/x", |answer| answer.status != 200)
        .await;
    world.refused(&answer, Reason::CredentialUnavailable).await;
    world.vault().is(Mood::Well);
    world.finish().await;
}

/// A new secret is in use before the end of the old one, and no call fails in between.
async fn takes_over_a_new_secret(mut world: World) {
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.rotate("api-a");
    let fresh = format!("Bearer {}", world.secret("api-a"));
    let upstream = world.upstream("api.a.test");
    agent
        .call_until("GET http://api.a.test/v1/x", |answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            let last = upstream.requests().pop().unwrap();
            last.head.values("authorization") == [fresh.as_str()]
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn takes_over_a_rotated_secret_of_vault() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .vault()
        .max_ttl("4s")
        .start()
        .await;
    takes_over_a_new_secret(world).await;
}

#[tokio::test]
async fn takes_over_a_rotated_file() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .max_ttl("4s")
        .start()
        .await;
    takes_over_a_new_secret(world).await;
}

#[tokio::test]
async fn refuses_a_secret_file_that_others_can_read() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let file = world.dir().join("secrets/api-a");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::CredentialUnavailable).await;
    assert_eq!(world.upstream("api.a.test").received_bytes(), 0);
    world.finish().await;
}

#[tokio::test]
async fn gives_up_its_token_when_it_ends() {
    let world = vault_world().await;
    assert_eq!(
        world
            .agent("reader")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    let vault = world.vault().clone();
    world.gate.signal("TERM");
    world.gate.ended().await;
    assert_eq!(vault.revocations(), 1);
    world.finish_ended(0).await;
}

#[tokio::test]
async fn logs_in_once_more_when_vault_forgot_its_token() {
    let world = vault_world().await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.vault().forget_tokens();
    assert_eq!(agent.call("GET http://api.b.test/x").await.status, 200);
    assert_eq!(world.vault().logins(), 2);
    world.finish().await;
}

#[tokio::test]
async fn logs_in_anew_when_the_login_changes_and_goes_on_with_what_it_has() {
    let world = vault_world().await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let path = world.dir().join("secrets/secret_id");
    let same = fs::read_to_string(&path).unwrap();
    // the same id on two lines less one: another content, and as good a login
    fs::write(&path, format!("{}\n", same.trim_end())).unwrap();
    let said = world.reload().await;
    assert!(said.contains("in force"), "{said}");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    until("a login by the new file", || {
        (world.vault().logins() == 2).then_some(())
    })
    .await;
    assert_eq!(agent.call("GET http://api.b.test/x").await.status, 200);
    assert_eq!(world.vault().logins(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_login_that_is_broken_costs_nothing_that_the_old_one_gave() {
    let world = vault_world().await;
    let agent = world.agent("reader");
    let [a, b] = ["GET http://api.a.test/v1/x", "GET http://api.b.test/x"];
    assert_eq!(agent.call(a).await.status, 200);
    write_secret(world.dir(), "secret_id", "no such secret id");
    let said = world.reload().await;
    assert!(said.contains("in force"), "{said}");
    // a value that was not read yet
    assert_eq!(agent.call(b).await.status, 200);
    assert!(world.gate.stderr().contains("login to vault failed"));
    assert_eq!(world.vault().logins(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_credential_of_another_source_is_fetched_anew_and_shares_no_connection_with_the_old() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let catalogue = world.dir().join("credentials.yaml");
    let text = fs::read_to_string(&catalogue).unwrap();
    let secret = fs::read(world.dir().join("secrets/api-a")).unwrap();
    fs::write(world.dir().join("secrets/moved"), secret).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(world.dir().join("secrets/moved"), private).unwrap();
    fs::write(&catalogue, text.replace("secrets/api-a", "secrets/moved")).unwrap();
    world.reload().await;
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    assert_eq!(world.upstream("api.a.test").connections().len(), 2);
    world.finish().await;
}
