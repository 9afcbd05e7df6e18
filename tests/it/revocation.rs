//! Access that is taken away ends, whatever state files of others are in.

use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::{Duration, interval};
use tollgate::refusal::Reason;

use crate::world::{
    World,
    builder::Builder,
    patience::until,
    pki::{Authority, spiffe_id},
};

const GET: &str = "GET http://api.a.test/v1/x";

fn reader(rules: &str) -> Builder {
    World::new().role("reader", rules)
}

#[tokio::test]
async fn no_broken_file_delays_a_revocation() {
    let world = reader("GET api.a.test/v1/**").role("other", "GET api.b.test/**");
    let bundle = |crls: &str| {
        format!("trust_domains: {{td.test: {{bundle: pki/agents-ca.crt, crls: [{crls}]}}}}")
    };
    let (stolen, good) = (world.pki.agent("reader"), world.pki.agent("reader"));
    let nobody = world.pki.agents.revokes(&[]);
    let world = world
        .setting(&bundle("agents.crl"))
        .file("agents.crl", &nobody)
        .start()
        .await;
    let [mut stolen_wire, mut good_wire] = [
        world.agent_showing(Some(stolen)).tunnel("api.a.test").await,
        world.agent_showing(Some(good)).tunnel("api.a.test").await,
    ];
    let mut other = world.agent("other").tunnel("api.b.test").await;
    for wire in [&mut stolen_wire, &mut good_wire] {
        assert_eq!(wire.call("GET /v1/x", "api.a.test").await.status, 200);
    }
    fs::write(world.dir().join("roles/other.yaml"), "purpose: [\n").unwrap();
    fs::write(
        world.dir().join("revoked"),
        format!("{}\n", spiffe_id("other")),
    )
    .unwrap();
    assert_eq!(other.rest().await, b"");
    world.refusals(Reason::Revoked, 1).await;
    let list = world.pki.agents.revokes(&[stolen_wire.identity()]);
    fs::write(world.dir().join("agents.crl"), list).unwrap();
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "{said}");
    assert_eq!(stolen_wire.rest().await, b"");
    world.refusals(Reason::CertificateInvalid, 1).await;
    assert_eq!(good_wire.call("GET /v1/x", "api.a.test").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_pipe_among_the_manifests_holds_up_nothing() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let mut ends = agent.tunnel("api.a.test").await;
    let pipe = world.dir().join("roles/pipe.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    Authority::new("the next agents CA").write(&world.dir().join("pki"), "agents-ca");
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "{said}");
    assert!(world.gate.stderr().contains("it is no regular file"));
    assert_eq!(ends.rest().await, b"");
    world.refusals(Reason::CertificateInvalid, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn a_broken_file_of_one_trust_domain_or_of_the_gate_holds_up_no_other() {
    let world = reader("GET api.a.test/v1/**");
    let stolen = world.pki.agent("reader");
    let nobody = world.pki.agents.revokes(&[]);
    let other = Authority::new("another domain's CA").certificate.pem();
    let world = world
        .setting(
            "trust_domains: {td.test: {bundle: pki/agents-ca.crt, crls: [agents.crl]}, other.test: {bundle: other.crt}}",
        )
        .file("agents.crl", &nobody)
        .file("other.crt", &other)
        .start()
        .await;
    let mut ends = world.agent_showing(Some(stolen)).tunnel("api.a.test").await;
    fs::write(world.dir().join("other.crt"), "").unwrap();
    let key = fs::read(world.dir().join("pki/gate.key")).unwrap();
    let next = world.pki.gates.server(&["gate.test"]);
    next.write(&world.dir().join("pki"), "gate");
    fs::write(world.dir().join("pki/gate.key"), key).unwrap();
    let list = world.pki.agents.revokes(&[ends.identity()]);
    fs::write(world.dir().join("agents.crl"), list).unwrap();
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "{said}");
    assert_eq!(ends.rest().await, b"");
    world.refusals(Reason::CertificateInvalid, 1).await;
    // the good certificate is still shown with its own key
    assert_eq!(world.agent("reader").call(GET).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_file_that_never_comes_to_rest_holds_up_no_other() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let mut ends = world.agent("reader").tunnel("api.a.test").await;
    let (file, done) = (
        world.dir().join("roles/notes.txt"),
        Arc::new(AtomicBool::new(false)),
    );
    let ended = done.clone();
    let restless = tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(100));
        let mut count = 0;
        while !ended.load(Ordering::Acquire) {
            ticks.tick().await;
            count += 1;
            fs::write(&file, format!("{count}")).unwrap();
        }
    });
    Authority::new("the next agents CA").write(&world.dir().join("pki"), "agents-ca");
    assert_eq!(ends.rest().await, b"");
    world.refusals(Reason::CertificateInvalid, 1).await;
    done.store(true, Ordering::Release);
    restless.await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_reached_revokes_whom_it_did() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("reader");
    let list = world.dir().join("revoked");
    fs::write(&list, format!("{}\n", spiffe_id("reader"))).unwrap();
    until("the list in force", || {
        let speech = world.gate.stderr();
        speech.contains("the revoked list changed").then_some(())
    })
    .await;
    world.refused(&agent.call(GET).await, Reason::Revoked).await;
    fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink("revoked", &list).unwrap();
    until("what is wrong with it", || {
        world.gate.stderr().contains("revoked list:").then_some(())
    })
    .await;
    world.refused(&agent.call(GET).await, Reason::Revoked).await;
    world.finish().await;
}

#[tokio::test]
async fn a_removed_authority_ends_connections_that_were_not_let_in_yet() {
    let world = reader("GET api.a.test/v1/**").start().await;
    let agent = world.agent("stranger");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute(GET, "", "")).await;
    let answer = wire.answer().await;
    world.refused(&answer, Reason::IdentityUnknown).await;
    Authority::new("the next agents CA").write(&world.dir().join("pki"), "agents-ca");
    world.reload().await;
    assert_eq!(wire.rest().await, b"");
    world.refusals(Reason::CertificateInvalid, 1).await;
    world.finish().await;
}
