//! On the agents' listener itself: the target is in absolute-form, and its authority is the only one.

use tollgate::refusal::Reason;

use super::super::{arena, outcome::refused_outside};
use crate::world::{World, agent::request};

fn get(target: &str, host: &str) -> String {
    request("GET", target, host, "", "")
}

#[tokio::test]
async fn rt_04_refuses_a_host_beside_another_absolute_form() {
    let world = arena().start().await;
    let (a, evil) = (world.at("api.a.test"), world.at("evil.test"));
    for (place, host) in [
        ("api.a.test", "evil.test"),
        ("evil.test", "api.a.test"),
        (&*a, &*evil),
        (&*evil, &*a),
        (&*a, "api.a.test:80"),
        ("api.a.test", "api.a.test:443"),
        (&*a, "api.a.test.evil.test"),
        (&*a, ""),
    ] {
        let head = get(&format!("http://{place}/v1/public/x"), host);
        refused_outside(&world, &[400, 421], head).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_05_judges_absolute_form_like_the_rest_and_sends_it_over_tls() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    for call in [
        "POST http://api.a.test/v1/admin",
        "GET http://api.a.test/v1/admin",
        "POST http://api.a.test/v1/public/x",
    ] {
        world.refused(&agent.call(call).await, Reason::NoRule).await;
    }
    world.nothing_left_the_gate();
    let answer = agent.call("GET http://api.a.test/v1/public/x").await;
    assert_eq!(answer.status, 200);
    let connections = world.upstream("api.a.test").connections();
    assert!(connections.iter().all(|connection| !connection.cleartext));
    world.finish().await;
}

#[tokio::test]
async fn rt_06_has_nothing_of_its_own_on_the_agents_listener() {
    let world = arena().admin().start().await;
    for path in [
        "/metrics",
        "/healthz",
        "/health",
        "/ready",
        "/live",
        "/admin",
        "/ca.pem",
        "/debug/pprof",
        "/",
        "*",
    ] {
        let answer = refused_outside(&world, &[400], get(path, "127.0.0.1")).await;
        World::says_no(&answer, Reason::RequestMalformed);
    }
    world.finish().await;
}

#[tokio::test]
async fn rt_19_refuses_userinfo_and_keeps_it_out_of_the_log() {
    let world = arena().start().await;
    let (a, password) = (world.at("api.a.test"), "agents-own-password-4711");
    world.canaries.know(password);
    let connect = format!("x:{password}@{a}");
    refused_outside(&world, &[400], request("CONNECT", &connect, &a, "", "")).await;
    world
        .event_where("the refusal of it", |event| {
            event["request"]["method"] == "CONNECT" && event["kind"] == "refused"
        })
        .await;
    for target in [
        "http://api.a.test@evil.test/".to_owned(),
        format!("http://x:{password}@api.a.test/"),
        format!("http://x:{password}@{a}/v1/public/x"),
        format!("http://{password}@{a}/v1/public/x"),
        format!("http://x:{password}@evil.test@{a}/v1/public/x"),
        format!("http://{a}\\@evil.test/"),
        "http://api.a.test:80\\@evil.test/".into(),
        format!("http://{a}%40evil.test/"),
        format!("http://@{a}/v1/public/x"),
    ] {
        refused_outside(&world, &[400], get(&target, &a)).await;
    }
    world.finish().await;
}

/// An authority that some reader of URLs completes, maps or cuts short.
#[tokio::test]
async fn refuses_an_absolute_form_without_a_plain_authority() {
    let world = arena().start().await;
    let port = world.port;
    for target in [
        "http:///v1/public/x".to_owned(),
        format!("http://:{port}/v1/public/x"),
        "http:api.a.test/v1/public/x".into(),
        "http:/api.a.test/v1/public/x".into(),
        "//api.a.test/v1/public/x".into(),
        "http://?x".into(),
        "http://#x".into(),
        format!("http://api.a.test:{port}:{port}/v1/public/x"),
        format!("http://api%2ea.test:{port}/v1/public/x"),
        format!("http://api.a.test%00:{port}/v1/public/x"),
        format!("http://api.a.test%2Fevil.test:{port}/v1/public/x"),
        format!("http://[fe80::1%25eth0]:{port}/v1/public/x"),
        format!("http://[::1]evil.test:{port}/v1/public/x"),
        format!("http://[127.0.0.1]:{port}/v1/public/x"),
        format!("ftp://api.a.test:{port}/v1/public/x"),
        format!("file://api.a.test:{port}/etc/passwd"),
        format!("javascript://api.a.test:{port}/%0a"),
    ] {
        refused_outside(&world, &[400], get(&target, "api.a.test")).await;
    }
    world.finish().await;
}

/// An address is none of the hosts of any rule here, however it is written.
#[tokio::test]
async fn refuses_an_address_in_every_spelling() {
    let world = arena().start().await;
    let port = world.port;
    for host in [
        "127.0.0.2",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "[0:0:0:0:0:ffff:7f00:0002]",
        "[::127.0.0.2]",
        "[64:ff9b::7f00:2]",
    ] {
        let at = format!("{host}:{port}");
        let head = get(&format!("http://{at}/v1/public/x"), &at);
        let answer = refused_outside(&world, &[403], head).await;
        World::says_no(&answer, Reason::AddressForbidden);
    }
    world.finish().await;
}
