//! Where a proxy is the only way out, upstreams are reached through it: checked, verified and on record as ever.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tollgate::refusal::Reason;

use crate::world::{
    World,
    builder::Builder,
    pki,
    proxy::{Conduct, Double, Tinyproxy},
    recorder::Recorder,
};

const USER: &str = "tollgate";
const PASSWORD: &str = "proxyPassword0123456789abcdefghijklmnop";
const LOGIN: &str = "login: {user: tollgate, password: proxy-password}";

/// A world that reaches its upstreams through the proxy at `address`, with these settings beside it.
fn through(address: SocketAddr, rest: &str) -> Builder {
    World::new()
        .role("reader", "GET api.a.test/v1/**")
        .upstream(&format!("proxy: {{address: \"http://{address}\"{rest}}}"))
}

async fn ended(world: &World) -> Value {
    world
        .event_where("the end of the call", |event| event["kind"] == "ended")
        .await
}

async fn call(world: &World) -> crate::world::agent::Answer {
    world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await
}

#[tokio::test]
async fn a_real_proxy_carries_the_calls_of_a_gate_that_logs_in() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = Tinyproxy::start(dir.path(), USER, PASSWORD).await;
    let world = through(proxy.address, &format!(", {LOGIN}"))
        .secret("proxy-password", PASSWORD)
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(call(&world).await.status, 200);
    }
    let upstream = world.upstream("api.a.test");
    assert_eq!(upstream.connections().len(), 1, "connections are kept");
    let seen = upstream.requests().pop().unwrap();
    let bearer = format!("Bearer {}", world.secret("api-a"));
    assert_eq!(seen.head.values("authorization"), [bearer.as_str()]);
    let event = ended(&world).await;
    assert_eq!(event["upstream"]["address"], upstream.address.to_string());
    assert_eq!(event["upstream"]["via"], proxy.address.to_string());
    assert_eq!(event["upstream"]["tls"], "1.3");
    world.finish().await;
}

#[tokio::test]
async fn a_real_proxy_that_refuses_the_login_ends_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = Tinyproxy::start(dir.path(), USER, "another0password").await;
    let world = through(proxy.address, &format!(", {LOGIN}"))
        .secret("proxy-password", PASSWORD)
        .start()
        .await;
    let event = world
        .refused(&call(&world).await, Reason::UpstreamUnreachable)
        .await;
    // tinyproxy 1.11 answers 401 where RFC 9110 has 407
    let cause = event["decision"]["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("the upstream proxy answered 40"),
        "{cause}"
    );
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn the_proxy_is_asked_for_the_address_that_was_checked_and_gets_the_login_alone() {
    let proxy = Double::start(None).await;
    let world = through(proxy.address, &format!(", {LOGIN}"))
        .secret("proxy-password", PASSWORD)
        .start()
        .await;
    assert_eq!(call(&world).await.status, 200);
    let address = world.upstream("api.a.test").address;
    let login = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    assert_eq!(
        proxy.heads(),
        [format!(
            "CONNECT {address} HTTP/1.1\r\nhost: {address}\r\nproxy-authorization: Basic {login}\r\n\r\n"
        )]
    );
    assert_eq!(
        world.upstream("api.a.test").connections()[0].sni.as_deref(),
        Some("api.a.test")
    );
    world.finish().await;
}

#[tokio::test]
async fn the_guard_holds_before_the_proxy_is_asked() {
    let proxy = Double::start(None).await;
    let world = through(proxy.address, "").start().await;
    world.dns.answers("api.a.test", &["10.0.0.1"]);
    let answer = call(&world).await;
    world.refused(&answer, Reason::AddressForbidden).await;
    assert_eq!(proxy.heads(), <[String; 0]>::default());
    world.finish().await;
}

