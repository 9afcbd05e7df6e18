//! Calls that mean more than their method and path say.

use tollgate::refusal::Reason;

use crate::world::{World, agent::request};

use super::{
    arena,
    outcome::{arrives, bearer, decides_nothing, inside, refused, stripped},
};

#[tokio::test]
async fn se_01_no_call_becomes_one_of_another_method() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "X-HTTP-Method-Override: DELETE",
            "X-HTTP-Method: DELETE",
            "X-Method-Override: DELETE",
            "X-Method: DELETE",
            "X_HTTP_METHOD_OVERRIDE: DELETE",
            "HTTP-Method-Override: DELETE",
            "X-Original-Method: DELETE",
        ],
    )
    .await;
    let agent = world.agent("r1");
    for query in [
        "_method=DELETE",
        "%5Fmethod=DELETE",
        "a=1&_METHOD[]=DELETE",
        "a=1;_method=DELETE",
        "X-HTTP-Method-Override=DELETE",
        "_method_override=DELETE",
        "$httpMethod=DELETE",
        "sudo=root",
    ] {
        let call = format!("GET http://api.a.test/v1/public/x?{query}");
        World::says_no(&agent.call(&call).await, Reason::QueryCredential);
    }
    // A form is a body, which a rule that allows POST lets pass; the method is POST to the gate and to its log.
    let form = "Content-Type: application/x-www-form-urlencoded";
    let seen = arrives(
        &world,
        "api.a.test",
        "POST /v1/items",
        form,
        "_method=DELETE",
    )
    .await;
    assert_eq!(seen.method(), "POST");
    assert_eq!(world.upstream("api.a.test").requests().len(), 2);
    world.finish().await;
}

/// Bodies are not read: the rule's method and path decide, whatever the body asks for.
async fn decided_by_method_and_path(path: &str, bodies: &[(&str, &str)]) {
    let world = World::new()
        .role("r1", &*format!("POST api.a.test{path}"))
        .role("r2", "GET api.b.test/**")
        .start()
        .await;
    for (kind, body) in bodies {
        let lines = format!("Content-Type: {kind}");
        let seen = arrives(&world, "api.a.test", &format!("POST {path}"), &lines, body).await;
        assert_eq!(seen.body.bytes, body.as_bytes());
        assert_eq!(seen.head.values("authorization"), [bearer(&world)]);
        let lines = format!("{lines}\r\n");
        let other = format!("POST http://api.a.test{path}/x");
        let answer = world.agent("r1").call_with(&other, &lines, body).await;
        World::says_no(&answer, Reason::NoRule);
        let call = format!("POST http://api.a.test{path}");
        let answer = world.agent("r2").call_with(&call, &lines, body).await;
        World::says_no(&answer, Reason::NoRule);
    }
    let query = format!("GET http://api.a.test{path}?query=mutation%7Bx%7D");
    World::says_no(&world.agent("r1").call(&query).await, Reason::NoRule);
    world.finish().await;
}

