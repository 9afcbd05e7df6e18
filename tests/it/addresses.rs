//! A name with several addresses, of either family, is reached as long as one of them answers, and never by way of
//! a certificate that is not its own.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    blackhole::Blackhole,
    pki,
    recorder::Recorder,
    settings::{UPSTREAMS, in_days},
};

/// Where nobody listens.
const CLOSED: &str = "127.0.0.10";

async fn patient_world() -> World {
    // far longer than a test may take: whatever is reached, is reached without waiting for the end of it
    World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("timeouts: {connect: 60s}")
        .start()
        .await
}

/// Calls, and tells the address that was reached.
async fn reached(world: &World) -> String {
    let agent = world.agent("reader");
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let ended = world.event_where("the end of the call", |event| event["kind"] == "ended");
    let event = ended.await;
    event["upstream"]["address"].as_str().unwrap().to_owned()
}

fn own(world: &World) -> String {
    world.upstream("api.a.test").address.to_string()
}

fn at(world: &World, ip: &str) -> SocketAddr {
    format!("{ip}:{}", world.port).parse().unwrap()
}

/// `api.a.test` has the address `first`, and after it the one of its upstream.
fn comes_first(world: &World, first: &str) {
    let own = world.upstream("api.a.test").address.ip().to_string();
    world.dns.answers("api.a.test", &[first, &own]);
}

#[tokio::test]
async fn an_address_that_refuses_makes_way_for_the_next() {
    let world = patient_world().await;
    comes_first(&world, CLOSED);
    assert_eq!(reached(&world).await, own(&world));
    world.finish().await;
}

#[tokio::test]
async fn an_address_that_keeps_silent_gets_company() {
    let world = patient_world().await;
    let silent = Blackhole::at(at(&world, "127.0.0.11")).await;
    comes_first(&world, "127.0.0.11");
    assert_eq!(reached(&world).await, own(&world));
    drop(silent);
    world.finish().await;
}

#[tokio::test]
async fn an_address_that_breaks_off_the_handshake_makes_way_for_the_next() {
    let world = patient_world().await;
    let listener = TcpListener::bind(at(&world, "127.0.0.12")).await.unwrap();
    let closes = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            drop(socket);
        }
    });
    comes_first(&world, "127.0.0.12");
    assert_eq!(reached(&world).await, own(&world));
    closes.abort();
    world.finish().await;
}

#[tokio::test]
async fn an_address_that_is_silent_in_the_handshake_leaves_time_for_the_next() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("timeouts: {connect: 4s}")
        .start()
        .await;
    // connections wait in the queue of a listener that accepts none: TCP is there, and nobody speaks
    let mute = TcpListener::bind(at(&world, "127.0.0.12")).await.unwrap();
    comes_first(&world, "127.0.0.12");
    assert_eq!(reached(&world).await, own(&world));
    drop(mute);
    world.finish().await;
}

#[tokio::test]
async fn a_certificate_of_another_is_not_passed_over() {
    let world = patient_world().await;
    let listener = TcpListener::bind(at(&world, "127.0.0.13")).await.unwrap();
    let stranger = pki::Authority::new("stranger").server(&["api.a.test"]);
    let stranger = Recorder::start(
        "api.a.test",
        listener,
        pki::server_config(&stranger),
        world.events.clone(),
    );
    comes_first(&world, "127.0.0.13");
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::UpstreamTls).await;
    assert_eq!(stranger.connections().len(), 1);
    assert_eq!(stranger.received_bytes(), 0);
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn all_addresses_together_have_the_time_of_one_connection() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .setting("timeouts: {connect: 1s}")
        .start()
        .await;
    let silent = [
        Blackhole::at(at(&world, "127.0.0.11")).await,
        Blackhole::at(at(&world, "127.0.0.12")).await,
        Blackhole::at(at(&world, "127.0.0.13")).await,
    ];
    let addresses = ["127.0.0.11", "127.0.0.12", "127.0.0.13"];
    world.dns.answers("api.a.test", &addresses);
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    let event = world.refused(&answer, Reason::UpstreamTimeout).await;
    let total = event["time_us"]["total"].as_u64().unwrap();
    assert!((1_000_000..2_500_000).contains(&total), "{total}");
    drop(silent);
    world.finish().await;
}

