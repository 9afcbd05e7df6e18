//! The client against a double that makes faults on demand, and against a real OpenBao.

mod away;
mod double;
mod faults;
mod leases;
mod openbao;
#[path = "../../../tests/openbao/server.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod server;
mod tokens;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::*;
use crate::secret::Part;

/// Role id and secret id in files, as a gate finds them.
fn approle(dir: &Path, role_id: &str, secret_id: &str) -> AppRole {
    let file = |name: &str, content: &str, mode: u32| {
        let path = dir.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    AppRole {
        mount: "approle".into(),
        role_id: file("role_id", role_id, 0o644),
        secret_id: file("secret_id", secret_id, 0o600),
    }
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
fn client(address: &str, ca: Vec<CertificateDer<'static>>) -> (Vault, TempDir) {
    let dir = TempDir::new().unwrap();
    let settings = settings(
        address,
        ca,
        approle(dir.path(), "role-1\n", "secret-id-1\n"),
    );
    (Vault::new(settings, Arc::default()).unwrap(), dir)
}

fn settings(address: &str, ca: Vec<CertificateDer<'static>>, approle: AppRole) -> VaultSettings {
    VaultSettings {
        address: address.parse().unwrap(),
        ca,
        namespace: Some("team-a".into()),
        approle,
    }
}
