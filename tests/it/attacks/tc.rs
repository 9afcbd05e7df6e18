//! The agent's certificate and its SPIFFE ID.

mod chain;
mod form;
mod listener;
mod name;
mod session;
mod usage;

use rcgen::CertificateParams;
use rustls::{ClientConfig, pki_types::CertificateDer};
use tollgate::refusal::Reason;

use super::arena;
use crate::world::{
    World,
    agent::Answer,
    pki::{self, Authority, Identity, agent_params, spiffe_id},
};

const CALL: &str = "GET http://api.a.test/v1/public/x";

async fn world() -> World {
    arena().start().await
}

/// The certificate of `r1` with one thing changed.
fn r1(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = agent_params(&[&spiffe_id("r1")]);
    change(&mut params);
    params
}

/// A client that shows `identity` and who vouches for it.
fn showing(world: &World, identity: &Identity, between: &[&Authority]) -> ClientConfig {
    let between = between.iter().map(|one| one.certificate.der().clone());
    let chain = identity.chain().into_iter().chain(between).collect();
    pki::client_showing(world.pki.gates.roots(), chain, &identity.key)
}

/// A client that shows bytes as its certificate.
fn showing_bytes(world: &World, certificate: Vec<u8>, identity: &Identity) -> ClientConfig {
    let chain = vec![CertificateDer::from(certificate)];
    pki::client_showing(world.pki.gates.roots(), chain, &identity.key)
}

/// What the gate answers to a call of this client, if it lets it in. TLS 1.3 tells a client that its certificate was
/// refused with the first bytes that it reads.
async fn answered(world: &World, config: ClientConfig) -> Option<Answer> {
    let agent = world.agent_showing(None);
    let mut wire = agent.wire_by(config).await.ok()?;
    wire.try_send(agent.absolute(CALL, "", "")).await.ok()?;
    let answer = wire.try_answer_to("GET").await.ok().flatten();
    if answer.is_none() {
        assert_eq!(wire.received(), b"", "no HTTP before the certificate");
    }
    answer
}

/// The handshake fails, and nothing of what was said in it was listened to.
async fn turned_away(world: &World, config: ClientConfig, what: &str) {
    let arrived = || world.upstream("api.a.test").requests().len();
    let before = arrived();
    let answer = answered(world, config).await;
    assert!(answer.is_none(), "{what}: {answer:?}");
    assert_eq!(arrived(), before, "{what}");
}

/// The agent `r1` is let in with this, so that what is refused beside it is refused for its difference.
async fn let_in(world: &World, config: ClientConfig, what: &str) {
    let answer = answered(world, config).await;
    let status = answer.map(|answer| answer.status);
    assert_eq!(status, Some(200), "{what}");
}

/// The last event that refused a handshake says why.
async fn refused_for(world: &World, why: &str) {
    let what = format!("a handshake that is refused for {why:?}");
    let event = world.event_where(&what, |event| {
        let decision = &event["decision"];
        decision["reason"] == Reason::CertificateInvalid.code()
            && decision["cause"]
                .as_str()
                .is_some_and(|cause| cause.contains(why))
    });
    assert!(event.await["caller"]["role"].is_null());
}