#[tokio::test]
async fn a_kept_connection_is_used_while_its_address_is_among_the_names() {
    let world = patient_world().await;
    let upstream = world.upstream("api.a.test");
    let ip = upstream.address.ip().to_string();
    let turns: [&[&str]; 3] = [&[&ip, CLOSED], &[CLOSED, &ip], &[CLOSED]];
    world.dns.answers_in_turn("api.a.test", &turns);
    let agent = world.agent("reader");
    for _ in 0..2 {
        assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    }
    assert_eq!(upstream.connections().len(), 1);
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::UpstreamUnreachable).await;
    world.finish().await;
}

#[tokio::test]
async fn a_pin_has_several_addresses_and_asks_no_name_server() {
    let listener = TcpListener::bind("127.0.0.9:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::new()
        .role(
            "reader",
            format!("GET pinned.test:{}/**", address.port()).as_str(),
        )
        .setting(&format!(
            "upstream: {{roots: [pki/upstream-ca.crt], pins: {{pinned.test: [{CLOSED}, 127.0.0.9]}}}}"
        ))
        .start()
        .await;
    let upstream = recorder(&world, "pinned.test", listener);
    let call = format!("GET http://pinned.test:{}/x", address.port());
    assert_eq!(world.agent("reader").call(&call).await.status, 200);
    assert_eq!(world.dns.queries_in_all(), 0);
    upstream.close();
    world.finish().await;
}

/// A listener on `::1`.
async fn loopback_v6() -> (TcpListener, u16) {
    match TcpListener::bind("[::1]:0").await {
        Ok(listener) => {
            let port = listener.local_addr().unwrap().port();
            (listener, port)
        }
        Err(error) => panic!("the tests need the IPv6 loopback address ::1, and: {error}"),
    }
}

fn recorder(world: &World, host: &str, listener: TcpListener) -> Recorder {
    let certificate = world.pki.upstreams.server(&[host]);
    let tls = pki::server_config(&certificate);
    Recorder::start(host, listener, tls, world.events.clone())
}

/// A world in which `reader` may call `host` on `port` at `::1` and at the usual addresses.
async fn world_v6(host: &str, in_settings: &str, port: u16) -> World {
    World::new()
        .role("reader", format!("GET {host}:{port}/**").as_str())
        .setting(&format!(
            "exceptions: [{{role: reader, host: \"{in_settings}\", port: {port}, addresses: [\"::1/128\", {UPSTREAMS}], \
             reason: the upstreams of a test are on loopback, until: {}}}]",
            in_days(30)
        ))
        .setting("timeouts: {connect: 60s}")
        .start()
        .await
}

#[tokio::test]
async fn a_name_may_have_an_ipv6_address() {
    let (listener, port) = loopback_v6().await;
    let world = world_v6("six.test", "six.test", port).await;
    let upstream = recorder(&world, "six.test", listener);
    world.dns.answers("six.test", &["::1"]);
    let call = format!("GET http://six.test:{port}/x");
    assert_eq!(world.agent("reader").call(&call).await.status, 200);
    let event = world
        .event_where("the end of the call", |event| event["kind"] == "ended")
        .await;
    assert_eq!(event["upstream"]["address"], format!("[::1]:{port}"));
    assert_eq!(event["upstream"]["tls"], "1.3");
    let connections = upstream.connections();
    assert_eq!(connections[0].sni.as_deref(), Some("six.test"));
    upstream.close();
    world.finish().await;
}

#[tokio::test]
async fn the_other_family_is_tried_when_one_cannot_be_reached() {
    // the port is taken on 127.0.0.9, and free on ::1 until the end
    let listener = TcpListener::bind("127.0.0.9:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = world_v6("both.test", "both.test", port).await;
    let upstream = recorder(&world, "both.test", listener);
    world.dns.answers("both.test", &["127.0.0.9", "::1"]);
    let call = format!("GET http://both.test:{port}/x");
    assert_eq!(world.agent("reader").call(&call).await.status, 200);
    assert_eq!(upstream.connections().len(), 1);
    upstream.close();
    world.finish().await;
}

#[tokio::test]
async fn a_host_may_be_an_ipv6_address() {
    let (listener, port) = loopback_v6().await;
    let world = world_v6("[::1]", "::1", port).await;
    let upstream = recorder(&world, "::1", listener);
    let authority = format!("[::1]:{port}");
    let agent = world.agent("reader");
    let mut wire = agent.wire().await;
    wire.send(format!(
        "GET http://{authority}/x HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    ))
    .await;
    let answer = wire.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = upstream.only_request();
    assert_eq!(seen.head.values("host"), [authority.as_str()]);
    assert_eq!(upstream.connections()[0].sni, None);
    assert_eq!(world.dns.queries_in_all(), 0);
    upstream.close();
    world.finish().await;
}
