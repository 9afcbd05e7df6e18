//! The gate with a real OpenBao: a login of its own that may read its paths and nothing else.

#[path = "../openbao/server.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
pub(crate) mod server;

use std::path::Path;

use tempfile::TempDir;
use tollgate::refusal::Reason;

use self::server::OpenBao;
use crate::world::{World, builder::Builder, pki::write_private};

/// Reads the secret of `api-a`, not that of `api-b`.
const POLICY: &str = r#"path "secret/data/api-a" { capabilities = ["read"] }"#;

/// A world whose gate logs in to `bao`; `dir` holds what the login needs.
async fn world(bao: &OpenBao, dir: &Path) -> Builder {
    let (role_id, secret_id) = bao.role("gate", POLICY, "20m").await;
    write_private(&dir.join("role_id"), &role_id);
    write_private(&dir.join("secret_id"), &secret_id);
    let (address, ca, dir) = (&bao.address, bao.ca_file(), dir.display());
    World::new()
        .role("reader", "GET api.a.test/v1/**; GET api.b.test/**")
        .vault()
        .max_ttl("6s")
        .setting(&format!(
            "vault: {{address: \"{address}\", ca: {}, approle: {{role_id: {dir}/role_id, secret_id: {dir}/secret_id}}}}",
            ca.display()
        ))
}

#[tokio::test]
async fn injects_what_openbao_holds_follows_its_versions_and_fails_closed_when_it_is_sealed() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let mut world = world(&bao, dir.path()).await.start().await;
    let agent = world.agent("reader");
    let call = "GET http://api.a.test/v1/x";
    let authorized_by = |world: &World| format!("Bearer {}", world.secret("api-a"));

    bao.put("api-a", world.secret("api-a")).await;
    bao.put("api-b", world.secret("api-b")).await;
    assert_eq!(agent.call(call).await.status, 200);
    let seen = world.upstream("api.a.test").requests();
    assert_eq!(
        seen[0].head.values("authorization"),
        [authorized_by(&world)]
    );

    // what the policy does not name is not to be had
    let denied = agent.call("GET http://api.b.test/v1/x").await;
    world.refused(&denied, Reason::CredentialUnavailable).await;

    // a new version is in use before the old one ends, and no call fails in between
    world.rotate("api-a");
    bao.put("api-a", world.secret("api-a")).await;
    let fresh = authorized_by(&world);
    let upstream = world.upstream("api.a.test");
    agent
        .call_until(call, |answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            upstream
                .requests()
                .pop()
                .unwrap()
                .head
                .values("authorization")
                == [fresh.as_str()]
        })
        .await;

    // sealed: served until the lease ends, refused after it, served again once it is back
    bao.seal().await;
    assert_eq!(agent.call(call).await.status, 200);
    let refused = agent.call_until(call, |answer| answer.status != 200).await;
    world.refused(&refused, Reason::CredentialUnavailable).await;
    bao.unseal().await;
    agent.call_until(call, |answer| answer.status == 200).await;

    drop(bao);
    world.finish().await;
}
