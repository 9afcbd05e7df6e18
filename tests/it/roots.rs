//! Who vouches for an upstream is said in the settings: the system, bundles, and for a host its own bundles alone.

use tollgate::refusal::Reason;

use crate::world::{World, pki};

#[tokio::test]
async fn the_systems_authorities_vouch_where_the_settings_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("system.crt");
    let builder = World::new();
    std::fs::write(&bundle, builder.pki.upstreams.certificate.pem()).unwrap();
    let world = builder
        .role("reader", "GET api.a.test/v1/**")
        .roots("[system]")
        .environment("SSL_CERT_FILE", bundle.to_str().unwrap())
        .start()
        .await;
    let agent = world.agent("reader");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn who_is_not_named_does_not_vouch() {
    // the test's own authority is none of the system's
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .roots("[system]")
        .start()
        .await;
    let agent = world.agent("reader");
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::UpstreamTls).await;
    assert_eq!(world.upstream("api.a.test").received_bytes(), 0);
    world.finish().await;
}

#[tokio::test]
async fn several_bundles_and_the_system_vouch_together() {
    let partner = pki::Authority::new("partner");
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**; GET api.b.test/**")
        .roots("[system, pki/upstream-ca.crt, partner-ca.crt]")
        .file("partner-ca.crt", &partner.certificate.pem())
        .start()
        .await;
    let certificate = partner.server(&["api.b.test"]);
    world
        .upstream("api.b.test")
        .presents(pki::server_config(&certificate));
    let agent = world.agent("reader");
    for host in ["api.a.test", "api.b.test"] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn authorities_of_a_host_vouch_for_it_alone_and_nobody_else_does() {
    let partner = pki::Authority::new("partner");
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**; GET api.b.test/**")
        .upstream("hosts: {api.b.test: {roots: [partner-ca.crt]}}")
        .file("partner-ca.crt", &partner.certificate.pem())
        .start()
        .await;
    let agent = world.agent("reader");
    let (a, b) = (world.upstream("api.a.test"), world.upstream("api.b.test"));
    // each with the certificate of the other's authority
    a.presents(pki::server_config(&partner.server(&["api.a.test"])));
    for host in ["api.a.test", "api.b.test"] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        world.refused(&answer, Reason::UpstreamTls).await;
    }
    assert_eq!(a.received_bytes() + b.received_bytes(), 0);
    a.presents(pki::server_config(
        &world.pki.upstreams.server(&["api.a.test"]),
    ));
    b.presents(pki::server_config(&partner.server(&["api.b.test"])));
    for host in ["api.a.test", "api.b.test"] {
        let answer = agent.call(&format!("GET http://{host}/v1/x")).await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    world.finish().await;
}
