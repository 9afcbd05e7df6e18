//! Who vouches: nobody, somebody else, or somebody who no longer may.

use rcgen::{BasicConstraints, IsCa};
use time::{Duration, OffsetDateTime};

use super::{let_in, r1, refused_for, showing, turned_away, world};
use crate::{
    attacks::arena,
    world::{
        World,
        pki::{self, Authority, agent_params, spiffe_id},
    },
};

#[tokio::test]
async fn tc_01_lets_nobody_in_whom_the_agents_authority_does_not_vouch_for() {
    let world = world().await;
    let pki = world.pki.clone();
    let without = pki::client_config(pki.gates.roots(), None);
    turned_away(&world, without, "no certificate").await;
    refused_for(&world, "no certificates").await;
    let strangers = [
        ("another authority", &Authority::new("another CA")),
        (
            "the same subject with another key",
            &Authority::new("agents CA"),
        ),
        ("the authority of gates", &pki.gates),
        ("the interception authority", &pki.interception),
        ("the authority of upstreams", &pki.upstreams),
    ];
    for (what, stranger) in strangers {
        let identity = stranger.sign(&r1(|_| {}));
        turned_away(&world, showing(&world, &identity, &[]), what).await;
        let with_its_own = showing(&world, &identity, &[stranger]);
        turned_away(&world, with_its_own, what).await;
        // a chain that goes on to whom the gate knows is none
        let with_ours = showing(&world, &identity, &[stranger, &pki.agents]);
        turned_away(&world, with_ours, what).await;
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = r1(|_| {}).self_signed(&key).unwrap();
    let itself = pki::Identity { certificate, key };
    turned_away(&world, showing(&world, &itself, &[]), "by itself").await;
    let good = world.pki.agent("r1");
    let_in(&world, showing(&world, &good, &[]), "a good one").await;
    world.finish().await;
}

#[tokio::test]
async fn tc_02_lets_nobody_in_with_a_chain_of_which_a_part_does_not_hold_now() {
    let now = OffsetDateTime::now_utc;
    let may_delegate = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    };
    let root = Authority::changed("root", may_delegate);
    let past = Authority::changed("past root", |params| {
        params.not_after = now() - Duration::seconds(1);
    });
    let future = Authority::changed("future root", |params| {
        params.not_before = now() + Duration::hours(1);
    });
    let bundle = [&root, &past, &future].map(|authority| authority.certificate.pem());
    let world = arena()
        .setting("trust_domains: {td.test: {bundle: all.crt}}")
        .file("all.crt", &bundle.concat())
        .start()
        .await;
    let between = |change: fn(&mut rcgen::CertificateParams)| root.intermediate("between", change);
    let holds = between(|_| {});
    let ended = between(|params| {
        params.not_after = OffsetDateTime::now_utc() - Duration::seconds(1);
    });
    let begins = between(|params| {
        params.not_before = OffsetDateTime::now_utc() + Duration::hours(1);
    });
    let expired = holds.sign(&r1(|params| {
        params.not_after = now() - Duration::seconds(1)
    }));
    let early = holds.sign(&r1(|params| params.not_before = now() + Duration::hours(1)));
    for (what, identity, vouching) in [
        ("an expired leaf", &expired, &holds),
        ("a leaf of the future", &early, &holds),
        ("an expired intermediate", &ended.sign(&r1(|_| {})), &ended),
        (
            "an intermediate of the future",
            &begins.sign(&r1(|_| {})),
            &begins,
        ),
        ("an expired root", &past.sign(&r1(|_| {})), &past),
        ("a root of the future", &future.sign(&r1(|_| {})), &future),
    ] {
        turned_away(&world, showing(&world, identity, &[vouching]), what).await;
    }
    let good = holds.sign(&r1(|_| {}));
    let_in(
        &world,
        showing(&world, &good, &[&holds]),
        "a chain that holds",
    )
    .await;
    world.finish().await;
}

#[tokio::test]
async fn tc_12_each_trust_domain_vouches_for_its_own_only() {
    let other = Authority::new("other agents CA");
    let bundles = "{td.test: {bundle: pki/agents-ca.crt}, other.test: {bundle: other.crt}}";
    let world = arena()
        .setting(&format!("trust_domains: {bundles}"))
        .file("other.crt", &other.certificate.pem())
        .start()
        .await;
    let foreign = "spiffe://other.test/agent/r1";
    for (what, authority, id) in [
        ("ours by the other's", &other, &*spiffe_id("r1")),
        ("the other's by ours", &world.pki.agents, foreign),
        (
            "a third one's by ours",
            &world.pki.agents,
            "spiffe://third.test/agent/r1",
        ),
    ] {
        let identity = authority.sign(&agent_params(&[id]));
        turned_away(&world, showing(&world, &identity, &[]), what).await;
        let both = showing(&world, &identity, &[&other, &world.pki.agents]);
        turned_away(&world, both, what).await;
    }
    // known, but nobody's identity
    let known = other.sign(&agent_params(&[foreign]));
    let answer = super::answered(&world, showing(&world, &known, &[])).await;
    let answer = answer.expect("a good certificate of the other trust domain");
    let unknown = tollgate::refusal::Reason::IdentityUnknown;
    world.refused(&answer, unknown).await;
    world.finish().await;
}

/// In no list: an agent is no authority, whatever it signs, and no intermediate makes another where it may not.
#[tokio::test]
async fn an_agent_or_a_limited_authority_makes_no_other_agent() {
    let root = Authority::changed("root", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    });
    let world = arena()
        .setting("trust_domains: {td.test: {bundle: all.crt}}")
        .file("all.crt", &root.certificate.pem())
        .start()
        .await;
    let limited = root.intermediate("limited", |_| {});
    let below = limited.intermediate("below", |_| {});
    let too_deep = showing(&world, &below.sign(&r1(|_| {})), &[&below, &limited]);
    turned_away(&world, too_deep, "below a path length of zero").await;
    let agent = root.intermediate("agent", |params| {
        *params = agent_params(&[&spiffe_id("r2")]);
    });
    let forged = showing(&world, &agent.sign(&r1(|_| {})), &[&agent]);
    turned_away(&world, forged, "signed by an agent").await;
    let no_signer = root.intermediate("no signer", |params| params.key_usages.clear());
    let_in_or_not(&world, &no_signer).await;
    world.finish().await;
}

/// Without a key usage an authority may sign (RFC 5280 section 4.2.1.3).
async fn let_in_or_not(world: &World, authority: &Authority) {
    let identity = authority.sign(&r1(|_| {}));
    let_in(
        world,
        showing(world, &identity, &[authority]),
        "no key usage",
    )
    .await;
}
