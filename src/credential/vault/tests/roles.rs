//! A token for each role, against a real OpenBao.

use serde_json::{Value, json};

use super::{server::OpenBao, *};
use crate::credential::LeaseInfo;

/// The gate itself may make tokens, and read nothing.
const POLICY: &str = r#"path "auth/token/create/agents" { capabilities = ["update"] }"#;

/// What the identity of the role may do, beside what the gate may.
const OF_ROLE: &str = r#"
path "secret/data/triage/*" { capabilities = ["read"] }
path "pki/issue/agents" { capabilities = ["update"] }
"#;

/// What ends leases one by one.
const REVOKES: &str = r#"path "sys/leases/revoke" { capabilities = ["update"] }"#;

struct World {
    server: OpenBao,
    vault: Arc<Vault>,
    _dir: TempDir,
    settings: VaultSettings,
}

impl World {
    async fn start() -> World {
        let server = OpenBao::start().await;
        server.put("triage/github", "of the role").await;
        let (role_id, secret_id) = server.role("gate", POLICY, "1h").await;
        let write = |path: &'static str, body: Value| {
            let server = &server;
            async move { server.write(path, &body.to_string()).await }
        };
        let policy = json!({ "policy": OF_ROLE });
        write("sys/policies/acl/triage", policy).await;
        let mount = &server.read("sys/auth").await["token/"]["accessor"];
        let entity = json!({ "name": "triage", "policies": ["triage"] });
        let entity = write("identity/entity", entity).await;
        let alias = json!({
            "name": "tollgate-triage", "canonical_id": entity["id"], "mount_accessor": mount,
        });
        write("identity/entity-alias", alias).await;
        let kind =
            json!({ "allowed_entity_aliases": ["tollgate-*"], "token_explicit_max_ttl": "1h" });
        write("auth/token/roles/agents", kind).await;
        let dir = TempDir::new().unwrap();
        let settings = VaultSettings {
            ca: vec![server.ca.clone()],
            login: approle(dir.path(), &role_id, &secret_id),
            per_role: Some(PerRole {
                token_role: "agents".into(),
                entity_alias: "tollgate-{role}".into(),
            }),
            ..settings_of(&server.address)
        };
        World {
            vault: Arc::new(Vault::new(settings.clone(), Arc::default()).unwrap()),
            server,
            _dir: dir,
            settings,
        }
    }

    /// What the server knows of the tokens that were made for roles.
    async fn tokens(&self) -> Vec<Value> {
        let mut tokens = Vec::new();
        for accessor in self.server.accessors().await {
            let token = self.server.token(&accessor).await;
            if token["path"] == "auth/token/create/agents" {
                tokens.push(token);
            }
        }
        tokens
    }
}

async fn read(vault: &Vault) -> Result<String, VaultError> {
    let fetched = vault.fetch(&kv2("secret", "triage/github")).await?;
    Ok(token(&fetched).to_owned())
}

#[tokio::test]
async fn a_role_acts_under_a_token_of_its_own_which_ends_by_one_revocation() {
    let world = World::start().await;
    let triage = world.vault.for_role("triage").unwrap();
    assert_eq!(read(&triage).await.as_deref(), Ok("of the role"));
    assert_eq!(read(&world.vault).await, Err(VaultError::Denied));
    // the log of the server knows whose token it is
    let tokens = world.tokens().await;
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0]["meta"]["role"], "triage");
    assert!(!tokens[0]["entity_id"].as_str().unwrap().is_empty());
    // what was got with it ends with it, which the server does in a moment of its own
    let lease = leased(&world, &triage).await;
    world.vault.end_role("triage");
    while !world.tokens().await.is_empty() {}
    while leases(&world).await.contains(&lease) {}
    // who asks again is given another
    assert_eq!(read(&triage).await.as_deref(), Ok("of the role"));
}

/// Something that is leased under the token of `client`; the last part of the lease's name.
async fn leased(world: &World, client: &Vault) -> String {
    let server = &world.server;
    server.mount("pki", "pki").await;
    let root = r#"{"common_name":"test","ttl":"24h"}"#;
    server.write("pki/root/generate/internal", root).await;
    let kind = r#"{"allow_any_name":true,"generate_lease":true,"ttl":"1h"}"#;
    server.write("pki/roles/agents", kind).await;
    let body = json!({ "common_name": "a.test" });
    let question = engine::Question::write(&["pki/issue/agents"], body).unwrap();
    let (answer, parent) = client.ask(&question, Repeat::IfUndone).await.unwrap();
    assert!(parent.lives(Instant::now()));
    let lease = answer.envelope::<Value>().unwrap().lease_id.unwrap();
    let name = lease.rsplit('/').next().unwrap().to_owned();
    assert!(leases(world).await.contains(&name), "{name}");
    name
}

