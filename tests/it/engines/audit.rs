//! The gate's log and OpenBao's own, joined: who an agent's call went out as, and what was made for it.

use serde_json::Value;
use tempfile::TempDir;

use super::{
    influx::{CALL, CREDS, world},
    told,
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

#[tokio::test]
async fn a_call_is_found_in_the_audit_log_of_openbao_and_the_lease_is_in_clear_only_there() {
    let (bao, dir) = (OpenBao::start().await, TempDir::new().unwrap());
    let (world, influx) = world(&bao, &dir).await;
    let agent = world.agent("reader");
    for _ in 0..2 {
        assert_eq!(agent.call(CALL).await.status, 200);
    }
    let (first, second) = (told(&world, 1).await, told(&world, 2).await);
    assert_eq!(first, second);

    // the line in which OpenBao gave the value, by the name that the gate's event has for it
    let audit = bao.audit();
    let same = |line: &&Value| line["request"]["id"] == first["request_id"];
    let lines: Vec<_> = audit.iter().filter(same).collect();
    let kinds: Vec<_> = lines.iter().map(|line| &line["type"]).collect();
    assert_eq!(kinds, ["request", "response"]);
    let gave = lines[1];
    assert_eq!(gave["request"]["path"], CREDS);
    let (auth, token) = (&gave["auth"], token_of_the_gate(&bao).await);
    assert_eq!(auth["display_name"], token["display_name"]);
    assert_eq!(auth["entity_id"], token["entity_id"]);
    assert!(token["entity_id"].as_str().is_some_and(|id| !id.is_empty()));

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
