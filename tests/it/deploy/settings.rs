//! The settings for containers and for systemd: `tollgate check` finds no mistake in them where everything lies where
//! the Compose file and the unit put it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

use super::{root, text};
use crate::world::gate::tollgate;

#[test]
fn the_settings_for_compose_have_no_mistake() {
    check("tollgate.compose.yaml", "/run/secrets/");
}

#[test]
fn the_settings_for_systemd_have_no_mistake() {
    check(
        "tollgate.systemd.yaml",
        "/run/credentials/tollgate.service/",
    );
}

/// Checks settings in a directory where `keys` is `keys/`, and nothing is missing.
fn check(name: &str, keys: &str) {
    let made = made_by_pki_init("gate");
    let dir = made.path();
    fs::create_dir_all(dir.join("vault")).unwrap();
    fs::create_dir_all(dir.join("keys")).unwrap();
    for key in ["gate.key", "interception-ca.key"] {
        fs::rename(dir.join("pki").join(key), dir.join("keys").join(key)).unwrap();
    }
    for empty in ["vault/ca.crt", "vault/role-id", "keys/secret-id"] {
        fs::write(dir.join(empty), "").unwrap();
    }
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(dir.join("keys/secret-id"), private).unwrap();
    for part in ["credentials.yaml", "roles", "revoked"] {
        copy(&root().join("config").join(part), dir);
    }
    let settings = text(name)
        .replace(keys, &format!("{}/keys/", dir.display()))
        .replace("/var/lib/tollgate/", &format!("{}/", dir.display()));
    fs::write(dir.join("tollgate.yaml"), settings).unwrap();
    let output = tollgate()
        .args(["check", "--config"])
        .arg(dir.join("tollgate.yaml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{output:?}");
    let counts = "no mistakes, no warnings; 1 of 1 credentials is static";
    assert_eq!(said, format!("tollgate: {counts}\n"));
}

/// A directory with what the commands in the head of compose.yaml make in `pki`.
pub(super) fn made_by_pki_init(gate: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let triage = "spiffe://example.org/agent/triage";
    for args in [
        ["init", "--dir", "pki", "--gate-name", gate],
        ["issue", "--dir", "pki", "--id", triage],
    ] {
        let output = tollgate()
            .current_dir(dir.path())
            .arg("pki")
            .args(args)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    dir
}

fn copy(from: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, into]).status();
    assert!(copied.unwrap().success(), "{}", from.display());
}
