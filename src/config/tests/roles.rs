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
      nothing
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
      roles/triage.yaml:11:38: "spiffe://example.org/a" stands in the role "triage" too; it is named at roles/triage.yaml:11:14; an identity has one role
    "#);
    let twice = Example::new().file(
        "roles/other.yaml",
        &other("[]").replace("/other]", "/agent/triage]"),
    );
    insta::assert_snapshot!(twice.said(), @r#"roles/triage.yaml:11:14: "spiffe://example.org/agent/triage" stands in the role "other" too; it is named at roles/other.yaml:5:14; an identity has one role"#);
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
      roles/triage.yaml:30:5: unknown key "label"; the keys here are name, effect, hosts, verb, safe_post, methods, encoded_slash, paths, credential, limit
    "#);
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
    insta::assert_snapshot!(said_of_rules(&rules.each_ref().map(|rule| &**rule)).replace(&format!(", {rest}"), ""), @r#"
    verb: read, methods: [GET, HEAD, OPTIONS]
      nothing
    verb: read, methods: [POST]
      roles/other.yaml:7:41: POST is no method of the verb read; read is GET, HEAD, OPTIONS; a POST that changes nothing needs safe_post: true
    verb: read, safe_post: true, methods: [POST, GET]
      nothing
    verb: read, safe_post: true, methods: [DELETE]
      roles/other.yaml:7:58: DELETE is no method of the verb read; read is GET, HEAD, OPTIONS
    verb: write, methods: [POST, PUT, PATCH, DELETE]
      nothing
    verb: write, methods: [GET]
      roles/other.yaml:7:42: GET is no method of the verb write; write is POST, PUT, PATCH, DELETE
    verb: write, safe_post: true, methods: [POST]
      roles/other.yaml:7:43: safe_post is for rules of the verb read; take it away: this verb has POST anyway
    verb: execute, methods: [POST]
      nothing
    verb: execute, methods: [PUT, GET]
      roles/other.yaml:7:44: PUT is no method of the verb execute; execute is POST
      roles/other.yaml:7:49: GET is no method of the verb execute; execute is POST
    verb: read, methods: [get, TRACE]
      roles/other.yaml:7:41: "get" is not known here; it is one of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE
      roles/other.yaml:7:46: "TRACE" is not known here; it is one of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE
    verb: rite, methods: [GET]
      roles/other.yaml:7:25: "rite" is not known here; it is one of read, write, execute
    verb: read, methods: GET
      roles/other.yaml:7:40: "GET" stands here; a list like [a, b] is needed
    verb: read, methods: []
      warning: roles/other.yaml:7:40: this list is empty; the rule can never match: an empty list names nothing
    methods: [GET]
      roles/other.yaml:7:9: the key "verb" is missing; it is mandatory
    verb: read
      roles/other.yaml:7:9: the key "methods" is missing; it is mandatory
    "#);
}

#[test]
fn hosts() {
    let hosts = "a.test a.test:8443 a.test:443 192.0.2.1 '[2001:db8::1]:8443' '*.a.test' '*.a.test:8443' A.test \
        a.test. b\u{fc}cher.test a.test:0 a.test:0443 a.test: https://a.test a.test/x user@a.test 127.1 0x7f.1 \
        2001:db8::1 '[2001:DB8::1]' '[::ffff:1.2.3.4]' 169.254.169.254 10.0.0.1 '*' '*.test' '*.com' '*.co.uk' '*.192.0.2.1' '*.*.a.test' \
        'a.*.test' '*a.test' '**.a.test' a..test -a.test";
    let rules: Vec<String> = hosts
        .split_whitespace()
        .map(|host| format!("hosts: [{host}]"))
        .collect();
    let rest = ", verb: read, methods: [GET], paths: [/a], credential: none";
    let rules: Vec<String> = rules.iter().map(|rule| format!("{rule}{rest}")).collect();
    let rules: Vec<&str> = rules.iter().map(|rule| &**rule).collect();
    insta::assert_snapshot!(said_of_rules(&rules).replace(rest, ""), @r#"
    hosts: [a.test]
      nothing
    hosts: [a.test:8443]
      nothing
    hosts: [a.test:443]
      nothing
    hosts: [192.0.2.1]
      nothing
    hosts: ['[2001:db8::1]:8443']
      nothing
    hosts: ['*.a.test']
      nothing
    hosts: ['*.a.test:8443']
      nothing
    hosts: [A.test]
      roles/other.yaml:7:27: "A.test" is no host in canonical form; its canonical form is a.test
    hosts: [a.test.]
      roles/other.yaml:7:27: "a.test." is no host in canonical form; its canonical form is a.test
    hosts: [bücher.test]
      roles/other.yaml:7:27: "bücher.test" is no host in canonical form; the host is not ASCII; write its A-labels (xn--)
    hosts: [a.test:0]
      roles/other.yaml:7:27: "a.test:0" is no host in canonical form; the port is not a decimal number from 1 to 65535
    hosts: [a.test:0443]
      roles/other.yaml:7:27: "a.test:0443" is no host in canonical form; the port is not a decimal number from 1 to 65535
    hosts: [a.test:]
      roles/other.yaml:7:27: a mapping stands here; text is needed
    hosts: [https://a.test]
      roles/other.yaml:7:27: "https://a.test" is no host in canonical form; the port is not a decimal number from 1 to 65535
    hosts: [a.test/x]
      roles/other.yaml:7:27: "a.test/x" is no host in canonical form; the host has a character other than letters, digits, hyphens and dots
    hosts: [user@a.test]
      roles/other.yaml:7:27: "user@a.test" is no host in canonical form; the host has a character other than letters, digits, hyphens and dots
    hosts: [127.1]
      roles/other.yaml:7:27: "127.1" is no host in canonical form; the host is not an IPv4 address in canonical form, and not a name either
    hosts: [0x7f.1]
      roles/other.yaml:7:27: "0x7f.1" is no host in canonical form; the host is not an IPv4 address in canonical form, and not a name either
    hosts: [2001:db8::1]
      roles/other.yaml:7:27: "2001:db8::1" is no host in canonical form; the host is not an IPv4 address in canonical form, and not a name either
    hosts: ['[2001:DB8::1]']
      roles/other.yaml:7:27: "[2001:DB8::1]" is no host in canonical form; its canonical form is [2001:db8::1]
    hosts: ['[::ffff:1.2.3.4]']
      nothing
    hosts: ['*']
      roles/other.yaml:7:27: "*" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['*.test']
      roles/other.yaml:7:27: "*.test" is wider than one party's names; write the hosts, or a wildcard under a registered name like *.example.com
    hosts: ['*.com']
      roles/other.yaml:7:27: "*.com" is wider than one party's names; write the hosts, or a wildcard under a registered name like *.example.com
    hosts: ['*.co.uk']
      roles/other.yaml:7:27: "*.co.uk" is wider than one party's names; write the hosts, or a wildcard under a registered name like *.example.com
    hosts: ['*.192.0.2.1']
      roles/other.yaml:7:27: "*.192.0.2.1" is wider than one party's names; write the hosts, or a wildcard under a registered name like *.example.com
    hosts: ['*.*.a.test']
      roles/other.yaml:7:27: "*.a.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['a.*.test']
      roles/other.yaml:7:27: "a.*.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['*a.test']
      roles/other.yaml:7:27: "*a.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['**.a.test']
      roles/other.yaml:7:27: "**.a.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: [a..test]
      roles/other.yaml:7:27: "a..test" is no host in canonical form; the host has an empty label
    hosts: [-a.test]
      roles/other.yaml:7:27: "-a.test" is no host in canonical form; a label of the host starts or ends with a hyphen
    "#);
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
    insta::assert_snapshot!(said_of_rules(&rules).replace(rest, ""), @r#"
    paths: [/]
      nothing
    paths: [/a]
      nothing
    paths: [/a/]
      nothing
    paths: [/a/*/b]
      nothing
    paths: [/a/**]
      nothing
    paths: [/**]
      nothing
    paths: ['/a/%20b']
      nothing
    paths: [a]
      roles/other.yaml:7:27: "a" is no path pattern; the path does not start with a slash
    paths: [/a*/b]
      roles/other.yaml:7:27: "/a*/b" is no path pattern; `*` stands for a whole segment, not for a part of one
    paths: [/a/**/b]
      roles/other.yaml:7:27: "/a/**/b" is no path pattern; `**` may stand only at the end
    paths: [/**]
      nothing
    paths: [/a/***]
      roles/other.yaml:7:27: "/a/***" is no path pattern; `*` stands for a whole segment, not for a part of one
    paths: [//a]
      roles/other.yaml:7:27: "//a" is no path pattern; the path has two slashes in a row
    paths: [/a/../b]
      roles/other.yaml:7:27: "/a/../b" is no path pattern; the path has a dot segment
    paths: [/a/.]
      roles/other.yaml:7:27: "/a/." is no path pattern; the path has a dot segment
    paths: ['/%61']
      roles/other.yaml:7:27: "/%61" is no path pattern; its canonical form is /a
    paths: ['/%2e']
      roles/other.yaml:7:27: "/%2e" is no path pattern; the path has an encoded dot
    paths: ['/a%2Fb']
      roles/other.yaml:7:27: this path has an encoded slash, which the rule does not take; write encoded_slash: allow if the upstream means one segment by it
    paths: ['/a%2fb']
      roles/other.yaml:7:27: "/a%2fb" is no path pattern; its canonical form is /a%2Fb
    paths: ['/a;b']
      roles/other.yaml:7:27: "/a;b" is no path pattern; the path has a semicolon
    paths: ['/a?b']
      roles/other.yaml:7:27: "/a?b" is no path pattern; the path has a character that must be encoded
    paths: ['/ä']
      roles/other.yaml:7:27: "/ä" is no path pattern; the path is not ASCII
    paths: ['/a%zz']
      roles/other.yaml:7:27: "/a%zz" is no path pattern; the path has a percent sign without two hexadecimal digits
    paths: ['/a/%252e']
      roles/other.yaml:7:27: "/a/%252e" is no path pattern; the path is encoded twice
    paths: ['']
      roles/other.yaml:7:27: this text is empty; write one
    paths: ['/a%2Fb'], encoded_slash: allow
      nothing
    paths: []
      warning: roles/other.yaml:7:26: this list is empty; the rule can never match: an empty list names nothing
    hosts: [a.test], verb: read, methods: [GET], credential: none
      roles/other.yaml:7:9: the key "paths" is missing; it is mandatory
    paths: [/a], encoded_slash: true
      roles/other.yaml:7:47: "true" is not known here; it is one of allow
    "#);
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
    ]), @r#"
    effect: deny, hosts: [a.test]
      nothing
    effect: deny, hosts: ['*.a.test'], methods: [DELETE], paths: [/admin, '/a%2Fb']
      nothing
    effect: deny, hosts: [a.test], methods: [], paths: []
      warning: roles/other.yaml:7:59: this list is empty; the rule can never match: an empty list names nothing
      warning: roles/other.yaml:7:70: this list is empty; the rule can never match: an empty list names nothing
    effect: deny
      roles/other.yaml:7:9: the key "hosts" is missing; it is mandatory
    effect: deny, hosts: [a.test], credential: github-triage
      roles/other.yaml:7:62: a deny rule has no "credential"; take it away: the rule grants nothing
    effect: deny, hosts: [a.test], verb: read, limit: {rate: 1/s}, safe_post: true, encoded_slash: allow
      roles/other.yaml:7:56: a deny rule has no "verb"; take it away: the rule grants nothing
      roles/other.yaml:7:62: unknown key "limit"; the keys here are name, effect, hosts, methods, paths, verb
      roles/other.yaml:7:82: unknown key "safe_post"; the keys here are name, effect, hosts, methods, paths, verb
      roles/other.yaml:7:99: unknown key "encoded_slash"; the keys here are name, effect, hosts, methods, paths, verb
    effect: forbid, hosts: [a.test], verb: read
      roles/other.yaml:7:27: "forbid" is not known here; it is one of allow, deny
    "#);
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
    insta::assert_snapshot!(said_of_rules(&rules.each_ref().map(|rule| &**rule)).replace(rest, ""), @r#"
    limit: {rate: 60/min, burst: 10, in_flight: 8}
      nothing
    limit: {in_flight: 8}
      nothing
    limit: {rate: 1/s}
      nothing
    limit: {}
      roles/other.yaml:7:26: this limit limits nothing; write rate or in_flight, or take it away
    limit: {burst: 10}
      roles/other.yaml:7:26: a burst without a rate; write the rate above which the burst may go
    limit: {rate: 1/s, burst: 0}
      roles/other.yaml:7:45: "0" is no number from 1 to 1000000; write it in decimal digits, without quotes
    limit: {in_flight: 0}
      roles/other.yaml:7:38: "0" is no number from 1 to 100000; write it in decimal digits, without quotes
    limit: 60/min
      roles/other.yaml:7:26: "60/min" stands here; a mapping like {key: value} is needed
    limit: {rate: 1/s, inflight: 1}
      roles/other.yaml:7:38: unknown key "inflight"; did you mean "in_flight"?
    "#);
}

#[test]
fn a_rule_is_what_its_manifest_says() {
    let settings = Example::new().settings();
    let mut rule = settings.roles[0].rules()[0].clone();
    rule.written.file = "roles/triage.yaml".into();
    insta::assert_debug_snapshot!(rule, @r#"
    Rule {
        name: "read-issues",
        effect: Allow(
            Grant {
                verb: Read,
                credential: Some(
                    "github-triage",
                ),
                limit: Some(
                    RuleLimit {
                        rate: Some(
                            Rate {
                                calls: 60,
                                per: 60s,
                            },
                        ),
                        burst: Some(
                            10,
                        ),
                        in_flight: Some(
                            8,
                        ),
                    },
                ),
            },
        ),
        hosts: [
            HostPattern {
                name: Exact(
                    Host(api.github.com),
                ),
                port: 443,
            },
        ],
        methods: {
            Get,
        },
        paths: [
            PathPattern {
                segments: [
                    Literal(
                        "repos",
                    ),
                    Literal(
                        "acme",
                    ),
                    Any,
                    Literal(
                        "issues",
                    ),
                ],
                open: false,
            },
            PathPattern {
                segments: [
                    Literal(
                        "repos",
                    ),
                    Literal(
                        "acme",
                    ),
                    Any,
                    Literal(
                        "issues",
                    ),
                ],
                open: true,
            },
        ],
        encoded_slash: false,
        written: Written {
            file: "/tmp/.tmpmYY7ws/roles/triage.yaml",
            line: 18,
        },
    }
    "#);
}
