//! `explain` says what the gate would do, and does nothing: the same answers, no network, no secret.

use std::{fs, path::Path, process::Output};

use serde_json::Value;

use crate::world::{World, agent::Agent, gate::tollgate, patience::patiently, pki, settings::Role};

const READER: &str = "GET api.a.test/v1/**; GET api.b.test/items/*; POST,PATCH api.a.test/v1/things; \
    GET plain.test/x with none; GET api.c.test/x; GET 10.1.2.3/x with none; GET *.w.test/x; \
    deny GET,POST api.a.test/v1/admin";

/// Who calls what: each answer of the gate is compared with the explanation.
const CALLS: [(&str, &str); 27] = [
    ("reader", "GET http://api.a.test/v1/x"),
    ("reader", "GET https://api.a.test/v1/inside"),
    ("reader", "POST http://api.a.test/v1/things"),
    ("reader", "PATCH https://api.a.test/v1/things?page=2"),
    ("reader", "GET http://api.b.test/items/7"),
    ("reader", "GET http://plain.test/x"),
    ("reader", "GET http://api.a.test/v1/public/%61"),
    ("reader", "DELETE http://api.a.test/v1/x"),
    ("reader", "GET http://api.a.test/v2/x"),
    ("reader", "GET https://evil.test/v1/x"),
    ("reader", "get http://api.a.test/v1/x"),
    ("reader", "GET http://api.a.test/V1/Admin/x"),
    ("reader", "GET http://api.a.test/v1/Admin/x"),
    ("reader", "GET https://api.a.test/v1/admin"),
    ("reader", "GET https://api.a.test:22/v1/x"),
    ("other", "GET http://api.b.test/items/a%2Fb"),
    ("other", "GET http://api.a.test/v1/../x"),
    ("other", "GET http://api.a.test/v1/x?access_token=1"),
    ("other", "TRACE http://api.a.test/v1/x"),
    ("other", "GET http://127.1/v1/x"),
    ("other", "GET ftp://api.a.test/v1/x"),
    ("other", "GET http://10.1.2.3/x"),
    ("other", "GET http://10.1.2.4/x"),
    ("other", "GET http://api.c.test/x"),
    ("overdue", "GET http://api.a.test/v1/x"),
    ("revoked", "GET http://api.a.test/v1/x"),
    ("nobody", "GET https://api.a.test/v1/x"),
];

#[tokio::test]
async fn says_of_each_call_what_the_gate_does() {
    let players = ["reader", "other"].map(pki::spiffe_id);
    let reader = Role::from(READER).played_by(&players.each_ref().map(|id| &**id));
    let world = World::new()
        .role("reader", reader)
        .role(
            "overdue",
            Role::from("GET api.a.test/v1/**").review_by("2020-01-31"),
        )
        .role("revoked", "GET api.a.test/v1/**")
        .cleartext("plain.test")
        .cleartext("api.c.test")
        .file("revoked", &pki::spiffe_id("revoked"))
        .start()
        .await;
    let mut explained = Vec::new();
    for (who, call) in CALLS {
        explained.push(explanation(&world, who, call).await);
    }
    world.nothing_left_the_gate();
    for ((who, call), explained) in CALLS.into_iter().zip(explained) {
        let event = event_of(&world, &world.agent(who), call).await;
        for (of_event, of_explanation) in [
            (&event["decision"]["reason"], &explained["reason"]),
            (
                &event["decision"]["rule"]["name"],
                &explained["rule"]["name"],
            ),
            (
                &event["decision"]["rule"]["line"],
                &explained["rule"]["line"],
            ),
            (
                &event["credential"]["name"],
                &explained["credential"]["name"],
            ),
            (&event["caller"]["role"], &explained["caller"]["role"]),
        ] {
            assert_eq!(
                of_event, of_explanation,
                "{who} {call}\n{event}\n{explained}"
            );
        }
        let allowed = event["kind"] == "ended";
        let decision = if allowed { "allow" } else { "refuse" };
        assert_eq!(
            explained["decision"], decision,
            "{who} {call}\n{event}\n{explained}"
        );
    }
    world.finish().await;
}

/// The final event of a call made through the gate.
async fn event_of(world: &World, agent: &Agent, call: &str) -> Value {
    let (method, url) = call.split_once(' ').unwrap();
    let before = world.events.all().len();
    match url.strip_prefix("https://") {
        None => drop(agent.call(call).await),
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap());
            let place = agent.at(host);
            let mut wire = agent.wire().await;
            wire.send(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n"))
                .await;
            if wire.answer_to("CONNECT").await.status == 200 {
                let mut inside = wire.tls(host).await;
                inside.call(&format!("{method} {path}"), host).await;
            }
        }
    }
    crate::world::patience::until(&format!("the event of {call}"), || {
        let events = world.events.all();
        let later = events.into_iter().skip(before);
        later
            .into_iter()
            .find(|event| event["kind"] == "ended" || event["kind"] == "refused")
    })
    .await
}

