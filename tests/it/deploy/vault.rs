//! The script that gives the gate its login, against a real OpenBao.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use super::root;
use crate::{
    openbao::server::{self, OpenBao},
    world::{World, builder::Builder},
};

#[tokio::test]
async fn the_gate_serves_with_the_login_that_the_script_made() {
    let (bao, made_in) = (OpenBao::start().await, TempDir::new().unwrap());
    let dir = made_in.path().join("vault");
    let world = world(&bao, &dir).start().await;
    bao.put("api-a", world.secret("api-a")).await;
    let catalogue = world.dir().join("credentials.yaml");
    let setup = |more: &[&str]| setup(&bao, &dir, &catalogue, more);

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

#[test]
fn the_policy_has_every_path_of_the_catalogue_however_it_is_written() {
    let policy = policy(
        "# vault: {kv2: old, path: gone, field: token}\n\
         a:\n  vault: {kv2: secret, path: github/triage, field: token} # not {kv2: x, path: y}\n\
         b:\n  vault:\n    field: token\n    path: \"b/b\"\n    kv2: 'team'\n  max_ttl: 1h\n\
         c:\n  file: /run/secrets/c\n\
         d: {vault: {path: github/triage, kv2: secret, field: other}, max_ttl: 1h}\n",
    );
    let policy = String::from_utf8(policy.stdout).unwrap();
    let paths: Vec<_> = policy.lines().map(|line| line.split('"').nth(1)).collect();
    let own = ["lookup-self", "renew-self", "revoke-self"];
    let own = own.map(|path| format!("auth/token/{path}"));
    let mut wanted = vec![Some("secret/data/github/triage"), Some("team/data/b/b")];
    wanted.extend(own.iter().map(|path| Some(path.as_str())));
    assert_eq!(paths, wanted);
}

#[test]
fn a_catalogue_that_cannot_be_read_ends_the_script() {
    for (catalogue, reason) in [
        ("a:\n  vault: {kv2: secret, field: token}\n", "cannot read"),
        ("a:\n  vault: *other\n", "cannot read"),
        ("a:\n  file: /run/secrets/a\n", "takes nothing from Vault"),
    ] {
        let output = policy(catalogue);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{catalogue}: {said}");
        assert!(said.contains(reason), "{catalogue}: {said}");
        assert!(output.stdout.is_empty(), "{catalogue}");
    }
}

fn world(bao: &OpenBao, dir: &Path) -> Builder {
    let (address, ca, dir) = (&bao.address, bao.ca_file(), dir.display());
    World::new()
        .role("reader", "GET api.a.test/v1/**")
        .vault()
        .setting(&format!(
            "vault: {{address: \"{address}\", ca: {}, approle: {{role_id: {dir}/role-id, secret_id: {dir}/secret-id}}}}",
            ca.display()
        ))
}

/// Runs the script as an administrator; it says no secret.
fn setup(bao: &OpenBao, dir: &Path, catalogue: &Path, more: &[&str]) -> String {
    let output = Command::new(root().join("deploy/vault/setup.sh"))
        .arg("--dir")
        .arg(dir)
        .arg("--catalogue")
        .arg(catalogue)
        .args(more)
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
    for secret in [server::ROOT.to_owned(), secret_id(dir)] {
        assert!(!said.contains(&secret), "{said}");
    }
    said
}

/// What the script prints as the policy for this catalogue.
fn policy(catalogue: &str) -> Output {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("credentials.yaml");
    fs::write(&path, catalogue).unwrap();
    Command::new(root().join("deploy/vault/setup.sh"))
        .arg("--print-policy")
        .arg("--catalogue")
        .arg(path)
        .output()
        .unwrap()
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
