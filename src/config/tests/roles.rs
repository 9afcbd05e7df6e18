//! Manifests, a table for each rule about them.

use super::*;

fn said_of(changes: &[(&str, &str)]) -> String {
    said_of_each("roles/triage.yaml", changes)
}

/// A manifest of the role `other` with these rules.
fn other(rules: &str) -> String {
    format!(
        "purpose: p\nowner: o\nsponsor: s\nreview_by: 2027-01-01\n\
         identities: [spiffe://example.org/other]\nlimit: {{rate: 1/s}}\nrules: {rules}\n"
    )
}

/// What is said about a second manifest with one rule of these keys.
fn said_of_rules(rules: &[&str]) -> String {
    let said = rules.iter().map(|rule| {
        let example = Example::new().file(
            "roles/other.yaml",
            &other(&format!("[{{name: r, {rule}}}]")),
        );
        let said = example.said();
        let said = if said.is_empty() { "nothing" } else { &said };
        format!("{rule}\n  {}", said.replace('\n', "\n  "))
    });
    said.collect::<Vec<String>>().join("\n")
}

#[test]
fn the_mandatory_keys_are_missed() {
    insta::assert_snapshot!(Example::new().file("roles/other.yaml", "{}").said(), @"");
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
    ]), @"");
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
    ]), @"");
    let twice = Example::new().file(
        "roles/other.yaml",
        &other("[]").replace("/other]", "/agent/triage]"),
    );
    insta::assert_snapshot!(twice.said(), @"");
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
    insta::assert_snapshot!(said.join("\n"), @"");
    insta::assert_snapshot!(said_of(&[
        ("name: label-issues", "name: read-issues"),
        ("name: label-issues", "name: Label issues"),
        ("name: label-issues", "label: issues"),
    ]), @"");
}

#[test]
fn verbs_and_methods() {
    let rest = "hosts: [a.test], paths: [/a], credential: none";
    let rules = [
        "verb: read, methods: [GET, HEAD, OPTIONS]",
        "verb: read, methods: [POST]",
        "verb: read, safe_post: true, methods: [POST, GET]",
        "verb: read, safe_post: true, methods: [DELETE]",
        "verb: write, methods: [POST, PUT, PATCH, DELETE]",
        "verb: write, methods: [GET]",
        "verb: write, safe_post: true, methods: [POST]",
        "verb: execute, methods: [POST]",
        "verb: execute, methods: [PUT, GET]",
        "verb: read, methods: [get, TRACE]",
        "verb: rite, methods: [GET]",
        "verb: read, methods: GET",
        "verb: read, methods: []",
        "methods: [GET]",
        "verb: read",
    ];
    let rules = rules.map(|rule| format!("{rule}, {rest}"));
    insta::assert_snapshot!(said_of_rules(&rules.each_ref().map(|rule| &**rule)).replace(&format!(", {rest}"), ""), @"");
}

#[test]
fn hosts() {
    let hosts = "a.test a.test:8443 a.test:443 192.0.2.1 '[2001:db8::1]:8443' '*.a.test' '*.a.test:8443' A.test \
        a.test. b\u{fc}cher.test a.test:0 a.test:0443 a.test: https://a.test a.test/x user@a.test 127.1 0x7f.1 \
        2001:db8::1 '[2001:DB8::1]' '[::ffff:1.2.3.4]' '*' '*.test' '*.com' '*.co.uk' '*.192.0.2.1' '*.*.a.test' \
        'a.*.test' '*a.test' '**.a.test' a..test -a.test";
    let rules: Vec<String> = hosts
        .split_whitespace()
        .map(|host| format!("hosts: [{host}]"))
        .collect();
    let rest = ", verb: read, methods: [GET], paths: [/a], credential: none";
    let rules: Vec<String> = rules.iter().map(|rule| format!("{rule}{rest}")).collect();
    let rules: Vec<&str> = rules.iter().map(|rule| &**rule).collect();
    insta::assert_snapshot!(said_of_rules(&rules).replace(rest, ""), @"");
}

#[test]
fn paths() {
    let paths = "/ /a /a/ /a/*/b /a/** /** '/a/%20b' a /a*/b /a/**/b /** /a/***  //a /a/../b /a/. '/%61' '/%2e' '/a%2Fb' \
        '/a%2fb' '/a;b' '/a?b' '/\u{e4}' '/a%zz' '/a/%252e' ''";
    let rest = ", hosts: [a.test], verb: read, methods: [GET], credential: none";
    let rules: Vec<String> = paths
        .split_whitespace()
        .map(|path| format!("paths: [{path}]{rest}"))
        .collect();
    let mut rules: Vec<&str> = rules.iter().map(|rule| &**rule).collect();
    let opted_in = format!("paths: ['/a%2Fb'], encoded_slash: allow{rest}");
    let no_path = format!("paths: []{rest}");
    let no_paths = rest.trim_start_matches(", ");
    let refused = format!("paths: [/a], encoded_slash: true{rest}");
    rules.extend([&*opted_in, &*no_path, no_paths, &*refused]);
    insta::assert_snapshot!(said_of_rules(&rules).replace(rest, ""), @"");
}

#[test]
fn deny_rules() {
    insta::assert_snapshot!(said_of_rules(&[
        "effect: deny, hosts: [a.test]",
        "effect: deny, hosts: ['*.a.test'], methods: [DELETE], paths: [/admin, '/a%2Fb']",
        "effect: deny, hosts: [a.test], methods: [], paths: []",
        "effect: deny",
        "effect: deny, hosts: [a.test], credential: github-triage",
        "effect: deny, hosts: [a.test], verb: read, limit: {rate: 1/s}, safe_post: true, encoded_slash: allow",
        "effect: forbid, hosts: [a.test], verb: read",
    ]), @"");
}

#[test]
fn a_deny_rule_that_names_no_method_and_no_path_denies_the_whole_host() {
    let rules = "[{name: r, effect: deny, hosts: [a.test]}]";
    let settings = Example::new()
        .file("roles/other.yaml", &other(rules))
        .settings();
    let rule = &settings.roles[0].rules()[0];
    assert!(
        crate::target::Method::ALL
            .iter()
            .all(|method| rule.lists(*method))
    );
    for path in ["/", "/a", "/a/b/"] {
        let path = crate::target::Path::parse(path).unwrap();
        assert!(rule.paths.iter().any(|pattern| pattern.denies(&path)));
    }
}

#[test]
fn limits() {
    let rest = ", hosts: [a.test], verb: read, methods: [GET], paths: [/a], credential: none";
    let rules = [
        "limit: {rate: 60/min, burst: 10, in_flight: 8}",
        "limit: {in_flight: 8}",
        "limit: {rate: 1/s}",
        "limit: {}",
        "limit: {burst: 10}",
        "limit: {rate: 1/s, burst: 0}",
        "limit: {in_flight: 0}",
        "limit: 60/min",
        "limit: {rate: 1/s, inflight: 1}",
    ];
    let rules = rules.map(|rule| format!("{rule}{rest}"));
    insta::assert_snapshot!(said_of_rules(&rules.each_ref().map(|rule| &**rule)).replace(rest, ""), @"");
}

#[test]
fn a_rule_is_what_its_manifest_says() {
    let settings = Example::new().settings();
    insta::assert_debug_snapshot!(settings.roles[0].rules()[0], @"");
}
