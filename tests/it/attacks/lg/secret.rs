//! Nothing that the gate writes, and nothing that can be had of its process, has a secret in it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{FileExt as _, MetadataExt as _, PermissionsExt},
        process::ExitStatusExt as _,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tollgate::refusal::Reason;

use super::arena;
use crate::world::{World, agent::request, patience::until, script::Answer, vault::Mood};

/// Calls of every kind that has a credential at hand when something goes right or wrong.
async fn calls_with_credentials(world: &World) {
    let agent = world.agent("r1");
    let broken: [&[u8]; 3] = [
        b"HTTP/1.1 200\r\nX\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"",
    ];
    for (number, bytes) in broken.into_iter().enumerate() {
        let path = format!("/v1/public/broken/{number}");
        world
            .upstream("api.a.test")
            .answers(&path, Answer::BytesThenClose(bytes.into()));
        let mut wire = agent.wire().await;
        wire.send(agent.absolute(&format!("GET http://api.a.test{path}"), "", ""))
            .await;
        let _ = wire.try_answer_to("GET").await;
    }
    for call in [
        "GET http://api.a.test/v1/public/x",
        "GET http://api.b.test/x",
        "GET http://weather.test/v1/x?q=1",
        "GET http://api.a.test/v1/admin",
        "GET http://denied.test/",
    ] {
        agent
            .call_with(call, "Authorization: Bearer agents-own\r\n", "")
            .await;
    }
    let mut tunnel = agent.tunnel("weather.test").await;
    assert_eq!(tunnel.call("GET /v1/x", "weather.test").await.status, 200);
}

#[tokio::test]
async fn lg_01_no_output_has_a_secret() {
    let mut world = arena().vault().max_ttl("2s").admin().start().await;
    calls_with_credentials(&world).await;
    world.rotate("api-a");
    world.vault().is(Mood::Sealed);
    let failing = "credential_fetch_failing{credential=\"api-a\"}";
    let agent = world.agent("r1");
    agent
        .call_until("GET http://api.a.test/v1/public/x", |answer| {
            answer.status == 503
        })
        .await;
    world.metric_until(failing, |failing| failing == 1.0).await;
    world.vault().is(Mood::Well);
    agent
        .call_until("GET http://api.a.test/v1/public/x", |answer| {
            answer.status == 200
        })
        .await;
    world.reload().await;
    let nowhere = world.canaries.forbidden_to(None);
    for page in ["/metrics", "/readyz", "/livez"] {
        let told = world.told(page).await;
        assert_eq!(
            nowhere.find(format!("{}{}", told.head, told.body).as_bytes()),
            None,
            "{page}"
        );
    }
    // the events, stderr and what agents received are searched at the end
    world.finish().await;
}

/// What asks libraries to speak, or to write down keys, in the environment of the gate; and its own level at the finest.
#[tokio::test]
async fn lg_03_no_setting_makes_a_library_speak() {
    let keys = tempfile::tempdir().unwrap();
    let keys = keys.path().join("keys");
    let mut builder = arena().vault().admin();
    for (name, value) in [
        (
            "RUST_LOG",
            "trace,hyper=trace,rustls=trace,h2=trace,reqwest=trace,vaultrs=trace,rustify=trace",
        ),
        ("RUST_BACKTRACE", "full"),
        ("SSLKEYLOGFILE", keys.to_str().unwrap()),
        ("TOKIO_CONSOLE", "1"),
        ("REQWEST_LOG", "trace"),
    ] {
        builder = builder.environment(name, value);
    }
    let world = builder.start().await;
    calls_with_credentials(&world).await;
    world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/agents-word-4711?agents-name-4711=agents-value-4711")
        .await;
    until("the last end", || {
        world
            .events
            .of_kind("ended")
            .iter()
            .any(|event| event["request"]["path"] == "/v1/public/agents-word-4711")
            .then_some(())
    })
    .await;
    let speech = world.gate.stderr();
    assert!(speech.contains("listening"), "{speech}");
    assert!(!keys.exists(), "keys of connections were written down");
    // of a call there is no word at any level: not hyper's, not the resolver's, not the store's client's
    for word in [
        "4711",
        "api.a.test",
        "/v1/",
        "X-Vault",
        "x-vault",
        "127.0.0.2",
        "parsed",
        "Bearer",
    ] {
        assert!(!speech.contains(word), "{word}:\n{speech}");
    }
    world.finish().await;
}

