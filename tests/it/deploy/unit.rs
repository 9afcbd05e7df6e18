//! The unit: systemd finds no fault with it and little exposure, and its credentials are those of its settings.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::text;
use crate::world::programs::installed;

/// In tenths, as `systemd-analyze security` takes it: "OK" ends at 4.9, and what is left to the unit is the network.
const EXPOSURE_MAX: &str = "15";

#[test]
fn systemd_finds_no_fault_with_the_unit() {
    let output = analyze(&["verify", "--man=no"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_unit_is_exposed_to_the_network_and_to_little_else() {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let args = ["security", "--offline=true", "--no-pager", &threshold];
    let output = analyze(&args);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_units_credentials_are_those_of_its_settings() {
    let (unit, settings) = (text("tollgate.service"), text("tollgate.systemd.yaml"));
    let loaded = unit
        .lines()
        .filter_map(|line| line.strip_prefix("LoadCredential="));
    let names: Vec<_> = loaded.map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["gate.key", "interception-ca.key", "secret-id"]);
    for name in names {
        let path = format!("/run/credentials/tollgate.service/{name}");
        assert!(settings.contains(&path), "{path}");
    }
    // the only places where it may write: where its events go, and where it notes its tokens
    assert!(unit.contains("\nLogsDirectory=tollgate\n"));
    assert!(settings.contains("file: /var/log/tollgate/events.jsonl"));
    assert!(unit.contains("\nStateDirectory=tollgate\n"));
    assert!(settings.contains("state: /var/lib/tollgate/tokens"));
}

#[test]
fn the_unit_reloads_drains_and_does_not_insist_on_wrong_settings() {
    let unit = text("tollgate.service");
    for line in [
        "ExecReload=/bin/kill -HUP $MAINPID",
        "TimeoutStopSec=11min",
        "Restart=on-failure",
        "RestartPreventExitStatus=2",
        "DynamicUser=yes",
    ] {
        assert!(unit.lines().any(|its| its == line), "{line}");
    }
}

/// Asks `systemd-analyze` about the unit, with a program that is there.
fn analyze(args: &[&str]) -> std::process::Output {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tollgate.service");
    let unit = text("tollgate.service");
    fs::write(
        &path,
        unit.replace("/usr/local/bin/tollgate", env!("CARGO_BIN_EXE_tollgate")),
    )
    .unwrap();
    Command::new(installed("systemd-analyze", "systemd"))
        .args(args)
        .arg(&path)
        .output()
        .unwrap()
}
