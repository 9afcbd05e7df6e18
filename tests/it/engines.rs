//! Credentials of a real OpenBao's engines, each at a real server: there for one lease, and gone after it.

mod audit;
mod database;
mod influx;
mod kv;
mod pki;
mod rabbitmq;
mod roles;
mod tokens;

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    openbao::server::OpenBao,
    servers::ROOT,
    world::{
        World,
        gate::tollgate,
        patience::{until, until_told},
        pki::write_private,
    },
};

/// The keys of a catalogue entry whose user is made at `source`: name and password go in Basic.
fn made_at(source: &str) -> String {
    format!(
        "vault: {{{source}}}\n\
         place: {{basic: {{user: \"{{username}}\", password: \"{{password}}\"}}}}\n\
         max_ttl: 1h"
    )
}

/// The setting with which the gate logs in to `bao`, where it may do nothing yet; `dir` holds what the login needs.
async fn login(bao: &OpenBao, dir: &Path) -> String {
    let (role_id, secret_id) = bao.role("gate", "# to be written", "20m").await;
    let alone = r#"{"token_no_default_policy":true}"#;
    bao.write("auth/approle/role/gate", alone).await;
    write_private(&dir.join("role_id"), &role_id);
    write_private(&dir.join("secret_id"), &secret_id);
    let (address, ca, dir) = (&bao.address, bao.ca_file(), dir.display());
    format!(
        "vault: {{address: \"{address}\", ca: {}, approle: {{role_id: {dir}/role_id, secret_id: {dir}/secret_id}}}}",
        ca.display()
    )
}

/// The gate may do at `bao` what `tollgate credential policy` says that it needs, and nothing else.
async fn allow(bao: &OpenBao, world: &World) {
    let config = world.dir().join("tollgate.yaml");
    let mut command = tollgate();
    command
        .args(["credential", "policy", "--config"])
        .arg(config);
    let printed = world.run(command).await;
    assert!(printed.status.success(), "{printed:?}");
    let policy = String::from_utf8(printed.stdout).unwrap();
    let policy = json!({ "policy": policy }).to_string();
    bao.write("sys/policies/acl/gate", &policy).await;
}

/// What the event of the `number`-th call that was made says of its credential, counted from 1.
async fn told(world: &World, number: usize) -> Value {
    let event = until("the event of a call", || {
        world.events.of_kind("ended").get(number - 1).cloned()
    });
    event.await["credential"].clone()
}

/// Waits until a server has no users but root and these.
async fn only(server: &str, users: impl AsyncFn() -> Vec<String>, wanted: &[&str]) {
    let mut wanted: Vec<&str> = wanted.to_vec();
    wanted.push(ROOT.0);
    wanted.sort_unstable();
    let what = format!("{server} knows {wanted:?} and nobody else");
    until_told(&what, async || {
        let mut users = users().await;
        users.sort_unstable();
        (users == wanted).then_some(())
    })
    .await;
}
