//! The client against a double that makes faults on demand, and against a real OpenBao.

mod away;
mod clouds;
mod double;
mod engines;
mod faults;
mod leases;
mod ledger;
mod logins;
mod openbao;
mod pki;
mod roles;
#[path = "../../../tests/openbao/server.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod server;
mod tokens;
mod wire;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::*;
use crate::secret::Part;

/// A file that a gate finds, with its mode.
fn file(dir: &Path, name: &str, content: &str, mode: u32) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// Role id and secret id in files.
fn approle(dir: &Path, role_id: &str, secret_id: &str) -> Login {
    Login::AppRole(AppRole {
        mount: "approle".into(),
        role_id: file(dir, "role_id", role_id, 0o644),
        secret_id: SecretId::Plain(file(dir, "secret_id", secret_id, 0o600)),
    })
}

/// The field `token` of a secret in a key-value engine.
fn kv2(mount: &str, path: &str) -> Engine {
    Engine::Kv2(Stored {
        mount: mount.into(),
        path: path.into(),
        field: "token".into(),
    })
}

/// The text of a value that has one.
fn token(fetched: &Fetched) -> &str {
    let token = fetched.value.part(Part::Token);
    token.expect("the value is a token").expose()
}

/// A client of a server on this machine, and the directory of its login files.
fn client(address: &str, ca: Vec<CertificateDer<'static>>) -> (Arc<Vault>, TempDir) {
    let dir = TempDir::new().unwrap();
    let login = approle(dir.path(), "role-1\n", "secret-id-1\n");
    let settings = settings(address, ca, login);
    let vault = Vault::new(settings, Arc::default()).unwrap();
    (Arc::new(vault), dir)
}

fn settings(address: &str, ca: Vec<CertificateDer<'static>>, login: Login) -> VaultSettings {
    VaultSettings {
        ca,
        login,
        namespace: Some("team-a".into()),
        login_namespace: Some("team-a".into()),
        ..settings_of(address)
    }
}

/// The least that a client must be told of the server at `address`.
pub(super) fn settings_of(address: &str) -> VaultSettings {
    VaultSettings {
        address: address.parse().unwrap(),
        ca: Vec::new(),
        server_name: None,
        certificate: None,
        redirects: Vec::new(),
        namespace: None,
        login_namespace: None,
        login: Login::TokenFile("token".into()),
        per_role: None,
        revoke_on_exit: true,
        ledger: None,
    }
}
