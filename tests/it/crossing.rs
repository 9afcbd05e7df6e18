//! What crosses the gate with a call and its answer, and what never does.

use crate::world::{
    World,
    script::{Answer, Meter},
    settings::Role,
};

async fn world() -> World {
    World::new()
        .role(
            "agent",
            "GET,HEAD api.a.test/v1/**; POST api.a.test/v1/items",
        )
        .start()
        .await
}

#[tokio::test]
async fn sends_no_credential_of_the_agent_on_and_no_header_of_its_leg() {
    let world = world().await;
    let carriers = [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Api-Key",
        "Api-Key",
        "X-Goog-Api-Key",
        "X-Auth-Token",
        "Private-Token",
        "Job-Token",
        "X-Amz-Security-Token",
        "X-Shopify-Access-Token",
        "DD-API-KEY",
        "Ocp-Apim-Subscription-Key",
        "X-Vault-Token",
        "DPoP",
        "X_Api_Key",
        "Authorization_",
    ];
    let of_this_leg = [
        "Proxy-Connection: keep-alive",
        "Keep-Alive: timeout=1",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMA",
        "X-Named: y",
        "Connection: X-Named, Authorization, keep-alive",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-Client-Cert: URI=spiffe://td.test/admin",
        "X-Original-URL: /v1/admin",
        "X-Rewrite-URL: /v1/admin",
        "X-HTTP-Method-Override: DELETE",
        "Transfer_Encoding: chunked",
        "Content_Length: 3",
    ];
    let mut headers = String::from("X-Kept: kept\r\nTE: trailers, gzip\r\n");
    for carrier in carriers {
        headers += &format!("{carrier}: agents-own-4711\r\n");
    }
    for line in of_this_leg {
        headers += &format!("{line}\r\n");
    }
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let answer = tunnel
        .call_with("GET /v1/x", "api.a.test", &headers, "")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.upstream("api.a.test").only_request();
    let bearer = format!("Bearer {}", world.secret("api-a"));
    assert_eq!(seen.head.values("authorization"), [bearer]);
    assert_eq!(seen.head.value("x-kept"), Some("kept"));
    for carrier in carriers.iter().filter(|name| **name != "Authorization") {
        assert_eq!(seen.head.values(carrier), Vec::<&str>::new(), "{carrier}");
    }
    for line in of_this_leg {
        let (name, _) = line.split_once(':').unwrap();
        // the gate's own word about its own TE, and nothing of the agent's
        let own: &[&str] = if name == "Connection" { &["te"] } else { &[] };
        assert_eq!(seen.head.values(name), own, "{name}");
    }
    let received = world.upstream("api.a.test").connections()[0]
        .received
        .bytes();
    assert!(!String::from_utf8_lossy(&received).contains("agents-own-4711"));
    world.finish().await;
}

#[tokio::test]
async fn lets_cookies_cross_both_ways_only_where_a_rule_does() {
    let rules = "GET api.a.test/v1/**";
    let world = World::new()
        .role("with", Role::from(rules).cookies())
        .role("without", rules)
        .start()
        .await;
    let upstream = world.upstream("api.a.test");
    let sets = "Set-Cookie: a=1; Secure\r\nSet-Cookie: b=2\r\nSet-Cookie2: c=3\r\n";
    upstream.answers("/v1/x", Answer::with("200 OK", sets, "ok"));
    for (role, up, back) in [
        ("with", vec!["s=1"], vec!["a=1; Secure", "b=2"]),
        ("without", vec![], vec![]),
    ] {
        let call = "GET http://api.a.test/v1/x";
        let headers = "Cookie: s=1\r\nAuthorization: agents-own-4711\r\n";
        let answer = world.agent(role).call_with(call, headers, "").await;
        assert_eq!(answer.head.values("set-cookie"), back, "{role}");
        assert_eq!(answer.head.values("set-cookie2"), Vec::<&str>::new());
        let seen = upstream.requests().pop().unwrap();
        assert_eq!(seen.head.values("cookie"), up, "{role}");
        let bearer = format!("Bearer {}", world.secret("api-a"));
        assert_eq!(seen.head.values("authorization"), [bearer], "{role}");
    }
    world.finish().await;
}

