//! Ways in which the credential could come back to the agent. Those that need the answer itself to be looked through
//! wait for that; what the gate says, keeps and lets cross is here.

use std::{fs, path::Path};

use serde_json::Value;
use tollgate::refusal::Reason;

use super::arena;
use crate::world::{
    World,
    gate::tollgate,
    pki::{self, Authority, spiffe_id},
    script::{Answer, Hold},
    settings::Role,
};

const CALL: &str = "GET http://api.a.test/v1/public/x";

/// What of an answer is the gate's own says nothing of the upstream's.
#[tokio::test]
async fn no_secret_comes_in_a_reason_phrase_or_in_a_trailer_that_nobody_asked_for() {
    let world = arena().start().await;
    let canary = world.secret("api-a");
    let upstream = world.upstream("api.a.test");
    let phrase = format!("401 bad key {canary}");
    upstream.answers("/v1/public/x", Answer::with(&phrase, "", "no"));
    let answer = world.agent("r1").call(CALL).await;
    assert_eq!(
        (answer.status, &*answer.reason_phrase),
        (401, "Unauthorized")
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Debug\r\n\r\n";
    let bytes = format!("{chunked}2\r\nok\r\n0\r\nX-Debug: {canary}\r\n\r\n");
    upstream.answers("/v1/public/x", Answer::Bytes(bytes.into()));
    let answer = world.agent("r1").call(CALL).await;
    assert_eq!((&*answer.text(), answer.body.trailers.len()), ("ok", 0));
    world.finish().await;
}

#[tokio::test]
async fn cr_13_a_session_of_the_upstreams_does_not_reach_the_agent_and_check_warns_of_minting() {
    let minting = "POST api.a.test/oauth/token; POST api.a.test/v1/api_keys; \
                   POST api.a.test/app/installations/*/access_tokens; \
                   POST api.a.test/v1/realtime/client_secrets";
    let world = World::new()
        .role("minter", minting)
        .role("reader", "GET api.a.test/v1/public/**")
        .start()
        .await;
    let session = "Set-Cookie: session=x; HttpOnly\r\nSet-Cookie2: y\r\n";
    let script = Answer::with("200 OK", session, "ok");
    world.upstream("api.a.test").answers("/v1/public/x", script);
    let answer = world.agent("reader").call(CALL).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.head.values("set-cookie"), Vec::<&str>::new());
    assert_eq!(answer.head.values("set-cookie2"), Vec::<&str>::new());
    let mut check = tollgate();
    check
        .args(["check", "--config"])
        .arg(world.dir().join("tollgate.yaml"));
    let said = world.run(check).await;
    let said = String::from_utf8(said.stdout).unwrap();
    let warnings = said
        .lines()
        .filter(|line| line.contains("given a credential of its own"));
    assert_eq!(warnings.count(), 4, "{said}");
    world.finish().await;
}

/// With a secret in the query, an error that printed its URL would give it away.
#[tokio::test]
async fn cr_14_no_refusal_says_where_the_call_went_after_the_credential_was_put_in() {
    let world = arena().setting("timeouts: {answer: 1s}").start().await;
    let upstream = world.upstream("weather.test");
    let call = "GET http://weather.test/v1/now?place=x";
    let agent = world.agent("r1");
    for (script, reason) in [
        (Answer::Close, Reason::UpstreamUnreachable),
        (
            Answer::Bytes(b"no HTTP\r\n\r\n".into()),
            Reason::UpstreamMalformed,
        ),
        (Answer::Silence, Reason::UpstreamTimeout),
    ] {
        upstream.answers("/v1/now", script);
        world.refused(&agent.call(call).await, reason).await;
    }
    let location = "Location: http://[::bad\r\nRefresh: 0;url=//\r\n";
    upstream.answers("/v1/now", Answer::with("302 x", location, ""));
    assert_eq!(agent.call(call).await.status, 302);
    upstream.answers("/v1/now", Answer::Close);
    world
        .refused(&agent.call(call).await, Reason::UpstreamUnreachable)
        .await;
    let other = Authority::new("nobody's").server(&["weather.test"]);
    upstream.presents(pki::server_config(&other));
    world
        .refused(&agent.call(call).await, Reason::UpstreamTls)
        .await;
    let secret = format!("app_id={}", percent_encoded(world.secret("weather")));
    let sent = upstream.heads();
    assert!(sent.iter().all(|head| head.contains(&secret)), "{sent:?}");
    world.finish().await;
}

fn percent_encoded(secret: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    secret.bytes().map(encode).collect()
}

