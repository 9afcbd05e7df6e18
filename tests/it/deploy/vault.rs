//! The script that gives the gate its login, against a real OpenBao.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

use super::root;
use crate::{
    openbao::server::{self, OpenBao, engines::Administered},
    servers::{ROOT, postgres::Postgres},
    world::{World, builder::Builder, gate::tollgate, patience::patiently, pki},
};

#[tokio::test]
async fn the_gate_serves_with_the_login_that_the_script_made() {
    let (bao, made_in) = (OpenBao::start().await, TempDir::new().unwrap());
    let dir = made_in.path().join("vault");
    let world = world(&bao, &dir).start().await;
    bao.put("api-a", world.secret("api-a")).await;
    let config = world.dir().join("tollgate.yaml");
    let setup = |more: &[&str]| setup(&bao, &dir, &config, more);

    let said = setup(&[]);
    // a gate that is another user comes to them, and is given the secret id alone
    for (file, expected) in [("", 0o755), ("role-id", 0o644), ("secret-id", 0o600)] {
        let path = dir.join(file);
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{file}");
    }
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let policy = bao.read("sys/policies/acl/tollgate").await;
    assert_eq!(
        policy["policy"],
        "path \"secret/data/api-a\" { capabilities = [\"read\"] }\n\
         path \"auth/token/lookup-self\" { capabilities = [\"read\"] }\n\
         path \"auth/token/renew-self\" { capabilities = [\"update\"] }\n\
         path \"auth/token/revoke-self\" { capabilities = [\"update\"] }\n"
    );

    // once more changes nothing; a rotation ends the old secret id
    let first = secret_id(&dir);
    assert!(setup(&[]).contains("(as it was)"));
    assert_eq!(secret_id(&dir), first);
    setup(&["--rotate"]);
    let second = secret_id(&dir);
    assert_ne!(second, first);
    assert!(!known(&bao, &first).await);
    assert!(known(&bao, &second).await);

    drop(bao);
    world.finish().await;
}

#[tokio::test]
async fn a_gate_with_this_policy_has_users_made_keeps_them_and_gives_them_back() {
    let ((bao, postgres), made_in) = (with_users("5s").await, TempDir::new().unwrap());
    let dir = made_in.path().join("vault");
    let world = world(&bao, &dir).admin().start().await;
    asks_for_users(&world).await;
    setup(&bao, &dir, &world.dir().join("tollgate.yaml"), &[]);

    let agent = world.agent("reader");
    let call = "GET http://api.a.test/v1/x";
    let renewed = "vault_lease_renewals_total{outcome=\"ok\"}";
    patiently("a renewal", async {
        while world.metric(renewed).await == 0.0 {
            assert_eq!(agent.call(call).await.status, 200);
        }
    })
    .await;
    assert_eq!(postgres.roles_made().await.len(), 1);
    fs::write(world.dir().join("revoked"), pki::spiffe_id("reader")).unwrap();
    let given_back = "vault_leases_given_back_total{outcome=\"ok\"}";
    world.metric_until(given_back, |count| count == 1.0).await;
    for errors in ["read", "login", "renew", "lease", "revoke"] {
        let errors = format!("vault_errors_total{{operation=\"{errors}\",error=\"denied\"}}");
        assert_eq!(world.metric(&errors).await, 0.0, "{errors}");
    }
    until_gone(&bao, &postgres).await;
    drop(bao);
    world.finish().await;
}

#[tokio::test]
async fn a_secret_id_that_is_handed_over_wrapped_is_never_in_a_file() {
    let (bao, made_in) = (OpenBao::start().await, TempDir::new().unwrap());
    let dir = made_in.path().join("vault");
    let wrapped = "wrapped_secret_id: {dir}/wrapped-secret-id, role: tollgate";
    let world = world_with(&bao, (&dir, wrapped), "").start().await;
    bao.put("api-a", world.secret("api-a")).await;
    let config = world.dir().join("tollgate.yaml");
    let said = setup(&bao, &dir, &config, &["--wrap"]);
    let path = dir.join("wrapped-secret-id");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!dir.join("secret-id").exists());
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);

    // each run hands over another one; a rotation leaves no other
    let ids = async || bao.list("auth/approle/role/tollgate/secret-id").await;
    setup(&bao, &dir, &config, &["--wrap"]);
    assert_eq!(ids().await.len(), 2);
    setup(&bao, &dir, &config, &["--wrap", "--rotate"]);
    assert_eq!(ids().await.len(), 1);

    drop(bao);
    world.finish().await;
}

