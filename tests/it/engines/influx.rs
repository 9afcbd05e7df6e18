//! A user of InfluxDB that is made for the gate, at the HTTP interface that its users log in to.

use tempfile::TempDir;

use super::{allow, login, made_at, only, told};
use crate::{
    openbao::server::{OpenBao, engines::Administered},
    servers::{ROOT, influx::Influx},
    world::World,
};

/// What an agent asks.
pub(super) const CALL: &str = "GET http://influx.test/query?q=SHOW%20DATABASES";

/// What the leases are on.
pub(super) const CREDS: &str = "database/creds/agent";

/// A gate with this login whose agent may ask an InfluxDB, whose users `bao` makes.
pub(super) async fn world(bao: &OpenBao, login: &str) -> (World, Influx) {
    let world = World::new()
        .role("reader", "GET influx.test/query with influx")
        .credential(
            "influx",
            "influx.test",
            &made_at("database: database, role: agent"),
        )
        .setting(login)
        .start()
        .await;
    allow(bao, &world).await;
    let influx = server(&world, bao).await;
    (world, influx)
}

/// The InfluxDB that such a gate's agents ask; `bao` makes its users.
pub(super) async fn server(world: &World, bao: &OpenBao) -> Influx {
    let influx = world.influx("influx.test").await;
    let server = Administered {
        address: &influx.https.to_string(),
        root: ROOT,
    };
    bao.makes_influx_users("agent", &server, ("1h", "2h")).await;
    influx
}

#[tokio::test]
async fn an_agent_asks_influxdb_as_a_user_that_is_there_for_one_lease() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (world, influx) = world(&bao, &login(&bao, dir.path()).await).await;
    let agent = world.agent("reader");
    let users = async || {
        let mut users = influx.users().await;
        users.retain(|user| user != ROOT.0);
        users
    };

    let answer = agent.call(CALL).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains("databases"), "{answer:?}");
    assert_eq!(told(&world, 1).await["class"], "dynamic");
    let first = users().await;
    bao.revoke_prefix(CREDS).await;
    assert_eq!(agent.call(CALL).await.status, 401);
    agent.call_until(CALL, |answer| answer.status == 200).await;
    let second = users().await;
    assert!(first.len() == 1 && second.len() == 1 && first != second);

    world.gate.signal("TERM");
    world.gate.ended().await;
    only("InfluxDB", async || influx.users().await, &[]).await;
    world.finish_ended(0).await;
}

#[tokio::test]
async fn a_gate_that_is_killed_leaves_no_user_for_longer_than_its_token() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (mut world, influx) = world(&bao, &login(&bao, dir.path()).await).await;
    // the lease could last for an hour
    let short = r#"{"token_ttl":"5s"}"#;
    bao.write("auth/approle/role/gate", short).await;
    assert_eq!(world.agent("reader").call(CALL).await.status, 200);
    world.starts_again().await;
    assert_eq!(influx.users().await.len(), 2);
    only("InfluxDB", async || influx.users().await, &[]).await;
    world.gate.signal("TERM");
    world.finish_ended(0).await;
}
