//! How often: rates, calls at once and attempts, each with the answer that lets a client wait.

use tokio::net::TcpStream;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    patience::{patiently, until},
    script::{Answer, Hold},
    settings::Role,
};

#[tokio::test]
pub(crate) async fn refuses_calls_above_the_rate() {
    let role = Role::from("GET api.a.test/v1/**").rule_limit("{rate: 1/min, burst: 3}");
    let world = World::new()
        .role("reader", role)
        .role("other", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for _ in 0..3 {
        assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    }
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    let event = world.refused(&answer, Reason::RateLimited).await;
    assert_eq!(event["decision"]["rule"]["name"], "reader-1");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=60).contains(&seconds), "{seconds}");
    assert_eq!(world.upstream("api.a.test").requests().len(), 3);
    assert_eq!(
        world
            .agent("other")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn shares_a_roles_rate_between_its_identities() {
    let twins = ["spiffe://td.test/agent/one", "spiffe://td.test/agent/two"];
    let role = Role::from("GET api.a.test/v1/**")
        .played_by(&twins)
        .rate("1/h");
    let world = World::new().role("reader", role).start().await;
    assert_eq!(
        world
            .agent("one")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    let answer = world.agent("two").call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::RateLimited).await;
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_too_many_calls_at_once() {
    let role = Role::from("GET api.a.test/v1/**").rule_limit("{rate: 6000/min, in_flight: 2}");
    let world = World::new().role("reader", role).start().await;
    let upstream = world.upstream("api.a.test");
    let hold = Hold::new();
    upstream.answers(
        "/v1/slow",
        Answer::Held(hold.clone(), Box::new(Answer::Text("done".into()))),
    );
    let agent = world.agent("reader");
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut wire = agent.wire().await;
        wire.send(agent.absolute("GET http://api.a.test/v1/slow", "", ""))
            .await;
        waiting.push(wire);
    }
    until("both upstream", || {
        (upstream.heads().len() == 2).then_some(())
    })
    .await;
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::TooManyInFlight).await;
    hold.release();
    for mut wire in waiting {
        assert_eq!(wire.answer().await.status, 200);
    }
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn frees_the_place_of_a_call_whose_agent_went_away() {
    let role = Role::from("GET api.a.test/v1/**").rule_limit("{rate: 6000/min, in_flight: 1}");
    let world = World::new().role("reader", role).start().await;
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/never", Answer::Silence);
    let agent = world.agent("reader");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/never", "", ""))
        .await;
    until("upstream", || (upstream.heads().len() == 1).then_some(())).await;
    drop(wire);
    world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    let closed = || upstream.connections()[0].closed.then_some(());
    until("the end of the connection upstream", closed).await;
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_an_identity_that_tries_too_often() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .role("other", "GET api.a.test/v1/**")
        .setting("attempts: 100/h")
        .start()
        .await;
    let agent = world.agent("reader");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://evil.test/v1/x", "", "");
    let mut attempts = 0;
    let answer = loop {
        wire.send(&call).await;
        let answer = wire.answer().await;
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.status, 403);
        attempts += 1;
        assert!(attempts < 100, "no budget");
    };
    World::says_no(&answer, Reason::AttemptsExhausted);
    let answer = world
        .agent("other")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200, "another identity pays for it");
    world.finish().await;
}

#[tokio::test]
async fn a_new_connection_of_a_spent_identity_is_told_so_once_whatever_it_asks() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("attempts: 2/h")
        .start()
        .await;
    let agent = world.agent("reader");
    // its answer says that the connection was counted, and itself
    let denied = agent.call("GET http://denied.test/v1/x").await;
    World::says_no(&denied, Reason::NoRule);
    let call = agent.absolute("GET http://api.a.test/v1/x", "", "");
    for call in [
        call.as_str(),
        "CONNECT api.a.test:443 HTTP/1.1\r\nHost: api.a.test:443\r\n\r\n",
    ] {
        let mut wire = agent.wire().await;
        wire.send(call.repeat(2)).await;
        let answer = wire.answer().await;
        world.refused(&answer, Reason::AttemptsExhausted).await;
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(wire.rest().await, b"", "a second answer");
    }
    world.refusals(Reason::AttemptsExhausted, 2).await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn a_spent_identity_does_not_keep_connections_by_saying_nothing() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("attempts: 1/h")
        .start()
        .await;
    let agent = world.agent("reader");
    let _first = agent.wire().await;
    // some may wait for the answer to what they do not say, for a while; the rest are cut off at once
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(agent.wire().await);
    }
    for wire in silent.iter_mut().rev() {
        assert_eq!(wire.rest().await, b"");
    }
    world.refusals(Reason::AttemptsExhausted, 10).await;
    world.finish().await;
}

#[tokio::test]
async fn counts_refusals_of_one_identity_when_they_come_too_fast() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://evil.test/v1/x", "", "");
    let asked = 40;
    for _ in 0..asked {
        wire.send(&call).await;
        assert_eq!(wire.answer().await.status, 403);
    }
    let told = |world: &World| {
        let events = world.events.all();
        let single = events
            .iter()
            .filter(|event| event["kind"] == "refused")
            .count() as u64;
        let counted: u64 = events
            .iter()
            .filter_map(|event| event["count"].as_u64())
            .sum();
        (single, counted)
    };
    until("every refusal told or counted", || {
        let (single, counted) = told(&world);
        (single + counted == asked).then_some(())
    })
    .await;
    assert!(told(&world).1 > 0, "all were told one by one");
    world.finish().await;
}

#[tokio::test]
async fn closes_a_connection_that_says_nothing() {
    use tokio::io::AsyncReadExt;
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let mut silent = TcpStream::connect(world.listen()).await.unwrap();
    let mut nothing = Vec::new();
    patiently(
        "the end of the handshake's time",
        silent.read_to_end(&mut nothing),
    )
    .await
    .unwrap();
    assert_eq!(nothing, b"");
    world.refusals(Reason::ProtocolRefused, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn a_connection_that_is_older_than_the_settings_counts_by_them() {
    let attempts = |rate: &str| {
        let world = World::new().role("reader", "GET api.a.test/v1/**");
        world.setting(&format!("attempts: {rate}"))
    };
    let world = attempts("600/min").start().await;
    let mut tunnel = world.agent("reader").tunnel("api.a.test").await;
    world.becomes(attempts("1/h"));
    world.reload().await;
    assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    let answer = tunnel.call("GET /v1/x", "api.a.test").await;
    world.refused(&answer, Reason::AttemptsExhausted).await;
    world.finish().await;
}

#[tokio::test]
async fn how_many_connections_there_may_be_waits_for_a_start() {
    let reader = || World::new().role("reader", "GET api.a.test/v1/**");
    let world = reader().start().await;
    let agent = world.agent("reader");
    let mut first = agent.tunnel("api.a.test").await;
    world.becomes(reader().setting("connections: 4"));
    world.reload().await;
    let waits = "connections: the change is in force after the next start";
    assert!(world.gate.stderr().contains(waits));
    let mut second = agent.tunnel("api.a.test").await;
    for tunnel in [&mut first, &mut second] {
        assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    }
    let mut third = agent.tunnel("api.a.test").await;
    assert_eq!(third.call("GET /v1/x", "api.a.test").await.status, 200);
    world.finish().await;
}
