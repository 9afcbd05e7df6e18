//! Tokens that OpenBao signs, in calls of an agent that never has one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tempfile::TempDir;

use super::{allow, login, told};
use crate::{openbao::server::OpenBao, world::World};

/// The keys of a catalogue entry whose token comes from `source`.
fn signed_at(source: &str) -> String {
    format!(
        "vault: {{{source}}}\n\
         place: {{header: Authorization, value: \"Bearer {{token}}\"}}\n\
         max_ttl: 9m"
    )
}

/// What the token of a call says (RFC 7519).
fn claims(world: &World, host: &str) -> Value {
    let seen = world.upstream(host).only_request();
    let [authorization] = *seen.head.values("authorization") else {
        panic!("one credential: {seen:?}");
    };
    let token = authorization.strip_prefix("Bearer ").unwrap();
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn an_agent_calls_with_tokens_whose_keys_never_leave_openbao() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    bao.signs_with_rsa("app").await;
    let audience = bao.vouches_for_logins("api", "5m").await;
    let transit = "transit: transit, key: app, jwt: {claims: {iss: \"12345\"}, ttl: 8m}";
    let world = World::new()
        .role(
            "reader",
            "GET app.test/** with app; GET federated.test/** with federated",
        )
        .credential("app", "app.test", &signed_at(transit))
        .credential(
            "federated",
            "federated.test",
            &signed_at("identity_token: api"),
        )
        .setting(&login(&bao, dir.path()).await)
        .start()
        .await;
    allow(&bao, &world).await;
    let agent = world.agent("reader");
    for (number, host) in [(1, "app.test"), (2, "federated.test")] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(told(&world, number).await["class"], "dynamic");
    }
    let app = claims(&world, "app.test");
    assert_eq!(app["iss"], "12345");
    // a minute back, and not past the time for which it is used
    let lasts = app["exp"].as_u64().unwrap() - app["iat"].as_u64().unwrap();
    assert!((539..=540).contains(&lasts), "{lasts}");
    assert_eq!(claims(&world, "federated.test")["aud"], audience);
    drop(bao);
    world.finish().await;
}
