//! `tollgate logs` shows what happened: to a program the lines as they are, to a person rows, and nothing is missing.

mod follow;

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{World, gate::tollgate, patience::until, pki::spiffe_id};

/// A log without a gate.
struct Log(TempDir);

impl Log {
    /// With these lines in it.
    fn of(lines: &[String]) -> Log {
        let log = Log(tempfile::tempdir().unwrap());
        log.add(lines);
        log
    }

    fn path(&self) -> PathBuf {
        self.beside("events.jsonl")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn add(&self, lines: &[String]) {
        add(&self.path(), lines);
    }
}

fn add(path: &Path, lines: &[String]) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
}

/// The line of a call that ended, told from others by its path.
fn ended(number: usize) -> String {
    let id = spiffe_id("reader");
    let event = json!({
        "schema": "tollgate.event/1", "id": "01M80YPP0ED7N10N673W3HRZSV", "time": "2026-11-22T06:22:10.446873Z",
        "kind": "ended", "caller": {"id": id, "role": "reader"},
        "request": {"method": "GET", "scheme": "https", "host": "api.a.test", "port": 443, "path": format!("/v1/{number}")},
        "upstream": {"status": 200}, "time_us": {"total": 1234},
    });
    format!("{event}\n")
}

fn ended_all(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(ended).collect()
}

