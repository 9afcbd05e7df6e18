//! Section 19: what fails around the gate, the disk and the clock among it, costs calls at most, never a record.

mod crash;
mod room;

use std::{path::Path, process::Command};

use tollgate::refusal::Reason;

use super::arena;
use crate::world::{
    World,
    agent::Agent,
    builder::Builder,
    gate::{Gate, Launch},
    patience::until,
    pki::{Identity, agent_params, spiffe_id},
    programs::installed,
    script::{Answer, Hold},
};

/// `builder` with a clock that is as many seconds off as `offset` says at the time.
pub(super) fn clocked(builder: Builder, offset: &Path) -> Builder {
    installed("faketime", "faketime");
    let listed = Command::new("sh")
        .args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"])
        .output()
        .unwrap();
    let library = String::from_utf8(listed.stdout).unwrap();
    builder
        .environment("LD_PRELOAD", library.trim())
        .environment("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap())
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

/// The certificate of `r1` that is valid between these days from now.
fn valid(world: &World, days: std::ops::Range<i64>) -> Identity {
    let mut params = agent_params(&[&spiffe_id("r1")]);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now + time::Duration::days(days.start);
    params.not_after = now + time::Duration::days(days.end);
    world.pki.agents.sign(&params)
}

/// By a clock that is a year off no authority of the world holds: nobody gets in, whatever the own certificate says. That
/// no leaf is made then either is a test beside the mint.
#[tokio::test]
async fn op_06_certificates_are_held_against_the_clock_there_is() {
    for (offset, days) in [("-31536000", -366..-364), ("+31536000", 364..366)] {
        let clock = tempfile::tempdir().unwrap();
        let file = clock.path().join("offset");
        std::fs::write(&file, offset).unwrap();
        let world = clocked(arena(), &file).start().await;
        for days in [0..1, days] {
            let agent = world.agent_showing(Some(valid(&world, days)));
            if let Ok(mut wire) = agent.try_wire().await {
                let call = agent.absolute("GET http://api.a.test/v1/public/x", "", "");
                let _ = wire.try_send(call).await;
                assert_eq!(wire.rest().await, b"", "{offset}");
            }
        }
        world.refusals(Reason::CertificateInvalid, 2).await;
        world.nothing_left_the_gate();
        world.finish().await;
    }
}

#[tokio::test]
async fn op_08_two_gates_on_one_file_mix_no_lines() {
    let world = arena().start().await;
    let second = Gate::start(world.dir(), Launch::default());
    let started = until("the second gate", || {
        world.events.of_kind("started").into_iter().nth(1)
    })
    .await;
    let mut other = world.agent("r1");
    other.gate = started["listen"].as_str().unwrap().parse().unwrap();
    let calls = async |agent: Agent, name: &str| {
        let mut wire = agent.wire().await;
        for number in 0..200 {
            wire.send(agent.absolute(
                &format!("GET http://api.a.test/v1/public/{name}/{number}"),
                "",
                "",
            ))
            .await;
            assert_eq!(wire.answer().await.status, 200);
        }
    };
    tokio::join!(calls(world.agent("r1"), "one"), calls(other, "two"));
    second.signal("TERM");
    assert_eq!(second.ended().await.code(), Some(0));
    until("every line", || {
        (world.events.of_kind("ended").len() == 400).then_some(())
    })
    .await;
    assert_eq!(world.events.of_kind("allowed").len(), 400);
    world.finish().await;
}

#[test]
fn op_09_what_runs_it_takes_everything_from_it_that_it_does_not_need() {
    let text = |name: &str| {
        std::fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("deploy")
                .join(name),
        )
        .unwrap()
    };
    let (unit, compose, image) = (
        text("tollgate.service"),
        text("compose.yaml"),
        text("Dockerfile"),
    );
    for line in [
        "DynamicUser=yes",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "LimitCORE=0",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
    ] {
        assert!(unit.lines().any(|its| its == line), "{line}");
    }
    for words in [
        "read_only: true",
        "cap_drop: [ALL]",
        "no-new-privileges:true",
        "core: 0",
        "user: \"65532:65532\"",
    ] {
        assert!(compose.contains(words), "{words}");
    }
    let users: Vec<_> = image
        .lines()
        .filter_map(|line| line.strip_prefix("USER "))
        .collect();
    assert_eq!(users, ["65532:65532"], "the image's user");
}

#[tokio::test]
async fn op_10_no_signal_but_the_end_ends_it() {
    let world = arena()
        .setting("events: {stdout: true, file: kept.jsonl, intent: all}")
        .start()
        .await;
    let agent = world.agent("r1");
    for round in 0..20 {
        for name in [
            "HUP", "USR1", "USR2", "PIPE", "XFSZ", "CHLD", "WINCH", "CONT", "URG",
        ] {
            world.gate.signal(name);
        }
        let call = format!("GET http://api.a.test/v1/public/{round}");
        assert_eq!(agent.call(&call).await.status, 200);
    }
    assert_eq!(world.gate.exit_status(), None);
    // something is open, so that the end waits until it is told twice
    let hold = Hold::new();
    let answer = Answer::Interrupted(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into(),
        hold.clone(),
        Vec::new(),
    );
    world
        .upstream("api.a.test")
        .answers("/v1/public/open", answer);
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/public/open", "", ""))
        .await;
    wire.head().await.unwrap().unwrap();
    world.gate.signal("TERM");
    until("the first is heard", || {
        world
            .gate
            .stderr()
            .contains("ending: not ready")
            .then_some(())
    })
    .await;
    world.gate.signal("TERM");
    let at_once = 4;
    world.finish_ended(at_once).await;
}

/// Nothing can be opened: calls fail, the file of the log stays, and it all goes on when there is room.
#[tokio::test]
async fn op_11_no_descriptor_left_is_no_end() {
    let world = arena()
        .setting("events: {stdout: true, file: kept.jsonl, intent: all}")
        .start()
        .await;
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/public/x", "", "");
    // a limit is one of numbers, and the lowest are taken
    world.gate.limit("nofile=4:");
    wire.send(&call).await;
    let answer = wire.answer().await;
    assert!(matches!(answer.status, 502 | 503), "{answer:?}");
    std::fs::rename(world.dir().join("kept.jsonl"), world.dir().join("kept.1")).unwrap();
    world.gate.signal("USR1");
    until("the fault of the file", || {
        world
            .gate
            .stderr()
            .contains("cannot be opened anew")
            .then_some(())
    })
    .await;
    world.gate.limit("nofile=1024:");
    wire.send(&call).await;
    assert_eq!(wire.answer().await.status, 200);
    until("the end", || world.events.of_kind("ended").last().cloned()).await;
    let kept = std::fs::read(world.dir().join("kept.1")).unwrap();
    assert_eq!(kept, world.events.bytes(), "both sinks have the same");
    world.finish().await;
}
