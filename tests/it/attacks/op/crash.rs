//! A gate that is killed, and a log that was cut or changed by whoever keeps it: what was to be on record before a call
//! is, the next gate starts, and `tollgate logs` reads on.

use std::{fs, path::Path};

use serde_json::Value;

use super::arena;
use crate::world::{World, gate::tollgate, patience::until};

/// The whole events of a file, and how many other lines there are.
fn events(file: &Path) -> (Vec<Value>, usize) {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let read: Vec<Option<Value>> = text
        .lines()
        .map(|line| serde_json::from_str(line).ok())
        .collect();
    let torn = read.iter().filter(|event| event.is_none()).count();
    (read.into_iter().flatten().collect(), torn)
}

/// Calls without waiting for answers until the gate is gone.
async fn calls(world: &World, round: usize) -> tokio::task::JoinHandle<()> {
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    tokio::spawn(async move {
        for number in 0.. {
            let call = agent.absolute(
                &format!("GET http://api.a.test/v1/public/{round}/{number}"),
                "",
                "",
            );
            if wire.try_send(call).await.is_err()
                || !matches!(wire.try_answer_to("GET").await, Ok(Some(_)))
            {
                return;
            }
        }
    })
}

#[tokio::test]
async fn op_04_every_call_that_left_is_on_record_however_the_gate_is_killed() {
    let mut world = arena()
        .setting("attempts: 600000/min")
        .setting("events: {stdout: true, file: kept.jsonl, intent: all}")
        .start()
        .await;
    let kept = world.dir().join("kept.jsonl");
    for round in 0..12 {
        let calling = [calls(&world, round).await, calls(&world, 100 + round).await];
        let upstream = world.upstream("api.a.test");
        let before = upstream.heads().len();
        // a different moment each time, told by what has happened
        until("some calls", || {
            (upstream.heads().len() > before + 3 * round).then_some(())
        })
        .await;
        world.starts_again().await;
        for calling in calling {
            calling.await.unwrap();
        }
        let (events, torn) = events(&kept);
        assert!(
            torn <= round + 1,
            "{torn} lines are torn after {} kills",
            round + 1
        );
        let announced = |path: &str| {
            events
                .iter()
                .any(|event| event["kind"] == "allowed" && event["request"]["path"] == path)
        };
        for head in world.upstream("api.a.test").heads() {
            let path = head.split(' ').nth(1).unwrap();
            assert!(announced(path), "{path} left without a record");
        }
        // what the next gate writes begins on a line of its own
        assert_eq!(events.last().unwrap()["kind"], "started");
    }
    world.finish().await;
}

/// What `tollgate logs` prints of a file, and what it says of it.
fn read(file: &Path) -> (usize, String) {
    let output = tollgate().arg("logs").arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed
        .lines()
        .for_each(|line| drop(serde_json::from_str::<Value>(line).expect("an event")));
    (
        printed.lines().count(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// There is no chain of hashes, so that a change within a text is not noticed (as the README says of who may write to the
/// file); what is no event any more is named by its line, and everything else is read.
#[tokio::test]
async fn op_05_a_log_that_was_cut_or_changed_is_read_on() {
    let mut world = arena()
        .setting("events: {stdout: true, file: kept.jsonl, intent: all}")
        .start()
        .await;
    for number in 0..4 {
        world
            .agent("r1")
            .call(&format!("GET http://api.a.test/v1/public/{number}"))
            .await;
    }
    until("the last end", || {
        (world.events.of_kind("ended").len() == 4).then_some(())
    })
    .await;
    let kept = world.dir().join("kept.jsonl");
    until("the last end in the file", || {
        (fs::read(&kept).unwrap() == world.events.bytes()).then_some(())
    })
    .await;
    let whole = fs::read(&kept).unwrap();
    let lines: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    let from = lines[lines.len() - 4];
    let cut = world.dir().join("cut.jsonl");
    for length in (from..=whole.len())
        .step_by(13)
        .chain(lines.iter().copied().rev().take(3))
    {
        fs::write(&cut, &whole[..length]).unwrap();
        let ends = lines.iter().filter(|end| **end <= length).count();
        let (printed, said) = read(&cut);
        assert!(
            printed == ends || (printed == ends + 1 && lines.contains(&(length + 1))),
            "{length}: {printed} of {ends}"
        );
        let torn = !lines.contains(&length) && printed == ends;
        assert_eq!(
            said.contains(&format!("cut.jsonl:{}:", ends + 1)),
            torn,
            "{length}: {said}"
        );
    }
    // one bit of the bracket that opens a line
    let mut flipped = whole.clone();
    flipped[lines[1]] ^= 0x40;
    fs::write(&cut, &flipped).unwrap();
    let (printed, said) = read(&cut);
    assert_eq!(printed, lines.len() - 1, "{said}");
    assert!(said.contains("cut.jsonl:3:"), "{said}");
    // and the gate starts on each
    for length in [0, 1, from - 1, from + 40, whole.len() - 1] {
        fs::write(&kept, &whole[..length]).unwrap();
        world.starts_again().await;
        until("its first event", || {
            (events(&kept).0.last()?["kind"] == "started").then_some(())
        })
        .await;
    }
    world.finish().await;
}
