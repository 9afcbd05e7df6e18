//! Which hosts and ports a manifest names; a missing list names none.

use tollgate::refusal::Reason;

use super::super::{
    arena,
    checked::{checked, checked_whole},
};
use crate::world::{World, agent::request};

#[tokio::test]
async fn hn_15_a_rule_without_a_port_is_for_443_only() {
    let world = World::new()
        .role(
            "r1",
            "GET api.a.test:443/v1/** with none; GET api.b.test/**",
        )
        .start()
        .await;
    let agent = world.agent("r1");
    let at = "api.a.test:8443";
    let mut wire = agent.wire().await;
    wire.send(request("CONNECT", at, at, "", "")).await;
    let answer = wire.answer_to("CONNECT").await;
    world.refused(&answer, Reason::PortForbidden).await;
    // a port that another host's rule names, in a tunnel and outside
    let mut tunnel = agent.tunnel("api.a.test").await;
    for host in [&*world.at("api.a.test"), "api.a.test"] {
        tunnel.send(request("GET", "/v1/x", host, "", "")).await;
        world.refused(&tunnel.answer().await, Reason::NoRule).await;
    }
    let answer = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&answer, Reason::NoRule).await;
    world.nothing_left_the_gate();
    world.finish().await;
}

#[tokio::test]
async fn hn_16_nothing_named_is_nothing_allowed() {
    let hosts = "verb: write\n    hosts: [api.github.com]";
    for (change, said) in [
        ("verb: write\n    hosts: null", "the value is missing"),
        ("verb: write\n    hosts: ~", "the value is missing"),
        ("verb: write\n    hosts:", "the value is missing"),
        ("verb: write\n    hosts: ''", "a list like [a, b] is needed"),
        ("verb: write\n    hosts: ['']", ""),
        ("verb: write\n    hosts: ['*']", ""),
        ("verb: write\n    hosts: ['**']", ""),
        (
            "verb: write\n    host: [api.github.com]",
            "unknown key \"host\"",
        ),
        ("verb: write", "the key \"hosts\" is missing"),
        (
            "verb: write\n    hosts: [api.github.com]\n    hosts: [a.test]",
            "",
        ),
    ] {
        let found = checked("roles/triage.yaml", hosts, change);
        assert!(
            !found.is_empty() && found.contains(said),
            "{change}: {found}"
        );
    }
    for text in ["", "{}", "rules: []", "~", "[]", "# nothing\n"] {
        let found = checked_whole("roles/triage.yaml", text);
        assert!(found.contains("roles/triage.yaml"), "{text}: {found}");
    }
    // an identity of no role, and a rule without hosts
    let manifest = "purpose: p\nowner: o\nsponsor: s\nreview_by: 2999-01-01\n\
        identities: [spiffe://td.test/agent/empty]\nlimit: {rate: 10/s}\n\
        rules: [{name: r, verb: read, methods: [GET], hosts: [], paths: [\"/**\"], credential: none}]\n";
    let world = arena().file("roles/empty.yaml", manifest).start().await;
    for (role, reason) in [
        ("nobody", Reason::IdentityUnknown),
        ("empty", Reason::NoRule),
    ] {
        let call = "GET http://api.a.test/v1/public/x";
        let answer = world.agent(role).call(call).await;
        world.refused(&answer, reason).await;
    }
    world.nothing_left_the_gate();
    world.finish().await;
}
