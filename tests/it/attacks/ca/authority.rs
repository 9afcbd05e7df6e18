//! The authority itself: whose its key is, what it may sign, and who believes it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use tollgate::refusal::Reason;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    attacks::{
        arena,
        outcome::{checked, does_not_start},
    },
    world::{
        World,
        gate::tollgate,
        pki::{Authority, agent_params, spiffe_id},
    },
};

#[tokio::test]
async fn ca_01_does_not_start_with_a_key_that_others_can_have() {
    let world = arena().start().await;
    let set = |path: &str, mode| {
        fs::set_permissions(world.dir().join(path), Permissions::from_mode(mode)).unwrap();
    };
    for key in ["pki/interception-ca.key", "pki/gate.key"] {
        for mode in [0o644, 0o640, 0o604, 0o660, 0o620] {
            set(key, mode);
            let said = does_not_start(&world, key).await;
            assert!(
                said.contains(key) && said.contains("lets others at it"),
                "{said}"
            );
            let (code, said) = checked(&world).await;
            assert_eq!(code, Some(0), "a warning: {said}");
            assert!(
                said.contains(key) && said.contains("lets others at it"),
                "{said}"
            );
        }
        set(key, 0o600);
        // root may give a file away, and reads what others own
        let path = world.dir().join(key);
        if std::os::unix::fs::chown(&path, Some(12345), None).is_ok() {
            let said = does_not_start(&world, key).await;
            assert!(said.contains("belongs to user 12345"), "{said}");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
    }
    let (_, said) = checked(&world).await;
    assert!(!said.contains("lets others"), "{said}");
    set("secrets/api-a", 0o644);
    let answer = world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await;
    world.refused(&answer, Reason::CredentialUnavailable).await;
    assert_eq!(world.upstream("api.a.test").received_bytes(), 0);
    for of in ["cmdline", "environ"] {
        let shown = fs::read(format!("/proc/{}/{of}", world.gate.pid)).unwrap_or_default();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(
            !shown.contains("PRIVATE") && !shown.contains(world.secret("api-a")),
            "{shown}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn ca_03_is_an_authority_for_servers_that_nobody_takes_for_another() {
    let world = arena().start().await;
    made_narrow(&world).await;
    let pki = world.dir().join("pki");
    let interception = fs::read_to_string(pki.join("interception-ca.crt")).unwrap();
    // the same authority where agents or upstreams are vouched for, beside a good one
    for (bundle, good) in [
        ("agents-ca.crt", &world.pki.agents),
        ("upstream-ca.crt", &world.pki.upstreams),
    ] {
        let pem = good.certificate.pem();
        fs::write(pki.join(bundle), format!("{pem}{interception}")).unwrap();
        let said = does_not_start(&world, bundle).await;
        let why = "the interception authority stands in it";
        assert!(said.contains(bundle) && said.contains(why), "{said}");
        let said = world.reload().await;
        assert!(said.contains("not reloaded"), "{said}");
        fs::write(pki.join(bundle), pem).unwrap();
    }
    // whoever has the key has the authority, whatever it calls itself
    let renamed = world.pki.interception.under_another_name("agents CA");
    fs::write(pki.join("agents-ca.crt"), renamed).unwrap();
    let said = does_not_start(&world, "another name").await;
    assert!(
        said.contains("the interception authority stands in it"),
        "{said}"
    );
    world.pki.agents.write(&pki, "agents-ca");
    for (what, identity) in [
        ("a leaf", world.pki.interception.server(&["api.a.test"])),
        (
            "an agent",
            world.pki.agents.sign(&agent_params(&[&spiffe_id("r1")])),
        ),
        ("one that may not sign", {
            let silent = Authority::changed("no signer", |params| {
                params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
            });
            silent.as_an_agent()
        }),
    ] {
        identity.write(&pki, "interception-ca");
        let said = does_not_start(&world, what).await;
        assert!(said.contains("is no authority's"), "{what}: {said}");
    }
    world.pki.interception.write(&pki, "interception-ca");
    world.finish().await;
}

/// What `pki init` makes signs leaves of servers, and three authorities are three keys.
async fn made_narrow(world: &World) {
    let mut init = tollgate();
    init.args(["pki", "init", "--dir"])
        .arg(world.dir().join("made"));
    let output = world.run(init).await;
    assert!(output.status.success(), "{output:?}");
    let mut keys = Vec::new();
    for name in ["interception-ca", "agents-ca", "gate-ca"] {
        let pem = fs::read(world.dir().join(format!("made/{name}.crt"))).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
        let (_, made) = X509Certificate::from_der(&pem.contents).unwrap();
        let constraints = made.basic_constraints().unwrap().unwrap().value;
        assert_eq!(
            (constraints.ca, constraints.path_len_constraint),
            (true, Some(0)),
            "{name}"
        );
        let year = time::Duration::days(366);
        let validity = made.validity();
        assert!(validity.not_after.to_datetime() - validity.not_before.to_datetime() < year);
        if name == "interception-ca" {
            let usage = made.extended_key_usage().unwrap().unwrap().value;
            assert!(
                usage.server_auth && !usage.client_auth && !usage.any,
                "{usage:?}"
            );
        }
        keys.push(made.public_key().raw.to_vec());
        let key = world.dir().join(format!("made/{name}.key"));
        assert_eq!(
            fs::metadata(key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

/// In no list: agents on the gate's own machine trust the interception authority through the system's store.
#[tokio::test]
async fn the_system_does_not_vouch_for_an_upstream_by_the_interception_authority() {
    let builder = arena().roots("[system]");
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("system.crt");
    let both = [&builder.pki.interception, &builder.pki.upstreams];
    fs::write(&store, both.map(|one| one.certificate.pem()).concat()).unwrap();
    let world = builder
        .environment("SSL_CERT_FILE", store.to_str().unwrap())
        .start()
        .await;
    let agent = world.agent("r1");
    let api = world.upstream("api.a.test");
    let forged = world.pki.interception.server(&["api.a.test"]);
    api.presents(crate::world::pki::server_config(&forged));
    let call = "GET http://api.a.test/v1/public/x";
    world
        .refused(&agent.call(call).await, Reason::UpstreamTls)
        .await;
    assert_eq!(api.received_bytes(), 0);
    let good = world.pki.upstreams.server(&["api.a.test"]);
    api.presents(crate::world::pki::server_config(&good));
    assert_eq!(agent.call(call).await.status, 200);
    world.finish().await;
}
