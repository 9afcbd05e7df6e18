//! Settings change while the gate runs: what both allow goes on undisturbed, what the new ones do not allow ends.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::{Agent, Wire},
    builder::Builder,
    patience::until,
    pki::{self, Authority, spiffe_id},
    script::{Answer, Hold, Meter},
    settings::Role,
};

/// What access that was withdrawn may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

const GET: &str = "GET http://api.a.test/v1/x";

fn reader(rules: &str) -> Builder {
    World::new().role("reader", rules)
}

/// A call whose answer has begun, and ends when it is released.
async fn stream(world: &World, agent: &Agent, path: &str) -> (Wire, Hold) {
    let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let hold = Hold::new();
    let answer = Answer::Interrupted(begun.to_vec(), hold.clone(), b"0\r\n\r\n".to_vec());
    world.upstream("api.a.test").answers(path, answer);
    let mut wire = agent.wire().await;
    wire.send(agent.absolute(&format!("GET http://api.a.test{path}"), "", ""))
        .await;
    wire.until_received("one\r\n").await;
    (wire, hold)
}

#[tokio::test]
async fn loses_and_refuses_no_call_that_both_settings_allow() {
    let narrow = || reader("GET api.a.test/v1/**");
    let wide =
        || reader("GET api.a.test/v1/**; GET api.b.test/**").role("other", "GET open.test/**");
    let world = wide().start().await;
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Meter::default());
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let (agent, done, calls) = (world.agent("reader"), done.clone(), calls.clone());
        load.spawn(async move {
            let mut kept = agent.tunnel("api.a.test").await;
            while !done.load(Ordering::Acquire) {
                assert_eq!(kept.call("GET /v1/x", "api.a.test").await.status, 200);
                assert_eq!(agent.call(GET).await.status, 200);
                calls.add(2);
            }
        });
    }
    for round in 1..=12 {
        calls.reaches(round * 16).await;
        world.becomes(if round % 2 == 0 { wide() } else { narrow() });
        let said = world.reload().await;
        assert!(!said.contains("not reloaded"), "{said}");
    }
    done.store(true, Ordering::Release);
    load.join_all().await;
    let in_full = |event: &&serde_json::Value| event["outcome"] == "complete";
    until("an event of each call", || {
        let whole = world.events.of_kind("ended").iter().filter(in_full).count();
        (whole as u64 == calls.so_far()).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn takes_new_rules_and_lets_go_of_old_ones() {
    let world = reader("GET api.a.test/v1/**")
        .role("other", "GET api.b.test/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let new = "GET http://api.b.test/v2/x";
    world.refused(&agent.call(new).await, Reason::NoRule).await;
    let before = world.refusals(Reason::NoRule, 1).await["decision"]["snapshot"].clone();
    world.becomes(reader("GET api.b.test/v2/**"));
    world.reload().await;
    assert_eq!(agent.call(new).await.status, 200);
    let event = world.refused(&agent.call(GET).await, Reason::NoRule).await;
    assert_ne!(event["decision"]["snapshot"], before);
    // the role `other` is gone, and so is its identity
    let answer = world.agent("other").call("GET http://api.b.test/x").await;
    world.refused(&answer, Reason::IdentityUnknown).await;
    world.finish().await;
}

#[tokio::test]
async fn notices_a_change_that_nobody_signals() {
    let world = reader("GET api.a.test/v1/**; GET api.b.test/**")
        .start()
        .await;
    let agent = world.agent("reader");
    world.becomes(reader("GET api.b.test/**"));
    until("the reload", || {
        world.reloads().last()?.contains("in force").then_some(())
    })
    .await;
    world.refused(&agent.call(GET).await, Reason::NoRule).await;
    world.finish().await;
}

#[tokio::test]
async fn keeps_the_last_good_settings_when_a_file_is_broken_and_says_which() {
    let world = reader("GET api.a.test/v1/**")
        .role("other", "GET api.b.test/**")
        .start()
        .await;
    fs::write(world.dir().join("roles/other.yaml"), "purpose: [\n").unwrap();
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "{said}");
    assert!(world.gate.stderr().contains("roles/other.yaml:"));
    for (role, call) in [("reader", GET), ("other", "GET http://api.b.test/x")] {
        assert_eq!(world.agent(role).call(call).await.status, 200);
    }
    // mended, it is taken
    world.becomes(reader("GET api.b.test/**"));
    world.reload().await;
    assert_eq!(
        world
            .agent("reader")
            .call("GET http://api.b.test/x")
            .await
            .status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn a_removed_rule_ends_its_streams_and_tunnels_and_no_others() {
    let world = reader("GET api.a.test/v1/**; GET api.a.test/v2/**; GET api.b.test/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let (mut ends, _never) = stream(&world, &agent, "/v1/events").await;
    let (mut stays, whole) = stream(&world, &agent, "/v2/events").await;
    let mut tunnel_ends = agent.tunnel("api.b.test").await;
    let mut tunnel_stays = agent.tunnel("api.a.test").await;
    world.becomes(reader("GET api.a.test/v2/**"));
    world.reload().await;
    let since = Instant::now();
    assert!(
        !ends.rest().await.ends_with(b"0\r\n\r\n"),
        "the stream ended as if it were whole"
    );
    assert_eq!(tunnel_ends.rest().await, b"");
    assert!(since.elapsed() < ENDS_WITHIN, "{:?}", since.elapsed());
    let withdrawn = world.event_where("the end of the stream", |event| {
        event["outcome"] == "access_withdrawn"
    });
    assert_eq!(withdrawn.await["request"]["path"], "/v1/events");
    let cut = world.refusals(Reason::NoRule, 2).await;
    assert_eq!(cut["caller"]["role"], "reader");
    assert_eq!(
        tunnel_stays.call("GET /v2/x", "api.a.test").await.status,
        200
    );
    whole.release();
    stays.until_received("0\r\n\r\n").await;
    world.finish().await;
}

#[tokio::test]
async fn a_removed_identity_ends_its_connections() {
    let two = |identities: &[&str]| Role::from("GET api.a.test/v1/**").played_by(identities);
    let (one, other) = (spiffe_id("one"), spiffe_id("other"));
    let world = World::new()
        .role("reader", two(&[&one, &other]))
        .start()
        .await;
    let mut ends = world.agent("one").tunnel("api.a.test").await;
    let mut stays = world.agent("other").tunnel("api.a.test").await;
    world.becomes(World::new().role("reader", two(&[&other])));
    world.reload().await;
    assert_eq!(ends.rest().await, b"");
    world.refusals(Reason::IdentityUnknown, 1).await;
    assert_eq!(stays.call("GET /v1/x", "api.a.test").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_removed_authority_ends_the_connections_that_it_vouched_for() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let (mut ends, _never) = stream(&world, &agent, "/v1/events").await;
    let next = Authority::new("the next agents CA");
    next.write(&world.dir().join("pki"), "agents-ca");
    world.reload().await;
    assert!(!ends.rest().await.ends_with(b"0\r\n\r\n"));
    world.refusals(Reason::CertificateInvalid, 1).await;
    let renewed = next.sign(&pki::agent_params(&[&spiffe_id("reader")]));
    assert_eq!(
        world.agent_showing(Some(renewed)).call(GET).await.status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn shows_a_renewed_certificate_to_new_connections_and_keeps_the_old_ones() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let mut kept = agent.tunnel("api.a.test").await;
    let next = Authority::new("the next gates CA");
    next.server(&["gate.test"])
        .write(&world.dir().join("pki"), "gate");
    world.reload().await;
    let config = pki::client_config(next.roots(), agent.identity.as_deref());
    let mut wire = agent.wire_by(config).await.unwrap();
    wire.send(agent.absolute(GET, "", "")).await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(kept.call("GET /v1/x", "api.a.test").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_certificate_without_its_key_is_not_taken() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let key = fs::read(world.dir().join("pki/gate.key")).unwrap();
    world
        .pki
        .gates
        .server(&["gate.test"])
        .write(&world.dir().join("pki"), "gate");
    fs::write(world.dir().join("pki/gate.key"), key).unwrap();
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "{said}");
    assert!(
        world.gate.stderr().contains("gate.crt"),
        "{}",
        world.gate.stderr()
    );
    assert_eq!(agent.call(GET).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn signs_new_tunnels_with_a_renewed_interception_authority() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let mut kept = agent.tunnel("api.a.test").await;
    let next = Authority::new("the next interception CA");
    next.write(&world.dir().join("pki"), "interception-ca");
    world.reload().await;
    let config = pki::client_config(next.roots(), None);
    let opened = agent.connect("api.a.test").await;
    let mut inside = opened.tls_by("api.a.test", config).await.unwrap();
    assert_eq!(inside.call("GET /v1/x", "api.a.test").await.status, 200);
    assert_eq!(kept.call("GET /v1/x", "api.a.test").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn uses_no_connection_that_other_roots_vouched_for() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    assert_eq!(agent.call(GET).await.status, 200);
    Authority::new("somebody else").write(&world.dir().join("pki"), "upstream-ca");
    world.reload().await;
    world
        .refused(&agent.call(GET).await, Reason::UpstreamTls)
        .await;
    world.finish().await;
}

#[tokio::test]
async fn keeps_leases_and_limits_that_a_reload_does_not_concern() {
    let role = || Role::from("GET api.a.test/v1/**; GET api.b.test/**").rule_limit("{rate: 3/h}");
    let world = World::new().role("reader", role()).vault().start().await;
    let agent = world.agent("reader");
    for _ in 0..2 {
        assert_eq!(agent.call(GET).await.status, 200);
    }
    world.becomes(
        World::new()
            .role("reader", role())
            .role("other", "GET api.a.test/v1/**")
            .vault(),
    );
    let said = world.reload().await;
    assert!(said.contains("in force"), "{said}");
    assert_eq!(agent.call(GET).await.status, 200);
    world
        .refused(&agent.call(GET).await, Reason::RateLimited)
        .await;
    // another role may use it now, and the value at hand is still good
    assert_eq!(world.agent("other").call(GET).await.status, 200);
    assert_eq!(
        (world.vault().logins(), world.vault().reads("api-a")),
        (1, 1)
    );
    // nor was the connection of `reader` given up
    let upstream = world.upstream("api.a.test");
    assert_eq!(
        (upstream.requests().len(), upstream.connections().len()),
        (4, 2)
    );
    world.finish().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_certificate_that_it_was_asked_for_with() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let mut params = pki::agent_params(&[&spiffe_id("reader")]);
    params.not_after = time::OffsetDateTime::now_utc() + time::Duration::seconds(3);
    let agent = world.agent_showing(Some(world.pki.agents.sign(&params)));
    let (mut ends, _never) = stream(&world, &agent, "/v1/events").await;
    assert!(!ends.rest().await.ends_with(b"0\r\n\r\n"));
    world.refusals(Reason::IdentityExpired, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn says_what_waits_for_a_start_until_it_is_taken_back() {
    let usual = || reader("GET api.a.test/v1/**");
    let world = usual().start().await;
    let waits = "connections: the change is in force after the next start";
    let said = || world.gate.stderr().matches(waits).count();
    world.becomes(usual().setting("connections: 7"));
    world.reload().await;
    assert_eq!(said(), 1);
    world.becomes(
        usual()
            .setting("connections: 7")
            .setting("attempts: 5000/min"),
    );
    world.reload().await;
    assert_eq!(said(), 2);
    world.becomes(usual());
    world.reload().await;
    assert_eq!(said(), 2);
    assert_eq!(world.agent("reader").call(GET).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn says_that_a_mistake_was_taken_back() {
    let world = reader("GET api.a.test/v1/**").admin().start().await;
    let manifest = world.dir().join("roles/reader.yaml");
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, "purpose: [\n").unwrap();
    world.reload().await;
    let told = world.told("/readyz").await;
    assert!(told.body.contains("degraded settings:"), "{}", told.body);
    // nobody signals
    fs::write(&manifest, good).unwrap();
    until("the words", || {
        world
            .reloads()
            .last()?
            .contains("nothing has changed")
            .then_some(())
    })
    .await;
    let told = world.told("/readyz").await;
    assert_eq!(told.status, 200);
    assert!(told.body.contains("ok       settings:"), "{}", told.body);
    world.finish().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_catalogue_takes_its_credential_away() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let catalogue = world.dir().join("credentials.yaml");
    let listed = fs::read_to_string(&catalogue).unwrap();
    let (mut stays, whole) = stream(&world, &agent, "/v1/first").await;
    // no rule names it any more, and it is still there for the role and the host
    world.becomes(reader("GET api.a.test/v1/** with none"));
    fs::write(&catalogue, listed).unwrap();
    world.reload().await;
    whole.release();
    stays.until_received("0\r\n\r\n").await;
    world.becomes(reader("GET api.a.test/v1/**"));
    world.reload().await;
    let (mut ends, _never) = stream(&world, &agent, "/v1/second").await;
    world.becomes(reader("GET api.a.test/v1/** with none"));
    world.reload().await;
    assert!(!ends.rest().await.ends_with(b"0\r\n\r\n"));
    world.refusals(Reason::CredentialForbidden, 1).await;
    assert_eq!(agent.call(GET).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn an_identity_that_moves_to_another_role_keeps_what_both_allow() {
    let mover = |rules: &str| Role::from(rules).played_by(&[&spiffe_id("mover")]);
    let world = World::new()
        .role("before", mover("GET api.a.test/v1/**; GET api.b.test/**"))
        .start()
        .await;
    let agent = world.agent("mover");
    let (mut stays, whole) = stream(&world, &agent, "/v1/events").await;
    let mut tunnel_ends = agent.tunnel("api.b.test").await;
    world.becomes(World::new().role("after", mover("GET api.a.test/**")));
    world.reload().await;
    assert_eq!(tunnel_ends.rest().await, b"");
    whole.release();
    stays.until_received("0\r\n\r\n").await;
    world.finish().await;
}

#[tokio::test]
async fn a_connection_of_other_timeouts_rests_no_more_when_its_call_has_ended() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let (mut first, whole) = stream(&world, &agent, "/v1/first").await;
    let (_second, _never) = stream(&world, &agent, "/v1/second").await;
    world.becomes(reader("GET api.a.test/v1/**").setting("timeouts: {answer: 300s}"));
    world.reload().await;
    whole.release();
    first.until_received("0\r\n\r\n").await;
    until("the end of the first connection", || {
        let connections = world.upstream("api.a.test").connections();
        let closed = connections.iter().filter(|one| one.closed).count();
        (closed == 1).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_connector_goes_on_when_it_hears_the_signal_too() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let door = world.connect("reader").await;
    door.signal("HUP");
    let url = format!("https://{}/v1/x", world.at("api.a.test"));
    let output = world.curl_through(&door, &[&url]).await;
    assert_eq!(output.stdout, b"ok", "{output:?}");
    drop(door);
    world.finish().await;
}
