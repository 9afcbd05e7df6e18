//! Secrets of one Vault path, one host and two roles are never mixed up.

use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{World, builder::Builder, patience::until, settings::in_days};

/// Rounds of the test; in each, both roles call at the same moment.
const ROUNDS: usize = 500;

/// Two entries for the same host, from two fields of one secret; `r1` has the first, `r2` the second.
fn catalogue(port: u16) -> String {
    let entry = |name: &str, role: &str, field: &str| {
        format!(
            "{name}:\n  roles: [{role}]\n  hosts: [\"api.a.test:{port}\"]\n  \
             vault: {{kv2: secret, path: shared, field: {field}}}\n  \
             place: {{header: Authorization, value: \"Bearer {{token}}\"}}\n  max_ttl: 4s\n  \
             allow_static: {{owner: owner@example.test, rotate_by: {}}}\n",
            in_days(60)
        )
    };
    entry("first", "r1", "one") + &entry("second", "r2", "two")
}

fn roles() -> Builder {
    World::new()
        .role("r1", "GET api.a.test/** with first")
        .role("r2", "GET api.a.test/** with second")
        .vault()
}

#[tokio::test]
async fn vt_11_each_of_two_roles_has_its_own_secret_in_a_thousand_interleaved_calls() {
    let world = World::new()
        .role("r1", "GET api.a.test/**")
        .vault()
        .start()
        .await;
    let secrets = ["one", "two"].map(|_| world.canaries.add(Some("api.a.test")));
    let fields = json!({ "one": secrets[0], "two": secrets[1] });
    world.vault().stores_all("shared", fields);
    world.becomes(roles().file("credentials.yaml", &catalogue(world.port)));
    let said = world.reload().await;
    assert!(said.contains("in force"), "{said}");

    let mut agents = JoinSet::new();
    for role in ["r1", "r2"] {
        let (agent, host) = (world.agent(role), world.at("api.a.test"));
        agents.spawn(async move {
            let mut tunnel = agent.tunnel("api.a.test").await;
            for round in 0..ROUNDS {
                let answer = tunnel.call(&format!("GET /{role}/{round}"), &host).await;
                assert_eq!(answer.status, 200, "{role}: {answer:?}");
            }
        });
    }
    agents.join_all().await;
    let upstream = world.upstream("api.a.test");
    let seen = until("every call", || {
        let seen = upstream.requests();
        (seen.len() == 2 * ROUNDS).then_some(seen)
    })
    .await;
    for seen in seen {
        let own = usize::from(seen.target().starts_with("/r2/"));
        let bearer = format!("Bearer {}", secrets[own]);
        assert_eq!(
            seen.head.values("authorization"),
            [bearer],
            "{}",
            seen.target()
        );
    }
    // nor did either travel on a connection of the other
    for connection in upstream.connections() {
        let bytes = connection.received.bytes();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!(text.contains(&secrets[0]) && text.contains(&secrets[1])));
    }
    world.finish().await;
}