#[tokio::test]
async fn regenerates_the_framing_of_a_request_body() {
    let world = world().await;
    let agent = world.agent("agent");
    world
        .upstream("api.a.test")
        .answers("/v1/items", Answer::BodyLength);
    let answer = agent
        .call_with("POST http://api.a.test/v1/items", "", "twelve bytes")
        .await;
    assert_eq!(answer.text(), "12");
    let mut wire = agent.wire().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/items", chunked, ""))
        .await;
    wire.send("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n").await;
    assert_eq!(wire.answer().await.text(), "6");
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(
            seen.head.values("content-length").len() + seen.head.values("transfer-encoding").len(),
            1
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn answers_100_continue_and_sends_no_expectation_twice() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/items", headers, ""))
        .await;
    let line = wire.bytes("HTTP/1.1 100 Continue\r\n\r\n".len()).await;
    assert_eq!(
        String::from_utf8(line).unwrap(),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    wire.send("hello").await;
    assert_eq!(wire.answer().await.status, 200);
    let seen = world.upstream("api.a.test").only_request();
    assert_eq!(seen.body.bytes, b"hello");
    assert_eq!(seen.head.value("expect"), None);
    world.finish().await;
}

#[tokio::test]
async fn takes_no_trailer_of_the_agent_for_a_header() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    let headers = "TE: trailers\r\nTrailer: Authorization\r\nTransfer-Encoding: chunked\r\n";
    wire.send(agent.absolute("POST http://api.a.test/v1/items", headers, ""))
        .await;
    wire.send("1\r\nx\r\n0\r\nAuthorization: Bearer agents-own-4711\r\nHost: evil.test\r\n\r\n")
        .await;
    wire.answer().await;
    for connection in world.upstream("api.a.test").connections() {
        let received = connection.received.bytes();
        let received = String::from_utf8_lossy(&received);
        assert!(
            !received.contains("agents-own-4711") && !received.contains("evil.test"),
            "{received}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn relays_the_trailers_of_an_answer() {
    let world = world().await;
    world
        .upstream("api.a.test")
        .answers("/v1/x", Answer::Stream(1000, Meter::default()));
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let answer = tunnel
        .call_with("GET /v1/x", "api.a.test", "TE: trailers\r\n", "")
        .await;
    assert_eq!((answer.body.total, answer.body.complete), (1000, true));
    let trailers: Vec<_> = answer
        .body
        .trailers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .collect();
    assert_eq!(trailers, [("x-checksum".to_owned(), "all-of-it")]);
    world.finish().await;
}

#[tokio::test]
async fn answers_head_and_304_without_a_body() {
    let world = world().await;
    let agent = world.agent("agent");
    let not_modified = Answer::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n".into());
    world
        .upstream("api.a.test")
        .answers("/v1/cached", not_modified);
    let length_of_get = Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".into());
    world
        .upstream("api.a.test")
        .answers("/v1/head", length_of_get);
    let mut wire = agent.wire().await;
    for (call, status) in [
        ("HEAD http://api.a.test/v1/head", 200),
        ("GET http://api.a.test/v1/cached", 304),
        ("GET http://api.a.test/v1/x", 200),
    ] {
        wire.send(agent.absolute(call, "", "")).await;
        let answer = wire.answer_to(call.split(' ').next().unwrap()).await;
        assert_eq!(answer.status, status, "{call}");
    }
    world.finish().await;
}

#[tokio::test]
async fn says_upstream_that_its_own_te_belongs_to_the_connection() {
    let world = world().await;
    let mut tunnel = world.agent("agent").tunnel("api.a.test").await;
    let answer = tunnel
        .call_with("GET /v1/x", "api.a.test", "TE: trailers\r\n", "")
        .await;
    assert_eq!(answer.status, 200);
    let seen = world.upstream("api.a.test").only_request();
    // RFC 9110 section 10.1.4: who sends TE also names it in Connection
    if seen.head.value("te").is_some() {
        assert_eq!(
            seen.head.value("connection").map(str::to_lowercase),
            Some("te".into())
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn sends_the_headers_that_a_rule_lists_and_those_that_http_needs() {
    let rules = Role::from("POST api.a.test/v1/items");
    let world = World::new()
        .role("agent", rules.rule_key("headers: [notion-version]"))
        .start()
        .await;
    let lines = "Notion-Version: 1\r\nX-Other: 1\r\nIf-Match: x\r\nAccept: */*\r\nContent-Type: text/plain\r\n\
        User-Agent: a\r\nAuthorization: agents-own\r\nCookie: a=1\r\nTransfer-Encoding: chunked\r\n\
        Trailer: X-Sum, Notion-Version\r\n";
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("POST http://api.a.test/v1/items", lines, ""))
        .await;
    wire.send("2\r\nhi\r\n0\r\nX-Sum: 1\r\nNotion-Version: 2\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.status, 200);
    let seen = world.upstream("api.a.test").only_request();
    let mut names: Vec<String> = seen
        .head
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-type",
            "host",
            "notion-version",
            "trailer",
            "transfer-encoding",
            "user-agent"
        ]
    );
    let bearer = format!("Bearer {}", world.secret("api-a"));
    assert_eq!(seen.head.value("authorization"), Some(&*bearer));
    assert_eq!(seen.head.value("trailer"), Some("Notion-Version"));
    let trailers: Vec<&str> = seen
        .body
        .trailers
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(trailers, ["2"]);
    world.finish().await;
}
