//! Whoever follows a log sees each of its lines once, whatever becomes of the file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use super::{Log, add, ended, ended_all, logs, text};
use crate::world::{World, gate::tollgate, patience::until};

/// `tollgate logs --follow` with its output in files.
struct Follower {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Follower {
    fn start(log: &Path, args: &[&str], dir: &Path) -> Follower {
        let (out, err) = (dir.join("followed"), dir.join("said"));
        let mut command = tollgate();
        command.arg("logs").arg("--follow").args(args).arg(log);
        command.stdout(File::create(&out).unwrap());
        command.stderr(File::create(&err).unwrap());
        let child = command.spawn().unwrap();
        Follower { child, out, err }
    }

    fn shown(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until exactly these lines were shown, in this order.
    async fn shows(&self, lines: &[String]) {
        let wanted = lines.concat();
        until(&format!("{} lines", lines.len()), || {
            (self.shown().len() >= wanted.len()).then_some(())
        })
        .await;
        assert_eq!(self.shown(), wanted);
    }

    async fn says(&self, what: &str) {
        until(what, || {
            fs::read_to_string(&self.err)
                .unwrap()
                .contains(what)
                .then_some(())
        })
        .await;
    }

    /// What Ctrl-C does; the answer is the exit code.
    async fn interrupted(mut self) -> Option<i32> {
        let kill = format!("kill -INT {}", self.child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(killed.success(), "{kill}");
        let status = until("the end of the follower", || self.child.try_wait().unwrap());
        status.await.code()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_a_gate_misses_nothing_when_its_file_is_moved() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("events: {stdout: true, file: record.jsonl, intent: all}")
        .start()
        .await;
    let record = world.dir().join("record.jsonl");
    let follower = Follower::start(&record, &["-n", "1000000"], world.dir());
    let agent = world.agent("reader");
    let mut wire = agent.wire().await;
    for number in 0..5 {
        for _ in 0..20 {
            wire.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
                .await;
            assert_eq!(wire.answer().await.status, 200);
        }
        fs::rename(&record, world.dir().join(format!("record.jsonl.{number}"))).unwrap();
        // the old file still gets what happens now
        wire.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
            .await;
        assert_eq!(wire.answer().await.status, 200);
        world.gate.signal("USR1");
        until("the new file", || record.exists().then_some(())).await;
        wire.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
            .await;
        assert_eq!(wire.answer().await.status, 200);
        until("its lines at the follower", || {
            (follower.shown().len() == world.events.bytes().len()).then_some(())
        })
        .await;
    }
    assert_eq!(follower.shown(), text(&world.events.bytes()));
    assert_eq!(follower.interrupted().await, Some(0));
    world.finish().await;
}

#[tokio::test]
async fn follows_a_file_that_is_moved_and_made_anew() {
    let log = Log::of(&ended_all(0..3));
    let follower = Follower::start(&log.path(), &[], log.0.path());
    follower.shows(&ended_all(0..3)).await;
    fs::rename(log.path(), log.beside("events.jsonl.1")).unwrap();
    add(&log.beside("events.jsonl.1"), &ended_all(3..4));
    log.add(&[]);
    follower.shows(&ended_all(0..4)).await;
    add(&log.beside("events.jsonl.1"), &ended_all(4..6));
    log.add(&ended_all(6..8));
    follower.shows(&ended_all(0..8)).await;
    assert_eq!(follower.interrupted().await, Some(0));
}

#[tokio::test]
async fn follows_a_file_that_is_copied_and_emptied() {
    let log = Log::of(&ended_all(0..3));
    let follower = Follower::start(&log.path(), &[], log.0.path());
    follower.shows(&ended_all(0..3)).await;
    fs::copy(log.path(), log.beside("events.jsonl.1")).unwrap();
    fs::write(log.path(), ended(3)).unwrap();
    follower.shows(&ended_all(0..4)).await;
    fs::write(log.path(), ended_all(4..20).concat()).unwrap();
    follower.shows(&ended_all(0..20)).await;
    assert_eq!(follower.interrupted().await, Some(0));
}

#[tokio::test]
async fn follows_a_file_that_is_not_there_at_first_and_for_a_while_between() {
    let log = Log::of(&[]);
    fs::remove_file(log.path()).unwrap();
    let follower = Follower::start(&log.path(), &[], log.0.path());
    follower.says("is not there yet").await;
    log.add(&ended_all(0..20));
    follower.shows(&ended_all(0..20)).await;
    fs::rename(log.path(), log.beside("events.jsonl.1")).unwrap();
    add(&log.beside("events.jsonl.1"), &ended_all(20..21));
    follower.shows(&ended_all(0..21)).await;
    log.add(&ended_all(21..22));
    follower.shows(&ended_all(0..22)).await;
    assert_eq!(follower.interrupted().await, Some(0));
}

#[tokio::test]
async fn begins_with_the_last_ten_when_it_follows_and_with_all_when_it_does_not() {
    let log = Log::of(&ended_all(0..30));
    assert_eq!(
        text(&logs(&[], &log.path()).stdout),
        ended_all(0..30).concat()
    );
    assert_eq!(
        text(&logs(&["-n", "2"], &log.path()).stdout),
        ended_all(28..30).concat()
    );
    let follower = Follower::start(&log.path(), &[], log.0.path());
    follower.shows(&ended_all(20..30)).await;
    assert_eq!(follower.interrupted().await, Some(0));
}
