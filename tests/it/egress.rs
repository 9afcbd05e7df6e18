//! Which addresses a call may reach: public ones, the checked one, and never an internal one unless settings say so.

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use crate::world::{World, patience::at_once};

/// A world in which a rule allows a host whose address is not excepted from the guard.
async fn guarded() -> World {
    World::new()
        .role("reader", "GET api.a.test/v1/**")
        .guarded("api.a.test")
        .start()
        .await
}

async fn forbids(addresses: &[&[&str]]) {
    let world = guarded().await;
    let agent = world.agent("reader");
    for answers in addresses {
        world.dns.answers("api.a.test", answers);
        let answer = agent.call("GET http://api.a.test/v1/x").await;
        assert_eq!(answer.status, 403, "{answers:?}: {}", answer.text());
        world.refused(&answer, Reason::AddressForbidden).await;
    }
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn forbids_every_class_of_internal_ipv4_address() {
    forbids(&[
        &["0.0.0.0"],
        &["0.1.2.3"],
        &["10.0.0.1"],
        &["172.16.0.1"],
        &["172.31.255.254"],
        &["192.168.0.1"],
        &["100.64.0.1"],
        &["100.127.255.254"],
        &["100.100.100.200"],
    ])
    .await;
    forbids(&[
        &["127.0.0.1"],
        &["127.0.0.2"],
        &["127.255.255.254"],
        &["169.254.0.1"],
        &["169.254.169.254"],
        &["169.254.170.2"],
        &["192.0.0.1"],
        &["192.0.0.192"],
        &["192.0.2.1"],
        &["192.88.99.1"],
    ])
    .await;
    forbids(&[
        &["198.18.0.1"],
        &["198.19.255.254"],
        &["198.51.100.1"],
        &["203.0.113.1"],
        &["224.0.0.1"],
        &["239.255.255.255"],
        &["240.0.0.1"],
        &["255.255.255.255"],
        &["168.63.129.16"],
    ])
    .await;
}

#[tokio::test]
async fn forbids_every_class_of_internal_ipv6_address() {
    forbids(&[
        &["::"],
        &["::1"],
        &["::7f00:1"],
        &["::ffff:10.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["::ffff:0:10.0.0.1"],
        &["64:ff9b::a00:1"],
        &["64:ff9b:1::a00:1"],
    ])
    .await;
    forbids(&[
        &["100::1"],
        &["2001::1"],
        &["2001:2::1"],
        &["2001:10::1"],
        &["2001:20::1"],
        &["2001:db8::1"],
        &["2002:a00:1::1"],
        &["3fff::1"],
        &["5f00::1"],
    ])
    .await;
    forbids(&[
        &["fc00::1"],
        &["fd00:ec2::254"],
        &["fe80::1"],
        &["fe80::5efe:a00:1"],
        &["fec0::1"],
        &["ff02::1"],
    ])
    .await;
}

#[tokio::test]
async fn forbids_a_name_with_a_public_and_an_internal_address() {
    forbids(&[
        &["93.184.216.34", "127.0.0.1"],
        &["127.0.0.1", "93.184.216.34"],
        &["93.184.216.34", "::1"],
        &["2606:2800:220:1::1", "10.0.0.1"],
    ])
    .await;
}

#[tokio::test]
async fn dials_the_address_that_was_checked_and_asks_once() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    // the upstream's own address for who asks first, and a trap for who asks again
    let own = world.upstream("api.a.test").address.ip().to_string();
    let trap = TcpListener::bind(("127.0.0.99", world.port)).await.unwrap();
    world.dns.answers_in_turn(
        "api.a.test",
        &[&[&own], &["127.0.0.99"], &[&own], &["127.0.0.99"]],
    );
    let agent = world.agent("reader");
    for turn in 0..4 {
        let answer = agent.call("GET http://api.a.test/v1/x").await;
        match turn % 2 {
            0 => assert_eq!(answer.status, 200, "{answer:?}"),
            _ => drop(world.refused(&answer, Reason::AddressForbidden).await),
        }
        assert_eq!(world.dns.queries("api.a.test"), turn + 1);
    }
    assert!(
        at_once(trap.accept()).await.is_none(),
        "the trap was dialled"
    );
    world.finish().await;
}

#[tokio::test]
async fn checks_again_when_the_name_moves() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.dns.answers("api.a.test", &["10.0.0.1"]);
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::AddressForbidden).await;
    world.finish().await;
}

#[tokio::test]
async fn an_exception_covers_its_own_addresses_only() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for address in ["10.0.0.1", "169.254.169.254", "::1"] {
        world.dns.answers("api.a.test", &[address]);
        let answer = agent.call("GET http://api.a.test/v1/x").await;
        world.refused(&answer, Reason::AddressForbidden).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn refuses_addresses_in_place_of_a_name() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let port = world.port;
    for host in [
        "127.0.0.2",
        "169.254.169.254",
        "10.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[fe80::1%25eth0]",
    ] {
        let authority = format!("{host}:{port}");
        let mut wire = agent.wire().await;
        wire.send(format!(
            "GET http://{authority}/v1/x HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ))
        .await;
        let answer = wire.answer().await;
        assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
        let mut wire = agent.wire().await;
        wire.send(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ))
        .await;
        let answer = wire.answer_to("CONNECT").await;
        if answer.status == 200 {
            let mut tunnel = wire;
            let answer = tunnel.call("GET /v1/x", &authority).await;
            assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
        }
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn a_silent_name_server_is_no_refusal_of_policy() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    world.dns.fails("api.a.test");
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::UpstreamUnresolved).await;
    world.dns.is_silent("api.a.test");
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::UpstreamUnresolved).await;
    world.finish().await;
}

#[tokio::test]
async fn obeys_no_proxy_of_its_environment() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .environment("https_proxy", "http://evil.test:1")
        .environment("HTTPS_PROXY", "http://evil.test:1")
        .environment("ALL_PROXY", "http://evil.test:1")
        .start()
        .await;
    assert_eq!(
        world
            .agent("reader")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    assert_eq!(world.dns.queries("evil.test"), 0);
    world.finish().await;
}