fn logs(args: &[&str], path: &Path) -> Output {
    tollgate()
        .arg("logs")
        .args(args)
        .arg(path)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A gate whose file has calls of two roles, refusals of both, and a connection without an identity.
async fn world() -> World {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .role("writer", "POST api.b.test/v1/**")
        .setting("events: {stdout: true, file: record.jsonl, intent: all}")
        .start()
        .await;
    for (role, call) in [
        ("reader", "GET http://api.a.test/v1/x"),
        ("reader", "DELETE http://api.a.test/v1/x"),
        ("writer", "POST http://api.b.test/v1/x"),
        ("writer", "GET http://api.a.test/v1/x"),
    ] {
        world.agent(role).call(call).await;
    }
    // eleven and more in a second are counted
    let mut wire = world.agent("writer").wire().await;
    for _ in 0..30 {
        wire.send(
            world
                .agent("writer")
                .absolute("GET http://api.a.test/v1/x", "", ""),
        )
        .await;
        wire.answer().await;
    }
    world
        .event_where("the count", |event| event["kind"] == "counted")
        .await;
    world
}

/// Runs `tollgate logs` with the settings of `world`; the answer is what it printed.
fn logs_of(world: &World, args: &[&str]) -> String {
    let mut command = tollgate();
    command
        .arg("logs")
        .arg("--config")
        .arg(world.dir().join("tollgate.yaml"));
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

#[tokio::test]
async fn a_program_gets_the_lines_byte_for_byte_and_only_those_that_it_asks_for() {
    let world = world().await;
    let record = fs::read_to_string(world.dir().join("record.jsonl")).unwrap();
    assert_eq!(logs_of(&world, &[]), record);
    let of = |wanted: &dyn Fn(&Value) -> bool| -> String {
        let lines = record.split_inclusive('\n');
        lines
            .filter(|line| wanted(&serde_json::from_str(line).unwrap()))
            .collect()
    };
    let [reader, writer] = ["reader", "writer"].map(spiffe_id);
    let no = |event: &Value| event["kind"] == "refused" || event["kind"] == "counted";
    let by = |event: &Value, id: &str| event["caller"]["id"] == id;
    // a counted line names no role, but it is its caller's
    for (args, wanted) in [
        (vec!["--role", "reader"], of(&|event| by(event, &reader))),
        (
            vec!["--role", "writer", "--refused"],
            of(&|event| by(event, &writer) && no(event)),
        ),
        (vec!["--caller", &writer], of(&|event| by(event, &writer))),
        (
            vec!["--caller", &reader, "--refused"],
            of(&|event| by(event, &reader) && no(event)),
        ),
        (vec!["--refused"], of(&no)),
        (vec!["--refused", "--json"], of(&no)),
        (vec!["--role", "reader", "--caller", &writer], String::new()),
    ] {
        assert_eq!(logs_of(&world, &args), wanted, "{args:?}");
        assert!(
            !wanted.is_empty() || args.len() == 4,
            "{args:?} shows nothing"
        );
    }
    assert!(of(&|event| event["kind"] == "counted").contains(&writer));
    world.finish().await;
}

#[tokio::test]
async fn ends_without_a_word_when_nobody_reads_any_more() {
    // more than a pipe holds, and less: then that nobody reads is noticed although there is nothing to write
    for (args, events) in [(["--json", "-n9999"], 5_000), (["--follow", "-n9999"], 1)] {
        let log = Log::of(&ended_all(0..events));
        let mut command = tollgate();
        command.arg("logs").args(args).arg(log.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = [0; 100];
        let mut reader = child.stdout.take().unwrap();
        reader.read_exact(&mut first).unwrap();
        drop(reader);
        let status = until("the end", || child.try_wait().unwrap()).await;
        let mut said = String::new();
        let mut speech = child.stderr.take().unwrap();
        speech.read_to_string(&mut said).unwrap();
        assert_eq!((status.code(), &*said), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_line_that_is_no_event_is_named_and_the_others_are_shown() {
    let log = Log::of(&[
        ended(1),
        "\n".into(),
        "{\"schema\":\"tollgate.event/1\",\"id\":\n".into(),
        ended(4),
        "{\"schema\":\"another/1\",\"time\":\"\",\"kind\":\"ended\"}\n".into(),
        "\u{fffd}\u{1b}[2J\n".into(),
        ended(7),
        ended(8).trim_end().into(),
    ]);
    let output = logs(&[], &log.path());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        [ended(1), ended(4), ended(7), ended(8)].concat()
    );
    let said = text(&output.stderr).replace(&log.path().display().to_string(), "FILE");
    let line = |number: usize| format!("tollgate logs: FILE:{number}: not an event, left out\n");
    assert_eq!(said, [2, 3, 5, 6].map(line).concat());
    log.add(&["\n{\"schema\":\"toll".into()]);
    let said = text(&logs(&["-n", "1"], &log.path()).stderr);
    assert!(
        said.ends_with("events.jsonl:9: cut off, left out\n"),
        "{said}"
    );
}

#[test]
fn finds_the_file_in_settings_that_are_wrong_elsewhere() {
    let log = Log::of(&ended_all(0..3));
    let with = |settings: &str| {
        let config = log.beside("tollgate.yaml");
        fs::write(&config, settings).unwrap();
        tollgate()
            .args(["logs", "--config"])
            .arg(config)
            .output()
            .unwrap()
    };
    let output =
        with("listen: nowhere\nlisten: twice\nevents: {file: events.jsonl}\nunknown: key\n");
    assert_eq!(text(&output.stdout), ended_all(0..3).concat(), "{output:?}");
    for (settings, what) in [
        ("events: {stdout: true}\n", "names no file under `events`"),
        ("", "names no file under `events`"),
        ("events: {file: [a]}\n", "tollgate.yaml:1:16"),
    ] {
        let output = with(settings);
        assert_eq!(output.status.code(), Some(2), "{settings}");
        assert!(
            text(&output.stderr).contains(what),
            "{settings}: {output:?}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_and_a_caller_that_cannot_be_are_said() {
    let log = Log::of(&[]);
    let missing = logs(&[], &log.beside("missing"));
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing.stderr).contains("missing: No such file"),
        "{missing:?}"
    );
    let caller = logs(&["--caller", "triage"], &log.path());
    assert_eq!(caller.status.code(), Some(2));
    assert!(text(&caller.stderr).contains("spiffe://"), "{caller:?}");
}

#[test]
fn standard_input_is_shown_as_it_comes() {
    let log = Log::of(&[]);
    let mut command = tollgate();
    command.args(["logs", "--follow", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(ended(1).as_bytes()).unwrap();
    // it is shown while standard input is still open
    let mut first = vec![0; ended(1).len()];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    assert_eq!(text(&first), ended(1));
    drop(stdin);
    assert!(child.wait().unwrap().success());
    drop(log);
}

/// What a person sees who runs `command` on a terminal, with `$LOG` for the file.
fn on_a_terminal(log: &Log, command: &str) -> String {
    let program = format!(
        "LOG={} PATH={}:$PATH; {command}",
        log.path().display(),
        Path::new(env!("CARGO_BIN_EXE_tollgate"))
            .parent()
            .unwrap()
            .display(),
    );
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &program, "/dev/null"])
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

#[test]
fn a_person_sees_rows_and_a_program_beside_them_json() {
    let log = Log::of(&[ended(1)]);
    let plain = "2026-11-22 UTC\r\n\
                 06:22:10 ✓ 200 GET     api.a.test/v1/1        reader                       1.2ms\r\n";
    assert_eq!(on_a_terminal(&log, "NO_COLOR=1 tollgate logs $LOG"), plain);
    let coloured = on_a_terminal(&log, "tollgate logs $LOG");
    assert!(
        coloured.contains("\u{1b}[32m✓ 200\u{1b}[0m"),
        "{coloured:?}"
    );
    let narrow = on_a_terminal(&log, "stty cols 30; NO_COLOR=1 tollgate logs $LOG");
    assert_eq!(
        narrow,
        "2026-11-22 UTC\r\n06:22:10 ✓ 200 GET api…st/v1/1\r\n"
    );
    let piped = on_a_terminal(&log, "tollgate logs $LOG | cat");
    assert_eq!(piped, ended(1).replace('\n', "\r\n"));
    let json = on_a_terminal(&log, "tollgate logs --json $LOG");
    assert_eq!(json, piped);
}
