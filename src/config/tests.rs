//! The settings as a whole: the shipped example, and what one change makes of it.

mod attention;
mod catalogue;
mod engines;
mod exceptions;
mod gate;
mod mistakes;
mod revoked;
mod roles;
mod rules;

use std::{fs, path::PathBuf};

use time::macros::date;

use super::*;

/// A day on which nothing in the example is overdue.
const TODAY: Date = date!(2026 - 11 - 22);

/// A copy of the shipped example that can be changed.
struct Example {
    directory: tempfile::TempDir,
}

impl Example {
    fn new() -> Example {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let example = Example { directory };
        fs::create_dir(example.path("roles")).expect("a directory in it");
        for file in [
            "tollgate.yaml",
            "credentials.yaml",
            "roles/triage.yaml",
            "revoked",
        ] {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
            fs::copy(shipped.join(file), example.path(file)).expect("a copy of the file");
        }
        example
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// The example with one text of one file replaced.
    fn with(self, file: &str, from: &str, to: &str) -> Example {
        let text = fs::read_to_string(self.path(file)).expect("a file of the example");
        assert_eq!(
            text.matches(from).count(),
            1,
            "{from:?} stands once in {file}"
        );
        self.file(file, &text.replace(from, to))
    }

    /// The example with one more file, or another text for one.
    fn file(self, file: &str, text: &str) -> Example {
        fs::write(self.path(file), text).expect("a file of the example");
        self
    }

    fn without(self, file: &str) -> Example {
        fs::remove_file(self.path(file)).expect("a file of the example");
        self
    }

    fn load(&self) -> Result<Settings, Mistakes> {
        load(&self.path("tollgate.yaml"), TODAY)
    }

    fn settings(&self) -> Settings {
        self.load()
            .unwrap_or_else(|mistakes| panic!("the settings load:\n{mistakes}"))
    }

    /// Every mistake and warning, a line each, with paths as if the example were the working directory.
    fn said(&self) -> String {
        let (mistakes, warnings) = match self.load() {
            Ok(settings) => (Vec::new(), settings.warnings),
            Err(Mistakes { mistakes, warnings }) => (mistakes, warnings),
        };
        let mistakes = mistakes.iter().map(Mistake::to_string);
        let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
        let lines: Vec<String> = mistakes.chain(warnings).collect();
        let directory = format!("{}/", self.directory.path().display());
        lines.join("\n").replace(&directory, "")
    }
}

/// What is said about each of the changes, made one at a time to `file` of the example.
fn said_of_each(file: &str, changes: &[(&str, &str)]) -> String {
    let said = changes.iter().map(|(from, to)| {
        let said = Example::new().with(file, from, to).said();
        let said = if said.is_empty() { "nothing" } else { &said };
        format!("{to}\n  {}", said.replace('\n', "\n  "))
    });
    said.collect::<Vec<String>>().join("\n")
}

/// A manifest of the role `other` with these rules.
fn other(rules: &str) -> String {
    format!(
        "purpose: p\nowner: o\nsponsor: s\nreview_by: 2027-01-01\n\
         identities: [spiffe://example.org/other]\nlimit: {{rate: 1/s}}\nrules: {rules}\n"
    )
}

#[test]
fn the_shipped_example_loads_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tollgate.yaml");
    let settings = load(&path, TODAY).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(settings.warnings, []);
    assert_eq!(settings.gate.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(settings.roles.len(), 1);
    assert_eq!(settings.credentials.len(), 1);
    assert!(settings.revoked.entries.is_empty());
}

#[test]
fn an_identity_finds_its_role() {
    let settings = Example::new().settings();
    let id = SpiffeId::parse("spiffe://example.org/agent/triage").unwrap();
    assert_eq!(&*settings.role_of[&id].name, "triage");
    assert_eq!(settings.role_of.len(), 1);
}

#[test]
fn the_version_changes_with_every_file_and_only_then() {
    let version = |example: Example| example.settings().version;
    let before = version(Example::new());
    assert_eq!(before.len(), 12);
    assert_eq!(before, version(Example::new()));
    let changed = [
        version(Example::new().with("tollgate.yaml", "drain: 10m", "drain: 11m")),
        version(Example::new().with("credentials.yaml", "max_ttl: 1h", "max_ttl: 2h")),
        version(Example::new().with("roles/triage.yaml", "burst: 10", "burst: 11")),
        version(Example::new().file("revoked", "")),
    ];
    for version in &changed {
        assert_ne!(*version, before);
    }
    let moved = Example::new().with(
        "tollgate.yaml",
        "drain: 10m",
        "drain: 10m # a comment counts",
    );
    assert_ne!(version(moved), before);
}

#[test]
fn every_file_that_is_named_is_listed_and_not_opened() {
    let example = Example::new();
    let files = example.settings().files;
    let directory = example.directory.path();
    let files = files.iter().map(|file| {
        let path = file.path.strip_prefix(directory).unwrap();
        format!("{} at line {}", path.display(), file.place.line)
    });
    insta::assert_snapshot!(files.collect::<Vec<_>>().join("\n"), @r#"
    pki/agents-ca.crt at line 12
    pki/gate.crt at line 8
    pki/gate.key at line 8
    pki/interception-ca.crt at line 16
    pki/interception-ca.key at line 16
    pki/vault-ca.crt at line 32
    vault/role-id at line 33
    vault/secret-id at line 33
    "#);
}

#[test]
fn paths_are_relative_to_their_file_unless_they_are_absolute() {
    let example = Example::new().with("tollgate.yaml", "key: pki/gate.key", "key: /run/gate.key");
    let certificate = example.settings().gate.certificate;
    assert_eq!(certificate.chain, example.path("pki/gate.crt"));
    assert_eq!(certificate.key, Path::new("/run/gate.key"));
}
