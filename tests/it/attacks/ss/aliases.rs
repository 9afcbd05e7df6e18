//! Names that move, and names for names: the address decides, and the one that was checked is dialled.

use tollgate::refusal::Reason;

use super::Trap;
use crate::world::{World, agent::Wire, builder::Builder};

fn reader() -> Builder {
    World::new().role("r1", "GET api.a.test/v1/public/**")
}

async fn call(tunnel: &mut Wire, world: &World) -> crate::world::agent::Answer {
    let host = world.at("api.a.test");
    tunnel.call("GET /v1/public/x", &host).await
}

#[tokio::test]
async fn ss_04_checks_and_dials_one_address_in_a_thousand_rebindings() {
    const CALLS: usize = 1000;
    let world = reader().start().await;
    let own = world.upstream("api.a.test").address.ip().to_string();
    let trap = tokio::net::TcpListener::bind(("127.0.0.99", world.port));
    let trap = Trap(trap.await.unwrap());
    // whoever asks a second time for the address that was checked gets the other one
    let turns: [&[&str]; 2] = [&[&own], &["127.0.0.99"]];
    let turns: Vec<_> = turns.into_iter().cycle().take(CALLS).collect();
    world.dns.answers_in_turn("api.a.test", &turns);
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    for turn in 0..CALLS {
        let answer = call(&mut tunnel, &world).await;
        match turn % 2 {
            0 => assert_eq!(answer.status, 200, "{turn}: {answer:?}"),
            _ => World::says_no(&answer, Reason::AddressForbidden),
        }
    }
    assert_eq!(world.dns.queries("api.a.test"), CALLS);
    trap.is_untouched().await;
    assert_eq!(world.upstream("api.a.test").requests().len(), CALLS / 2);
    world.finish().await;
}

#[tokio::test]
async fn ss_06_an_alias_is_as_good_as_its_address_and_a_loop_of_them_has_none() {
    let world = reader().start().await;
    let agent = world.agent("r1");
    let dns = &world.dns;
    let refused = async |reason| {
        let answer = agent.call("GET http://api.a.test/v1/public/x").await;
        World::says_no(&answer, reason);
    };
    dns.is_alias("api.a.test", "internal.corp");
    dns.answers("internal.corp", &["10.0.0.5"]);
    refused(Reason::AddressForbidden).await;
    dns.is_alias("api.a.test", "metadata.google.internal");
    dns.answers("metadata.google.internal", &["169.254.169.254"]);
    refused(Reason::AddressForbidden).await;
    // twenty deep, to an internal address
    dns.is_alias("api.a.test", "0.alias.test");
    for depth in 0..20 {
        dns.is_alias(
            &format!("{depth}.alias.test"),
            &format!("{}.alias.test", depth + 1),
        );
    }
    dns.answers("20.alias.test", &["10.0.0.5"]);
    let answer = agent.call("GET http://api.a.test/v1/public/x").await;
    assert!(matches!(answer.status, 403 | 502), "{answer:?}");
    // in a circle
    dns.is_alias("20.alias.test", "0.alias.test");
    refused(Reason::UpstreamUnresolved).await;
    dns.is_alias("api.a.test", "api.a.test");
    refused(Reason::UpstreamUnresolved).await;
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    // and to where it should be
    dns.is_alias("api.a.test", "front.test");
    let own = world.upstream("api.a.test").address.ip().to_string();
    dns.answers("front.test", &[&own]);
    assert_eq!(
        agent.call("GET http://api.a.test/v1/public/x").await.status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn ss_07_a_connection_that_rests_is_of_no_use_once_its_address_or_its_exception_is_gone() {
    let world = reader().start().await;
    let upstream = world.upstream("api.a.test");
    let own = upstream.address.ip().to_string();
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    assert_eq!(call(&mut tunnel, &world).await.status, 200);
    // the name moves to where no agent may go
    world.dns.answers("api.a.test", &["10.0.0.5"]);
    World::says_no(&call(&mut tunnel, &world).await, Reason::AddressForbidden);
    // and to where nobody is
    world.dns.answers("api.a.test", &["127.0.0.10"]);
    World::says_no(
        &call(&mut tunnel, &world).await,
        Reason::UpstreamUnreachable,
    );
    world.dns.answers("api.a.test", &[&own]);
    assert_eq!(call(&mut tunnel, &world).await.status, 200);
    let requests = upstream.requests().len();
    assert_eq!(requests, 2);
    // the address is open no more
    world.becomes(reader().guarded("api.a.test"));
    world.reload().await;
    let answer = world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await;
    World::says_no(&answer, Reason::AddressForbidden);
    assert_eq!(upstream.requests().len(), 2);
    world.finish().await;
}
