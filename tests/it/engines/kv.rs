//! What somebody stored in the key-value engine, whose first version knows no versions of a secret.

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate::refusal::Reason;

use super::{allow, login};
use crate::{openbao::server::OpenBao, world::World};

/// The keys of a catalogue entry whose value is stored at `source`.
fn stored_at(source: &str) -> String {
    format!(
        "vault: {{{source}, path: app/key, field: token}}\n\
         place: {{header: X-Api-Key, value: \"{{token}}\"}}\n\
         max_ttl: 8s\n\
         allow_static: {{owner: owner@example.test, rotate_by: {}}}",
        crate::world::settings::in_days(60)
    )
}

/// Stores a secret that may go to `host`, in the engine of that version, and gives it.
async fn stores(bao: &OpenBao, world: &World, (host, version): (&str, u32)) -> String {
    let secret = world.canaries.add(Some(host));
    match version {
        1 => {
            let fields = json!({ "token": secret }).to_string();
            bao.write("kv1/app/key", &fields).await;
        }
        _ => bao.put("app/key", &secret).await,
    }
    secret
}

/// What an event of a call to `host` says of its credential, with another lease than `before`.
async fn told(world: &World, host: &str, before: &Value) -> Value {
    let event = world.event_where("a call with another lease", |event| {
        let of_host = event["kind"] == "ended" && event["request"]["host"] == host;
        of_host && event["credential"]["lease"] != *before
    });
    event.await["credential"].clone()
}

/// What `host` is shown is what is stored there, and nothing is shown to it once that is deleted.
async fn is_followed(bao: &OpenBao, world: &World, (host, version): (&str, u32)) {
    let agent = world.agent("reader");
    let call = format!("GET http://{host}/x");
    let shown = || {
        let seen = world.upstream(host).requests().pop().unwrap();
        seen.head.value("x-api-key").map(str::to_owned)
    };
    let first = stores(bao, world, (host, version)).await;
    assert_eq!(agent.call(&call).await.status, 200);
    assert_eq!(shown(), Some(first));
    let said = told(world, host, &Value::Null).await;
    assert_eq!(said["class"], "static");

    // no call fails between the two
    let second = stores(bao, world, (host, version)).await;
    agent
        .call_until(&call, |answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            shown().as_ref() == Some(&second)
        })
        .await;
    told(world, host, &said["lease"]).await;

    match version {
        1 => bao.remove("kv1/app/key").await,
        _ => bao.delete("app/key").await,
    }
    let answer = agent.call_until(&call, |answer| answer.status != 200).await;
    let refused = world.refused(&answer, Reason::CredentialUnavailable).await;
    // not for want of time: the texts of two moments compare as the moments do
    let mut served = world.events.of_kind("ended");
    served.retain(|event| event["request"]["host"] == host);
    let (at, end) = (
        &refused["time"],
        &served.pop().unwrap()["credential"]["expires"],
    );
    assert!(
        at.as_str() < end.as_str(),
        "refused at {at}, and it lasted until {end}"
    );
}

#[tokio::test]
async fn a_stored_secret_is_followed_in_either_version_and_not_used_up_when_it_is_deleted() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    bao.mount("kv1", "kv").await;
    let world = World::new()
        .role(
            "reader",
            "GET one.test/** with one; GET two.test/** with two",
        )
        .credential("one", "one.test", &stored_at("kv1: kv1"))
        .credential("two", "two.test", &stored_at("kv2: secret"))
        .setting(&login(&bao, dir.path()).await)
        .start()
        .await;
    allow(&bao, &world).await;
    tokio::join!(
        is_followed(&bao, &world, ("one.test", 1)),
        is_followed(&bao, &world, ("two.test", 2))
    );
    drop(bao);
    world.finish().await;
}
