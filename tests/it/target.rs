//! A target has one spelling: what has two readings is refused before any rule is asked.

use tollgate::refusal::Reason;

use crate::world::World;

#[tokio::test]
pub(crate) async fn refuses_a_host_in_another_spelling() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for host in [
        "api..a.test",
        "127.1",
        "0x7f000001",
        "2130706433",
        "xn--api-.a.test",
        "a_b.test",
    ] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        world.refused(&answer, Reason::TargetMalformed).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_path_with_two_readings() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for path in [
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/a%2fb",
        "/v1//x",
        "/v1/x;y",
        "/v1/%5cx",
        "/v1/%zz",
    ] {
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        world.refused(&answer, Reason::PathAmbiguous).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_credential_in_the_query() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for query in [
        "access_token=x",
        "api_key=x",
        "a=1&Access%5FToken=x",
        "_method=DELETE",
    ] {
        let answer = agent
            .call(&format!("GET http://api.a.test/v1/x?{query}"))
            .await;
        world.refused(&answer, Reason::QueryCredential).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_host_header_that_names_another_host() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**; GET api.b.test/**")
        .start()
        .await;
    let agent = world.agent("reader");
    let mut wire = agent.tunnel("api.a.test").await;
    let answer = wire.call("GET /v1/x", "api.b.test").await;
    let event = world.refused(&answer, Reason::AuthorityMismatch).await;
    assert_eq!(event["caller"]["role"], "reader");
    world.nothing_left_the_gate();
    world.finish().await;
}
