//! A role of PostgreSQL that is made for the gate: what its upstream is shown is a login that works there.

use base64::{Engine, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use super::{allow, login, made_at};
use crate::{
    openbao::server::{OpenBao, engines::Administered},
    servers::{ROOT, postgres::Postgres},
    world::{World, agent::Agent, patience::until_told},
};

/// Calls, and logs in to `postgres` with what the upstream was shown; gives the role.
async fn role_of_a_call(world: &World, agent: &Agent, postgres: &Postgres) -> String {
    let answer = agent.call("GET http://db.test/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.upstream("db.test").requests().pop().unwrap();
    let shown = seen.head.value("authorization").unwrap();
    let shown = BASE64_STANDARD.decode(shown.strip_prefix("Basic ").unwrap());
    let shown = String::from_utf8(shown.unwrap()).unwrap();
    let (name, password) = shown.split_once(':').unwrap();
    world.canaries.know_of("db.test", password);
    let who = postgres.query_as((name, password), "SELECT current_user");
    assert_eq!(who.await.as_deref(), Ok(name));
    name.to_owned()
}

/// So much longer than the lease PostgreSQL would know a role, if OpenBao did not drop it.
const SLACK_S: f64 = 5.0;

/// When the lease on a role ends, in seconds of PostgreSQL's clock.
async fn lease_ends(postgres: &Postgres, role: &str) -> f64 {
    let statement =
        format!("SELECT extract(epoch FROM rolvaliduntil) FROM pg_roles WHERE rolname = '{role}'");
    let valid_until: f64 = postgres.query(&statement).await.parse().unwrap();
    valid_until - SLACK_S
}

#[tokio::test]
async fn a_role_is_made_longer_then_replaced_and_dropped_when_the_gate_ends() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let postgres = Postgres::start().await;
    let server = Administered {
        address: &postgres.address(),
        root: ROOT,
    };
    bao.makes_postgres_roles("agent", &server, ("4s", "9s"))
        .await;
    let made = made_at("database: database, role: agent");
    let world = World::new()
        .role("reader", "GET db.test/** with db")
        .credential("db", "db.test", &made)
        .setting(&login(&bao, dir.path()).await)
        .start()
        .await;
    allow(&bao, &world).await;
    let agent = world.agent("reader");
    let role = async || role_of_a_call(&world, &agent, &postgres).await;

    let first = role().await;
    let begun = lease_ends(&postgres, &first).await;
    until_told("the role is made longer", async || {
        assert_eq!(role().await, first);
        (lease_ends(&postgres, &first).await > begun).then_some(())
    })
    .await;
    // what a lease may have in all is coming to its end: no call fails until another role is there, nor after it
    let second = until_told("another role", async || {
        Some(role().await).filter(|role| *role != first)
    });
    let second = second.await;
    until_told("the first role is dropped", async || {
        assert_eq!(role().await, second);
        (postgres.roles_made().await == [&*second]).then_some(())
    })
    .await;

    let end = lease_ends(&postgres, &second).await;
    world.gate.signal("TERM");
    world.gate.ended().await;
    until_told("the second role is dropped", async || {
        postgres.roles_made().await.is_empty().then_some(())
    })
    .await;
    let now = postgres.query("SELECT extract(epoch FROM now())").await;
    assert!(
        now.parse::<f64>().unwrap() < end,
        "it ended by itself, at {end}"
    );
    world.finish_ended(0).await;
}
