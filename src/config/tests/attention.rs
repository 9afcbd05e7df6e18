//! What `check` warns of: each warning planted once, and its nearest neighbour that is fine.

use super::*;

/// What is said about a role `other` with one rule of these keys, on the usual day.
fn said_of_rule(rule: &str) -> String {
    let catalogue = "  other: {roles: [other], hosts: [\"*.b.test\", a.test], file: other, \
        place: {header: X-Key, value: \"{token}\"}, max_ttl: 1h, \
        allow_static: {owner: o, rotate_by: 2027-06-01}}\n";
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/credentials.yaml");
    let shipped = fs::read_to_string(shipped).expect("the shipped catalogue");
    let entry = if rule.contains("credential: other") {
        catalogue.trim_start()
    } else {
        ""
    };
    Example::new()
        .file("credentials.yaml", &format!("{shipped}\n{entry}"))
        .file(
            "roles/other.yaml",
            &other(&format!("[{{name: r, {rule}}}]")),
        )
        .said()
}

fn said_of_each_rule(rules: &[&str]) -> String {
    let said = rules.iter().map(|rule| {
        let said = said_of_rule(rule);
        let said = if said.is_empty() { "nothing" } else { &said };
        format!("{rule}\n  {}", said.replace('\n', "\n  "))
    });
    said.collect::<Vec<String>>().join("\n")
}

