//! Inside a tunnel: its authority was fixed by `CONNECT`, and no form of a target names another.

use tollgate::refusal::Reason;

use super::super::{
    arena,
    outcome::{inside, one, refused},
};
use crate::world::{World, agent::request};

fn get(target: &str, host: &str) -> String {
    request("GET", target, host, "", "")
}

#[tokio::test]
async fn rt_01_refuses_a_host_that_is_not_the_tunnels() {
    let world = arena().start().await;
    let (a, port) = (world.at("api.a.test"), world.port);
    for host in [
        "api.b.test",
        "evil.test",
        &world.at("api.b.test"),
        &world.at("evil.test"),
        "api.a.test:8443",
        &format!("{a}, evil.test"),
        // in no row: one that some parser cuts short
        "",
        "api.a.test:",
        &format!(":{port}"),
        &format!("api.a.test:0{port}"),
        &format!("api.a.test:+{port}"),
        &format!("evil.test@{a}"),
        &format!("{a}@evil.test"),
        &format!("{a}/x"),
        &format!("{a}#x"),
        &format!("{a} evil.test"),
        &format!("http://{a}"),
        "api.a.test.evil.test",
        "[api.a.test]",
    ] {
        refused(&world, &[400, 421], get("/v1/public/x", host)).await;
    }
    let twice = format!("GET /v1/public/x HTTP/1.1\r\nHost: {a}\r\nHost: evil.test\r\n\r\n");
    refused(&world, &[400], twice).await;
    world.finish().await;
}

