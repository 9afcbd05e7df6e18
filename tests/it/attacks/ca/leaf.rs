//! What tunnels show: a leaf for one host, of the authority that is in force.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::RootCertStore;
use tokio::task::JoinSet;
use tollgate::refusal::Reason;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::{
    attacks::arena,
    world::{
        World,
        agent::{Agent, Wire},
        openssl::openssl,
        pki::{self, Authority},
        script::Meter,
    },
};

/// Tunnels to so many hosts.
const HOSTS: usize = 120;

/// DESIGN.md differs from the row: the refusal is given inside, so the leaf comes first; for its host only, and kept
/// for nobody.
#[tokio::test]
async fn ca_02_a_host_outside_the_role_gets_a_refusal_inside_and_nothing_else() {
    let world = arena().admin().start().await;
    let agent = world.agent("r1");
    let mut serials = Vec::new();
    for _ in 0..2 {
        let mut tunnel = agent.tunnel("denied.test").await;
        serials.push(serial(&tunnel));
        let answer = tunnel.call("GET /", "denied.test").await;
        world.refused(&answer, Reason::NoRule).await;
    }
    assert_ne!(serials[0], serials[1], "a leaf of a denied host was kept");
    // a port outside the role has no inside
    let mut wire = agent.wire().await;
    wire.send("CONNECT denied.test:22 HTTP/1.1\r\nHost: denied.test:22\r\n\r\n")
        .await;
    let answer = wire.answer_to("CONNECT").await;
    world.refused(&answer, Reason::PortForbidden).await;
    assert_eq!(world.metric("certificates_minted_total").await, 2.0);
    world.nothing_left_the_gate();
    let kept = [
        agent.tunnel("api.a.test").await,
        agent.tunnel("api.a.test").await,
    ];
    assert_eq!(serial(&kept[0]), serial(&kept[1]));
    world.finish().await;
}

fn serial(tunnel: &Wire) -> Vec<u8> {
    let (_, leaf) = X509Certificate::from_der(&tunnel.peer[0]).unwrap();
    leaf.raw_serial().to_vec()
}

#[tokio::test]
async fn ca_05_every_leaf_is_short_lived_of_its_own_and_strictly_made() {
    let world = arena().start().await;
    let mut opening = JoinSet::new();
    for number in 0..HOSTS {
        let agent = world.agent("r1");
        opening.spawn(async move { agent.tunnel(&format!("host-{number}.test")).await });
    }
    let mut serials = HashSet::new();
    let mut files = String::new();
    while let Some(tunnel) = opening.join_next().await {
        let tunnel = tunnel.unwrap();
        let (_, leaf) = X509Certificate::from_der(&tunnel.peer[0]).unwrap();
        is_strict(&leaf, &world);
        assert!(leaf.raw_serial().len() >= 16, "128 bits");
        let name = format!("leaf-{}.der", serials.len());
        std::fs::write(world.dir().join(&name), &tunnel.peer[0]).unwrap();
        files += &format!(" {name}");
        assert!(serials.insert(serial(&tunnel)), "a serial number twice");
    }
    assert_eq!(serials.len(), HOSTS);
    let strictly = "verify -x509_strict -purpose sslserver -CAfile pki/interception-ca.crt";
    openssl(world.dir(), &format!("{strictly}{files}"));
    world.finish().await;
}

