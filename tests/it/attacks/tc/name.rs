//! Who the certificate says it is.

use rcgen::{CustomExtension, DnType, SanType};
use tollgate::refusal::Reason;

use super::{answered, let_in, r1, refused_for, showing, turned_away, world};
use crate::world::{
    World,
    der::tlv,
    gate::tollgate,
    pki::{Identity, agent_params, spiffe_id},
};

#[tokio::test]
async fn tc_09_looks_at_no_name_but_the_uri() {
    let world = world().await;
    let id = spiffe_id("r1");
    // the name of one agent, and another one's identity
    for name in [&*id, "admin", "r1"] {
        let mut params = agent_params(&[&spiffe_id("r2")]);
        params.distinguished_name.push(DnType::CommonName, name);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, &*id);
        let config = showing(&world, &world.pki.agents.sign(&params), &[]);
        let answer = answered(&world, config).await.expect("a good certificate");
        let event = world.refused(&answer, Reason::NoRule).await;
        assert_eq!(event["caller"]["id"], spiffe_id("r2"), "{name}");
    }
    // the name alone, wherever else it stands
    let dns = SanType::DnsName("r1".try_into().unwrap());
    let mail = SanType::Rfc822Name(id.clone().try_into().unwrap());
    for names in [vec![], vec![dns], vec![mail]] {
        let what = format!("{names:?}");
        let params = r1(|params| {
            params.distinguished_name.push(DnType::CommonName, &*id);
            params.subject_alt_names = names;
        });
        let identity = world.pki.agents.sign(&params);
        turned_away(&world, showing(&world, &identity, &[]), &what).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn tc_10_reads_an_identity_in_one_spelling_only() {
    let world = world().await;
    let long = format!("spiffe://td.test/{}", "a".repeat(2049 - 17));
    for uri in [
        &b"SPIFFE://td.test/agent/r1"[..],
        b"Spiffe://td.test/agent/r1",
        b"spiffe://TD.test/agent/r1",
        b"spiffe://td.test/agent/r1/",
        b"spiffe://td.test//agent/r1",
        b"spiffe://td.test/agent//r1",
        b"spiffe://td.test/agent/./r1",
        b"spiffe://td.test/agent/../agent/r1",
        b"spiffe://td.test/agent/%721",
        b"spiffe://td.test/agent%2Fr1",
        b"spiffe://td.test:443/agent/r1",
        b"spiffe://td.test./agent/r1",
        b"spiffe://u@td.test/agent/r1",
        b"spiffe://td.test/agent/r1?y",
        b"spiffe://td.test/agent/r1#y",
        b"spiffe://td.test",
        b"spiffe://td.test/",
        b"spiffe:///agent/r1",
        b"spiffe:/td.test/agent/r1",
        b"spiffe://td.test/agent/r1\0admin",
        b"spiffe://td.test\0.evil/agent/r1",
        "spiffe://td.test/agent/é".as_bytes(),
        b"spiffe://td.test/agent/\xe9",
        b"spiffe://td.test/agent/r1 ",
        b" spiffe://td.test/agent/r1",
        b"spiffe://td.test/agent/r1\n",
        b"spiffe://td.test\\agent\\r1",
        b"https://td.test/agent/r1",
        long.as_bytes(),
        b"",
    ] {
        let what = String::from_utf8_lossy(uri).escape_debug().to_string();
        let config = showing(&world, &with_uris(&world, &[uri]), &[]);
        turned_away(&world, config, &what).await;
    }
    let good = with_uris(&world, &[spiffe_id("r1").as_bytes()]);
    let_in(
        &world,
        showing(&world, &good, &[]),
        "the canonical spelling",
    )
    .await;
    world.finish().await;
}

/// In no list: more than one URI, of whatever kind and in whatever order, and the same one twice.
#[tokio::test]
async fn two_uris_are_no_identity() {
    let world = world().await;
    let (id, other) = (spiffe_id("r1"), spiffe_id("r2"));
    for uris in [
        [&*id, &*other],
        [&*other, &*id],
        [&*id, &*id],
        [&*id, "https://td.test/"],
        ["urn:uuid:7d3b", &*id],
        [&*id, ""],
    ] {
        let identity = with_uris(&world, &uris.map(str::as_bytes));
        turned_away(
            &world,
            showing(&world, &identity, &[]),
            &format!("{uris:?}"),
        )
        .await;
    }
    refused_for(&world, "UriSan").await;
    world.finish().await;
}

/// A certificate of the agents' authority with these URIs, byte for byte.
fn with_uris(world: &World, uris: &[&[u8]]) -> Identity {
    let names: Vec<_> = uris.iter().flat_map(|uri| tlv(0x86, uri)).collect();
    let san = CustomExtension::from_oid_content(&[2, 5, 29, 17], tlv(0x30, &names));
    world.pki.agents.sign(&r1(|params| {
        params.subject_alt_names = Vec::new();
        params.custom_extensions = vec![san];
    }))
}

#[tokio::test]
async fn tc_11_an_identity_is_one_whole_name() {
    let world = world().await;
    for id in [
        "spiffe://td.test/agent/r1/y",
        "spiffe://td.test/agent/r11",
        "spiffe://td.test/agent/r",
        "spiffe://td.test/agent/R1",
        "spiffe://td.test/agent",
        "spiffe://td.test/agent-evil/r1",
        "spiffe://td.test/agentr1",
        "spiffe://td.test/agent.r1",
        "spiffe://td.test/x/agent/r1",
        "spiffe://td.test/r1",
    ] {
        let identity = world.pki.agents.sign(&agent_params(&[id]));
        let answer = answered(&world, showing(&world, &identity, &[])).await;
        let answer = answer.expect("a good certificate");
        World::says_no(&answer, Reason::IdentityUnknown);
    }
    for id in [
        "spiffe://td.test.evil/agent/r1",
        "spiffe://evil.td.test/agent/r1",
        "spiffe://td/agent/r1",
        "spiffe://td.tes/agent/r1",
    ] {
        let identity = world.pki.agents.sign(&agent_params(&[id]));
        turned_away(&world, showing(&world, &identity, &[]), id).await;
    }
    world.nothing_left_the_gate();
    no_manifest_names_more_than_one(&world).await;
    world.finish().await;
}

/// Nobody can write a pattern where an identity is meant.
async fn no_manifest_names_more_than_one(world: &World) {
    let manifest = world.dir().join("roles/r1.yaml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    for pattern in [
        "spiffe://td.test/agent/*",
        "spiffe://td.test/**",
        "spiffe://td.test/agent/",
        "spiffe://*/agent/r1",
        "spiffe://td.test",
    ] {
        let other = good.replace(&spiffe_id("r1"), pattern);
        assert_ne!(other, good);
        std::fs::write(&manifest, other).unwrap();
        let mut check = tollgate();
        check
            .args(["check", "--config"])
            .arg(world.dir().join("tollgate.yaml"));
        let said = world.run(check).await;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(said.status.code(), Some(2), "{pattern}: {text}");
        assert!(text.contains("is no identity"), "{pattern}: {text}");
    }
    std::fs::write(&manifest, good).unwrap();
}
