//! The gate, its Vault and what it finds in its surroundings: none of it is a way out, or a way in.

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use super::Trap;
use crate::world::{World, builder::Builder};

/// A port of loopback that is free for the moment.
async fn free_port() -> u16 {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    unused.local_addr().unwrap().port()
}

/// A role for `loop.test` on `port`, whose loopback address is excepted.
fn looping(port: u16) -> Builder {
    World::new().role("r1", format!("GET loop.test:{port}/**").as_str())
}

/// A call to `loop.test` is refused at each of `addresses`; returns why, as the last event says.
async fn refused_at(world: &World, port: u16, addresses: &[&str]) -> String {
    let mut cause = String::new();
    for address in addresses {
        world.dns.answers("loop.test", &[address]);
        let call = format!("GET http://loop.test:{port}/x");
        let answer = world.agent("r1").call(&call).await;
        let event = world.refused(&answer, Reason::AddressForbidden).await;
        cause = event["decision"]["cause"].as_str().unwrap().to_owned();
    }
    cause
}

/// Settings whose Vault is `host`, where a trap listens, and a role that may call `loop.test` there.
fn with_vault_at(trap: &Trap, host: &str) -> Builder {
    looping(trap.port())
        .secret("secrets/role_id", "the role id of nobody")
        .secret("secrets/secret_id", "the secret id of nobody")
        .setting(&format!(
            "vault: {{address: \"https://{host}:{}\", ca: pki/vault-ca.crt, \
             approle: {{role_id: secrets/role_id, secret_id: secrets/secret_id}}}}",
            trap.port()
        ))
}

#[tokio::test]
async fn ss_08_leads_to_neither_the_gate_nor_its_admin_nor_its_vault_although_loopback_is_open() {
    let port = free_port().await;
    let listen = format!("listen: 127.0.0.1:{port}");
    let world = looping(port).setting(&listen).start().await;
    assert_eq!(
        refused_at(&world, port, &["127.0.0.1"]).await,
        "the gate itself"
    );
    world.finish().await;

    let port = free_port().await;
    let admin = format!("admin: 127.0.0.1:{port}");
    let world = looping(port).setting(&admin).start().await;
    assert_eq!(
        refused_at(&world, port, &["127.0.0.1"]).await,
        "the gate itself"
    );
    world.finish().await;

    for host in ["127.0.0.1", "localhost"] {
        let trap = Trap::set().await;
        let world = with_vault_at(&trap, host).start().await;
        // whatever address of this machine it is called by
        let loopback = ["127.0.0.1", "127.0.0.7"];
        let cause = refused_at(&world, trap.port(), &loopback).await;
        assert_eq!(cause, "the gate's vault", "{host}");
        trap.is_untouched().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_rule_that_names_vault_itself_leads_nowhere() {
    let trap = Trap::set().await;
    let world = with_vault_at(&trap, "loop.test").start().await;
    let cause = refused_at(&world, trap.port(), &["93.184.216.34"]).await;
    assert_eq!(cause, "the gate's vault");
    assert_eq!(world.dns.queries_in_all(), 0);
    world.finish().await;
}

#[tokio::test]
async fn ss_09_takes_no_proxy_no_key_log_and_no_vault_from_its_environment() {
    let evil = Trap::set().await;
    let keys = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", evil.port());
    let mut world = World::new()
        .role("r1", "GET api.a.test/v1/public/**")
        .vault()
        .environment("SSLKEYLOGFILE", keys.path().join("log").to_str().unwrap())
        .environment("SSL_CERT_FILE", "/nowhere")
        .environment("VAULT_ADDR", &url)
        .environment("VAULT_SKIP_VERIFY", "true")
        .environment("VAULT_TOKEN", "hvs.of-the-environment")
        .environment("LOCALDOMAIN", "evil.test")
        .environment("RES_OPTIONS", "ndots:9");
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        world = world
            .environment(name, &url)
            .environment(&name.to_lowercase(), &url);
    }
    let world = world.start().await;
    let answer = world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    evil.is_untouched().await;
    assert_eq!(world.vault().reads("api-a"), 1);
    assert_eq!(world.vault().unauthenticated(), 0);
    assert_eq!(world.dns.queries("api.a.test.evil.test"), 0);
    assert_eq!(std::fs::read_dir(keys.path()).unwrap().count(), 0);
    world.finish().await;
}

#[tokio::test]
async fn hosts_are_not_looked_up_in_a_file_where_name_servers_are_named() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let named = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    // `localhost` is what it is by RFC 6761, in no file
    let listed = hosts
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(named);
    for name in listed.filter(|name| !name.ends_with("localhost")) {
        let trap = Trap::set().await;
        let world = World::new()
            .role("r1", trap.rule(&name).as_str())
            .guarded(&name)
            .start()
            .await;
        world.dns.answers(&name, &["10.0.0.5"]);
        let call = format!("GET http://{name}:{}/x", trap.port());
        World::says_no(
            &world.agent("r1").call(&call).await,
            Reason::AddressForbidden,
        );
        assert_eq!(world.dns.queries(&name), 1, "{name}");
        world.finish().await;
    }
}