const CHILD: &str = "TOLLGATE_TEST_PANICS_WITH";

/// Run by the test itself in a process of its own: a panic with a secret in its message, in a task as a session is.
async fn panics(secret: String) {
    tollgate::cli::run(["tollgate", "--version"].map(Into::into));
    let task = tokio::spawn(async move {
        assert!(secret.is_empty(), "the secret is {secret}");
    });
    assert!(task.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn lg_08_a_panic_tells_where_and_not_what_of() {
    if let Ok(secret) = std::env::var(CHILD) {
        return panics(secret).await;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "attacks::lg::secret::lg_08_a_panic_tells_where_and_not_what_of",
        ])
        .env(CHILD, "canary-in-a-panic-4711")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let (out, speech) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    assert!(
        speech.contains("defect at tests/it/attacks/lg/secret.rs:"),
        "{speech}"
    );
    for said in [&out, &speech] {
        assert!(
            !said.contains("4711") && !said.contains("is_empty"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn lg_09_the_memory_of_the_process_stays_its_own() {
    let world = arena().vault().start().await;
    calls_with_credentials(&world).await;
    let nowhere = world.canaries.forbidden_to(None);
    let process = format!("/proc/{}", world.gate.pid);
    for file in ["environ", "cmdline", "status", "limits", "comm"] {
        // the environment may be root's alone to read, which is as good
        let bytes = fs::read(format!("{process}/{file}")).unwrap_or_default();
        assert_eq!(nowhere.find(&bytes), None, "{file}");
    }
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let cores = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    let cores: Vec<_> = cores.unwrap().split_whitespace().collect();
    assert_eq!(cores[..2], ["0", "0"], "{limits}");
    world.finish().await;
}

/// The limit of the size of cores is not all: a program that the kernel hands cores to is not bound by it. What is not
/// dumpable is not handed over, and its files in /proc are root's, so that its own user cannot read its memory.
#[tokio::test]
async fn no_other_process_of_its_user_looks_into_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = dir.path().join("tollgate");
    fs::copy(env!("CARGO_BIN_EXE_tollgate"), &program).unwrap();
    let ordinary = |program: &Path| {
        let mut command = Command::new("setpriv");
        // who is ordinary already may not become another
        if own_user() == 0 {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    };
    let mut open = ordinary(Path::new("cat")).spawn().unwrap();
    echoes(&mut open);
    assert_ne!(
        owner_of_memory(&open),
        0,
        "the files of any process are root's here"
    );
    let mut sealed = ordinary(&program).args(["logs", "-"]).spawn().unwrap();
    echoes(&mut sealed);
    assert_eq!(owner_of_memory(&sealed), 0);
    open.kill().unwrap();
    open.wait().unwrap();
    let kill = format!("kill -SEGV {}", sealed.id());
    // the first one only takes away what Rust does on a stack overflow
    let ended = until("the end by the signal", || {
        let _ = Command::new("sh")
            .args(["-c", &kill])
            .stderr(Stdio::null())
            .status();
        sealed.try_wait().unwrap()
    })
    .await;
    assert_eq!(ended.signal(), Some(11), "{ended:?}");
    assert!(!ended.core_dumped(), "a core was written");
}

/// Has `child` hand an event on: by then it has done what it does first of all.
fn echoes(child: &mut Child) {
    let event = json!({"schema": "tollgate.event/1", "id": "01M80YPP0ED7N10N673W3HRZSV", "kind": "stopped",
        "time": "2026-11-22T06:22:10.446873Z", "outcome": "drained"});
    writeln!(child.stdin.as_ref().unwrap(), "{event}").unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.as_mut().unwrap());
    out.read_line(&mut first).unwrap();
    assert!(first.contains("drained"), "{first}");
}

fn owner_of_memory(child: &Child) -> u32 {
    fs::metadata(format!("/proc/{}/mem", child.id()))
        .unwrap()
        .uid()
}

fn own_user() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// How often a value may stand in memory in copies that libraries made of it and gave back without wiping them.
const COPIES_MAX: usize = 2;

/// A value whose lease is over is overwritten where the gate keeps it, and not kept anywhere else. Only root may look.
#[tokio::test]
async fn lg_10_what_is_over_is_wiped() {
    let mut world = arena().max_ttl("2s").start().await;
    let old = world.secret("api-b").to_owned();
    let agent = world.agent("r1");
    assert_eq!(agent.call("GET http://api.b.test/x").await.status, 200);
    let Ok(there) = times_in_memory(&world, &old) else {
        eprintln!("NOT RUN: only root may look into the gate's memory");
        return world.finish().await;
    };
    assert!(there > 0, "the search finds nothing that is there");
    for _ in 0..100 {
        assert_eq!(agent.call("GET http://api.b.test/x").await.status, 200);
    }
    let many = times_in_memory(&world, &old).unwrap();
    world.rotate("api-b");
    let new = world.secret("api-b").to_owned();
    let upstream = world.upstream("api.b.test");
    agent
        .call_until("GET http://api.b.test/x", |_| {
            let seen = upstream.requests();
            seen.last().unwrap().head.values("x-api-key") == [&*new]
        })
        .await;
    let left = times_in_memory(&world, &old).unwrap();
    for _ in 0..100 {
        assert_eq!(agent.call("GET http://api.b.test/x").await.status, 200);
    }
    let later = times_in_memory(&world, &old).unwrap();
    // copies do not pile up, and those of the value that is over are what a library made of it on the way out
    assert!(many <= there + COPIES_MAX, "{there} copies, then {many}");
    assert!(
        left <= COPIES_MAX && later <= COPIES_MAX,
        "{left}, then {later}"
    );
    world.finish().await;
}

/// How often `text` stands in what the gate may write to of its memory.
fn times_in_memory(world: &World, text: &str) -> std::io::Result<usize> {
    let process = format!("/proc/{}", world.gate.pid);
    let memory = fs::File::open(format!("{process}/mem"))?;
    let mut times = 0;
    for map in fs::read_to_string(format!("{process}/maps"))?
        .lines()
        .filter(|map| map.contains(" rw"))
    {
        let (from, until) = map.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, until] = [from, until].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut bytes = vec![0; (until - from) as usize];
        // one that is gone by now holds nothing
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            times += bytes
                .windows(text.len())
                .filter(|window| *window == text.as_bytes())
                .count();
        }
    }
    Ok(times)
}

#[tokio::test]
async fn lg_13_no_word_of_an_agent_is_a_label() {
    let world = arena().admin().start().await;
    let agent = world.agent("r1");
    agent.call("GET http://api.a.test/v1/public/x").await;
    agent.call("GET http://api.a.test/v1/admin").await;
    let before = series(&world).await;
    let host = world.at("api.a.test");
    for number in 0..40 {
        let call = format!("GET http://h{number}.evil.test/p{number}?n{number}=1");
        let headers = format!("X-{number}: {number}\r\nUser-Agent: agent-{number}\r\n");
        agent.call_with(&call, &headers, "").await;
        let mut wire = agent.wire().await;
        wire.send(request(
            &format!("M{number}"),
            &format!("http://{host}/"),
            &host,
            "",
            "",
        ))
        .await;
        wire.answer().await;
        let stranger = world.agent(&format!("stranger-{number}"));
        World::says_no(
            &stranger.call("GET http://api.a.test/v1/public/x").await,
            Reason::IdentityUnknown,
        );
    }
    let after = series(&world).await;
    assert_eq!(
        after.difference(&before).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    let text = world.told("/metrics").await.body;
    for word in ["evil.test", "stranger", "spiffe:", "/v1/"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    world.finish().await;
}

/// The names and labels of all metrics.
async fn series(world: &World) -> BTreeSet<String> {
    let told = world.told("/metrics").await;
    let samples = told.body.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series.to_owned())
        .collect()
}