#[test]
fn a_rule_for_every_path_of_a_host_unless_it_only_reads_without_a_credential() {
    insta::assert_snapshot!(said_of_each_rule(&[
        "verb: read, hosts: [a.test, x.b.test], methods: [GET], paths: ['/**'], credential: other",
        "verb: read, hosts: [a.test, x.b.test], methods: [GET], paths: ['/*/**'], credential: other",
        "verb: write, hosts: [a.test], methods: [POST], paths: ['/**'], credential: none",
        "verb: execute, hosts: [a.test, x.b.test], methods: [POST], paths: [/a, '/**'], credential: other",
        "verb: read, safe_post: true, hosts: [a.test], methods: [POST], paths: ['/**'], credential: none",
        "verb: read, hosts: [a.test], methods: [GET], paths: ['/**'], credential: none",
        "verb: write, hosts: [a.test, x.b.test], methods: [POST], paths: ['/v1/**'], credential: other",
    ]), @r#"
    verb: read, hosts: [a.test, x.b.test], methods: [GET], paths: ['/**'], credential: other
      warning: roles/other.yaml:7:9: the rule "r" is for every path of its hosts, with the credential "other"; name the paths that the role needs
    verb: read, hosts: [a.test, x.b.test], methods: [GET], paths: ['/*/**'], credential: other
      warning: roles/other.yaml:7:9: the rule "r" is for every path of its hosts, with the credential "other"; name the paths that the role needs
    verb: write, hosts: [a.test], methods: [POST], paths: ['/**'], credential: none
      warning: roles/other.yaml:7:9: the rule "r" is for every path of its hosts, to write; name the paths that the role needs
    verb: execute, hosts: [a.test, x.b.test], methods: [POST], paths: [/a, '/**'], credential: other
      warning: roles/other.yaml:7:9: the rule "r" is for every path of its hosts, to execute with the credential "other"; name the paths that the role needs
    verb: read, safe_post: true, hosts: [a.test], methods: [POST], paths: ['/**'], credential: none
      warning: roles/other.yaml:7:9: the rule "r" is for every path of its hosts, and calls every POST a read; name the paths that the role needs
    verb: read, hosts: [a.test], methods: [GET], paths: ['/**'], credential: none
      nothing
    verb: write, hosts: [a.test, x.b.test], methods: [POST], paths: ['/v1/**'], credential: other
      warning: roles/other.yaml:7:9: by the rule "r" a batch endpoint may be reached, at /v1/batch: no rule sees the calls in its body; name the paths of single calls, or deny that one
    "#);
}

#[test]
fn a_read_that_may_post_below_a_path() {
    insta::assert_snapshot!(said_of_each_rule(&[
        "verb: read, safe_post: true, hosts: [a.test], methods: [GET, POST], paths: [/x, '/search/**'], credential: none",
        "verb: read, safe_post: true, hosts: [a.test], methods: [POST], paths: [/graphql, '/v1/*/search'], credential: none",
        "verb: read, hosts: [a.test], methods: [GET], paths: ['/search/**'], credential: none",
    ]), @r#"
    verb: read, safe_post: true, hosts: [a.test], methods: [GET, POST], paths: [/x, '/search/**'], credential: none
      warning: roles/other.yaml:7:9: by the rule "r" a batch endpoint may be reached, at /search/batch: no rule sees the calls in its body; name the paths of single calls, or deny that one
      warning: roles/other.yaml:7:9: the rule "r" calls every POST to /search/** a read; name the paths whose POST changes nothing
    verb: read, safe_post: true, hosts: [a.test], methods: [POST], paths: [/graphql, '/v1/*/search'], credential: none
      warning: roles/other.yaml:7:9: the rule "r" calls every operation at /graphql a read, and a mutation is one; write verb: execute; what the role may do there is what its credential may
    verb: read, hosts: [a.test], methods: [GET], paths: ['/search/**'], credential: none
      nothing
    "#);
}

#[test]
fn a_path_at_which_an_agent_is_given_a_credential() {
    for (path, given) in [
        ("/oauth/token", true),
        ("/v1/API_Keys", true),
        ("/app/installations/*/access_tokens", true),
        ("/v1/realtime/client_secrets", true),
        ("/v1/projects/-/serviceAccounts/x:generateAccessToken", true),
        ("/v1/messages/count_tokens", false),
        ("/tokens/*/names", false),
    ] {
        let rule = "verb: write, hosts: [a.test], methods: [POST], credential: none";
        let said = said_of_rule(&format!("{rule}, paths: ['{path}']"));
        let warned = said.contains("may be given a credential of its own");
        assert_eq!(warned, given, "{path}: {said}");
        let denied = said_of_rule(&format!("effect: deny, hosts: [a.test], paths: ['{path}']"));
        assert_eq!(denied, "", "{path}");
    }
    let sts =
        "verb: write, hosts: [sts.amazonaws.com], methods: [POST], paths: [/], credential: none";
    insta::assert_snapshot!(said_of_rule(sts), @r#"warning: roles/other.yaml:7:9: by the rule "r" the agent may be given a credential of its own, at sts.amazonaws.com; take it away, or have the credential in the catalogue: what the agent holds is used where no rule looks"#);
}

#[test]
fn a_path_behind_which_more_happens_than_it_says() {
    let post = "methods: [POST], hosts: [a.test], credential: none";
    let get = "verb: read, methods: [GET], hosts: [a.test, x.b.test], credential: other";
    insta::assert_snapshot!(said_of_each_rule(&[
        &format!("verb: write, paths: [/v1/batch], {post}"),
        &format!("verb: execute, paths: [/x, '/odata/$batch'], {post}"),
        &format!("verb: write, paths: ['/v1/**'], {post}"),
        &format!("verb: write, paths: ['/repos/acme/site/**', /v1/batch/x], {post}"),
        &format!("verb: read, safe_post: true, paths: [/api/graphql], {post}"),
        &format!("verb: execute, paths: [/api/graphql], {post}"),
        &format!("paths: [/x, /v1/Headers], {get}"),
        &format!("paths: [/v1/headers/x, /v1/batch, /graphql], {get}"),
        "verb: read, methods: [GET], hosts: [a.test], credential: none, paths: [/echo]",
    ]), @r#"
    verb: write, paths: [/v1/batch], methods: [POST], hosts: [a.test], credential: none
      warning: roles/other.yaml:7:9: by the rule "r" a batch endpoint may be reached, at /v1/batch: no rule sees the calls in its body; name the paths of single calls, or deny that one
    verb: execute, paths: [/x, '/odata/$batch'], methods: [POST], hosts: [a.test], credential: none
      warning: roles/other.yaml:7:9: by the rule "r" a batch endpoint may be reached, at /odata/$batch: no rule sees the calls in its body; name the paths of single calls, or deny that one
    verb: write, paths: ['/v1/**'], methods: [POST], hosts: [a.test], credential: none
      warning: roles/other.yaml:7:9: by the rule "r" a batch endpoint may be reached, at /v1/batch: no rule sees the calls in its body; name the paths of single calls, or deny that one
    verb: write, paths: ['/repos/acme/site/**', /v1/batch/x], methods: [POST], hosts: [a.test], credential: none
      nothing
    verb: read, safe_post: true, paths: [/api/graphql], methods: [POST], hosts: [a.test], credential: none
      warning: roles/other.yaml:7:9: the rule "r" calls every operation at /api/graphql a read, and a mutation is one; write verb: execute; what the role may do there is what its credential may
    verb: execute, paths: [/api/graphql], methods: [POST], hosts: [a.test], credential: none
      nothing
    paths: [/x, /v1/Headers], verb: read, methods: [GET], hosts: [a.test, x.b.test], credential: other
      warning: roles/other.yaml:7:9: by the rule "r" an answer may show the credential "other": /v1/Headers looks made for debugging; take the path away, or write credential: none
    paths: [/v1/headers/x, /v1/batch, /graphql], verb: read, methods: [GET], hosts: [a.test, x.b.test], credential: other
      nothing
    verb: read, methods: [GET], hosts: [a.test], credential: none, paths: [/echo]
      nothing
    "#);
    let denied = |paths: &str| {
        let rules = format!(
            "[{{name: r, verb: write, paths: ['/v1/**'], {post}}}, {{name: d, effect: deny, hosts: [a.test], paths: [{paths}]}}]"
        );
        Example::new()
            .file("roles/other.yaml", &other(&rules))
            .said()
    };
    assert_eq!(denied("/v1/batch, '/v1/$batch'"), "");
    assert!(denied("/v1/batch").contains("/v1/$batch"));
}

#[test]
fn a_wildcard_under_a_platform() {
    insta::assert_snapshot!(said_of_each_rule(&[
        "verb: read, hosts: ['*.github.io', '*.s3.amazonaws.com:8443'], methods: [GET], paths: [/x], credential: none",
        "verb: read, hosts: ['*.acme.github.io', acme.github.io, '*.github.com'], methods: [GET], paths: [/x], credential: none",
        "verb: read, hosts: ['*.kobe.jp'], methods: [GET], paths: [/x], credential: none",
    ]), @r#"
    verb: read, hosts: ['*.github.io', '*.s3.amazonaws.com:8443'], methods: [GET], paths: [/x], credential: none
      warning: roles/other.yaml:7:39: *.github.io names hosts of anybody: github.io gives out names; write the hosts that are meant
      warning: roles/other.yaml:7:54: *.s3.amazonaws.com:8443 names hosts of anybody: s3.amazonaws.com gives out names; write the hosts that are meant
    verb: read, hosts: ['*.acme.github.io', acme.github.io, '*.github.com'], methods: [GET], paths: [/x], credential: none
      nothing
    verb: read, hosts: ['*.kobe.jp'], methods: [GET], paths: [/x], credential: none
      roles/other.yaml:7:39: "*.kobe.jp" is wider than one party's names; write the hosts, or a wildcard under a registered name like *.example.com
    "#);
}

#[test]
fn a_binding_that_no_rule_uses() {
    insta::assert_snapshot!(said_of_each_rule(&[
        "verb: read, hosts: [a.test], methods: [GET], paths: [/x], credential: other",
        "verb: read, hosts: [a.test, x.b.test], methods: [GET], paths: [/x], credential: other",
    ]), @r#"
    verb: read, hosts: [a.test], methods: [GET], paths: [/x], credential: other
      warning: credentials.yaml:51:1: no rule uses the credential "other" at *.b.test; take the host away if nobody needs it
    verb: read, hosts: [a.test, x.b.test], methods: [GET], paths: [/x], credential: other
      nothing
    "#);
    let role = Example::new()
        .with(
            "credentials.yaml",
            "roles: [triage]",
            "roles: [triage, other]",
        )
        .file("roles/other.yaml", &other("[]"));
    insta::assert_snapshot!(role.said(), @r#"warning: credentials.yaml:7:19: no rule of the role "other" uses "github-triage"; take the role away, or name the credential in a rule"#);
}

#[test]
fn a_review_within_thirty_days() {
    let said = |day: &str| {
        let changed = Example::new().with(
            "roles/triage.yaml",
            "review_by: 2027-04-30",
            &format!("review_by: {day}"),
        );
        format!("{day}: {}", changed.said())
    };
    let days = [
        "2026-11-21",
        "2026-11-22",
        "2026-11-23",
        "2026-12-22",
        "2026-12-23",
    ];
    insta::assert_snapshot!(days.map(said).join("\n"), @r#"
    2026-11-21: warning: roles/triage.yaml:8:12: this role was to be reviewed by 2026-11-21: all its calls are refused; its owner and sponsor review it and move the date
    2026-11-22: warning: roles/triage.yaml:8:12: this role is to be reviewed by 2026-11-22: after that day all its calls are refused; its owner and sponsor review it and move the date
    2026-11-23: warning: roles/triage.yaml:8:12: this role is to be reviewed by 2026-11-23: after that day all its calls are refused; its owner and sponsor review it and move the date
    2026-12-22: warning: roles/triage.yaml:8:12: this role is to be reviewed by 2026-12-22: after that day all its calls are refused; its owner and sponsor review it and move the date
    2026-12-23:
    "#);
}
