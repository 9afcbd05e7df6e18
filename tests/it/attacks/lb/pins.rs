//! What `Cargo.toml`, `Cargo.lock` and the sources say of the libraries.

use std::{fs, path::Path};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The versions of a crate in the lock file.
fn locked(name: &str) -> Vec<[u64; 3]> {
    let lock = text("Cargo.lock");
    let of_it = lock
        .split("[[package]]")
        .filter(|package| package.contains(&format!("\nname = \"{name}\"\n")));
    of_it
        .map(|package| {
            version(
                package
                    .split("version = \"")
                    .nth(1)
                    .unwrap()
                    .split('"')
                    .next()
                    .unwrap(),
            )
        })
        .collect()
}

fn version(text: &str) -> [u64; 3] {
    let core = text.split(['-', '+']).next().unwrap();
    let mut numbers = core.split('.').map(|number| number.parse().unwrap());
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// Every source file of the program, with its path, without its tests.
fn sources() -> Vec<(String, String)> {
    fn collect(dir: &Path, into: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            if path.is_dir() {
                collect(&path, into);
            } else if !name.contains("tests") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                into.push((name, code.to_owned()));
            }
        }
    }
    let mut all = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    assert!(all.len() > 100, "{} files", all.len());
    all
}

/// No source but those whose path has one of `but` says `word`.
fn nowhere(word: &str, but: &[&str]) {
    for (path, text) in sources() {
        let excepted = but.iter().any(|part| path.contains(part));
        assert!(excepted || !text.contains(word), "{path}: {word}");
    }
}

fn at_least(floors: &[(&str, &str)]) {
    for (name, floor) in floors {
        for found in locked(name) {
            assert!(
                found >= version(floor),
                "{name} {found:?} is older than {floor}"
            );
        }
    }
}

/// Its pool is keyed by scheme and authority alone and it sends again what was cancelled: the gate has its own.
#[test]
fn lb_03_the_pooled_client_of_hyper_util_is_not_used() {
    nowhere("client::legacy", &[]);
    nowhere("hyper_util::client", &[]);
    let manifest = text("Cargo.toml");
    let line = manifest
        .lines()
        .find(|line| line.starts_with("hyper-util"))
        .unwrap();
    assert!(line.contains("features = [\"tokio\"]"), "{line}");
}

/// There is no h2 to be too old; what brings it in brings these tests with it.
#[test]
fn lb_05_there_is_no_h2_that_is_too_old() {
    at_least(&[("h2", "0.4.16")]);
    assert!(
        locked("h2").is_empty(),
        "h2 is there: its limits must be set and attacked (section 11)"
    );
    nowhere("conn::http2", &[]);
    nowhere("b\"h2\"", &[]);
}

#[test]
fn lb_08_idna_is_one_that_takes_no_name_for_another() {
    assert!(!locked("idna").is_empty());
    at_least(&[("idna", "1.0.3")]);
    nowhere("Url::parse", &["src/credential/vault"]);
    nowhere("url::Url", &["src/credential/vault"]);
    nowhere("reqwest::", &["src/credential/vault", "src/cli/quickstart"]);
}

#[test]
fn lb_09_no_library_is_older_than_its_last_known_fault() {
    assert_eq!(version("1.2.3-alpha.1"), [1, 2, 3]);
    for name in [
        "tracing-subscriber",
        "time",
        "bytes",
        "hickory-resolver",
        "rustls",
        "hyper",
    ] {
        assert!(!locked(name).is_empty(), "{name}");
    }
    at_least(&[
        ("tracing-subscriber", "0.3.20"),
        ("time", "0.3.47"),
        ("bytes", "1.11.1"),
        ("tungstenite", "0.20.1"),
        ("hickory-resolver", "0.26.1"),
        ("hickory-proto", "0.26.1"),
        ("ring", "0.17.12"),
        ("rustls", "0.23.18"),
        ("rustls-webpki", "0.103.3"),
        ("hyper", "1.11.0"),
        ("tokio", "1.44.2"),
    ]);
    for name in [
        "serde_yml",
        "serde_yaml",
        "rustls-pemfile",
        "openssl",
        "openssl-sys",
        "native-tls",
    ] {
        assert!(locked(name).is_empty(), "{name}");
    }
    let ci = text(".ci/run");
    for name in [
        "ring",
        "openssl",
        "openssl-sys",
        "native-tls",
        "serde_yml",
        "serde_yaml",
        "rustls-pemfile",
    ] {
        let bans = ci
            .lines()
            .find(|line| line.trim_start().starts_with("for crate in"))
            .unwrap();
        assert!(bans.contains(&format!(" {name}")), "{name} is not banned");
    }
}

/// Numbers do not wrap in what is released either, and a panic unwinds to the edge of its task: it ends one connection.
#[test]
fn lb_10_sums_are_checked_and_a_panic_ends_one_connection() {
    let manifest = text("Cargo.toml");
    let profile = |name: &str| {
        manifest
            .split(&format!("[profile.{name}]"))
            .nth(1)
            .unwrap()
            .split("\n[")
            .next()
            .unwrap()
    };
    assert!(profile("release").contains("overflow-checks = true"));
    assert!(profile("dist").contains("inherits = \"release\""));
    assert!(!profile("dist").contains("overflow-checks"));
    assert!(!manifest.contains("panic = \"abort\""));
    for lint in ["unwrap_used", "panic", "indexing_slicing"] {
        assert!(manifest.contains(&format!("{lint} = \"warn\"")), "{lint}");
    }
    assert!(text(".ci/run").contains("cargo clippy --locked --all-targets -- -D warnings"));
    nowhere("unsafe {", &[]);
}
