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

use serde_json::Value;

use crate::{
    openbao::server::OpenBao,
    servers::ROOT,
    world::{
        World,
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

/// The setting with which the gate logs in to `bao`, where it may ask `paths`; `dir` holds what the login needs.
async fn login(bao: &OpenBao, dir: &Path, paths: &[&str]) -> String {
    let asked =
        |path: &&str| format!("path \"{path}\" {{ capabilities = [\"read\", \"update\"] }}\n");
    let mut policy: String = paths.iter().map(asked).collect();
    policy += "path \"sys/leases/+\" { capabilities = [\"update\"] }\n";
    let (role_id, secret_id) = bao.role("gate", &policy, "20m").await;
    write_private(&dir.join("role_id"), &role_id);
    write_private(&dir.join("secret_id"), &secret_id);
    let (address, ca, dir) = (&bao.address, bao.ca_file(), dir.display());
    format!(
        "vault: {{address: \"{address}\", ca: {}, approle: {{role_id: {dir}/role_id, secret_id: {dir}/secret_id}}}}",
        ca.display()
    )
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
