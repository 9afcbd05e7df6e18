//! Redirects and pooled connections: nothing crosses from one agent to another.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use tollgate::refusal::Reason;

use super::arena;
use crate::world::{
    World,
    patience::until,
    pki::{self, spiffe_id},
    script::{Answer, Hold},
    settings::Role,
};

const CALL: &str = "GET http://api.a.test/v1/public/x";

/// Two identities in one role, which share what a role shares, and one in another.
async fn crowd() -> World {
    let rules = "GET api.a.test/v1/**; POST api.a.test/v1/items";
    let players = ["one", "two"].map(spiffe_id);
    World::new()
        .role(
            "pair",
            Role::from(rules).played_by(&players.each_ref().map(|id| &**id)),
        )
        .role("lone", rules)
        .start()
        .await
}

#[tokio::test]
async fn px_01_follows_no_redirect() {
    let world = arena().start().await;
    let port = world.port;
    for status in ["301 x", "302 Found", "303 x", "307 x", "308 x"] {
        for location in [
            format!("https://evil.test:{port}/"),
            format!("http://api.a.test:{port}/"),
            "https://api.a.test:8443/".to_owned(),
            format!("//evil.test:{port}"),
            format!("https://api.a.test@evil.test:{port}/"),
            "https://169.254.169.254/".to_owned(),
        ] {
            let lines = format!("Location: {location}\r\nRefresh: 0;url={location}\r\n");
            let script = Answer::with(status, &lines, "");
            world.upstream("api.a.test").answers("/v1/public/x", script);
            let answer = world.agent("r1").call(CALL).await;
            assert_eq!(answer.status.to_string(), status[..3]);
            assert_eq!(answer.header("location"), Some(&*location));
        }
    }
    assert_eq!(world.upstream("api.a.test").requests().len(), 5 * 6);
    // The agent's own next step is a call like any other.
    let answer = world.agent("r1").call("GET https://evil.test/").await;
    world.refused(&answer, Reason::NoRule).await;
    world.finish().await;
}

#[tokio::test]
async fn px_03_no_connection_is_authenticated_for_another_call() {
    let world = crowd().await;
    let upstream = world.upstream("api.a.test");
    for (round, lines) in [
        "WWW-Authenticate: Negotiate\r\n",
        "WWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\n",
        "WWW-Authenticate: Bearer realm=\"x\", Negotiate\r\n",
        "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: ntlm\r\n",
        "Persistent-Auth: true\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let status = if lines.starts_with("WWW") {
            "401 x"
        } else {
            "200 OK"
        };
        upstream.answers("/v1/public/x", Answer::with(status, lines, ""));
        let answer = world.agent("one").call(CALL).await;
        let challenges = answer
            .head
            .values("www-authenticate")
            .join(" ")
            .to_lowercase();
        assert!(!challenges.contains("negotiate") && !challenges.contains("ntlm"));
        assert_eq!(answer.header("persistent-auth"), None);
        upstream.answers("/v1/public/x", Answer::Text("ok".into()));
        assert_eq!(world.agent("two").call(CALL).await.text(), "ok");
        // the second call did not go where the challenge was, and its own connection was good for the next round
        assert_eq!(upstream.connections().len(), 2 + round, "{lines}");
    }
    let before = upstream.connections().len();
    for agent in ["two", "lone", "one", "lone"] {
        assert_eq!(world.agent(agent).call(CALL).await.status, 200);
    }
    // one role's two identities share, two roles do not
    assert_eq!(upstream.connections().len(), before + 1);
    world.finish().await;
}

/// The other half of the pool's key: a value and the one before it share nothing.
#[tokio::test]
async fn a_new_value_has_connections_of_its_own() {
    let mut world = arena().max_ttl("1s").start().await;
    let old = format!("Bearer {}", world.secret("api-a"));
    assert_eq!(world.agent("r1").call(CALL).await.status, 200);
    world.rotate("api-a");
    let fresh = format!("Bearer {}", world.secret("api-a"));
    let upstream = world.upstream("api.a.test").clone();
    let is_fresh = |_: &_| {
        let seen = upstream.requests().pop().unwrap();
        seen.head.value("authorization") == Some(&fresh)
    };
    world.agent("r1").call_until(CALL, is_fresh).await;
    for connection in upstream.connections() {
        let received = String::from_utf8(connection.received.bytes()).unwrap();
        assert!(!(received.contains(&old) && received.contains(&fresh)));
    }
    world.finish().await;
}

#[tokio::test]
async fn px_04_shows_no_certificate_of_its_own_to_an_upstream() {
    let world = arena().start().await;
    let roots = Arc::new(world.pki.agents.roots());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .unwrap();
    let shown = world.pki.upstreams.server(&["api.a.test"]);
    let asking = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(shown.chain(), shown.private_key())
        .unwrap();
    world.upstream("api.a.test").presents(asking);
    let answer = world.agent("r1").call(CALL).await;
    assert_eq!(answer.status, 502);
    let connections = world.upstream("api.a.test").connections();
    let failure = connections[0].tls_failure.as_deref();
    assert_eq!(failure, Some("peer sent no certificates"));
    world.finish().await;
}

