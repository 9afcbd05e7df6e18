//! Who may call at all: only the holder of a good certificate of a known authority, with one identity in it.

use rcgen::CertificateParams;
use time::{Duration, OffsetDateTime};
use tollgate::refusal::Reason;

use crate::world::{
    World,
    agent::Agent,
    patience::until,
    pki::{self, Authority, agent_params, spiffe_id},
};

async fn world() -> World {
    World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await
}

/// The gate closes on this agent without an answer, and says why in an event.
async fn is_not_let_in(world: &World, agent: &Agent) {
    if let Ok(mut wire) = agent.try_wire().await {
        let call = agent.absolute("GET http://api.a.test/v1/x", "", "");
        let _ = wire.try_send(&call).await;
        assert_eq!(wire.rest().await, b"", "an answer without an identity");
    }
    let event = world.refusals(Reason::CertificateInvalid, 1).await;
    assert_eq!(event["caller"]["role"], serde_json::Value::Null);
    world.nothing_left_the_gate();
}

/// A good agent certificate with one thing changed.
fn reader(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = agent_params(&[&spiffe_id("reader")]);
    change(&mut params);
    params
}

#[tokio::test]
async fn lets_a_good_certificate_in() {
    let world = world().await;
    let identity = world.pki.agents.sign(&reader(|_| {}));
    let answer = world
        .agent_showing(Some(identity))
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    let event = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(event["caller"]["id"], spiffe_id("reader"));
    assert_eq!(event["caller"]["role"], "reader");
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_certificate_of_another_authority() {
    let world = world().await;
    let stranger = Authority::new("agents CA");
    let identity = stranger.sign(&reader(|_| {}));
    is_not_let_in(&world, &world.agent_showing(Some(identity))).await;
    for authority in [
        &world.pki.gates,
        &world.pki.interception,
        &world.pki.upstreams,
    ] {
        let identity = authority.sign(&reader(|_| {}));
        is_not_let_in(&world, &world.agent_showing(Some(identity))).await;
    }
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_an_identity_that_no_role_names() {
    let world = world().await;
    let agent = world.agent("nobody");
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    let event = world.refused(&answer, Reason::IdentityUnknown).await;
    assert_eq!(event["caller"]["id"], spiffe_id("nobody"));
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_a_revoked_identity() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .role("writer", "GET api.a.test/v1/**")
        .file("revoked", &format!("{}\n", spiffe_id("reader")))
        .start()
        .await;
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::Revoked).await;
    world.nothing_left_the_gate();
    assert_eq!(
        world
            .agent("writer")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_revoked_certificate_and_no_other_of_the_identity() {
    let world = World::new().role("reader", "GET api.a.test/v1/**");
    let (stolen, renewed) = (world.pki.agent("reader"), world.pki.agent("reader"));
    let world = world
        .file("revoked", &format!("{}\n", stolen.fingerprint()))
        .start()
        .await;
    let answer = world
        .agent_showing(Some(stolen))
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::Revoked).await;
    let answer = world
        .agent_showing(Some(renewed))
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    world.finish().await;
}

#[tokio::test]
pub(crate) async fn refuses_calls_once_the_certificate_has_expired() {
    let world = world().await;
    let short =
        reader(|params| params.not_after = OffsetDateTime::now_utc() + Duration::seconds(3));
    let agent = world.agent_showing(Some(world.pki.agents.sign(&short)));
    let mut wire = agent.wire().await;
    let call = agent.absolute("GET http://api.a.test/v1/x", "", "");
    wire.send(&call).await;
    assert_eq!(wire.answer().await.status, 200);
    until("the certificate's end", || {
        (OffsetDateTime::now_utc() > short.not_after).then_some(())
    })
    .await;
    let before = world.upstream("api.a.test").requests().len();
    let _ = wire.try_send(&call).await;
    if let Ok(Some(answer)) = wire.try_answer_to("GET").await {
        world.refused(&answer, Reason::IdentityExpired).await;
    }
    world.refusals(Reason::IdentityExpired, 1).await;
    assert_eq!(world.upstream("api.a.test").requests().len(), before);
    world.finish().await;
}

#[tokio::test]
async fn speaks_no_clear_text_and_no_h2_with_agents() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = world().await;
    let mut socket = tokio::net::TcpStream::connect(world.listen())
        .await
        .unwrap();
    socket
        .write_all(b"GET http://api.a.test/v1/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    let identity = world.pki.agent("reader");
    let mut config = pki::client_config(world.pki.gates.roots(), Some(&identity));
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(
        world
            .agent_showing(Some(identity))
            .wire_by(config)
            .await
            .is_err()
    );
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn refuses_an_identity_as_soon_as_its_line_stands_in_the_revoked_list() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let mut tunnel = world.agent("reader").tunnel("api.a.test").await;
    assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    // a line that cannot be read does not keep the others from holding
    let lines = format!("no identity\n{}\n", crate::world::pki::spiffe_id("reader"));
    std::fs::write(world.dir().join("revoked"), lines).unwrap();
    // a tunnel that was open before is no way around it: it has ended
    assert_eq!(tunnel.rest().await, b"");
    world.refusals(Reason::Revoked, 1).await;
    let agent = world.agent("reader");
    let refused = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&refused, Reason::Revoked).await;
    world.finish().await;
}
