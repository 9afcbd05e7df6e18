//! What is written: one final event for each request, before it a permit, and nothing that an agent could forge.

use serde_json::Value;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::request,
    patience::until,
    pki::spiffe_id,
    script::{Answer, Hold},
};

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**; POST api.a.test/v1/items")
        .start()
        .await
}

fn finals(world: &World) -> Vec<Value> {
    let mut events = world.events.all();
    events.retain(|event| event["kind"] == "ended" || event["kind"] == "refused");
    events
}

#[tokio::test]
async fn writes_who_did_what_by_which_rule_with_which_credential() {
    let world = world().await;
    let agent = world.agent("agent");
    agent.call("GET http://api.a.test/v1/x?page=2&size=3").await;
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(ended["caller"]["id"], spiffe_id("agent"));
    assert_eq!(ended["caller"]["role"], "agent");
    assert_eq!(ended["caller"]["owner"], "owner@example.test");
    assert_eq!(ended["request"]["method"], "GET");
    assert_eq!(ended["request"]["scheme"], "https");
    assert_eq!(ended["request"]["host"], "api.a.test");
    assert_eq!(ended["request"]["port"], world.port);
    assert_eq!(ended["request"]["path"], "/v1/x");
    assert_eq!(
        ended["request"]["query_names"],
        serde_json::json!(["page", "size"])
    );
    assert_eq!(ended["decision"]["effect"], "allow");
    assert_eq!(ended["decision"]["rule"]["name"], "agent-1");
    assert_eq!(ended["credential"]["name"], "api-a");
    assert_eq!(ended["upstream"]["status"], 200);
    let allowed = world
        .event_where("the permit", |event| event["kind"] == "allowed")
        .await;
    assert_eq!(allowed["id"], ended["id"]);
    world.finish().await;
}

#[tokio::test]
async fn writes_one_final_event_for_each_request() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let mut asked = 0;
    for call in [
        "GET http://api.a.test/v1/x",
        "GET http://api.a.test/v2/x",
        "POST http://api.a.test/v1/items",
    ] {
        for _ in 0..2 {
            wire.send(agent.absolute(call, "", "")).await;
            wire.answer().await;
            asked += 1;
        }
    }
    let mut tunnel = agent.tunnel("api.a.test").await;
    tunnel.call("GET /v1/x", "api.a.test").await;
    tunnel.call("GET /nothing", "api.a.test").await;
    until("every final event", || {
        (finals(&world).len() == asked + 2).then_some(())
    })
    .await;
    let mut ids: Vec<_> = finals(&world)
        .iter()
        .map(|event| event["id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), asked + 2);
    world.finish().await;
}

#[tokio::test]
async fn writes_the_end_of_a_call_whose_agent_hangs_up_in_the_body_of_the_answer() {
    let world = world().await;
    let hold = Hold::new();
    let first = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    world.upstream("api.a.test").answers(
        "/v1/half",
        Answer::Interrupted(first.into(), hold.clone(), Vec::new()),
    );
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/half", "", ""))
        .await;
    wire.head().await.unwrap().unwrap();
    wire.bytes(4).await;
    drop(wire);
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(ended["upstream"]["status"], 200);
    hold.release();
    world.finish().await;
}

#[tokio::test]
async fn writes_the_end_of_a_call_whose_agent_hangs_up_in_the_body_of_the_request() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute(
        "POST http://api.a.test/v1/items",
        "Content-Length: 100\r\n",
        "",
    ))
    .await;
    wire.send("half").await;
    let upstream = world.upstream("api.a.test");
    until("the first half upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    drop(wire);
    until("its final event", || {
        (finals(&world).len() == 1).then_some(())
    })
    .await;
    let seen = upstream.requests();
    assert!(seen.iter().all(|seen| !seen.body.complete), "{seen:?}");
    world.finish().await;
}