/// What one identity gives up at any point of its answer never reaches another of the same role.
#[tokio::test]
async fn px_05_an_answer_that_was_given_up_reaches_nobody_else() {
    let world = crowd().await;
    let upstream = world.upstream("api.a.test");
    let (one, mut two) = (world.agent("one"), world.agent("two").wire().await);
    for round in 0..100 {
        let hold = Hold::new();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
        let cut = 17 + round % (head.len() - 17);
        let rest = format!("{}EVIL", &head[cut..]);
        let script = Answer::Interrupted(head[..cut].into(), hold.clone(), rest.into());
        let path = format!("/v1/{round}");
        upstream.answers(&path, script);
        let mut wire = one.wire().await;
        wire.send(one.absolute(&format!("GET http://api.a.test{path}"), "", ""))
            .await;
        until("the call upstream", || {
            let heads = upstream.heads();
            heads
                .iter()
                .any(|head| head.contains(&format!("{path} ")))
                .then_some(())
        })
        .await;
        drop(wire);
        hold.release();
        let own = format!("id-{round}");
        let path = format!("/v1/own/{round}");
        upstream.answers(&path, Answer::Text(own.clone()));
        two.send(one.absolute(&format!("GET http://api.a.test{path}"), "", ""))
            .await;
        assert_eq!(two.answer().await.text(), own, "cut at {cut}");
    }
    world.finish().await;
}

/// The upstream closes a resting connection while the next request is on its way.
#[tokio::test]
async fn px_06_sends_nothing_again_that_may_have_been_sent() {
    let world = arena().start().await;
    let upstream = world.upstream("api.a.test");
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let post = agent.absolute("POST http://api.a.test/v1/items", "", "x");
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    upstream.answers("/v1/public/x", Answer::BytesThenClose(ok.into()));
    for round in 1..=100 {
        wire.send(agent.absolute(CALL, "", "")).await;
        assert_eq!(wire.answer().await.status, 200);
        wire.send(&post).await;
        let answer = wire.answer().await;
        assert!([200, 502].contains(&answer.status), "{answer:?}");
        let posts = upstream.heads();
        let posts = posts.iter().filter(|head| head.starts_with("POST")).count();
        assert!(posts <= round, "{posts} in {round} rounds");
    }
    // and where the upstream hangs up once it has the request
    upstream.answers("/v1/items", Answer::Close);
    let before = upstream.heads().len();
    wire.send(&post).await;
    World::says_no(&wire.answer().await, Reason::UpstreamUnreachable);
    assert_eq!(upstream.heads().len(), before + 1);
    world.finish().await;
}

#[tokio::test]
async fn px_08_no_connection_is_upgraded_and_none_rests_after_an_attempt() {
    let world = arena().start().await;
    let upstream = world.upstream("api.a.test");
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    upstream.answers("/v1/public/x", Answer::Bytes(switch.into()));
    let agent = world.agent("r1");
    let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let answer = agent.call_with(CALL, headers, "").await;
    world.refused(&answer, Reason::UpstreamMalformed).await;
    assert_eq!(upstream.only_request().head.value("upgrade"), None);
    assert_eq!(
        agent.call("GET http://api.a.test/v1/public/y").await.status,
        200
    );
    assert_eq!(upstream.connections().len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn px_09_each_request_of_a_tunnel_is_judged_by_the_rules_of_its_moment() {
    let wide = || World::new().role("r1", "GET api.a.test/v1/**; GET api.a.test/v2/**");
    let world = wide().start().await;
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    assert_eq!(tunnel.call("GET /v2/x", "api.a.test").await.status, 200);
    world.becomes(World::new().role("r1", "GET api.a.test/v1/**"));
    world.reload().await;
    let answer = tunnel.call("GET /v2/x", "api.a.test").await;
    world.refused(&answer, Reason::NoRule).await;
    assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    // the host is no longer the role's: the tunnel ends
    world.becomes(World::new().role("r1", "GET api.b.test/**"));
    world.reload().await;
    assert_eq!(tunnel.rest().await, b"");
    assert_eq!(world.upstream("api.a.test").requests().len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn px_10_neither_side_has_early_data() {
    let world = arena().start().await;
    let mut generous = pki::server_config(&world.pki.upstreams.server(&["api.a.test"]));
    generous.max_early_data_size = u32::MAX;
    world.upstream("api.a.test").presents(generous);
    let agent = world.agent("r1");
    let close = Answer::with("200 OK", "Connection: close\r\n", "ok");
    world.upstream("api.a.test").answers("/v1/public/x", close);
    for _ in 0..3 {
        assert_eq!(agent.call(CALL).await.status, 200);
    }
    let connections = world.upstream("api.a.test").connections();
    assert_eq!(connections.len(), 3);
    assert!(connections.iter().all(|one| !one.early_data));
    // an agent gets no ticket, without which there is no early data (RFC 8446 section 4.2.10)
    let mut eager = pki::client_config(world.pki.gates.roots(), agent.identity.as_deref());
    eager.enable_early_data = true;
    for _ in 0..2 {
        let mut wire = agent.wire_by(eager.clone()).await.unwrap();
        wire.send(agent.absolute(CALL, "", "")).await;
        assert_eq!(wire.answer().await.status, 200);
        assert_eq!(wire.handshake, Some(rustls::HandshakeKind::Full));
    }
    world.finish().await;
}

#[tokio::test]
async fn px_11_a_leaf_that_another_role_had_made_opens_nothing() {
    let world = World::new()
        .role("r1", "GET api.b.test/**")
        .role("r2", "GET api.a.test/v1/**")
        .start()
        .await;
    let mut warm = world.agent("r1").tunnel("api.b.test").await;
    assert_eq!(warm.call("GET /x", "api.b.test").await.status, 200);
    let mut tunnel = world.agent("r2").tunnel("api.b.test").await;
    let answer = tunnel.call("GET /x", "api.b.test").await;
    world.refused(&answer, Reason::NoRule).await;
    assert_eq!(world.upstream("api.b.test").requests().len(), 1);
    world.finish().await;
}