async fn leases(world: &World) -> Vec<String> {
    world
        .server
        .list("sys/leases/lookup/pki/issue/agents")
        .await
}

#[tokio::test]
async fn what_a_role_got_with_a_batch_token_ends_one_by_one() {
    let world = World::start().await;
    let kind = json!({
        "allowed_entity_aliases": ["tollgate-*"],
        "token_type": "batch",
        "orphan": true,
        "renewable": false,
        "token_explicit_max_ttl": 0,
    });
    let kind = kind.to_string();
    world.server.write("auth/token/roles/agents", &kind).await;
    let may = json!({ "policy": format!("{OF_ROLE}{REVOKES}") }).to_string();
    world.server.write("sys/policies/acl/triage", &may).await;
    let triage = world.vault.for_role("triage").unwrap();
    for closes in [false, true] {
        let lease = leased(&world, &triage).await;
        let id = format!("pki/issue/agents/{lease}");
        let known = LeaseInfo {
            id: id.into(),
            duration: Duration::from_secs(3600),
            renewable: false,
        };
        triage.leases.note(&known, None);
        assert!(!triage.line.load().session.ends_leases());
        match closes {
            true => world.vault.close().await.unwrap(),
            false => world.vault.end_role("triage"),
        }
        while leases(&world).await.contains(&lease) {}
    }
}

#[tokio::test]
async fn a_login_of_the_gate_makes_new_tokens_for_its_roles() {
    let world = World::start().await;
    let triage = world.vault.for_role("triage").unwrap();
    read(&triage).await.unwrap();
    let parent = triage.line.load().session.at_hand().unwrap().parent();
    world.vault.adopt(world.settings.clone()).unwrap();
    while !parent.superseded() {
        tokio::task::yield_now().await;
    }
    assert!(parent.lives(Instant::now()));
    assert_eq!(read(&triage).await.as_deref(), Ok("of the role"));
    let token = triage.line.load().session.at_hand().unwrap();
    assert!(!token.outdated() && !Arc::ptr_eq(&token.parent(), &parent));
}

#[tokio::test]
async fn v17_the_tokens_of_roles_are_made_anew_before_the_gates_own_ends() {
    let world = World::start().await;
    let role = r#"{"token_ttl":"3s","token_max_ttl":"3s","token_policies":"gate"}"#;
    world.server.write("auth/approle/role/gate", role).await;
    let triage = world.vault.for_role("triage").unwrap();
    read(&triage).await.unwrap();
    let first = triage.line.load().session.at_hand().unwrap();
    while !first.parent().superseded() {
        assert_eq!(read(&triage).await.as_deref(), Ok("of the role"));
    }
    assert!(first.parent().lives(Instant::now()));
    assert_eq!(read(&triage).await.as_deref(), Ok("of the role"));
    let second = triage.line.load().session.at_hand().unwrap();
    assert!(!second.outdated() && !second.is(&first));
}

#[tokio::test]
async fn a_role_without_an_alias_that_is_allowed_gets_no_token() {
    let world = World::start().await;
    let kind = json!({ "allowed_entity_aliases": ["other-*"] }).to_string();
    world.server.write("auth/token/roles/agents", &kind).await;
    let triage = world.vault.for_role("triage").unwrap();
    assert_eq!(read(&triage).await, Err(VaultError::BadLogin));
}

#[tokio::test]
async fn closing_gives_back_what_the_roles_have() {
    let world = World::start().await;
    let triage = world.vault.for_role("triage").unwrap();
    read(&triage).await.unwrap();
    world.vault.close().await.unwrap();
    assert!(world.tokens().await.is_empty());
    assert_eq!(read(&triage).await, Err(VaultError::Closed));
}

#[tokio::test]
async fn without_the_setting_the_roles_share_the_gates_own_client() {
    let double = double::Double::honest().await;
    let (vault, _dir) = double.client();
    assert!(Arc::ptr_eq(&vault, &vault.for_role("triage").unwrap()));
}
