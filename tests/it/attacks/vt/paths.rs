//! What is asked of Vault is in the catalogue: no word of an agent's gets into a path, and no path has two readings.

use super::{CALL, reader};

/// Paths that a server may read in another way than they are written.
const SECOND_READINGS: [&str; 14] = [
    "../../sys/raw",
    "..",
    ".",
    "%2e%2e/x",
    "a%2fb",
    "a//b",
    "/a",
    "a/",
    "api-a?version=1",
    "api-a#x",
    "a/./b",
    "a\\\\b",
    "{role}",
    "api a",
];

#[tokio::test]
async fn vt_05_no_word_of_an_agent_gets_into_a_path_and_no_path_of_the_catalogue_has_two_readings()
{
    let world = reader().start().await;
    let agent = world.agent("r1");
    for call in [
        CALL,
        "GET http://api.a.test/v1/public/../../sys/raw",
        "GET http://api.a.test/v1/public/%2e%2e/%2e%2e/sys/raw",
        "GET http://api.a.test/v1/public//sys/raw?version=1",
        "GET http://api.a.test/v1/public/x?version=1&path=../../sys/raw",
        "GET http://api.a.test/v1/public/sys/raw",
        "GET http://sys.raw.test/v1/public/x",
    ] {
        let own = "X-Vault-Path: sys/raw\r\nX-Vault-Namespace: root\r\nX-Vault-Wrap-TTL: 60\r\n";
        agent.call_with(call, own, "").await;
    }
    let asked = world.vault().asked();
    assert_eq!(
        asked,
        ["POST /v1/auth/approle/login", "GET /v1/secret/data/api-a"]
    );

    let catalogue = std::fs::read_to_string(world.dir().join("credentials.yaml")).unwrap();
    for path in SECOND_READINGS {
        for (from, to) in [
            ("path: api-a", format!("path: \"{path}\"")),
            ("kv2: secret", format!("kv2: \"{path}\"")),
        ] {
            let other = catalogue.replace(from, &to);
            assert_ne!(other, catalogue);
            std::fs::write(world.dir().join("credentials.yaml"), other).unwrap();
            let said = world.reload().await;
            assert!(said.contains("not reloaded"), "{to}: {said}");
        }
    }
    // what was read before stays in force
    assert_eq!(agent.call(CALL).await.status, 200);
    assert_eq!(world.vault().asked().len(), 2);
    world.finish().await;
}
