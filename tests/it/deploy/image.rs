//! The Dockerfile: what it is built from, and that nothing but the program gets into the image.

use std::{collections::BTreeSet, fs, process::Command};

use tempfile::TempDir;

use super::{root, text};
use crate::world::programs::clients;

#[test]
fn hadolint_has_nothing_to_say_about_the_dockerfile() {
    let output = Command::new(clients().join("bin/hadolint"))
        .arg("--failure-threshold=style")
        .arg(root().join("deploy/Dockerfile"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn the_image_is_the_program_and_the_public_authorities_on_nothing() {
    let dockerfile = text("Dockerfile");
    let (build, image) = dockerfile.split_once("FROM scratch\n").unwrap();
    let copied = image.lines().filter(|line| line.starts_with("COPY "));
    assert_eq!(
        copied.collect::<Vec<_>>(),
        [
            "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
            "COPY --from=build /tollgate /tollgate",
        ]
    );
    assert!(image.contains("\nUSER 65532:65532\n"), "{image}");
    // the compiler is the one that Cargo.toml asks for, and the build is the one for releases
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(build.contains(&format!("\nFROM rust:{rust}-alpine AS build\n")));
    assert!(build.contains("cargo build --locked --profile dist"));
    assert!(manifest.contains("[profile.dist]"));
}

#[test]
fn the_build_gets_what_cargo_needs_and_no_key_that_lies_about() {
    let ignored = text("Dockerfile.dockerignore");
    let lines: Vec<_> = ignored
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(lines[0], "*", "everything is left out first");
    let taken: BTreeSet<_> = lines[1..]
        .iter()
        .map(|line| line.strip_prefix('!').unwrap())
        .collect();
    let dir = TempDir::new().unwrap();
    for name in &taken {
        let copied = Command::new("cp")
            .arg("-r")
            .args([&root().join(name), dir.path()])
            .status();
        assert!(copied.unwrap().success(), "{name}");
    }
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--no-deps"])
        .args(["--format-version=1", "--manifest-path"])
        .arg(dir.path().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{cargo:?}");
    for private in ["config", "deploy", "target", ".git"] {
        assert!(!taken.contains(private), "{private}");
    }
}