/// A trailing dot and capitals are the same name in another spelling: it is compared, and never sent.
#[tokio::test]
async fn a_host_in_another_spelling_is_sent_in_the_tunnels() {
    let world = arena().start().await;
    for host in ["api.a.test.", "API.a.TEST"] {
        let mut wire = inside(&world, get("/v1/public/x", &world.agent("r1").at(host))).await;
        assert_eq!(wire.answer().await.status, 200, "{host}");
    }
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.head.values("host"), [world.at("api.a.test")]);
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_03_refuses_an_absolute_form_of_another_place() {
    let world = arena().start().await;
    let (a, b) = (world.at("api.a.test"), world.at("api.b.test"));
    for target in [
        format!("https://{b}/v1/x"),
        "https://api.b.test/v1/x".into(),
        "http://api.a.test/v1/public/x".into(),
        format!("http://{a}/v1/public/x"),
        "https://api.a.test:8443/v1/public/x".into(),
        format!("wss://{a}/"),
        // the port that is left out is 443, which is not the tunnel's
        "https://api.a.test/v1/public/x".into(),
        format!("ftp://{a}/v1/public/x"),
        format!("WS://{a}/v1/public/x"),
        format!("https://user:pass@{a}/v1/public/x"),
        format!("https://{a}@evil.test/v1/public/x"),
        format!("https:/{a}/v1/public/x"),
        "https:///v1/public/x".into(),
    ] {
        refused(&world, &[400, 421], get(&target, &a)).await;
    }
    // a tunnel in clear is one of http
    let mut wire = world.agent("r1").connect("api.a.test").await;
    wire.send(get(&format!("https://{a}/v1/public/x"), &a))
        .await;
    World::says_no(&wire.answer().await, Reason::AuthorityMismatch);
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn an_absolute_form_that_repeats_the_tunnel_is_read_as_its_path() {
    let world = arena().start().await;
    let a = world.at("api.a.test");
    for scheme in ["https", "HTTPS"] {
        let mut wire = inside(&world, get(&format!("{scheme}://{a}/v1/public/x"), &a)).await;
        assert_eq!(wire.answer().await.status, 200, "{scheme}");
    }
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.target(), "/v1/public/x");
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_08_refuses_authority_form_and_asterisk() {
    let world = arena().start().await;
    let a = world.at("api.a.test");
    for call in [
        "GET api.a.test:443",
        &format!("GET {a}"),
        "GET api.a.test",
        "OPTIONS *",
        "GET *",
        "GET **",
        "OPTIONS *.evil.test",
        "OPTIONS api.a.test",
    ] {
        let (method, target) = call.split_once(' ').unwrap();
        let head = request(method, target, &a, "", "");
        refused(&world, &[400, 405, 421], head).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_09_refuses_a_path_that_joins_to_another_host() {
    let world = arena().start().await;
    let b = world.at("api.b.test");
    for target in [
        "//evil.test/v1/public/x",
        "/\\evil.test/x",
        "///evil.test",
        "/\t/evil.test",
        "/%5cevil.test/x",
        "/%2f/evil.test/x",
        "/%2Fevil.test/x",
    ] {
        // where every path is allowed
        let mut wire = world.agent("r1").tunnel("api.b.test").await;
        wire.send(get(target, &b)).await;
        assert_eq!(wire.answer().await.status, 400, "{target}");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn rt_10_refuses_a_target_that_does_not_start_with_a_slash() {
    let world = arena().start().await;
    let a = world.at("api.a.test");
    for target in [
        "@evil.test/",
        ".evil.test/",
        ":8080/",
        "v1/public/x",
        "?x=1",
        "#x",
        "%2Fv1/public/x",
        "\\v1\\public\\x",
        "./v1/public/x",
    ] {
        refused(&world, &[400, 421], get(target, &a)).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_11_refuses_a_connect_inside_a_tunnel() {
    let world = arena().start().await;
    let (a, evil) = (world.at("api.a.test"), world.at("evil.test"));
    for host in ["evil.test:443", &evil, &a] {
        let head = request("CONNECT", host, host, "", "");
        refused(&world, &[405], &head).await;
        let mut clear = world.agent("r1").connect("api.a.test").await;
        clear.send(&head).await;
        World::says_no(&clear.answer().await, Reason::MethodRefused);
        // what it says behind it is in the tunnel still
        clear.send(get("/v1/public/x", &evil)).await;
        World::says_no(&clear.answer().await, Reason::AuthorityMismatch);
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn rt_18_refuses_raw_bytes_that_no_target_may_hold() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    for target in [
        b"/v1/public/\xc3\xa9".as_slice(),
        b"/v1/public/\xff",
        b"/v1/public/{x}",
        b"/v1/public/\"x\"",
        b"/v1/public/a|b",
        b"/v1/public/a^b",
        b"/v1/public/<a>",
        b"/v1/public/`a`",
        b"/v1/public/[a]",
        b"/v1/public/a\x7f",
        b"/v1/public/a\x01",
        b"/v1/public/x?a=\xc3\xa9",
        b"/v1/public/x?a=\"",
        b"/v1/public/x?<a>",
    ] {
        let after = format!(" HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let head = [b"GET ", target, after.as_bytes()].concat();
        refused(&world, &[400], head).await;
    }
    world.finish().await;
}

/// What stands behind `#` is nobody's: it is neither judged nor sent.
#[tokio::test]
async fn a_fragment_is_not_part_of_what_is_judged_or_sent() {
    let world = arena().start().await;
    let a = world.at("api.a.test");
    for target in ["/v1/public/x#/../../admin", "/v1/public/x#?key=1"] {
        let mut wire = inside(&world, get(target, &a)).await;
        assert_eq!(wire.answer().await.status, 200, "{target}");
    }
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.target(), "/v1/public/x");
    }
    let hidden = get("/v1/admin#/v1/public/x", &a);
    let mut wire = inside(&world, hidden).await;
    World::says_no(&wire.answer().await, Reason::NoRule);
    world.finish().await;
}

#[tokio::test]
async fn rt_20_never_forwards_trace_and_echoes_nothing() {
    let world = arena().start().await;
    let a = world.at("api.a.test");
    let headers = "Max-Forwards: 0\r\nX-Echo: said-by-the-agent-4711\r\n";
    for (method, status) in [
        ("TRACE", 405),
        ("TRACK", 405),
        ("DEBUG", 403),
        ("OPTIONS", 405),
    ] {
        let head = request(method, "/v1/public/x", &a, headers, "");
        let answer = refused(&world, &[status], head).await;
        assert!(!answer.text().contains("4711"), "{answer:?}");
    }
    // with forwards left it is an ordinary call, and the header stays behind
    let headers = "Max-Forwards: 5\r\n";
    let mut wire = inside(&world, request("OPTIONS", "/v1/public/x", &a, headers, "")).await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(
        one(&world, "api.a.test").head.values("max-forwards"),
        [""; 0]
    );
    world.finish().await;
}

#[tokio::test]
async fn rt_21_refuses_methods_that_no_rule_can_name() {
    let world = arena().start().await;
    let a = world.at("api.a.test");
    for method in [
        "PROPFIND", "MKCOL", "PATCH", "FOO", "QUERY", "PRI", "get", "GETX", "M-SEARCH", "PURGE",
    ] {
        let head = request(method, "/v1/public/x", &a, "", "");
        let answer = refused(&world, &[403], head).await;
        World::says_no(&answer, Reason::NoRule);
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_24_refuses_a_target_that_is_too_long() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    for length in [8 << 10, 16 << 10, 64 << 10, 65_535, 1 << 20] {
        let (path, value) = ("a".repeat(length), "a".repeat(2 * length));
        for target in [
            format!("/v1/public/{path}"),
            format!("/v1/public/x?a={value}"),
        ] {
            let mut wire = inside(&world, get(&target, &host)).await;
            // who is cut off in the middle of what it sends may miss the answer
            if let Ok(Some(answer)) = wire.try_answer_to("GET").await {
                assert!(matches!(answer.status, 400 | 414 | 431), "{answer:?}");
            }
        }
    }
    world.nothing_left_the_gate();
    // the longest that is taken is sent as it is
    let longest = format!("/v1/public/{}", "a".repeat((8 << 10) - 11));
    let mut wire = inside(&world, get(&longest, &host)).await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(one(&world, "api.a.test").target(), longest);
    world.finish().await;
}
