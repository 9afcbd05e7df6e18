//! Who Vault must be, and how the gate proves itself there.

use rustls::ServerConfig;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use tollgate::refusal::Reason;

use super::{CALL, fails_closed, reader};
use crate::world::{
    World,
    pki::{self, Authority, Pki, server_params},
    settings::write_secret,
    vault::Mood,
};

/// A certificate for the address of Vault, with one thing wrong.
fn wrong(what: &str, pki: &Pki) -> ServerConfig {
    let now = OffsetDateTime::now_utc();
    let mut params = server_params(&["127.0.0.1"]);
    let stranger = Authority::new("stranger");
    let mut authority = pki.vaults();
    match what {
        "an authority that nobody named" => authority = &stranger,
        "the authority of the upstreams" => authority = &pki.upstreams,
        "another name" => params = server_params(&["vault.test"]),
        "its end" => params.not_after = now - Duration::minutes(1),
        "its beginning" => params.not_before = now + Duration::hours(1),
        "its purpose" => {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        }
        other => panic!("{other}"),
    }
    pki::server_config(&authority.sign(&params))
}

#[tokio::test]
async fn vt_12_says_nothing_to_a_vault_with_another_certificate_and_none_in_clear() {
    let mut worlds = JoinSet::new();
    for what in [
        "an authority that nobody named",
        "the authority of the upstreams",
        "another name",
        "its end",
        "its beginning",
        "its purpose",
    ] {
        worlds.spawn(async move {
            let world = reader().start().await;
            world.vault().presents(wrong(what, &world.pki));
            fails_closed(&world, what).await;
            assert_eq!(world.vault().asked(), Vec::<String>::new(), "{what}");
            world.finish().await;
        });
    }
    worlds.join_all().await;

    let world = reader().start().await;
    let settings = std::fs::read_to_string(world.dir().join("tollgate.yaml")).unwrap();
    let clear = settings.replace("https://127.0.0.1", "http://127.0.0.1");
    let unverified = settings.replace("ca: pki/vault-ca.crt", "tls_skip_verify: true");
    for other in [clear, unverified] {
        assert_ne!(other, settings);
        std::fs::write(world.dir().join("tollgate.yaml"), other).unwrap();
        let said = world.reload().await;
        assert!(said.contains("not reloaded"), "{said}");
    }
    assert_eq!(world.agent("r1").call(CALL).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn vt_13_logs_in_with_what_is_in_the_file_now_and_shows_neither_that_nor_its_token() {
    let world = reader()
        .role("r2", "GET api.b.test/**")
        .environment("VAULT_TOKEN", "hvs.of-the-environment")
        .start()
        .await;
    let (vault, agent) = (world.vault(), world.agent("r1"));
    // empty: no login is tried
    write_secret(world.dir(), "secret_id", "");
    fails_closed(&world, "empty").await;
    assert_eq!(vault.asked(), Vec::<String>::new());
    // replaced, with the newline that editors leave: read anew at the next login
    write_secret(world.dir(), "secret_id", &format!("{}\n", vault.secret_id));
    agent.call_until(CALL, |answer| answer.status == 200).await;
    assert_eq!(
        vault.unauthenticated(),
        0,
        "a token of the environment was shown"
    );
    // an error that repeats the token goes nowhere
    vault.is(Mood::Saying(500));
    let answer = world.agent("r2").call("GET http://api.b.test/x").await;
    World::says_no(&answer, Reason::CredentialUnavailable);
    vault.is(Mood::Well);
    let process = |file: &str| std::fs::read(format!("/proc/{}/{file}", world.gate.pid)).unwrap();
    let nowhere = world.canaries.forbidden_to(None);
    for file in ["cmdline", "environ"] {
        assert_eq!(nowhere.find(&process(file)), None, "{file}");
    }
    world.finish().await;
}