fn is_strict(leaf: &X509Certificate<'_>, world: &World) {
    let validity = leaf.validity();
    let (from, until) = (
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    );
    assert!(
        until - from <= time::Duration::hours(25) && until <= world.pki.interception.not_after()
    );
    assert!(
        from <= time::OffsetDateTime::now_utc() - time::Duration::minutes(5),
        "no skew"
    );
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(matches!(
        names.value.general_names[..],
        [GeneralName::DNSName(_)]
    ));
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
    assert!(!leaf.is_ca());
    let parsed: Vec<_> = leaf
        .extensions()
        .iter()
        .map(|one| one.parsed_extension())
        .collect();
    let has = |wanted: fn(&ParsedExtension<'_>) -> bool| parsed.iter().any(|one| wanted(one));
    assert!(has(|one| matches!(
        one,
        ParsedExtension::AuthorityKeyIdentifier(_)
    )));
    assert!(has(|one| matches!(
        one,
        ParsedExtension::SubjectKeyIdentifier(_)
    )));
}

#[tokio::test]
async fn ca_10_gives_no_certificate_and_no_file_on_the_agents_port() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    for path in [
        "/ca.pem",
        "/ca.crt",
        "/ca.key",
        "/cert/pem",
        "/ca/../ca.key",
        "/../pki/interception-ca.key",
        "/%2e%2e/pki/interception-ca.key",
        "/.well-known/ca.pem",
        "/",
    ] {
        for method in ["GET", "HEAD"] {
            let mut wire = agent.wire().await;
            let host = format!("localhost:{}", world.listen().port());
            wire.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .await;
            let answer = wire.answer_to(method).await;
            assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
            assert!(!answer.text().contains("-----BEGIN"), "{path}");
        }
        let mut tunnel = agent.tunnel("mitm.it").await;
        let answer = tunnel.call(&format!("GET {path}"), "mitm.it").await;
        assert!(matches!(answer.status, 400 | 403), "{path}: {answer:?}");
    }
    world.nothing_left_the_gate();
    world.finish().await;
}

/// What an agent that trusts `roots` is shown in a tunnel, and that it believes it.
async fn shown(agent: &Agent, roots: RootCertStore) -> Wire {
    let opened = agent.connect("api.a.test").await;
    let config = pki::client_config(roots, None);
    opened.tls_by("api.a.test", config).await.unwrap()
}

#[tokio::test]
async fn ca_11_a_new_authority_signs_at_once_and_its_chains_are_whole() {
    let world = arena().start().await;
    let authorities: Vec<_> = (0..4)
        .map(|n| Authority::new(&format!("interception CA {n}")))
        .collect();
    let mut all = world.pki.interception.roots();
    for authority in &authorities {
        all.add(authority.certificate.der().clone()).unwrap();
    }
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Meter::default());
    let mut load = JoinSet::new();
    for _ in 0..3 {
        let (agent, all) = (world.agent("r1"), all.clone());
        let (done, calls) = (done.clone(), calls.clone());
        load.spawn(async move {
            while !done.load(Ordering::Acquire) {
                let mut tunnel = shown(&agent, all.clone()).await;
                let (_, leaf) = X509Certificate::from_der(&tunnel.peer[0]).unwrap();
                let (_, authority) = X509Certificate::from_der(&tunnel.peer[1]).unwrap();
                assert!(leaf.issuer() == authority.subject(), "a mixed chain");
                let answer = tunnel.call("GET /v1/public/x", "api.a.test").await;
                assert_eq!(answer.status, 200);
                calls.add(1);
            }
        });
    }
    for (round, authority) in (1..).zip(&authorities) {
        calls.reaches(round * 6).await;
        authority.write(&world.dir().join("pki"), "interception-ca");
        let said = world.reload().await;
        assert!(said.contains("in force"), "{said}");
        // a leaf of the last one is not at hand any more
        shown(&world.agent("r1"), authority.roots()).await;
    }
    done.store(true, Ordering::Release);
    load.join_all().await;
    world.finish().await;
}

#[tokio::test]
async fn ca_12_a_client_that_pins_its_api_gets_nothing_and_passes_nothing() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    for pinned in [
        world.pki.upstreams.roots(),
        Authority::new("the API's own").roots(),
    ] {
        let opened = agent.connect("api.a.test").await;
        let config = pki::client_config(pinned, None);
        let refused = opened.tls_by("api.a.test", config).await;
        assert!(
            refused.is_err(),
            "a leaf of the gate is taken for the API's"
        );
    }
    world.refusals(Reason::ProtocolRefused, 2).await;
    world.nothing_left_the_gate();
    world.finish().await;
}