async fn explanation(world: &World, who: &str, call: &str) -> Value {
    let (method, url) = call.split_once(' ').unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let url = format!("{scheme}://{}{path}", world.agent(who).at(host));
    let settings = world.dir().join("tollgate.yaml");
    let id = pki::spiffe_id(who);
    let args = ["--json", "--as", &id, method, &url];
    let output = explain(&settings, &args).await;
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    let code = if explained["decision"] == "allow" {
        0
    } else {
        1
    };
    assert_eq!(output.status.code(), Some(code), "{call}: {explained}");
    explained
}

async fn explain(settings: &Path, args: &[&str]) -> Output {
    run("explain", settings, args).await
}

/// Runs a command on `settings`, without a network where the machine lets us take it away.
async fn run(command: &str, settings: &Path, args: &[&str]) -> Output {
    let program = tollgate();
    let mut alone = std::process::Command::new("unshare");
    alone.args(["--map-root-user", "--net"]);
    let alone_works = alone
        .arg("true")
        .status()
        .is_ok_and(|status| status.success());
    let mut running = match alone_works {
        true => {
            let mut alone = std::process::Command::new("unshare");
            alone
                .args(["--map-root-user", "--net"])
                .arg(program.get_program());
            alone
        }
        false => program,
    };
    running.args([command, "--config"]).arg(settings).args(args);
    let name = format!("{running:?}");
    let output = tokio::task::spawn_blocking(move || running.output().unwrap());
    patiently(&name, output).await.unwrap()
}

/// The shipped settings, with a pipe that nobody writes to in place of every certificate, key and secret: whoever
/// opens one of them waits forever.
fn shipped_with_pipes() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for folder in ["roles", "pki", "vault"] {
        fs::create_dir(directory.path().join(folder)).unwrap();
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for file in [
        "tollgate.yaml",
        "credentials.yaml",
        "roles/triage.yaml",
        "revoked",
    ] {
        fs::copy(shipped.join(file), directory.path().join(file)).unwrap();
    }
    for pipe in [
        "pki/gate.crt",
        "pki/gate.key",
        "pki/agents-ca.crt",
        "pki/interception-ca.crt",
        "pki/interception-ca.key",
        "pki/vault-ca.crt",
        "vault/role-id",
        "vault/secret-id",
    ] {
        let made = std::process::Command::new("mkfifo")
            .arg(directory.path().join(pipe))
            .status();
        assert!(made.unwrap().success(), "{pipe}");
    }
    directory
}

#[tokio::test]
async fn opens_no_secret_and_needs_no_network() {
    let directory = shipped_with_pipes();
    let settings = directory.path().join("tollgate.yaml");
    let id = "spiffe://example.org/agent/triage";
    let url = "https://api.github.com/repos/acme/site/issues";
    let output = explain(&settings, &["--as", id, "--on", "2027-01-01", "GET", url]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.starts_with("allowed     by the rule read-issues at "),
        "{said}"
    );
    assert!(said.contains("roles/triage.yaml:18\n"), "{said}");
}

#[tokio::test]
async fn ends_with_1_for_a_no_and_with_2_for_a_question_that_cannot_be_right() {
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tollgate.yaml");
    let id = "spiffe://example.org/agent/triage";
    let url = "https://api.github.com/x";
    for (code, args) in [
        (1, &["--as", id, "GET", url][..]),
        (1, &["--as", id, "--on", "2030-01-01", "GET", url]),
        (2, &["GET", url]),
        (2, &["--as", "triage", "GET", url]),
        (2, &["--as", id, "GET", "api.github.com/x"]),
        (2, &["--as", id, "G T", url]),
        (2, &["--as", id, "--on", "2030-02-30", "GET", url]),
    ] {
        let output = explain(&settings, args).await;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert_eq!(output.stdout.is_empty(), code == 2, "{args:?}: {output:?}");
    }
}

#[tokio::test]
async fn says_the_mistakes_of_settings_as_check_does() {
    let broken = "tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml";
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join(broken);
    let checked = run("check", &settings, &[]).await;
    let args = ["--as", "spiffe://example.org/a", "GET", "http://a.test/"];
    let explained = explain(&settings, &args).await;
    assert_eq!(explained.status.code(), Some(2));
    assert_eq!(checked.stdout, explained.stdout);
    assert_eq!(checked.stderr, explained.stderr);
    assert_eq!(
        String::from_utf8(explained.stdout).unwrap().lines().count(),
        12
    );
}
