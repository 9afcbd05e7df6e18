//! One entry of a manifest's `rules`, a table for each of its keys.

use super::*;

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

/// What is said about a rule for each of the hosts.
fn said_of_hosts(hosts: &str) -> String {
    let rest = ", verb: read, methods: [GET], paths: [/a], credential: none";
    let rules = hosts.split_whitespace();
    let rules: Vec<String> = rules.map(|host| format!("hosts: [{host}]{rest}")).collect();
    let rules: Vec<&str> = rules.iter().map(|rule| &**rule).collect();
    said_of_rules(&rules).replace(rest, "")
}

#[test]
fn hosts() {
    insta::assert_snapshot!(said_of_hosts(
        "a.test a.test:8443 a.test:443 1.1.1.1 '[2606:4700::1111]:8443' A.test a.test. b\u{fc}cher.test a.test:0 \
         a.test:0443 a.test: https://a.test a.test/x user@a.test 127.1 0x7f.1 2001:db8::1 '[2001:DB8::1]' a..test \
         -a.test"
    ), @r#"
    hosts: [a.test]
      nothing
    hosts: [a.test:8443]
      nothing
    hosts: [a.test:443]
      nothing
    hosts: [1.1.1.1]
      nothing
    hosts: ['[2606:4700::1111]:8443']
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
    hosts: [a..test]
      roles/other.yaml:7:27: "a..test" is no host in canonical form; the host has an empty label
    hosts: [-a.test]
      roles/other.yaml:7:27: "-a.test" is no host in canonical form; a label of the host starts or ends with a hyphen
    "#);
}

#[test]
fn addresses_that_no_agent_may_reach() {
    insta::assert_snapshot!(said_of_hosts("10.0.0.1 '[2001:db8::1]' 169.254.169.254 '[::ffff:1.2.3.4]'"), @r#"
    hosts: [10.0.0.1]
      warning: roles/other.yaml:7:27: 10.0.0.1 is an address that no agent may reach (private); its calls are refused unless tollgate.yaml has an exception
    hosts: ['[2001:db8::1]']
      warning: roles/other.yaml:7:27: [2001:db8::1] is an address that no agent may reach (documentation); its calls are refused unless tollgate.yaml has an exception
    hosts: [169.254.169.254]
      roles/other.yaml:7:27: 169.254.169.254 is an address that no rule and no exception opens (metadata); name a host that is not a part of the machine's own surroundings
    hosts: ['[::ffff:1.2.3.4]']
      roles/other.yaml:7:27: [::ffff:1.2.3.4] is an address that no rule and no exception opens (embedded_ipv4); name a host that is not a part of the machine's own surroundings
    "#);
}

#[test]
fn wildcards() {
    insta::assert_snapshot!(said_of_hosts(
        "'*.a.test' '*.a.test:8443' '*' '*.test' '*.com' '*.co.uk' '*.192.0.2.1' '*.*.a.test' 'a.*.test' '*a.test' \
         '**.a.test' '*.A.test'"
    ), @r#"
    hosts: ['*.a.test']
      nothing
    hosts: ['*.a.test:8443']
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
      roles/other.yaml:7:27: "*.*.a.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['a.*.test']
      roles/other.yaml:7:27: "a.*.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['*a.test']
      roles/other.yaml:7:27: "*a.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['**.a.test']
      roles/other.yaml:7:27: "**.a.test" has a `*` that is not its first label; write the host, or *.example.com for one more label
    hosts: ['*.A.test']
      roles/other.yaml:7:27: "A.test" is no host in canonical form; its canonical form is a.test
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
fn cookies() {
    let rest = "hosts: [a.test], verb: read, methods: [GET], paths: [/a], credential: none";
    let rules = ["pass", "strip", "true"].map(|word| format!("cookies: {word}, {rest}"));
    insta::assert_snapshot!(said_of_rules(&rules.each_ref().map(|rule| &**rule)).replace(&format!(", {rest}"), ""), @r#"
    cookies: pass
      nothing
    cookies: strip
      roles/other.yaml:7:28: "strip" is not known here; it is one of pass
    cookies: true
      roles/other.yaml:7:28: "true" is not known here; it is one of pass
    "#);
}

#[test]
fn headers_and_query() {
    let rest = "hosts: [a.test], verb: read, methods: [GET], paths: [/a], credential: none";
    let rules = [
        "headers: [notion-version, if-match]",
        "headers: []",
        "headers: [Notion-Version]",
        "headers: [a b]",
        "headers: [x-api-key, remote-user, x-original-url, cookie, accept, te, x_a]",
        "headers: notion-version",
        "query: [page, \"ids[]\", key, page_token, a b]",
        "query: []",
        "query: [_method, sudo, a%5B%5D, a&b, '']",
    ];
    let rules = rules.map(|keys| format!("{keys}, {rest}"));
    insta::assert_snapshot!(said_of_rules(&rules.each_ref().map(|rule| &**rule)).replace(&format!(", {rest}"), ""), @r#"
    headers: [notion-version, if-match]
      nothing
    headers: []
      nothing
    headers: [Notion-Version]
      roles/other.yaml:7:29: "Notion-Version" is not in lower case; write notion-version
    headers: [a b]
      roles/other.yaml:7:29: "a b" is no name of a header; write one like notion-version
    headers: [x-api-key, remote-user, x-original-url, cookie, accept, te, x_a]
      roles/other.yaml:7:29: a list has no place for the header "x-api-key"; it carries a credential: the agent's own never crosses
      roles/other.yaml:7:40: a list has no place for the header "remote-user"; it speaks of who calls: the agent's own word never crosses
      roles/other.yaml:7:53: a list has no place for the header "x-original-url"; it overrides the method or the URL, and never crosses
      roles/other.yaml:7:69: a list has no place for the header "cookie"; cookies cross with cookies: pass, and not otherwise
      roles/other.yaml:7:77: a list has no place for the header "accept"; it crosses anyway: HTTP itself needs it
      roles/other.yaml:7:85: a list has no place for the header "te"; it belongs to the connection or the gate
      roles/other.yaml:7:89: a list has no place for the header "x_a"; it has a sign that readers take for another: letters, digits and hyphens cross
    headers: notion-version
      roles/other.yaml:7:28: "notion-version" stands here; a list like [a, b] is needed
    query: [page, "ids[]", key, page_token, a b]
      nothing
    query: []
      nothing
    query: [_method, sudo, a%5B%5D, a&b, '']
      roles/other.yaml:7:27: "_method" is no query name that a rule can list; it overrides the method, and is never sent on
      roles/other.yaml:7:36: "sudo" is no query name that a rule can list; it says for whom the call is, and is never sent on
      roles/other.yaml:7:42: "a%5B%5D" is no query name that a rule can list; write it decoded, up to 128 characters and none of & ; = % +
      roles/other.yaml:7:51: "a&b" is no query name that a rule can list; write it decoded, up to 128 characters and none of & ; = % +
      roles/other.yaml:7:56: this text is empty; write one
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
        "effect: deny, hosts: [a.test], verb: read, limit: {rate: 1/s}, safe_post: true, encoded_slash: allow, cookies: pass, headers: [], query: []",
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
    effect: deny, hosts: [a.test], verb: read, limit: {rate: 1/s}, safe_post: true, encoded_slash: allow, cookies: pass, headers: [], query: []
      roles/other.yaml:7:56: a deny rule has no "verb"; take it away: the rule grants nothing
      roles/other.yaml:7:69: a deny rule has no "limit"; take it away: the rule grants nothing
      roles/other.yaml:7:93: a deny rule has no "safe_post"; take it away: the rule grants nothing
      roles/other.yaml:7:114: a deny rule has no "encoded_slash"; take it away: the rule grants nothing
      roles/other.yaml:7:130: a deny rule has no "cookies"; take it away: the rule grants nothing
      roles/other.yaml:7:145: a deny rule has no "headers"; take it away: the rule grants nothing
      roles/other.yaml:7:156: a deny rule has no "query"; take it away: the rule grants nothing
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
            .all(|method| rule.methods.contains(*method))
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
    insta::assert_compact_debug_snapshot!(rule, @r#"Rule { name: "read-issues", effect: Allow(Grant { verb: Read, credential: Some("github-triage"), cookies: false, headers: None, query: None, limit: Some(RuleLimit { rate: Some(Rate { calls: 60, per: 60s }), burst: Some(10), in_flight: Some(8) }) }), hosts: [HostPattern { name: Exact(Host(api.github.com)), port: 443 }], methods: {Get}, paths: [PathPattern { segments: [Literal("repos"), Literal("acme"), Any, Literal("issues")], open: false, encoded_slash: false }, PathPattern { segments: [Literal("repos"), Literal("acme"), Any, Literal("issues")], open: true, encoded_slash: false }], encoded_slash: false, written: Written { file: "roles/triage.yaml", line: 18 } }"#);
}

#[test]
fn a_rule_that_can_never_match_is_worth_a_look() {
    let said = |rules: &[&str]| {
        let rules = rules.iter().zip('a'..);
        let rules = rules.map(|(rule, name)| format!("{{name: {name}, {rule}}}"));
        let rules: Vec<String> = rules.collect();
        Example::new()
            .file(
                "roles/other.yaml",
                &other(&format!("[{}]", rules.join(", "))),
            )
            .said()
    };
    let get = |hosts: &str, paths: &str| {
        format!("verb: read, methods: [GET], credential: none, hosts: [{hosts}], paths: [{paths}]")
    };
    let (wide, narrow) = (
        get("'*.a.test'", "/v1/**"),
        get("b.a.test", "/v1/x, /v1/*/y"),
    );
    insta::assert_snapshot!(said(&[&wide, &narrow]), @r#"warning: roles/other.yaml:7:104: the rule "b" can never match: "a" decides all its calls; take it away, or narrow the other one"#);
    let deny = "effect: deny, hosts: [b.a.test], paths: [/V1]";
    insta::assert_snapshot!(said(&[&narrow, deny, deny]), @r#"warning: roles/other.yaml:7:9: the rule "a" can never match: "b" decides all its calls; take it away, or narrow the other one"#);
    let slashes = format!("{narrow}, encoded_slash: allow");
    let head = narrow.replace("GET", "HEAD");
    let lists = |query: &str| format!("{wide}, query: [{query}]");
    insta::assert_snapshot!(said(&[&lists("a, b"), &lists("b")]), @r#"warning: roles/other.yaml:7:119: the rule "b" can never match: "a" decides all its calls; take it away, or narrow the other one"#);
    for rules in [
        [&*lists("a"), &*wide],
        [&wide, &lists("key")],
        [&lists("a"), &lists("a, b")],
    ] {
        assert_eq!(said(&rules), "", "{rules:?}");
    }
    for rules in [
        [&*narrow, &*wide],
        [&wide, &slashes],
        [&wide, &head],
        [&wide, &get("b.a.test:8443", "/v1/x")],
        [&wide, &get("b.a.test", "/v1/x, /v2")],
        [&narrow, "effect: deny, hosts: [b.a.test], paths: [/v1/x]"],
    ] {
        assert_eq!(said(&rules), "", "{rules:?}");
    }
}
