//! What is in deploy/ holds, as far as it can be told without a container engine. A running systemd has a test of its own
//! (`tests/systemd/boot`), because only root can start one.

pub(crate) mod compose;
mod image;
mod settings;
mod unit;
pub(crate) mod vault;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every file, each of which has tests in one of the modules here; those of the alerts are in `metrics`.
const FILES: [&str; 8] = [
    "Dockerfile",
    "Dockerfile.dockerignore",
    "alerts.yaml",
    "compose.yaml",
    "tollgate.compose.yaml",
    "tollgate.service",
    "tollgate.systemd.yaml",
    "vault/setup.sh",
];

#[test]
fn every_file_is_one_that_is_tested() {
    // what the comments in compose.yaml have people make is not ours
    let made = ["pki", "vault/ca.crt", "vault/role-id", "vault/secret-id"];
    let mut files = Vec::new();
    list(&root().join("deploy"), &mut files);
    let mut files: Vec<_> = files
        .iter()
        .map(|file| file.strip_prefix(root().join("deploy")).unwrap())
        .filter(|file| !made.iter().any(|made| file.starts_with(made)))
        .collect();
    files.sort();
    assert_eq!(files, FILES.map(Path::new));
}

/// The text of a file in deploy/.
fn text(name: &str) -> String {
    assert!(FILES.contains(&name), "{name} is not listed");
    fs::read_to_string(root().join("deploy").join(name)).unwrap()
}

fn list(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => list(&path, into),
            false => into.push(path),
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