#[tokio::test]
async fn users_of_a_gate_that_was_killed_are_gone_after_the_first_call_of_the_next_one() {
    let ((bao, postgres), made_in) = (with_users("1h").await, TempDir::new().unwrap());
    let dir = made_in.path().join("vault");
    let secret_id = "secret_id: {dir}/secret-id";
    let mut world = world_with(&bao, (&dir, secret_id), ", state: tokens")
        .start()
        .await;
    asks_for_users(&world).await;
    let config = world.dir().join("tollgate.yaml");
    setup(&bao, &dir, &config, &[]);
    let noted = || {
        fs::read_to_string(config.with_file_name("tokens"))
            .unwrap()
            .lines()
            .count()
            - 1
    };

    let call = "GET http://api.a.test/v1/x";
    assert_eq!(world.agent("reader").call(call).await.status, 200);
    let (first, tokens) = (postgres.roles_made().await, bao.accessors().await);
    assert_eq!((first.len(), noted()), (1, 1));
    // no other gate takes the file meanwhile
    let other = tollgate().args(["serve", "--config"]).arg(&config).output();
    let other = other.unwrap();
    let said = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(1), "{said}");
    assert!(said.contains("another gate has it"), "{said}");

    world.starts_again().await;
    assert_eq!(postgres.roles_made().await, first);
    assert_eq!(world.agent("reader").call(call).await.status, 200);
    patiently("the end of the first user", async {
        while postgres
            .roles_made()
            .await
            .iter()
            .any(|user| first.contains(user))
        {}
    })
    .await;
    assert_eq!(postgres.roles_made().await.len(), 1);
    assert_eq!((bao.accessors().await.len(), noted()), (tokens.len(), 1));

    world.gate.signal("TERM");
    world.gate.ended().await;
    assert_eq!(noted(), 0);
    until_gone(&bao, &postgres).await;
    drop(bao);
    world.finish_ended(0).await;
}

#[test]
fn settings_that_make_no_policy_end_the_script() {
    let output = |config: &Path| {
        Command::new(root().join("deploy/vault/setup.sh"))
            .args(["--print-policy", "--config"])
            .arg(config)
            .env("TOLLGATE", env!("CARGO_BIN_EXE_tollgate"))
            .output()
            .unwrap()
    };
    let good = output(&root().join("config/tollgate.yaml"));
    assert!(good.status.success(), "{good:?}");
    assert!(
        good.stdout
            .starts_with(b"path \"secret/data/github/triage\"")
    );
    let dir = TempDir::new().unwrap();
    let missing = output(&dir.path().join("tollgate.yaml"));
    let said = String::from_utf8_lossy(&missing.stderr);
    assert_eq!(missing.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot read this file"), "{said}");
    assert!(missing.stdout.is_empty());
}

pub(crate) fn world(bao: &OpenBao, dir: &Path) -> Builder {
    world_with(bao, (dir, "secret_id: {dir}/secret-id"), "")
}

/// The same with another way to the secret id, and with `more` in the settings of Vault.
fn world_with(bao: &OpenBao, (dir, secret_id): (&Path, &str), more: &str) -> Builder {
    let (address, ca, dir) = (&bao.address, bao.ca_file(), dir.display().to_string());
    let secret_id = secret_id.replace("{dir}", &dir);
    World::new()
        .role("reader", "GET api.a.test/v1/**")
        .vault()
        .setting(&format!(
            "vault: {{address: \"{address}\", ca: {}, approle: {{role_id: {dir}/role-id, {secret_id}}}{more}}}",
            ca.display()
        ))
}

/// An OpenBao that makes users of a PostgreSQL, for leases of `ttl`.
pub(crate) async fn with_users(ttl: &str) -> (OpenBao, Postgres) {
    let (bao, postgres) = tokio::join!(OpenBao::start(), Postgres::start());
    let server = Administered {
        address: &postgres.address(),
        root: ROOT,
    };
    bao.makes_postgres_roles("reader", &server, (ttl, "1h"))
        .await;
    (bao, postgres)
}

/// Has the gate take the credential of `api.a.test` from there.
pub(crate) async fn asks_for_users(world: &World) {
    let catalogue = format!(
        "api-a:\n  roles: [reader]\n  hosts: [\"{}\"]\n  vault: {{database: database, role: reader}}\n  \
         place: {{basic: {{user: \"{{username}}\", password: \"{{password}}\"}}}}\n  max_ttl: 1h\n",
        world.at("api.a.test")
    );
    fs::write(world.dir().join("credentials.yaml"), catalogue).unwrap();
    world.reload().await;
}

async fn until_gone(bao: &OpenBao, postgres: &Postgres) {
    patiently("no lease and no user", async {
        while !bao.leases("database/creds/reader").await.is_empty()
            || !postgres.roles_made().await.is_empty()
        {}
    })
    .await;
}

/// Runs the script as an administrator; it says no secret.
pub(crate) fn setup(bao: &OpenBao, dir: &Path, config: &Path, more: &[&str]) -> String {
    let output = Command::new(root().join("deploy/vault/setup.sh"))
        .arg("--dir")
        .arg(dir)
        .arg("--config")
        .arg(config)
        .args(more)
        .env("TOLLGATE", env!("CARGO_BIN_EXE_tollgate"))
        .env("VAULT_CLI", server::binary())
        .env("VAULT_ADDR", &bao.address)
        .env("VAULT_CACERT", bao.ca_file())
        .env("VAULT_TOKEN", server::ROOT)
        .env("HOME", dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    let written = ["secret-id", "wrapped-secret-id"].map(|name| fs::read_to_string(dir.join(name)));
    for secret in written
        .into_iter()
        .flatten()
        .chain([server::ROOT.to_owned()])
    {
        assert!(!said.contains(&secret), "{said}");
    }
    said
}

fn secret_id(dir: &Path) -> String {
    fs::read_to_string(dir.join("secret-id")).unwrap()
}

/// Whether the server would let somebody log in with this secret id.
async fn known(bao: &OpenBao, secret_id: &str) -> bool {
    let body = serde_json::json!({ "secret_id": secret_id }).to_string();
    let role = "auth/approle/role/tollgate";
    let answer = bao.write(&format!("{role}/secret-id/lookup"), &body).await;
    answer["secret_id_accessor"].is_string()
}
