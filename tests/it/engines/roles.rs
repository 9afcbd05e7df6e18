//! Roles that act at OpenBao under tokens of their own: its policies and its log know them, and each ends by itself.

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate::refusal::Reason;

use super::{
    influx::{CALL, CREDS, server},
    login, made_at,
};
use crate::{
    openbao::server::OpenBao,
    servers::ROOT,
    world::{World, patience::until_told, pki::spiffe_id},
};

/// What the gate itself may do: make tokens and end its own, and read nothing.
const OF_THE_GATE: &str = r#"
path "auth/token/create/agents" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
"#;

/// What the identity of a role may do.
const OF_A_ROLE: &str = r#"
path "database/creds/agent" { capabilities = ["read"] }
path "sys/leases/+" { capabilities = ["update"] }
"#;

/// Has `bao` know the roles by entities that alone may have users made.
async fn knows(bao: &OpenBao, roles: &[&str]) {
    for (policy, rules) in [("gate", OF_THE_GATE), ("a-role", OF_A_ROLE)] {
        let rules = json!({ "policy": rules }).to_string();
        bao.write(&format!("sys/policies/acl/{policy}"), &rules)
            .await;
    }
    let kind = json!({ "allowed_entity_aliases": ["tollgate-*"] }).to_string();
    bao.write("auth/token/roles/agents", &kind).await;
    let mount = &bao.read("sys/auth").await["token/"]["accessor"];
    for role in roles {
        let entity = json!({ "name": role, "policies": ["a-role"] }).to_string();
        let entity = bao.write("identity/entity", &entity).await;
        let alias = json!({
            "name": format!("tollgate-{role}"),
            "canonical_id": entity["id"],
            "mount_accessor": mount,
        });
        bao.write("identity/entity-alias", &alias.to_string()).await;
    }
}

/// The roles that have a token at `bao`.
async fn with_tokens(bao: &OpenBao) -> Vec<String> {
    let mut roles = Vec::new();
    for accessor in bao.accessors().await {
        let token = bao.token(&accessor).await;
        roles.extend(token["meta"]["role"].as_str().map(str::to_owned));
    }
    roles.sort();
    roles
}

/// What `bao` answered the role, by the paths that it asked for.
fn answered(bao: &OpenBao, role: &str) -> Vec<String> {
    let of_role =
        |line: &&Value| line["type"] == "response" && line["auth"]["metadata"]["role"] == role;
    let path = |line: &Value| line["request"]["path"].as_str().map(str::to_owned);
    bao.audit()
        .iter()
        .filter(of_role)
        .filter_map(path)
        .collect()
}

#[tokio::test]
async fn each_role_has_a_user_of_its_own_and_is_ended_by_one_revocation() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let setting = login(&bao, dir.path()).await;
    let setting = setting.strip_suffix('}').unwrap();
    let per_role = r#"per_role: {token_role: agents, entity_alias: "tollgate-{role}"}"#;
    knows(&bao, &["reader", "writer"]).await;
    let world = World::new()
        .role("reader", "GET influx.test/query with influx")
        .role("writer", "GET influx.test/query with influx")
        .credential(
            "influx",
            "influx.test",
            &made_at("database: database, role: agent"),
        )
        .setting(&format!("{setting}, {per_role}}}"))
        .start()
        .await;
    let influx = server(&world, &bao).await;
    let users = async || {
        let mut users = influx.users().await;
        users.retain(|user| user != ROOT.0);
        users
    };

    for role in ["reader", "writer"] {
        assert_eq!(world.agent(role).call(CALL).await.status, 200);
    }
    assert_eq!(with_tokens(&bao).await, ["reader", "writer"]);
    assert_eq!(users().await.len(), 2);
    for role in ["reader", "writer"] {
        assert_eq!(answered(&bao, role), [CREDS]);
    }

    // one of them ends: its token and its user are gone, and the other goes on as the same user
    std::fs::write(world.dir().join("revoked"), spiffe_id("reader") + "\n").unwrap();
    until_told("one user is left", async || {
        (users().await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(with_tokens(&bao).await, ["writer"]);
    let left = users().await;
    assert_eq!(world.agent("writer").call(CALL).await.status, 200);
    assert_eq!(users().await, left);
    assert_eq!(answered(&bao, "reader"), [CREDS, "auth/token/revoke-self"]);
    let refused = world.agent("reader").call(CALL).await;
    world.refused(&refused, Reason::Revoked).await;

    world.gate.signal("TERM");
    world.gate.ended().await;
    assert_eq!(with_tokens(&bao).await, [""; 0]);
    world.finish_ended(0).await;
}
