//! What the certificate is for.

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose as Purpose, IsCa, KeyUsagePurpose as Usage};

use super::{let_in, r1, refused_for, showing, turned_away, world};
use crate::{attacks::arena, world::pki::Authority};

#[tokio::test]
async fn tc_06_takes_a_certificate_for_clients_and_one_that_says_nothing_of_it() {
    let world = world().await;
    let for_purposes = |purposes: &[Purpose]| {
        let params = r1(|params| params.extended_key_usages = purposes.to_vec());
        world.pki.agents.sign(&params)
    };
    for purposes in [
        &[Purpose::ServerAuth][..],
        &[Purpose::Any],
        &[Purpose::CodeSigning],
        &[Purpose::EmailProtection, Purpose::TimeStamping],
    ] {
        let identity = for_purposes(purposes);
        turned_away(
            &world,
            showing(&world, &identity, &[]),
            &format!("{purposes:?}"),
        )
        .await;
    }
    // X509-SVID 4.4 lets the extension be absent, and wants both in it where there is one
    for purposes in [&[][..], &[Purpose::ClientAuth, Purpose::ServerAuth]] {
        let identity = for_purposes(purposes);
        let_in(
            &world,
            showing(&world, &identity, &[]),
            &format!("{purposes:?}"),
        )
        .await;
    }
    world.finish().await;
}

#[tokio::test]
async fn tc_07_takes_no_authority_for_an_agent_and_nobody_who_could_be_one() {
    let world = world().await;
    for usages in [
        &[Usage::DigitalSignature, Usage::KeyCertSign][..],
        &[Usage::DigitalSignature, Usage::CrlSign],
        &[Usage::KeyCertSign, Usage::CrlSign],
        &[Usage::KeyEncipherment],
        &[],
    ] {
        let identity = world
            .pki
            .agents
            .sign(&r1(|params| params.key_usages = usages.to_vec()));
        turned_away(
            &world,
            showing(&world, &identity, &[]),
            &format!("{usages:?}"),
        )
        .await;
    }
    refused_for(&world, "KeyUsage").await;
    for constraints in [
        BasicConstraints::Unconstrained,
        BasicConstraints::Constrained(0),
    ] {
        let what = format!("{constraints:?}");
        let params = r1(|params| params.is_ca = IsCa::Ca(constraints));
        let identity = world.pki.agents.sign(&params);
        turned_away(&world, showing(&world, &identity, &[]), &what).await;
    }
    let good = world
        .pki
        .agents
        .sign(&r1(|params| params.is_ca = IsCa::ExplicitNoCa));
    let_in(&world, showing(&world, &good, &[]), "no authority").await;
    world.finish().await;
}

/// In no list: the authority of a trust domain, named like an agent, calls with its own key.
#[tokio::test]
async fn an_authority_is_no_agent_of_its_own() {
    let named = Authority::changed("root", |params| {
        params.subject_alt_names = r1(|_| {}).subject_alt_names;
        params.key_usages.push(Usage::DigitalSignature);
    });
    let world = arena()
        .setting("trust_domains: {td.test: {bundle: all.crt}}")
        .file("all.crt", &named.certificate.pem())
        .start()
        .await;
    let identity = named.as_an_agent();
    turned_away(&world, showing(&world, &identity, &[]), "the root itself").await;
    world.finish().await;
}
