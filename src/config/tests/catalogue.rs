//! The catalogue, and the two-sided binding of credentials.

use super::*;

fn said_of(changes: &[(&str, &str)]) -> String {
    said_of_each("credentials.yaml", changes)
}

#[test]
fn a_credential_is_bound_from_both_sides() {
    insta::assert_snapshot!(said_of(&[
        ("roles: [triage]", "roles: []"),
        ("roles: [triage]", "roles: [triage, nobody]"),
        ("hosts: [api.github.com]", "hosts: []"),
        ("hosts: [api.github.com]", "hosts: [github.com, api.github.com:8443]"),
        ("hosts: [api.github.com]", "hosts: ['*.github.com']"),
        ("hosts: [api.github.com]", "hosts: ['*.com']"),
        ("github-triage:\n", "github-other:\n"),
        ("github-triage:\n", "none:\n"),
        ("github-triage:\n", "GitHub:\n"),
    ]), @"");
}

#[test]
fn a_rule_names_a_credential_or_none() {
    let credential = "paths: [\"/repos/acme/*/issues/*/labels\"]\n    credential: github-triage";
    let rule = |rest: &str| format!("paths: [\"/repos/acme/*/issues/*/labels\"]\n    {rest}");
    let rules = [
        "credential: none",
        "credential: null",
        "credential: other",
        "credential: [none]",
        "safe_post: false",
    ];
    let rules = rules.map(rule);
    let changes = rules.each_ref().map(|to| (credential, &**to));
    insta::assert_snapshot!(said_of_each("roles/triage.yaml", &changes), @"");
    let wider = (
        "hosts: [api.github.com]\n    methods: [POST]",
        "hosts: [api.github.com, uploads.github.com, '*.github.com']\n    methods: [POST]",
    );
    insta::assert_snapshot!(said_of_each("roles/triage.yaml", &[wider]), @"");
}

#[test]
fn a_second_role_cannot_help_itself() {
    let other = "purpose: p\nowner: o\nsponsor: s\nreview_by: 2027-01-01\nidentities: [spiffe://example.org/o]\n\
        limit: {rate: 1/s}\nrules:\n- {name: r, verb: read, hosts: [api.github.com], methods: [GET], paths: [/a], \
        credential: github-triage}\n";
    insta::assert_snapshot!(Example::new().file("roles/other.yaml", other).said(), @"");
}

#[test]
fn sources() {
    let kv2 = "vault: {kv2: secret, path: github/triage, field: token}";
    insta::assert_snapshot!(said_of(&[
        (kv2, "file: /run/secrets/github-triage"),
        (kv2, "vault: {kv2: secret, path: github/triage, field: token}\n  file: token"),
        (kv2, "env: GITHUB_TOKEN"),
        (kv2, "vault: {kv2: secret, path: /github, field: token}"),
        (kv2, "vault: {kv2: secret, path: github/../root, field: token}"),
        (kv2, "vault: {kv2: 'secret?x', path: github, field: ''}"),
        (kv2, "vault: {kv2: secret, path: github}"),
        (kv2, "file:"),
    ]), @"");
}

#[test]
fn a_credential_from_vault_needs_a_vault_server() {
    let config = fs::read_to_string(Example::new().path("tollgate.yaml"));
    let config = config.expect("the example");
    let (before, vault) = config.split_once("vault:\n").expect("the key vault");
    let (_, after) = vault.split_once("approle").expect("its last key");
    let (_, after) = after.split_once('\n').expect("its end");
    let example = Example::new().file("tollgate.yaml", &format!("{before}{after}"));
    insta::assert_snapshot!(example.said(), @"");
}

#[test]
fn places() {
    let place = "place: {header: Authorization, value: \"Bearer {token}\"}";
    insta::assert_snapshot!(said_of(&[
        (place, "place: {header: X-Api-Key, value: '{token}'}"),
        (place, "place: {header: Host, value: '{token}'}"),
        (place, "place: {header: Connection, value: '{token}'}"),
        (place, "place: {header: Content-Length, value: '{token}'}"),
        (place, "place: {header: transfer-encoding, value: '{token}'}"),
        (place, "place: {header: 'X Key', value: '{token}'}"),
        (place, "place: {header: X-Key, value: ghp_pastedbymistake}"),
        (place, "place: {header: X-Key, value: '{token}{token}'}"),
        (place, "place: {header: X-Key, value: '{user}:{token}'}"),
        (place, "place: {header: X-Key, value: {token}}"),
        (place, "place: {query: key, value: '{token}'}"),
    ]), @"");
}

#[test]
fn static_values() {
    insta::assert_snapshot!(said_of(&[
        ("max_ttl: 1h", "max_ttl: forever"),
        ("max_ttl: 1h", "# max_ttl: 1h"),
        ("  allow_static: {", "  # {"),
        ("rotate_by: 2027-01-31", "rotate_by: 2026-11-21"),
        ("rotate_by: 2027-01-31", "rotate_by: soon"),
        ("owner: platform-ai@example.com, ", ""),
    ]), @"");
}

#[test]
fn a_credential_that_nobody_uses_is_worth_a_look() {
    let text = fs::read_to_string(Example::new().path("credentials.yaml")).expect("the example");
    let second = text.replace("github-triage:\n", "unused:\n");
    let example = Example::new().file("credentials.yaml", &format!("{text}{second}"));
    insta::assert_snapshot!(example.said(), @"");
    assert!(
        Example::new()
            .file("credentials.yaml", "# none\n")
            .said()
            .contains("no credential is called")
    );
}