#[tokio::test]
async fn cr_15_explain_and_check_print_no_secret_of_any_place() {
    let world = World::new()
        .role(
            "r1",
            "GET api.a.test/**; GET api.b.test/**; GET api.c.test/**; GET git.test/**; GET payments.test/**; \
             GET weather.test/**",
        )
        .start()
        .await;
    let settings = world.dir().join("tollgate.yaml");
    let caller = spiffe_id("r1");
    for host in [
        "api.a.test",
        "api.b.test",
        "api.c.test",
        "git.test",
        "payments.test",
        "weather.test",
    ] {
        for json in [false, true] {
            let mut explain = tollgate();
            explain
                .args(["explain", "--as", &caller, "--config"])
                .arg(&settings);
            if json {
                explain.arg("--json");
            }
            explain.args(["GET", &format!("https://{}/x", world.at(host))]);
            let said = world.run(explain).await;
            assert!(said.status.success(), "{host}: {said:?}");
        }
    }
    let mut check = tollgate();
    check.args(["check", "--config"]).arg(&settings);
    assert!(world.run(check).await.status.success());
    // nothing was printed that may not be: what came was noted as an agent's, which is looked through here
    world.finish().await;
}

#[tokio::test]
async fn cr_16_keeps_no_answer_for_another_call() {
    let players = ["one", "two"].map(spiffe_id);
    let pair =
        Role::from("GET,HEAD api.a.test/v1/**").played_by(&players.each_ref().map(|id| &**id));
    let world = World::new().role("pair", pair).start().await;
    let upstream = world.upstream("api.a.test");
    let fresh = "Cache-Control: public, max-age=31536000\r\nETag: \"e\"\r\n";
    let call = "GET http://api.a.test/v1/x";
    upstream.answers("/v1/x", Answer::with("200 OK", fresh, "for one"));
    assert_eq!(world.agent("one").call(call).await.text(), "for one");
    upstream.answers("/v1/x", Answer::with("200 OK", fresh, "for two"));
    for headers in [
        "",
        "Cache-Control: only-if-cached\r\n",
        "If-None-Match: \"e\"\r\n",
        "Cache-Control: max-stale\r\n",
    ] {
        let answer = world.agent("two").call_with(call, headers, "").await;
        assert_eq!(
            (answer.status, &*answer.text()),
            (200, "for two"),
            "{headers}"
        );
    }
    let head = world.agent("two").call("HEAD http://api.a.test/v1/x").await;
    assert_eq!(head.status, 200);
    let unchanged = "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nSet-Cookie: session=one\r\n\r\n";
    upstream.answers("/v1/x", Answer::Bytes(unchanged.into()));
    let answer = world
        .agent("two")
        .call_with(call, "If-None-Match: \"e\"\r\n", "")
        .await;
    assert_eq!((answer.status, answer.header("etag")), (304, Some("\"e\"")));
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(upstream.requests().len(), 1 + 4 + 1 + 1);
    world.finish().await;
}

#[tokio::test]
async fn cr_19_an_agent_gets_the_bytes_of_its_answer_and_no_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""), "{manifest}");
    let world = arena().start().await;
    let upstream = world.upstream("api.a.test");
    let (one, two) = (world.agent("r1"), world.agent("r1"));
    let large = "A".repeat(100_000);
    upstream.answers("/v1/public/large", Answer::Text(large.clone()));
    for short in ["", "h", "half", "half\0\0"] {
        let call = "GET http://api.a.test/v1/public/large";
        assert_eq!(one.call(call).await.text(), large);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        let script = Answer::Interrupted(format!("{head}{short}").into(), Hold::new(), Vec::new());
        upstream.answers("/v1/public/short", script);
        let mut wire = two.wire().await;
        wire.send(two.absolute("GET http://api.a.test/v1/public/short", "", ""))
            .await;
        wire.until_received(&format!("\r\n\r\n{short}")).await;
        let received = String::from_utf8(wire.received()).unwrap();
        let (_, body) = received.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, short);
    }
    world.finish().await;
}

#[tokio::test]
async fn cr_20_no_refusal_depends_on_a_secret_or_on_whether_there_is_one() {
    let world = World::new()
        .role("with", "GET api.a.test/v1/**")
        .role("without", "GET api.a.test/v1/** with none")
        .start()
        .await;
    for (call, reason) in [
        ("GET http://api.a.test/v2/x", Reason::NoRule),
        ("GET http://api.b.test/v1/x", Reason::NoRule),
        ("DELETE http://api.a.test/v1/x", Reason::NoRule),
        (
            "GET http://api.a.test/v1/x?access_token=1",
            Reason::QueryCredential,
        ),
    ] {
        let mut said = Vec::new();
        for role in ["with", "without"] {
            let answer = world.agent(role).call(call).await;
            World::says_no(&answer, reason);
            said.push(without_ids(answer.problem()));
        }
        assert_eq!(said[0], said[1], "{call}");
    }
    let sizes = ["with", "without"].map(|role| world.agent(role));
    let mut told = Vec::new();
    for agent in sizes {
        let mut wire = agent.wire().await;
        wire.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
            .await;
        assert_eq!(wire.answer().await.text(), "ok");
        told.push(wire.received().len());
    }
    assert_eq!(told[0], told[1], "the answer's size tells of a credential");
    world.finish().await;
}

/// A refusal but for what is new in each.
fn without_ids(mut problem: Value) -> Value {
    problem["event"] = Value::Null;
    problem["error"]["request_id"] = Value::Null;
    problem["instance"] = Value::Null;
    problem
}