#[tokio::test]
async fn se_02_a_rule_for_graphql_is_for_all_of_it() {
    decided_by_method_and_path(
        "/graphql",
        &[
            ("application/json", "{\"query\":\"mutation{x}\"}"),
            (
                "application/json",
                "[{\"query\":\"{x}\"},{\"query\":\"mutation{x}\"}]",
            ),
            (
                "application/json",
                "{\"operationName\":\"q\",\"query\":\"query q{x} mutation m{x}\"}",
            ),
            (
                "application/json",
                "{\"query\":\"{a:x ...f} fragment f on Q{b:x}\"}",
            ),
            (
                "application/json",
                "{\"extensions\":{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"ab\"}}}",
            ),
            (
                "application/json",
                "{\"query\":\"{x}\",\"query\":\"mutation{x}\"}",
            ),
            ("application/json", "\u{feff}{\"query\":\"mutation{x}\"}"),
            ("application/graphql", "mutation{x}"),
            (
                "application/json\r\nContent-Encoding: gzip",
                "\u{1f}mutation",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn se_03_a_rule_for_json_rpc_is_for_all_of_it() {
    decided_by_method_and_path(
        "/mcp",
        &[
            (
                "application/json",
                "[{\"method\":\"tools/list\"},{\"method\":\"tools/call\"}]",
            ),
            (
                "application/json",
                "{\"method\":\"tools/list\",\"method\":\"tools/call\"}",
            ),
            ("application/json", "{\"\\u006dethod\":\"tools/call\"}"),
        ],
    )
    .await;
}

#[tokio::test]
async fn se_04_no_batch_endpoint_is_reached_unless_a_rule_names_it() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    let part = "--b\r\nContent-Type: application/http\r\n\r\nDELETE /v1/items/1\r\n--b--\r\n";
    let kind = "Content-Type: multipart/mixed; boundary=b\r\n";
    for path in [
        "/batch",
        "/v1/batch",
        "/$batch",
        "/%24batch",
        "/v1/batches",
        "/v1.0/$batch",
        "/v1/items/$batch",
        "/v1/items:batch",
        "/?batch=%5B%7B%22method%22%3A%22DELETE%22%7D%5D",
    ] {
        refused(&world, &[403], request("POST", path, &host, kind, part)).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn se_06_no_upgrade_to_h2c_leaves() {
    let world = World::new()
        .role("r1", "GET api.a.test/v1/public/**; GET clear.test/v1/**")
        .cleartext("clear.test")
        .start()
        .await;
    let settings = "AAMAAABkAARAAAAAAAIAAAAA";
    for lines in [
        format!(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: {settings}"
        ),
        format!(
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: {settings}"
        ),
        format!("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: {settings}"),
        format!("Upgrade: h2c\r\nHTTP2-Settings: {settings}"),
    ] {
        arrives(&world, "api.a.test", "GET /v1/public/x", &lines, "").await;
        let answer = world
            .agent("r1")
            .call_with("GET http://clear.test/v1/x", &format!("{lines}\r\n"), "")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for host in ["api.a.test", "clear.test"] {
        let requests = world.upstream(host).requests();
        assert_eq!(requests.len(), 4, "{host}");
        for seen in requests {
            for name in ["upgrade", "http2-settings", "connection"] {
                assert_eq!(seen.head.values(name), Vec::<&str>::new(), "{host}");
            }
        }
    }
    world.finish().await;
}

/// A handshake of WebSocket in `version`, and behind it what a tunnel would let through.
fn handshake(world: &World, start: &str, lines: &str) -> String {
    let host = world.at("api.a.test");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
    format!("{start}\r\nHost: {host}\r\n{lines}\r\n{key}\r\n\r\n")
}

#[tokio::test]
async fn se_09_an_odd_handshake_is_a_plain_request() {
    let world = arena().start().await;
    let get = "GET /v1/public/x HTTP/1.1";
    for (start, lines) in [
        (
            "POST /v1/items HTTP/1.1",
            "Content-Length: 0\r\nConnection: Upgrade\r\nUpgrade: websocket",
        ),
        (
            "GET /v1/public/x HTTP/1.0",
            "Connection: Upgrade\r\nUpgrade: websocket",
        ),
        (get, "Upgrade: websocket"),
        (
            get,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ),
        (get, "Connection: Upgrade\r\nUpgrade: websocket, h2c"),
    ] {
        let mut tunnel = inside(&world, handshake(&world, start, lines)).await;
        let answer = tunnel.answer().await;
        assert!(
            [200, 400].contains(&answer.status),
            "{start} {lines}: {answer:?}"
        );
    }
    let requests = world.upstream("api.a.test").requests();
    assert!(!requests.is_empty());
    for seen in requests {
        assert_eq!(seen.head.values("upgrade"), Vec::<&str>::new());
        assert_eq!(seen.head.values("connection"), Vec::<&str>::new());
    }
    world.finish().await;
}

#[tokio::test]
async fn se_11_no_websocket_comes_to_be() {
    let world = arena().start().await;
    let lines = "Connection: Upgrade\r\nUpgrade: websocket";
    let mut tunnel = inside(
        &world,
        handshake(&world, "GET /v1/public/x HTTP/1.1", lines),
    )
    .await;
    assert_eq!(tunnel.answer().await.status, 200);
    // A ping, unmasked and with a reserved bit; then a frame of 2^63 bytes: neither is a frame to the gate.
    let frames = [&[0xc9, 0x00][..], &[0x82, 0x7f, 0x7f], &[0xff; 7]].concat();
    let _ = tunnel.try_send([&frames[..], b"\r\n\r\n"].concat()).await;
    let rest = tunnel.rest().await;
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
        "{rest:?}"
    );
    let seen = world.upstream("api.a.test").only_request();
    assert_eq!(seen.head.values("upgrade"), Vec::<&str>::new());
    world.finish().await;
}

/// What an allowed API fetches by itself is not the gate's to see; the gate follows nothing that a body names.
#[tokio::test]
async fn se_12_the_gate_follows_no_url_in_a_body() {
    let world = arena().start().await;
    let kind = "Content-Type: application/json";
    for body in [
        "{\"url\":\"http://169.254.169.254/\"}",
        "{\"api_base\":\"http://evil.test/\",\"base_url\":\"http://evil.test/\"}",
    ] {
        decides_nothing(&world, kind, body, "/v1/fetch").await;
    }
    assert_eq!(world.dns.queries("evil.test"), 0);
    world.finish().await;
}

/// No rule depends on the kind of a body, so no kind opens one; two kinds at once are refused.
#[tokio::test]
async fn se_13_no_kind_of_body_opens_a_rule() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    let body = "{\"a\":1}";
    for lines in [
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
        "Content-Type: application/json, text/plain\r\n",
        "Content-Encoding: gzip\r\nContent-Encoding: identity\r\n",
    ] {
        refused(
            &world,
            &[400],
            request("POST", "/v1/items", &host, lines, body),
        )
        .await;
    }
    for lines in [
        "Content-Type: text/plain",
        "Content-Type: application/json; charset=utf-16",
        "Content-Type: application/json; charset=utf-7",
        "Content-Type: multipart/form-data; boundary=\"a; boundary=b\"",
        "Content-Type: application/json\r\nContent-Encoding: gzip",
    ] {
        decides_nothing(&world, lines, body, "/v1/admin").await;
    }
    world.finish().await;
}
