//! `CONNECT`: a host and a port, written plainly, and what a refused one leaves behind.

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use super::super::{
    arena,
    outcome::{refused_and_closed, refused_outside},
};
use crate::world::{World, agent::request};

async fn refused(world: &World, target: &str, headers: &str) {
    let head = format!("CONNECT {target} HTTP/1.1\r\n{headers}\r\n");
    let mut wire = world.agent("r1").wire().await;
    let _ = wire.try_send(&head).await;
    let what = format!("{target} {headers}");
    refused_and_closed(wire, &[400, 421], &what).await;
}

#[tokio::test]
async fn rt_13_refuses_a_connect_with_two_readings() {
    let world = arena().start().await;
    let (p, at) = (world.port, world.at("api.a.test"));
    for target in [
        "api.a.test".to_owned(),
        ":443".into(),
        format!(":{p}"),
        "api.a.test:".into(),
        "api.a.test:0".into(),
        "api.a.test:65536".into(),
        format!("api.a.test:{}", u64::from(p) + (1 << 16)),
        "api.a.test:+443".into(),
        format!("api.a.test:+{p}"),
        format!("api.a.test:-{p}"),
        "api.a.test:0443".into(),
        format!("api.a.test:0{p}"),
        format!("{at}x"),
        format!("user@{at}"),
        format!("{at}@evil.test:{p}"),
        format!("{at}/x"),
        format!("{at}/"),
        format!("{at}?x"),
        format!("{at}#x"),
        format!("http://{at}"),
        format!("https://{at}"),
        format!("https://{at}/x"),
        format!("[api.a.test]:{p}"),
        format!("[[::1]]:{p}"),
        format!("::1:{p}"),
        format!("[::1%25lo]:{p}"),
        format!("[::1%lo]:{p}"),
        format!("api.a.test%00:{p}"),
        format!("api.a.test%2e:{p}"),
        format!("{at},evil.test:{p}"),
        format!("{at}:{p}"),
        "*".into(),
        format!("*:{p}"),
        "/".into(),
    ] {
        refused(&world, &target, "").await;
    }
    for headers in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        refused(&world, &at, headers).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

/// A method in other letters is another method, and no way to a tunnel.
#[tokio::test]
async fn only_connect_opens_a_tunnel() {
    let world = arena().start().await;
    let at = world.at("api.a.test");
    for method in ["connect", "Connect", "CONNECTX", "GET", "POST"] {
        let head = request(method, &at, &at, "", "");
        refused_outside(&world, &[400, 403], head).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_14_refuses_a_port_that_no_rule_names() {
    let world = arena().start().await;
    for port in [22, 25, 80, 6379, 8443, 443, 1, 65_535] {
        let at = format!("api.a.test:{port}");
        let mut wire = world.agent("r1").wire().await;
        wire.send(request("CONNECT", &at, &at, "", "")).await;
        let answer = wire.answer_to("CONNECT").await;
        World::says_no(&answer, Reason::PortForbidden);
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn rt_15_refuses_a_connect_beside_another_host() {
    let world = arena().start().await;
    let (at, p) = (world.at("api.a.test"), world.port);
    for host in [
        "evil.test:443",
        "evil.test",
        &format!("evil.test:{p}"),
        "api.a.test:443",
        &format!("api.a.test:0{p}"),
        &format!("user@{at}"),
        "",
    ] {
        refused(&world, &at, &format!("Host: {host}\r\n")).await;
    }
    refused(&world, &at, &format!("Host: {at}\r\nHost: {at}\r\n")).await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn rt_16_does_not_execute_what_follows_a_refused_connect() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    for path in ["/v1/admin", "/v1/public/x"] {
        let hidden = agent.absolute(&format!("GET http://api.a.test{path}"), "", "");
        for place in ["denied.test:443", "api.a.test:22", "api.a.test:0443"] {
            let mut wire = agent.wire().await;
            let head = request("CONNECT", place, place, "", "");
            wire.send(head + &hidden).await;
            let answer = refused_and_closed(wire, &[400, 403], place).await;
            assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        }
        // a host outside the role on a port of the role is told so inside: there it is another host than the tunnel's
        let denied = world.at("denied.test");
        let mut wire = agent.wire().await;
        wire.send(request("CONNECT", &denied, &denied, "", "") + &hidden)
            .await;
        assert_eq!(wire.answer_to("CONNECT").await.status, 200);
        World::says_no(&wire.answer().await, Reason::AuthorityMismatch);
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn rt_23_does_not_call_itself() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let rule = format!("GET self.test:{}/**", listen.port());
    let world = World::new()
        .role("r1", rule.as_str())
        .setting(&format!("listen: {listen}"))
        .start()
        .await;
    let agent = world.agent("r1");
    for place in ["proxy.internal:8443", "127.0.0.1:9000"] {
        let answer =
            refused_outside(&world, &[403], request("CONNECT", place, place, "", "")).await;
        World::says_no(&answer, Reason::PortForbidden);
    }
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let call = format!("GET http://{host}:{}/x", listen.port());
        let answer = agent.call(&call).await;
        world.refused(&answer, Reason::AddressForbidden).await;
    }
    world.nothing_left_the_gate();
    // an address that is excepted, but the gate's own
    for address in [listen.ip().to_string(), format!("::ffff:{}", listen.ip())] {
        world.dns.answers("self.test", &[&address]);
        let call = format!("GET http://self.test:{}/x", listen.port());
        let answer = agent.call(&call).await;
        world.refused(&answer, Reason::AddressForbidden).await;
    }
    world.finish().await;
}
