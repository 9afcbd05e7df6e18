//! The event file may be moved at any time: after SIGUSR1 the log goes on in a new one, and no line is lost or doubled.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::world::{World, agent::Agent, gate::tollgate, patience::until, settings::Role};

const CALL: &str = "GET http://api.a.test/v1/x";

/// A gate whose events go to standard output and to a file.
async fn world() -> World {
    World::new()
        .role(
            "agent",
            Role::from("GET api.a.test/v1/**").rate("600000/min"),
        )
        .setting("attempts: 600000/min")
        .setting("events: {stdout: true, file: record.jsonl, intent: all}")
        .start()
        .await
}

fn record(world: &World) -> PathBuf {
    world.dir().join("record.jsonl")
}

/// Moves the file away as log rotation does; the answer is its new name.
fn moved(file: &Path, number: usize) -> PathBuf {
    let old = file.with_extension(format!("jsonl.{number}"));
    fs::rename(file, &old).unwrap();
    old
}

async fn exists(file: &Path) {
    until("the new event file", || file.exists().then_some(())).await;
}

async fn says(world: &World, what: &str) {
    until(what, || world.gate.stderr().contains(what).then_some(())).await;
}

/// Makes calls until told to end.
fn under_load(agent: Agent, ending: Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut wire = agent.wire().await;
        let mut calls = 0;
        while !ending.load(Ordering::Relaxed) {
            wire.send(agent.absolute(CALL, "", "")).await;
            assert_eq!(wire.answer().await.status, 200);
            calls += 1;
        }
        calls
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_in_exactly_one_file_however_often_they_are_moved() {
    let world = world().await;
    let file = record(&world);
    let ending = Arc::new(AtomicBool::new(false));
    let callers = [(); 4].map(|()| under_load(world.agent("agent"), ending.clone()));
    let mut files = Vec::new();
    for number in 0..20 {
        // each file gets something, so that there is something to lose
        until("lines in the file", || {
            (fs::metadata(&file).unwrap().len() > 0).then_some(())
        })
        .await;
        files.push(moved(&file, number));
        world.gate.signal("USR1");
        exists(&file).await;
    }
    ending.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    // told to open its file anew and to end at once, it loses nothing either
    files.push(moved(&file, 20));
    world.gate.signal("USR1");
    world.gate.signal("TERM");
    world.gate.ended().await;
    if file.exists() {
        files.push(file);
    }
    let parts: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(
        parts
            .iter()
            .all(|part| part.is_empty() || part.ends_with(b"\n"))
    );
    // standard output, which cannot be moved, has every line once and in order
    assert!(
        parts.concat() == world.events.bytes(),
        "the files differ from standard output"
    );
    assert_eq!(world.events.of_kind("ended").len(), calls);
    world.finish_ended(0).await;
}

#[tokio::test]
async fn a_new_file_is_its_owners_only() {
    let world = world().await;
    let file = record(&world);
    moved(&file, 1);
    world.gate.signal("USR1");
    exists(&file).await;
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    world.finish().await;
}

#[tokio::test]
async fn goes_on_with_the_old_file_when_there_can_be_no_new_one() {
    let world = world().await;
    let file = record(&world);
    let old = moved(&file, 1);
    fs::create_dir(&file).unwrap();
    world.gate.signal("USR1");
    says(&world, "the file cannot be opened anew").await;
    assert_eq!(world.agent("agent").call(CALL).await.status, 200);
    until("the call in the old file", || {
        let text = fs::read_to_string(&old).unwrap();
        text.contains("\"ended\"").then_some(())
    })
    .await;
    fs::remove_dir(&file).unwrap();
    world.gate.signal("USR1");
    exists(&file).await;
    assert_eq!(world.agent("agent").call(CALL).await.status, 200);
    until("the call in the new file", || {
        let text = fs::read_to_string(&file).unwrap();
        text.contains("\"ended\"").then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_gate_without_an_event_file_takes_the_signal_and_goes_on() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .start()
        .await;
    world.gate.signal("USR1");
    says(&world, "nothing to open anew").await;
    assert_eq!(world.agent("agent").call(CALL).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn says_which_file_takes_no_events_and_why() {
    let world = world().await;
    let file = record(&world);
    moved(&file, 1);
    symlink("/dev/full", &file).unwrap();
    world.gate.signal("USR1");
    says(&world, "events go to a new file").await;
    world.agent("agent").call("GET http://evil.test/").await;
    let what = "calls are refused until they can";
    let why = "No space left on device (os error 28)";
    says(
        &world,
        &format!("{what} file={} error={why}", file.display()),
    )
    .await;
    fs::remove_file(&file).unwrap();
    world.gate.signal("USR1");
    says(&world, "events can be written again").await;
    world.finish().await;
}

#[tokio::test]
async fn says_which_setting_names_a_file_that_cannot_be() {
    let world = world().await;
    let settings = fs::read_to_string(world.dir().join("tollgate.yaml")).unwrap();
    let nowhere = world.dir().join("nowhere.yaml");
    let settings = settings.replace("file: record.jsonl", "file: /nowhere/events");
    fs::write(&nowhere, settings).unwrap();
    let mut serve = tollgate();
    serve.args(["serve", "--config"]).arg(&nowhere);
    let output = world.run(serve).await;
    let said = String::from_utf8_lossy(&output.stderr);
    let why = "tollgate: events.file: /nowhere/events: No such file or directory";
    assert!(said.contains(why), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
    world.finish().await;
}
