//! A log that takes no more: no call without a record, no part of a line, and calls again once it takes them.

use std::{fs, path::Path};

use crate::world::{World, agent::Wire, gate::Stdout, patience::until, settings::Role};
use tollgate::refusal::Reason;

fn often() -> crate::world::builder::Builder {
    World::new()
        .role(
            "r1",
            Role::from("GET api.a.test/v1/public/**").rate("600000/min"),
        )
        .setting("attempts: 600000/min")
}

/// The lines of a file of events.
fn lines(file: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "the last line has no end");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a whole event"))
        .collect()
}

/// Calls until one is refused; the answer is how many were not.
async fn until_refused(wire: &mut Wire, call: &str) -> usize {
    let mut served = 0;
    loop {
        wire.send(call).await;
        let answer = wire.answer().await;
        match answer.status {
            200 => served += 1,
            _ => {
                assert_eq!(answer.code(), Reason::AuditUnavailable.code());
                return served;
            }
        }
        assert!(served < 20_000, "the log never fills up");
    }
}

/// The disk takes no byte more: a file may be no larger than it is, which cuts a line in its middle too.
#[tokio::test]
async fn op_01_a_full_disk_stops_calls_and_no_line_is_cut() {
    let world = often()
        .setting("events: {stdout: true, file: kept.jsonl, intent: all}")
        .start()
        .await;
    let agent = world.agent("r1");
    let kept = world.dir().join("kept.jsonl");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/public/x", "", "");
    let mut served = 0;
    for _ in 0..3 {
        let room = fs::metadata(&kept).unwrap().len() + 2000;
        world.gate.limit(&format!("fsize={room}:"));
        served += until_refused(&mut wire, &call).await;
        // nothing left without its record, neither then nor while nothing can be written
        for _ in 0..5 {
            wire.send(&call).await;
            assert_eq!(wire.answer().await.status, 503);
        }
        let upstream = world.upstream("api.a.test");
        assert_eq!(upstream.heads().len(), served);
        assert!(fs::metadata(&kept).unwrap().len() <= room);
        world.gate.limit("fsize=unlimited:");
        agent
            .call_until("GET http://api.a.test/v1/public/x", |answer| {
                answer.status == 200
            })
            .await;
        served += 1;
    }
    until("every end", || {
        (world.events.of_kind("ended").len() == served).then_some(())
    })
    .await;
    until("every end in the file", || {
        (fs::read(&kept).unwrap() == world.events.bytes()).then_some(())
    })
    .await;
    assert_eq!(
        lines(&kept)
            .iter()
            .filter(|event| event["kind"] == "ended")
            .count(),
        served
    );
    world.finish().await;
}

#[tokio::test]
async fn op_03_a_sink_that_does_not_read_stops_calls_and_takes_no_memory() {
    let world = often()
        .setting("events: {stdout: true, intent: writes}")
        .setting("connections: 8")
        .stdout(Stdout::Stuck)
        .start()
        .await;
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/public/x", "", "");
    let served = until_refused(&mut wire, &call).await;
    let held = world.gate.resident_bytes();
    for _ in 0..500 {
        wire.send(&call).await;
        assert_eq!(wire.answer().await.status, 503);
    }
    assert!(
        world.gate.resident_bytes() < held + (8 << 20),
        "memory grows"
    );
    assert_eq!(world.upstream("api.a.test").heads().len(), served);
    world.gate.read_on();
    agent
        .call_until("GET http://api.a.test/v1/public/x", |answer| {
            answer.status == 200
        })
        .await;
    until("every end", || {
        (world.events.of_kind("ended").len() > served).then_some(())
    })
    .await;
    world.finish().await;
}
