//! The outcomes that are safe, as the list names them.

use std::process::Command;

use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::{Answer, Wire},
    gate::tollgate,
    recorder::Seen,
};

/// Sends `bytes` in a tunnel of `r1` to `api.a.test`.
pub(super) async fn inside(world: &World, bytes: impl AsRef<[u8]>) -> Wire {
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    // the gate may close before it has taken all of it
    let _ = tunnel.try_send(bytes).await;
    tunnel
}

/// The gate answers with one of `statuses` itself and closes; what came behind is never read as a request. `what`
/// names the bytes when it does not.
pub(super) async fn refused_and_closed(mut wire: Wire, statuses: &[u16], what: &str) -> Answer {
    let answer = wire
        .try_answer_to("GET")
        .await
        .ok()
        .flatten()
        .unwrap_or_else(|| panic!("no answer to {what}"));
    assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
    let rest = wire.rest().await;
    assert!(rest.is_empty(), "{what}: a second answer came");
    answer
}

/// Another gate does not start with the settings of this one, as they are now; what it says of it.
pub(super) async fn does_not_start(world: &World, what: &str) -> String {
    let program = tollgate();
    // one that starts all the same would go on for ever
    let mut bounded = Command::new("timeout");
    bounded.env_clear().arg("10").arg(program.get_program());
    bounded
        .args(["serve", "--config"])
        .arg(world.dir().join("tollgate.yaml"));
    let output = world.run(bounded).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{what}: {said}");
    said
}

/// What `tollgate check` says of the settings as they are now, and its exit code.
pub(super) async fn checked(world: &World) -> (Option<i32>, String) {
    let mut check = tollgate();
    check
        .args(["check", "--config"])
        .arg(world.dir().join("tollgate.yaml"));
    let output = world.run(check).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said)
}

/// R400 in a tunnel: 400, closed, and nothing left the gate for it.
pub(super) async fn r400(world: &World, bytes: impl AsRef<[u8]>) {
    let what = String::from_utf8_lossy(bytes.as_ref())
        .escape_debug()
        .to_string();
    let wire = inside(world, bytes).await;
    refused_and_closed(wire, &[400], &what).await;
    world.nothing_left_the_gate();
}

/// ONE: exactly one request arrived at `host`, and nothing behind it was taken for another.
pub(super) fn one(world: &World, host: &str) -> Seen {
    world.upstream(host).only_request()
}

/// The gate answers `bytes`, sent in a tunnel of `r1`, with one of `statuses` itself, and nothing leaves it. The
/// connection may stay: where the request ends was not in question.
pub(super) async fn refused(world: &World, statuses: &[u16], bytes: impl AsRef<[u8]>) -> Answer {
    let what = String::from_utf8_lossy(bytes.as_ref())
        .escape_debug()
        .to_string();
    let wire = inside(world, bytes).await;
    answered(world, wire, statuses, &what).await
}

/// The same for what is sent on the agents' listener itself.
pub(super) async fn refused_outside(
    world: &World,
    statuses: &[u16],
    bytes: impl AsRef<[u8]>,
) -> Answer {
    let what = String::from_utf8_lossy(bytes.as_ref())
        .escape_debug()
        .to_string();
    let mut wire = world.agent("r1").wire().await;
    let _ = wire.try_send(bytes).await;
    answered(world, wire, statuses, &what).await
}

async fn answered(world: &World, mut wire: Wire, statuses: &[u16], what: &str) -> Answer {
    let method = what.split(' ').next().unwrap();
    let answer = wire.try_answer_to(method).await.ok().flatten();
    let answer = answer.unwrap_or_else(|| panic!("no answer to {what}"));
    assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
    world.nothing_left_the_gate();
    answer
}

/// STRIP: `call` of `r1` arrives at `host` with these header lines, and is answered; what the upstream saw of it.
pub(super) async fn arrives(
    world: &World,
    host: &str,
    call: &str,
    lines: &str,
    body: &str,
) -> Seen {
    let mut tunnel = world.agent("r1").tunnel(host).await;
    let lines = format!("{lines}\r\n");
    let answer = tunnel.call_with(call, host, &lines, body).await;
    assert_eq!(answer.status, 200, "{call} with {lines}: {answer:?}");
    world.upstream(host).requests().pop().unwrap()
}

/// A body arrives as it was sent by a call that a rule allows, and opens no rule to one of `path`, which none names.
pub(super) async fn decides_nothing(world: &World, lines: &str, body: &str, path: &str) -> Seen {
    let seen = arrives(world, "api.a.test", "POST /v1/items", lines, body).await;
    assert_eq!(seen.body.bytes, body.as_bytes());
    let agent = world.agent("r1");
    let (call, lines) = (
        format!("POST http://api.a.test{path}"),
        format!("{lines}\r\n"),
    );
    World::says_no(&agent.call_with(&call, &lines, body).await, Reason::NoRule);
    seen
}

/// STRIP: a call arrives without any of these header lines, with what stands beside them, and with the gate's own
/// credential alone.
pub(super) async fn stripped(world: &World, lines: &[&str]) {
    let all = format!("X-Kept: kept\r\n{}", lines.join("\r\n"));
    let seen = arrives(world, "api.a.test", "GET /v1/public/x", &all, "").await;
    assert_eq!(seen.head.value("x-kept"), Some("kept"));
    assert_eq!(seen.head.values("authorization"), [bearer(world)]);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let own =
            |seen: &&(String, String)| seen.0.eq_ignore_ascii_case(name) && seen.1 == value.trim();
        assert_eq!(seen.head.headers.iter().find(own), None, "{line}");
    }
    let received = world.upstream("api.a.test").connections();
    for connection in received {
        let bytes = connection.received.bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains("agents-own"));
    }
}

/// What stands in `Authorization` at `api.a.test`.
pub(super) fn bearer(world: &World) -> String {
    format!("Bearer {}", world.secret("api-a"))
}
