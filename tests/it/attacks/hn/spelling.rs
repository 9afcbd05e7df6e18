//! One spelling for each host, and no second reading of any.

use tollgate::refusal::Reason;

use super::super::{arena, checked::checked, outcome::refused_outside};
use crate::world::World;

/// `CONNECT` to each of `hosts` is malformed.
async fn refuses(world: &World, hosts: &[&[u8]]) {
    for host in hosts {
        let after = format!(":{} HTTP/1.1\r\n\r\n", world.port);
        let head = [b"CONNECT ", *host, after.as_bytes()].concat();
        refused_outside(world, &[400], head).await;
    }
}

#[tokio::test]
async fn hn_01_a_name_has_one_spelling() {
    let world = arena().start().await;
    refuses(
        &world,
        &[b"api.a.test..", b".api.a.test", b"api..a.test", b".", b".."],
    )
    .await;
    let agent = world.agent("r1");
    for host in ["API.A.TEST", "api.a.test.", "Api.A.Test."] {
        let mut tunnel = agent.connect(host).await.tls("api.a.test").await;
        assert_eq!(tunnel.call("GET /v1/public/x", host).await.status, 200);
        let call = format!("GET http://{host}/v1/public/x");
        assert_eq!(agent.call(&call).await.status, 200, "{host}");
    }
    let upstream = world.upstream("api.a.test");
    for seen in upstream.requests() {
        assert_eq!(seen.head.values("host"), [world.at("api.a.test")]);
    }
    for connection in upstream.connections() {
        assert_eq!(connection.sni.as_deref(), Some("api.a.test"));
    }
    for event in world.events.of_kind("allowed") {
        assert_eq!(event["request"]["host"], "api.a.test");
    }
    world.finish().await;
}

/// A deny and an allow say the same of both spellings.
#[tokio::test]
async fn a_rule_says_the_same_of_every_spelling_of_a_host() {
    let world = World::new()
        .role(
            "r1",
            "GET *.a.test/**; GET api.a.test/x; deny GET api.a.test/v1/admin",
        )
        .start()
        .await;
    for host in ["api.a.test", "API.a.test", "api.a.test."] {
        let call = format!("GET http://{host}/v1/admin");
        let answer = world.agent("r1").call(&call).await;
        world.refused(&answer, Reason::DeniedByRule).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn hn_03_a_wildcard_is_exactly_one_label() {
    let world = World::new()
        .role("r1", "GET *.a.test/v1/**; GET x.a.test/nothing")
        .start()
        .await;
    let agent = world.agent("r1");
    assert_eq!(agent.call("GET http://x.a.test/v1/x").await.status, 200);
    for host in [
        "a.test",
        "x.y.a.test",
        "evil-a.test",
        "eviltesta.test",
        "a.test.evil.test",
        "xa.test",
        "x.a.test.evil.test",
        "a.test.",
    ] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        World::says_no(&answer, Reason::NoRule);
    }
    for host in ["*.a.test", ".a.test", "x..a.test"] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        assert_eq!(answer.status, 400, "{host}: {answer:?}");
    }
    assert_eq!(world.upstream("x.a.test").requests().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn hn_04_maps_no_name_to_another() {
    let world = arena().start().await;
    refuses(
        &world,
        &[
            "ａｐｉ.a.test".as_bytes(),
            "api。a。test".as_bytes(),
            "a\u{ad}pi.a.test".as_bytes(),
            "ⓐpi.a.test".as_bytes(),
            "a\u{200b}pi.a.test".as_bytes(),
            "аpi.a.test".as_bytes(),
            b"api.a.test\xff",
            b"a_pi.a.test",
        ],
    )
    .await;
    // an A-label is itself: none of its look-alikes
    for host in ["xn--pi-7ka.a.test", "xn--pi-6kc.a.test"] {
        let call = format!("GET http://{host}/v1/public/x");
        let answer = world.agent("r1").call(&call).await;
        assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
    }
    world.nothing_left_the_gate();
    world.finish().await;
    for name in ["ａpi.github.com", "bücher.example", "*.bücher.example"] {
        let rule = "verb: write\n    hosts: [api.github.com]";
        let said = checked(
            "roles/triage.yaml",
            rule,
            &rule.replace("api.github.com", &format!("\"{name}\"")),
        );
        assert!(said.contains("A-labels"), "{name}: {said}");
    }
}

#[tokio::test]
async fn hn_05_refuses_an_a_label_that_is_not_its_own_encoding() {
    let world = arena().start().await;
    refuses(
        &world,
        &[
            b"xn--api-.a.test",
            b"a.test.xn--",
            b"xn--a-ecp",
            b"xn--a-ecp.a.test",
            b"xn--a",
            b"XN--A-ECP.a.test",
            b"api.xn--a-.test",
        ],
    )
    .await;
    world.finish().await;
}

#[tokio::test]
async fn hn_06_refuses_every_other_spelling_of_an_ipv4_address() {
    let world = arena().start().await;
    refuses(
        &world,
        &[
            b"2130706433",
            b"0x7f000001",
            b"0X7F000001",
            b"0177.0.0.1",
            b"127.1",
            b"127.0.1",
            b"0",
            b"0x7f.1",
            b"127.0.0.1.",
            "０x7f.1".as_bytes(),
            "①②⑦.0.0.1".as_bytes(),
            b"00000177.0.0.1",
            b"127.0.0.01",
            b"127.0.0.256",
            b"127.0.0.0x1",
            b"4294967297",
            b"a.test.1",
            b"%31%32%37.0.0.1",
        ],
    )
    .await;
    // the one spelling is an address, of which no rule speaks
    let mut tunnel = world.agent("r1").connect("127.0.0.2").await;
    let answer = tunnel.call("GET /v1/public/x", "127.0.0.2").await;
    World::says_no(&answer, Reason::AddressForbidden);
    world.nothing_left_the_gate();
    world.finish().await;
}
