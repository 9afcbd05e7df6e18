//! A wall clock that jumps: leases are measured by one that does not.

use std::{fs, path::Path, process::Command};

use tollgate::refusal::Reason;

use super::{CALL, reader};
use crate::world::World;

/// The library that gives a process another wall clock, by its own word.
fn library() -> String {
    let output = Command::new("faketime").args(["-f", "+0", "env"]).output();
    let output = output.expect("the tests need faketime: see tests/run");
    let environment = String::from_utf8(output.stdout).unwrap();
    let preload = environment
        .lines()
        .find_map(|line| line.strip_prefix("LD_PRELOAD="));
    preload.expect("a library").to_owned()
}

/// The gate's wall clock is off by this much from now on.
fn is_off_by(clock: &Path, offset: &str) {
    let fresh = clock.with_extension("fresh");
    fs::write(&fresh, format!("{offset}\n")).unwrap();
    fs::rename(fresh, clock).unwrap();
}

#[tokio::test]
async fn vt_08_a_lease_does_not_follow_the_wall_clock_and_a_certificate_does() {
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    is_off_by(&clock, "+0");
    let world = reader()
        .environment("LD_PRELOAD", &library())
        .environment("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .environment("DONT_FAKE_MONOTONIC", "1")
        .start()
        .await;
    let host = world.at("api.a.test");
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    // an hour ahead and an hour back: the lease of an hour is neither over nor longer
    for offset in ["+0", "+59m", "-59m", "+2h"] {
        is_off_by(&clock, offset);
        let answer = tunnel.call("GET /v1/public/x", &host).await;
        assert_eq!(answer.status, 200, "{offset}: {answer:?}");
    }
    assert_eq!(world.vault().reads("api-a"), 1);
    // past the end of the agent's certificate, on the same connection
    is_off_by(&clock, "+25h");
    let answer = tunnel.call("GET /v1/public/x", &host).await;
    World::says_no(&answer, Reason::IdentityExpired);
    let late = world.agent("r1").try_wire().await;
    if let Ok(mut wire) = late {
        let _ = wire
            .try_send(world.agent("r1").absolute(CALL, "", ""))
            .await;
        assert!(
            !matches!(wire.try_answer_to("GET").await, Ok(Some(answer)) if answer.status == 200)
        );
    }
    is_off_by(&clock, "+0");
    world.finish().await;
}
