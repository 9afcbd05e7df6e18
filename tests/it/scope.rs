//! What a role's rules allow, to the letter, and nothing beside it.

use tollgate::refusal::Reason;

use crate::world::{World, pki, settings::Role};

#[tokio::test]
pub(crate) async fn refuses_a_role_past_its_review() {
    let overdue = Role::from("GET api.a.test/v1/**").review_by("2020-01-31");
    let world = World::new()
        .role("overdue", overdue)
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let answer = world
        .agent("overdue")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::ReviewOverdue).await;
    world.nothing_left_the_gate();
    assert_eq!(
        world
            .agent("reader")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_host_outside_the_scope() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let agent = world.agent("reader");
    for call in [
        "GET http://evil.test/v1/x",
        "GET http://api.a.test/v2/x",
        "GET http://api.a.test/v1",
        "POST http://api.a.test/v1/x",
        "get http://api.a.test/v1/x",
    ] {
        let event = world.refused(&agent.call(call).await, Reason::NoRule).await;
        assert_eq!(event["caller"]["id"], pki::spiffe_id("reader"));
    }
    let mut tunnel = agent.tunnel("evil.test").await;
    world
        .refused(&tunnel.call("GET /v1/x", "evil.test").await, Reason::NoRule)
        .await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_what_a_deny_rule_covers() {
    let rules = "GET api.a.test/v1/**; deny GET api.a.test/v1/admin";
    let world = World::new().role("reader", rules).start().await;
    let agent = world.agent("reader");
    for path in ["/v1/admin", "/v1/ADMIN", "/v1/admin/", "/v1/admin/keys"] {
        let answer = agent.call(&format!("GET http://api.a.test{path}")).await;
        let event = world.refused(&answer, Reason::DeniedByRule).await;
        assert_eq!(event["decision"]["rule"]["name"], "reader-2");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_port_that_no_rule_names() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    for port in ["22", "25", "6379"] {
        let mut wire = world.agent("reader").wire().await;
        let target = format!("api.a.test:{port}");
        wire.send(format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
        ))
        .await;
        let answer = wire.answer_to("CONNECT").await;
        world.refused(&answer, Reason::PortForbidden).await;
        assert!(
            answer.reason_phrase.contains("port_forbidden"),
            "{answer:?}"
        );
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_query_name_that_the_rule_does_not_list() {
    let rules = Role::from("GET api.a.test/v1/**");
    let world = World::new()
        .role("reader", rules.rule_key("query: [page, \"ids[]\", key]"))
        .start()
        .await;
    let agent = world.agent("reader");
    for query in [
        "",
        "?",
        "?page=2&ids[]=1&ids%5B%5D=2",
        "?key=harmless",
        "?k%65y=1;page=1",
    ] {
        let answer = agent
            .call(&format!("GET http://api.a.test/v1/x{query}"))
            .await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let seen = world.upstream("api.a.test").requests().pop().unwrap();
        assert_eq!(seen.target(), format!("/v1/x{query}"));
    }
    for query in [
        "days=3",
        "page=1&Page=2",
        "page=1;token=x",
        "ids=1",
        "key[]=x",
        "=x",
    ] {
        let answer = agent
            .call(&format!("GET http://api.a.test/v1/x?{query}"))
            .await;
        world.refused(&answer, Reason::QueryForbidden).await;
    }
    assert_eq!(world.upstream("api.a.test").requests().len(), 5);
    world.finish().await;
}

#[tokio::test]
async fn a_list_of_query_names_never_lets_an_override_or_another_user_through() {
    let rules = Role::from("GET api.a.test/v1/**");
    let world = World::new()
        .role("reader", rules.rule_key("query: [page, token]"))
        .start()
        .await;
    let agent = world.agent("reader");
    for query in ["_method=DELETE", "page=1&sudo=root", "$httpHeaders=x"] {
        let answer = agent
            .call(&format!("GET http://api.a.test/v1/x?{query}"))
            .await;
        world.refused(&answer, Reason::QueryCredential).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}
