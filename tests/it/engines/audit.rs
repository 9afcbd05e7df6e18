//! The gate's log and OpenBao's own, joined: who an agent's call went out as, and what was made for it.

use serde_json::Value;
use tempfile::TempDir;

use super::{
    influx::{CALL, CREDS, world},
    login, told,
};
use crate::openbao::server::OpenBao;

/// What OpenBao knows of the token of the gate's login.
async fn token_of_the_gate(bao: &OpenBao) -> Value {
    for accessor in bao.accessors().await {
        let token = bao.token(&accessor).await;
        if token["path"] == "auth/approle/login" {
            return token;
        }
    }
    panic!("the gate has no token");
}

/// The line in which OpenBao gave the value of a call, found by the name that the call's event has for it.
fn line_of(bao: &OpenBao, credential: &Value) -> Value {
    let mut lines = bao.audit();
    lines.retain(|line| line["request"]["id"] == credential["request_id"]);
    let kinds: Vec<_> = lines.iter().map(|line| &line["type"]).collect();
    assert_eq!(kinds, ["request", "response"]);
    lines.remove(1)
}

#[tokio::test]
async fn a_call_is_found_in_the_audit_log_of_openbao_and_the_lease_is_in_clear_only_there() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (world, influx) = world(&bao, &login(&bao, dir.path()).await).await;
    let agent = world.agent("reader");
    for _ in 0..2 {
        assert_eq!(agent.call(CALL).await.status, 200);
    }
    let (first, second) = (told(&world, 1).await, told(&world, 2).await);
    assert_eq!(first, second);

    let gave = line_of(&bao, &first);
    assert_eq!(gave["request"]["path"], CREDS);
    let token = token_of_the_gate(&bao).await;
    for name in ["display_name", "entity_id"] {
        assert_ne!(token[name].as_str().unwrap(), "", "{name}");
        assert_eq!(gave["auth"][name], token[name], "{name}");
    }

    let leases = bao.leases(CREDS).await;
    let [lease] = leases.as_slice() else {
        panic!("one lease, not {leases:?}")
    };
    assert_eq!(gave["response"]["secret"]["lease_id"], **lease);
    let unique = lease.rsplit('/').next().unwrap();
    let events = String::from_utf8(world.events.bytes()).unwrap();
    assert!(!events.contains(unique) && !world.gate.stderr().contains(unique));

    drop((bao, influx));
    world.finish().await;
}