#[tokio::test]
async fn an_exception_is_reached_without_the_proxy() {
    let proxy = Double::start(None).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.9:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::new()
        .role("reader", format!("GET near.test:{port}/**").as_str())
        .upstream(&format!(
            "proxy: {{address: \"http://{}\", except: [\"near.test:{port}\"]}}",
            proxy.address
        ))
        .start()
        .await;
    let tls = pki::server_config(&world.pki.upstreams.server(&["near.test"]));
    let near = Recorder::start("near.test", listener, tls, world.events.clone());
    world.dns.answers("near.test", &["127.0.0.9"]);
    let agent = world.agent("reader");
    let answer = agent.call(&format!("GET http://near.test:{port}/x")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(proxy.heads().len(), 0);
    assert_eq!(ended(&world).await["upstream"]["via"], Value::Null);
    near.close();
    world.finish().await;
}

#[tokio::test]
async fn a_proxy_that_gives_no_tunnel_ends_the_call_and_the_cause_says_how() {
    let proxy = Double::start(None).await;
    let world = through(proxy.address, "")
        .setting("timeouts: {connect: 2s}")
        .start()
        .await;
    let says = |text: &str| Conduct::Says(text.into());
    let not_http = "the upstream proxy broke off, or its answer is not HTTP";
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "a".repeat(64 << 10));
    for (conduct, cause) in [
        (
            says(
                "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
            ),
            "the upstream proxy answered 407",
        ),
        (
            says("HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nsecret"),
            "the upstream proxy answered 403",
        ),
        (
            says("HTTP/1.1 503 Busy\r\n\r\n"),
            "the upstream proxy answered 503",
        ),
        (says("SSH-2.0-OpenSSH_9.2\r\n\r\n"), not_http),
        (says(&long), not_http),
        (
            Conduct::SaysAndCloses(b"HTTP/1.1 200 Conn".to_vec()),
            not_http,
        ),
        (Conduct::SaysAndCloses(Vec::new()), not_http),
    ] {
        proxy.does(conduct);
        let answer = call(&world).await;
        let event = world.refused(&answer, Reason::UpstreamUnreachable).await;
        assert_eq!(event["decision"]["cause"], cause);
        assert!(!answer.text().contains("proxy"), "{}", answer.text());
    }
    proxy.does(Conduct::Says(b"HTTP/1.1 200 ".to_vec()));
    let event = world
        .refused(&call(&world).await, Reason::UpstreamTimeout)
        .await;
    let cause = "the upstream proxy gave no tunnel in time";
    assert_eq!(event["decision"]["cause"], cause);
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_proxy_that_nobody_is_ends_the_call() {
    let proxy = "127.0.0.1:1".parse().unwrap();
    let world = through(proxy, "").start().await;
    let event = world
        .refused(&call(&world).await, Reason::UpstreamUnreachable)
        .await;
    let cause = "the upstream proxy cannot be reached";
    assert_eq!(event["decision"]["cause"], cause);
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn the_next_address_is_asked_for_when_the_proxy_does_not_reach_one() {
    let proxy = Double::start(None).await;
    let world = through(proxy.address, "").start().await;
    let address = world.upstream("api.a.test").address;
    let own = address.ip().to_string();
    world.dns.answers("api.a.test", &["127.0.0.10", &own]);
    assert_eq!(call(&world).await.status, 200);
    let asked: Vec<String> = proxy
        .heads()
        .iter()
        .map(|head| head.split(' ').nth(1).unwrap().to_owned())
        .collect();
    let closed = format!("127.0.0.10:{}", world.port);
    assert_eq!(asked, [closed, address.to_string()]);
    world.finish().await;
}

#[tokio::test]
async fn a_login_that_was_refused_is_not_tried_with_another_address() {
    let proxy = Double::start(None).await;
    let world = through(proxy.address, "").start().await;
    world
        .dns
        .answers("api.a.test", &["127.0.0.10", "127.0.0.11"]);
    proxy.does(Conduct::Says(b"HTTP/1.1 407 No\r\n\r\n".to_vec()));
    let answer = call(&world).await;
    world.refused(&answer, Reason::UpstreamUnreachable).await;
    assert_eq!(proxy.heads().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_proxy_that_leads_elsewhere_is_found_out() {
    let proxy = Double::start(None).await;
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**; GET api.b.test/**")
        .upstream(&format!("proxy: {{address: \"http://{}\"}}", proxy.address))
        .start()
        .await;
    let asked = world.upstream("api.a.test").address.to_string();
    let other = world.upstream("api.b.test");
    proxy.knows(&asked, other.address);
    let answer = call(&world).await;
    world.refused(&answer, Reason::UpstreamTls).await;
    assert_eq!(other.received_bytes(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_proxy_may_resolve_the_names_and_addresses_are_still_guarded() {
    let proxy = Double::start(None).await;
    let world = World::new()
        .role(
            "reader",
            "GET api.a.test/v1/**; GET 127.0.0.99:8443/**; GET pinned.test:8443/**",
        )
        .upstream(&format!(
            "proxy: {{address: \"http://{}\", resolve: proxy}}, pins: {{pinned.test: 10.0.0.1}}",
            proxy.address
        ))
        .start()
        .await;
    let authority = world.at("api.a.test");
    proxy.knows(&authority, world.upstream("api.a.test").address);
    for _ in 0..2 {
        assert_eq!(call(&world).await.status, 200);
    }
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(
        heads[0].starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")),
        "{heads:?}"
    );
    let event = ended(&world).await;
    assert_eq!(event["upstream"]["address"], Value::Null);
    assert_eq!(event["upstream"]["via"], proxy.address.to_string());
    let agent = world.agent("reader");
    for internal in ["http://127.0.0.99:8443/x", "http://pinned.test:8443/x"] {
        let answer = agent.call(&format!("GET {internal}")).await;
        world.refused(&answer, Reason::AddressForbidden).await;
    }
    assert_eq!(world.dns.queries_in_all(), 0);
    assert_eq!(proxy.heads().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_is_verified_by_its_own_roots() {
    let authority = pki::Authority::new("proxies");
    let tls = pki::server_config(&authority.server(&["127.0.0.1"]));
    let proxy = Double::start(Some(tls)).await;
    let of = |roots: &str| {
        World::new()
            .role("reader", "GET api.a.test/v1/**")
            .upstream(&format!(
                "proxy: {{address: \"https://{}\", roots: [{roots}], {LOGIN}}}",
                proxy.address
            ))
            .secret("proxy-password", PASSWORD)
            .file("proxies-ca.crt", &authority.certificate.pem())
    };
    let world = of("proxies-ca.crt").start().await;
    assert_eq!(call(&world).await.status, 200);
    assert_eq!(proxy.heads().len(), 1);
    world.finish().await;

    let world = of("pki/upstream-ca.crt").start().await;
    let event = world
        .refused(&call(&world).await, Reason::UpstreamTls)
        .await;
    let cause = event["decision"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("the upstream proxy: "), "{cause}");
    assert_eq!(proxy.heads().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn an_upstream_without_tls_is_reached_through_a_tunnel_too() {
    let proxy = Double::start(None).await;
    let world = World::new()
        .role("reader", "GET plain.test/**")
        .cleartext("plain.test")
        .upstream(&format!("proxy: {{address: \"http://{}\"}}", proxy.address))
        .start()
        .await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://plain.test/x").await.status, 200);
    assert!(world.upstream("plain.test").connections()[0].cleartext);
    let address = world.upstream("plain.test").address;
    assert!(proxy.heads()[0].starts_with(&format!("CONNECT {address} ")));
    world.finish().await;
}

#[tokio::test]
async fn an_opaque_tunnel_goes_through_the_proxy_too() {
    let proxy = Double::start(None).await;
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .opaque("agent", "pinned.test")
        .upstream(&format!("proxy: {{address: \"http://{}\"}}", proxy.address))
        .start()
        .await;
    let config = pki::client_config(world.pki.upstreams.roots(), None);
    let tunnel = world.agent("agent").connect("pinned.test").await;
    let mut inside = tunnel.tls_by("pinned.test", config).await.unwrap();
    let answer = inside.call("GET /x", &world.at("pinned.test")).await;
    assert_eq!(answer.status, 200);
    let address = world.upstream("pinned.test").address;
    assert!(proxy.heads()[0].starts_with(&format!("CONNECT {address} ")));
    drop(inside);
    let event = ended(&world).await;
    assert_eq!(event["upstream"]["address"], address.to_string());
    assert_eq!(event["upstream"]["via"], proxy.address.to_string());
    world.finish().await;
}
