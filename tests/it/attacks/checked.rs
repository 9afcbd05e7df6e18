//! What `check` says of the shipped settings with one change.

use std::{fs, path::Path};

use crate::world::gate::tollgate;

/// The mistakes that `check` finds once `to` stands for `from` in `file`; there must be some.
pub(super) fn checked(file: &str, from: &str, to: &str) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let text = fs::read_to_string(shipped.join(file)).unwrap();
    assert_eq!(
        text.matches(from).count(),
        1,
        "{from:?} stands once in {file}"
    );
    checked_whole(file, &text.replace(from, to))
}

/// The same once `text` is all of `file`.
pub(super) fn checked_whole(file: &str, text: &str) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("roles")).unwrap();
    for one in [
        "tollgate.yaml",
        "credentials.yaml",
        "roles/triage.yaml",
        "revoked",
    ] {
        fs::copy(shipped.join(one), directory.path().join(one)).unwrap();
    }
    fs::write(directory.path().join(file), text).unwrap();
    let mut command = tollgate();
    let config = directory.path().join("tollgate.yaml");
    let output = command
        .arg("check")
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}\n{said}");
    said
}
