//! Manifests, a table for each rule about them.

use super::*;

fn said_of(changes: &[(&str, &str)]) -> String {
    said_of_each("roles/triage.yaml", changes)
}

#[test]
fn the_mandatory_keys_are_missed() {
    insta::assert_snapshot!(Example::new().file("roles/other.yaml", "{}").said(), @r#"
    roles/other.yaml:1:1: the key "identities" is missing; it is mandatory
    roles/other.yaml:1:1: the key "limit" is missing; it is mandatory
    roles/other.yaml:1:1: the key "owner" is missing; it is mandatory
    roles/other.yaml:1:1: the key "purpose" is missing; it is mandatory
    roles/other.yaml:1:1: the key "review_by" is missing; it is mandatory
    roles/other.yaml:1:1: the key "rules" is missing; it is mandatory
    roles/other.yaml:1:1: the key "sponsor" is missing; it is mandatory
    "#);
}

#[test]
fn a_role_without_rules_loads_and_allows_nothing() {
    let settings = Example::new()
        .file("roles/other.yaml", &other("[]"))
        .settings();
    let role = settings
        .roles
        .iter()
        .find(|role| &*role.name == "other")
        .unwrap();
    assert!(role.rules().is_empty());
}

#[test]
fn the_head_of_a_manifest() {
    insta::assert_snapshot!(said_of(&[
        ("owner: platform-ai@example.com", "owner:"),
        ("owner: platform-ai@example.com", "owner: ~"),
        ("owner: platform-ai@example.com", "owner: ' '"),
        ("owner: platform-ai@example.com", "owner: true"),
        ("owner: platform-ai@example.com", "owner: [a]"),
        ("sponsor: support@example.com", "sponser: support@example.com"),
        ("review_by: 2027-04-30", "review_by: 2027-04-31"),
        ("review_by: 2027-04-30", "review_by: 2026-11-21"),
        ("review_by: 2027-04-30", "review_by: 2026-11-22"),
        ("limit: {rate: 600/min}", "limit: 600/min"),
        ("limit: {rate: 600/min}", "limit: {}"),
        ("limit: {rate: 600/min}", "limit: {rate: 600/min, burst: 5}"),
        ("limit: {rate: 600/min}", "lifetime: 1h"),
    ]), @r#"
    owner:
      roles/triage.yaml:6:1: the value is missing; write one, or take the key away if it is optional
    owner: ~
      roles/triage.yaml:6:8: the value is missing; write one, or take the key away if it is optional
    owner: ' '
      roles/triage.yaml:6:8: this text is empty; write one
    owner: true
      roles/triage.yaml:6:8: "true" is no text; write it in quotes if it is meant as text
    owner: [a]
      roles/triage.yaml:6:8: a list stands here; text is needed
    sponser: support@example.com
      roles/triage.yaml:5:1: the key "sponsor" is missing; it is mandatory
      roles/triage.yaml:7:1: unknown key "sponser"; did you mean "sponsor"?
    review_by: 2027-04-31
      roles/triage.yaml:8:12: "2027-04-31" is no date; write a day that exists as year-month-day, like 2027-04-30
    review_by: 2026-11-21
      warning: roles/triage.yaml:8:12: this role was to be reviewed by 2026-11-21: all its calls are refused; its owner and sponsor review it and move the date
    review_by: 2026-11-22
      warning: roles/triage.yaml:8:12: this role is to be reviewed by 2026-11-22: after that day all its calls are refused; its owner and sponsor review it and move the date
    limit: 600/min
      roles/triage.yaml:14:8: "600/min" stands here; a mapping like {key: value} is needed
    limit: {}
      roles/triage.yaml:14:8: the key "rate" is missing; it is mandatory
    limit: {rate: 600/min, burst: 5}
      roles/triage.yaml:14:24: unknown key "burst"; the keys here are rate
    lifetime: 1h
      roles/triage.yaml:5:1: the key "limit" is missing; it is mandatory
      roles/triage.yaml:14:1: unknown key "lifetime"; the keys here are purpose, owner, sponsor, review_by, identities, limit, rules
    "#);
}

#[test]
fn identities() {
    insta::assert_snapshot!(said_of(&[
        ("identities: [spiffe://example.org/agent/triage]", "identities: []"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: spiffe://example.org/agent/triage"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: [spiffe://example.org/agent/*]"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: [spiffe://example.org]"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: [spiffe://Example.org/a]"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: [triage]"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: [spiffe://other.test/a]"),
        ("identities: [spiffe://example.org/agent/triage]", "identities: [spiffe://example.org/a, spiffe://example.org/a]"),
    ]), @r#"
    identities: []
      roles/triage.yaml:11:13: this list is empty; name one at least
    identities: spiffe://example.org/agent/triage
      roles/triage.yaml:11:13: "spiffe://example.org/agent/triage" stands here; a list like [a, b] is needed
    identities: [spiffe://example.org/agent/*]
      roles/triage.yaml:11:14: "spiffe://example.org/agent/*" is no identity of an agent; a segment of a SPIFFE ID's path is letters, digits, dots, hyphens and underscores, not . or .. alone
    identities: [spiffe://example.org]
      roles/triage.yaml:11:14: "spiffe://example.org" is no identity of an agent; a workload's SPIFFE ID has a path after the trust domain
    identities: [spiffe://Example.org/a]
      roles/triage.yaml:11:14: "spiffe://Example.org/a" is no identity of an agent; a trust domain is 1 to 255 lower-case letters, digits, dots, hyphens and underscores
    identities: [triage]
      roles/triage.yaml:11:14: "triage" is no identity of an agent; a SPIFFE ID starts with spiffe://
    identities: [spiffe://other.test/a]
      roles/triage.yaml:11:14: the trust domain "other.test" is not configured; tollgate.yaml names example.org
    identities: [spiffe://example.org/a, spiffe://example.org/a]
      roles/triage.yaml:11:38: "spiffe://example.org/a" stands in the role "triage" already; it is named at roles/triage.yaml:11:14; an identity has one role
    "#);
    let twice = Example::new().file(
        "roles/other.yaml",
        &other("[]").replace("/other]", "/agent/triage]"),
    );
    insta::assert_snapshot!(twice.said(), @r#"roles/triage.yaml:11:14: "spiffe://example.org/agent/triage" stands in the role "other" already; it is named at roles/other.yaml:5:14; an identity has one role"#);
}

#[test]
fn the_names_of_files_and_rules() {
    let named = |file: &str| {
        Example::new()
            .file(&format!("roles/{file}"), &other("[]"))
            .said()
    };
    let said = [
        "Other.yaml",
        "a_b.yaml",
        "other.yml",
        ".other.yaml.swp",
        "README.md",
        "none.yaml",
    ]
    .map(named);
    insta::assert_snapshot!(said.join("\n"), @r#"
    roles/Other.yaml:1:1: "Other" is no name; a name has up to 64 of a-z, 0-9 and inner hyphens
    roles/a_b.yaml:1:1: "a_b" is no name; a name has up to 64 of a-z, 0-9 and inner hyphens
    roles/other.yml:1:1: this manifest is not read: its name ends in .yml; call it other.yaml
    "#);
    insta::assert_snapshot!(said_of(&[
        ("name: label-issues", "name: read-issues"),
        ("name: label-issues", "name: Label issues"),
        ("name: label-issues", "label: issues"),
    ]), @r#"
    name: read-issues
      roles/triage.yaml:30:11: a second rule has the name "read-issues"; the first is in line 18; a name stands for one rule in the log
    name: Label issues
      roles/triage.yaml:30:11: "Label issues" is no name; a name has up to 64 of a-z, 0-9 and inner hyphens
    label: issues
      roles/triage.yaml:30:5: the key "name" is missing; it is mandatory
      roles/triage.yaml:30:5: unknown key "label"; the keys here are name, effect, hosts, verb, safe_post, methods, encoded_slash, paths, credential, cookies, headers, query, limit
    "#);
}
