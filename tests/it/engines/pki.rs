//! A certificate that OpenBao signs for a key of the gate's own, shown to the upstream that demands it and to no other.

use std::{cell::Cell, collections::BTreeMap, path::Path};

use tempfile::TempDir;
use tollgate::refusal::Reason;

use super::{allow, login};
use crate::{
    openbao::server::OpenBao,
    world::{World, builder::Builder, settings::Role},
};

const CALL: &str = "GET http://partner.test/v1/shown";

/// A world in which the credential `partner` is a certificate, and the authority that vouches for it (PEM).
async fn world(
    bao: &OpenBao,
    dir: &Path,
    role: impl Into<Role>,
    max_ttl: &str,
) -> (Builder, String) {
    let authority = bao.signs_certificates("gate", "td.test", "1h").await;
    let keys = format!(
        "vault: {{pki: pki, role: gate, common_name: gate.td.test}}\n\
         place: client_certificate\n\
         max_ttl: {max_ttl}"
    );
    let builder = World::new()
        .role("reader", role)
        .credential("partner", "partner.test", &keys)
        .setting(&login(bao, dir).await);
    (builder, authority)
}

#[tokio::test]
async fn an_agent_without_a_certificate_reaches_an_upstream_that_demands_one() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let rules =
        "GET partner.test/v1/** with partner; GET partner.test/open/**; GET other.test/v1/**";
    let (builder, authority) = world(&bao, dir.path(), rules, "1h").await;
    let world = builder.start().await;
    allow(&bao, &world).await;
    let nginx = world
        .nginx_demanding(&["partner.test", "other.test"], &authority, "TLSv1.3")
        .await;
    let agent = world.agent("reader");

    let answer = agent.call(CALL).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.text().ends_with(" CN=gate.td.test"),
        "{}",
        answer.text()
    );
    let event = world
        .event_where("the end of the call", |event| event["kind"] == "ended")
        .await;
    assert_eq!(event["credential"]["name"], "partner");
    assert_eq!(event["credential"]["class"], "dynamic");
    assert_eq!(event["upstream"]["tls"], "1.3");

    // neither a call of the same host that has no credential, nor another host, is made with it
    for without in ["http://partner.test/open/x", "http://other.test/v1/shown"] {
        let answer = agent.call(&format!("GET {without}")).await;
        assert_eq!(answer.status, 400, "{without}: {answer:?}");
        assert!(answer.text().contains("No required SSL certificate"));
    }

    // a second call finds the connection of the first
    assert_eq!(agent.call(CALL).await.status, 200);
    let seen = nginx.has_seen(4).await;
    assert_eq!(seen[0]["connection"], seen[3]["connection"]);
    assert_eq!(seen[0]["shown"], seen[3]["shown"]);
    for call in &seen[1..3] {
        assert_eq!(call["shown"], "", "{call}");
        assert_ne!(call["connection"], seen[0]["connection"], "{call}");
    }
    drop((bao, nginx));
    world.finish().await;
}

#[tokio::test]
async fn v19_a_certificate_is_replaced_before_its_end_and_the_next_is_shown_on_another_connection()
{
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (builder, authority) = world(
        &bao,
        dir.path(),
        "GET partner.test/v1/** with partner",
        "4s",
    )
    .await;
    let world = builder.start().await;
    allow(&bao, &world).await;
    let nginx = world
        .nginx_demanding(&["partner.test"], &authority, "TLSv1.2")
        .await;
    let agent = world.agent("reader");
    let first = agent.call(CALL).await;
    let calls = Cell::new(1);
    let second = agent
        .call_until(CALL, |answer| {
            calls.set(calls.get() + 1);
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.text() != first.text()
        })
        .await;
    assert!(
        second.text().ends_with(" CN=gate.td.test"),
        "{}",
        second.text()
    );
    let mut shown: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for call in nginx.has_seen(calls.get()).await {
        let serials = shown
            .entry(call["connection"].as_u64().unwrap())
            .or_default();
        serials.push(call["shown"].as_str().unwrap().to_owned());
    }
    for serials in shown.values_mut() {
        serials.dedup();
        assert_eq!(serials.len(), 1, "{serials:?}");
    }
    assert_eq!(shown.len(), 2, "{shown:?}");
    drop((bao, nginx));
    world.finish().await;
}

#[tokio::test]
async fn a_call_is_not_made_if_nobody_asks_for_its_certificate() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (builder, _) = world(
        &bao,
        dir.path(),
        "GET partner.test/v1/** with partner",
        "1h",
    )
    .await;
    let world = builder.start().await;
    allow(&bao, &world).await;
    let answer = world.agent("reader").call(CALL).await;
    world.refused(&answer, Reason::UpstreamTls).await;
    assert_eq!(world.upstream("partner.test").requests().len(), 0);
    drop(bao);
    world.finish().await;
}

#[tokio::test]
async fn a_certificate_needs_a_connection_that_can_show_it() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (builder, _) = world(
        &bao,
        dir.path(),
        "GET partner.test/v1/** with partner",
        "1h",
    )
    .await;
    let world = builder.cleartext("partner.test").start().await;
    allow(&bao, &world).await;
    let answer = world.agent("reader").call(CALL).await;
    world.refused(&answer, Reason::CredentialForbidden).await;
    assert_eq!(world.upstream("partner.test").connections().len(), 0);
    drop(bao);
    world.finish().await;
}