#[tokio::test]
async fn writes_the_end_of_a_call_whose_upstream_hangs_up() {
    let world = world().await;
    let cut = Answer::BytesThenClose(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".into());
    world.upstream("api.a.test").answers("/v1/cut", cut);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/cut", "", ""))
        .await;
    let answer = wire.try_answer_to("GET").await;
    assert!(
        !matches!(answer, Ok(Some(answer)) if answer.body.complete),
        "a cut answer looks whole"
    );
    until("its final event", || {
        (finals(&world).len() == 1).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn writes_the_permit_before_the_first_byte_goes_upstream() {
    let world = world().await;
    let hold = Hold::new();
    let upstream = world.upstream("api.a.test");
    upstream.answers(
        "/v1/items",
        Answer::Held(hold.clone(), Box::new(Answer::Text("ok".into()))),
    );
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("POST http://api.a.test/v1/items", "", "x"))
        .await;
    until("the head upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    // the upstream looked into the log when the head arrived
    assert_eq!(upstream.unannounced(), Vec::<String>::new());
    assert_eq!(finals(&world).len(), 0);
    hold.release();
    assert_eq!(wire.answer().await.status, 200);
    world.finish().await;
}

#[tokio::test]
#[should_panic(expected = "no permit before")]
async fn a_call_without_a_permit_before_it_fails_these_tests() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .setting("events: {stdout: true, intent: writes}")
        .start()
        .await;
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn nothing_an_agent_says_breaks_a_line_or_becomes_a_field() {
    let world = world().await;
    let agent = world.agent("agent");
    let host = world.at("api.a.test");
    let long = "a".repeat(60_000);
    let attempts: [Vec<u8>; 7] = [
        request(
            "GET",
            &format!("http://{host}/v1/%0a{{\"decision\":\"allow\"}}"),
            &host,
            "",
            "",
        )
        .into(),
        request(
            "GET",
            &format!("http://{host}/v2/%E2%80%A8%1b[2J"),
            &host,
            "",
            "",
        )
        .into(),
        request(
            "GET",
            &format!("http://{host}/v2/x?\"kind\"=\"allowed\"&a%0Ab=c"),
            &host,
            "",
            "",
        )
        .into(),
        request(
            "GET",
            &format!("http://{host}/v2/x"),
            &host,
            "X-A: \x1b[2J\"}\r\nX-B: \u{2028}\r\n",
            "",
        )
        .into(),
        [
            b"GET http://api.a.test/v2/\xff\xfe HTTP/1.1\r\nHost: ".as_slice(),
            host.as_bytes(),
            b"\r\n\r\n",
        ]
        .concat(),
        request(
            "GET\",\"x\":\"y",
            &format!("http://{host}/v2/x"),
            &host,
            "",
            "",
        )
        .into(),
        request("GET", &format!("http://{host}/v2/{long}"), &host, "", "").into(),
    ];
    for attempt in attempts {
        let mut wire = agent.wire().await;
        wire.send(&attempt).await;
        if let Ok(Some(answer)) = wire.try_answer_to("GET").await {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    until("the refusals", || (finals(&world).len() >= 4).then_some(())).await;
    let text = String::from_utf8(world.events.bytes()).unwrap();
    for line in text.lines() {
        assert!(line.len() < 16_384, "a line of {} bytes", line.len());
        assert!(!line.contains(['\u{1b}', '\u{2028}']), "{line}");
    }
    assert_eq!(world.events.of_kind("allowed").len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn writes_no_query_value() {
    let world = world().await;
    world
        .agent("agent")
        .call("GET http://api.a.test/v1/x?name=value-4711")
        .await;
    world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    let text = String::from_utf8(world.events.bytes()).unwrap();
    assert!(!text.contains("value-4711"), "{text}");
    assert!(!world.gate.stderr().contains("value-4711"));
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_calls_when_the_log_takes_no_more() {
    use crate::world::gate::Stdout;
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .stdout(Stdout::Stuck)
        .start()
        .await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/x", "", "");
    let mut served = 0;
    let answer = loop {
        wire.send(&call).await;
        let answer = wire.answer().await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 50_000, "the log never fills up");
    };
    // there is no event to hold it against: the log is what fails
    assert_eq!(answer.status, Reason::AuditUnavailable.status());
    assert_eq!(answer.code(), Reason::AuditUnavailable.code());
    assert_eq!(world.upstream("api.a.test").heads().len(), served);
    world.gate.read_on();
    while agent.call("GET http://api.a.test/v1/x").await.status != 200 {}
    world.finish().await;
}
