//! Who was let in once is not let in again for that: sessions are not resumed, and revocation lists hold.

use rustls::HandshakeKind;
use time::{Duration, OffsetDateTime};

use super::{CALL, let_in, refused_for, showing, turned_away};
use crate::{
    attacks::arena,
    world::{
        World,
        der::{changed, signed_anew},
        gate::tollgate,
        pki::{Authority, Identity},
    },
};

#[tokio::test]
async fn tc_04_resumes_no_session_and_takes_no_early_data() {
    let world = arena().start().await;
    let identity = world.pki.agent("r1");
    identity.write(&world.dir().join("pki"), "r1");
    // a client that keeps every ticket it gets, and speaks early if it may
    let mut config = showing(&world, &identity, &[]);
    config.enable_early_data = true;
    for _ in 0..2 {
        let agent = world.agent_showing(None);
        let mut wire = agent.wire_by(config.clone()).await.unwrap();
        wire.send(agent.absolute(CALL, "", "")).await;
        assert_eq!(wire.answer().await.status, 200);
        assert_eq!(wire.handshake, Some(HandshakeKind::Full));
    }
    let call = format!(
        "GET http://{0}/v1/public/x HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n",
        world.at("api.a.test")
    );
    let kept = world.dir().join("session");
    let words = "-cert pki/r1.crt -key pki/r1.key -sess_out session";
    let said = world.s_client(words, &call).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(!kept.exists(), "a ticket to come back with");
    // what was let in before is asked again, whatever it kept
    Authority::new("the next agents CA").write(&world.dir().join("pki"), "agents-ca");
    world.reload().await;
    turned_away(&world, config, "an authority that was taken away").await;
    assert_eq!(world.s_client(words, &call).await, "");
    world.finish().await;
}

/// A gate that asks this list whom the agents' authority took back.
async fn world_with(list: impl FnOnce(&Authority, &Identity) -> String) -> (World, Identity) {
    let builder = arena();
    let stolen = builder.pki.agent("r1");
    let list = list(&builder.pki.agents, &stolen);
    let world = builder
        .setting("trust_domains: {td.test: {bundle: pki/agents-ca.crt, crls: [agents.crl]}}")
        .file("agents.crl", &list)
        .start()
        .await;
    (world, stolen)
}

fn pem(list: &[u8]) -> String {
    let list = pem_rfc7468(list);
    format!("-----BEGIN X509 CRL-----\n{list}-----END X509 CRL-----\n")
}

fn pem_rfc7468(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let text = BASE64_STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(64);
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
        .collect()
}

#[tokio::test]
async fn tc_05_lets_nobody_in_of_whom_it_is_not_known_that_they_are_not_revoked() {
    let (world, stolen) = world_with(|authority, stolen| authority.revokes(&[stolen])).await;
    let (other, authority) = (world.pki.agent("r1"), &world.pki.agents);
    turned_away(
        &world,
        showing(&world, &stolen, &[]),
        "a revoked certificate",
    )
    .await;
    refused_for(&world, "Revoked").await;
    let_in(
        &world,
        showing(&world, &other, &[]),
        "another of the identity",
    )
    .await;
    let past = authority.list_of(&[], |list| {
        list.this_update = OffsetDateTime::now_utc() - Duration::hours(2);
        list.next_update = OffsetDateTime::now_utc() - Duration::seconds(1);
    });
    // another authority's, once under its own name and once under that of ours
    let strangers = Authority::new("another CA").revokes(&[]);
    let forged = Authority::new("agents CA").revokes(&[]);
    for (what, list) in [
        ("a list whose time is over", past.pem().unwrap()),
        ("a list of another issuer", strangers),
        ("a list that somebody else signed", forged),
    ] {
        takes(&world, &list, what).await;
        turned_away(&world, showing(&world, &other, &[]), what).await;
        turned_away(&world, showing(&world, &stolen, &[]), what).await;
    }
    takes(&world, &authority.revokes(&[&stolen]), "a fresh list").await;
    let_in(&world, showing(&world, &other, &[]), "as a fresh list says").await;
    turned_away(
        &world,
        showing(&world, &stolen, &[]),
        "as a fresh list says",
    )
    .await;
    world.finish().await;
}

/// Also of TC-05: lists that cannot be used as they are read.
#[tokio::test]
async fn a_list_that_cannot_be_used_is_refused_and_the_last_one_stays() {
    let (world, stolen) = world_with(|authority, stolen| authority.revokes(&[stolen])).await;
    let (other, authority) = (world.pki.agent("r1"), &world.pki.agents);
    let whole = authority.list_of(&[], |_| {});
    // the number of a list (2.5.29.20), read as the number of the list that it completes (2.5.29.27)
    let delta = signed_anew(authority, whole.der(), |says| {
        changed(says, &[0x55, 0x1d, 0x14], &[0x55, 0x1d, 0x1b])
    });
    let limited = authority.list_of(&[], |list| {
        list.issuing_distribution_point = Some(rcgen::CrlIssuingDistributionPoint {
            distribution_point: rcgen::CrlDistributionPoint {
                uris: vec!["http://td.test/crl".to_owned()],
            },
            scope: Some(rcgen::CrlScope::UserCertsOnly),
        });
    });
    // `onlyContainsUserCerts` [1] read as `onlySomeReasons` [3], none of them
    let no_reasons = signed_anew(authority, limited.der(), |says| {
        changed(says, &[0x81, 0x01, 0xff], &[0x83, 0x01, 0x00])
    });
    let cut_off = &whole.der()[..whole.der().len() - 1];
    for (what, list) in [
        ("a list of differences", pem(&delta)),
        ("a list for no reasons", pem(&no_reasons)),
        ("a list that is cut off", pem(cut_off)),
        ("no list", "nothing\n".to_owned()),
        ("a certificate", authority.certificate.pem()),
    ] {
        std::fs::write(world.dir().join("agents.crl"), list).unwrap();
        let said = world.reload().await;
        assert!(said.contains("not reloaded"), "{what}: {said}");
        turned_away(&world, showing(&world, &stolen, &[]), what).await;
        let_in(&world, showing(&world, &other, &[]), what).await;
    }
    std::fs::remove_file(world.dir().join("agents.crl")).unwrap();
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "no file: {said}");
    turned_away(&world, showing(&world, &stolen, &[]), "no file").await;
    let mut again = tollgate();
    again
        .args(["serve", "--config"])
        .arg(world.dir().join("tollgate.yaml"));
    let output = world.run(again).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("agents.crl"));
    world.finish().await;
}

async fn takes(world: &World, list: &str, what: &str) {
    std::fs::write(world.dir().join("agents.crl"), list).unwrap();
    let said = world.reload().await;
    assert!(said.contains("in force"), "{what}: {said}");
}
