use std::path::Path;

use time::macros::date;

use super::*;
use crate::{config, target::spelled};

const TRIAGE: &str = "spiffe://example.org/agent/triage";

/// The shipped settings, none of whose certificates, keys and secrets is there.
fn shipped() -> Settings {
    let settings = config::load(Path::new("config/tollgate.yaml"), date!(2026 - 11 - 22));
    settings.unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Settings with these exceptions and these rules of one role.
fn settings(lines: &str, rules: &str) -> (tempfile::TempDir, Settings) {
    let directory = tempfile::tempdir().unwrap();
    let frame = "listen: 127.0.0.1:8443\n\
        certificate: {chain: gate.crt, key: gate.key}\n\
        trust_domains: {example.org: {bundle: gate.crt}}\n\
        interception: {ca: gate.crt, key: gate.key}\n";
    let manifest = format!(
        "purpose: p\nowner: o\nsponsor: s\nreview_by: 2027-01-01\nidentities: [{TRIAGE}]\n\
         limit: {{rate: 600/min}}\nrules:\n{rules}\n"
    );
    let catalogue = "key:\n  roles: [triage]\n  hosts: [a.test, \"b.test:8080\", 10.1.2.3]\n  file: key\n  \
        place: {header: X-Key, value: \"{token}\"}\n  max_ttl: 1h\n  \
        allow_static: {owner: o, rotate_by: 2027-01-01}\n";
    std::fs::create_dir(directory.path().join("roles")).unwrap();
    for (file, text) in [
        ("tollgate.yaml", &*format!("{frame}{lines}\n")),
        ("credentials.yaml", catalogue),
        ("roles/triage.yaml", &manifest),
        ("revoked", "spiffe://example.org/gone\n"),
    ] {
        std::fs::write(directory.path().join(file), text).unwrap();
    }
    let path = directory.path().join("tollgate.yaml");
    let settings = config::load(&path, date!(2026 - 11 - 22));
    let settings = settings.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    (directory, settings)
}

fn call(caller: &str, text: &str) -> Call {
    let (method, url) = text.split_once(' ').unwrap();
    Call {
        caller: SpiffeId::parse(caller).unwrap(),
        spelled: Spelled {
            method: spelled::method(method).unwrap(),
            url: spelled::url(url).unwrap(),
        },
    }
}

fn told(settings: &Settings, caller: &str, text: &str) -> String {
    let call = call(caller, text);
    let told = Explanation::of(settings, &call, date!(2026 - 11 - 22)).to_string();
    let directory = settings.gate.certificate.chain.parent().unwrap();
    told.replace(&format!("{}/", directory.display()), "")
}

/// The reason code of each call, or the name of the rule that allows it.
fn answers(settings: &Settings, calls: &[&str]) -> String {
    let answers = calls.iter().map(|text| {
        let call = call(TRIAGE, text);
        let explanation = Explanation::of(settings, &call, date!(2026 - 11 - 22));
        let answer = match explanation.reason() {
            None => format!(
                "allowed by {}",
                explanation.rule.map_or("an exception", |rule| &rule.name)
            ),
            Some(reason) => reason.code().to_owned(),
        };
        format!("{text}: {answer}")
    });
    answers.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_yes_says_the_rule_the_credential_and_the_limits() {
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "GET http://api.github.com/repos/acme/site/issues"), @r#"
    allowed     by the rule read-issues at config/roles/triage.yaml:18
    call        GET https://api.github.com/repos/acme/site/issues
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    verb        read, on record when it ends
    credential  github-triage, in the header authorization
    limit       60/min, burst 10, 8 in flight for this identity by the rule
                600/min for all identities of the role together
    address     api.github.com is resolved, and its addresses are judged, when the call is made
    "#);
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "POST https://api.github.com/repos/acme/site/issues/7/labels?x=1"), @r#"
    allowed     by the rule label-issues at config/roles/triage.yaml:30
    call        POST https://api.github.com/repos/acme/site/issues/7/labels
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    verb        write, on record before it leaves, and when it ends
    credential  github-triage, in the header authorization
    limit       600/min for all identities of the role together
    address     api.github.com is resolved, and its addresses are judged, when the call is made
    "#);
}

#[test]
fn a_no_says_the_nearest_rule_and_what_of_it_did_not_match() {
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "DELETE https://api.github.com/repos/acme/site/issues/7"), @r#"
    refused     no_rule: No rule of the role allows this call.
    call        DELETE https://api.github.com/repos/acme/site/issues/7
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    nearest     the rule read-issues at config/roles/triage.yaml:18
    agrees      host, port, path
    differs     method: DELETE is asked, the rule takes GET
    "#);
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "GET https://api.github.com/repos/acme/site/pulls"), @r#"
    refused     no_rule: No rule of the role allows this call.
    call        GET https://api.github.com/repos/acme/site/pulls
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    nearest     the rule read-issues at config/roles/triage.yaml:18
    agrees      host, port, method
    differs     path: `pulls` is asked, `issues` stands in segment 4 of /repos/acme/*/issues
    "#);
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "GET https://api.github.com:8443/repos/acme/site/issues"), @r#"
    refused     port_forbidden: No rule of the role names this port.
    call        GET https://api.github.com:8443/repos/acme/site/issues
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    nearest     the rule read-issues at config/roles/triage.yaml:18
    agrees      host, method, path
    differs     port: 8443 is asked, the rule names 443
    "#);
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "GET https://evil.test/"), @r#"
    refused     no_rule: No rule of the role allows this call.
    call        GET https://evil.test/
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    nearest     the rule read-issues at config/roles/triage.yaml:18
    agrees      port, method
    differs     host: evil.test is asked, the rule names api.github.com
                path: it ends where `repos` stands in segment 1 of /repos/acme/*/issues
    "#);
}

#[test]
fn a_no_that_no_rule_could_mend_says_why() {
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "GET https://api.github.com/repos/acme/Billing/x"), @r#"
    refused     denied_by_rule: A rule of the role denies this call. (by the rule never-the-billing at config/roles/triage.yaml:38)
    call        GET https://api.github.com/repos/acme/Billing/x
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    "#);
    insta::assert_snapshot!(told(&shipped(), TRIAGE, "GET http://api.github.com/a/../b"), @r#"
    refused     path_ambiguous: The path has more than one reading.
    call        GET "http://api.github.com/a/../b"
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-04-30
    on          2026-11-22
    because     The path has a dot segment.
    "#);
    insta::assert_snapshot!(told(&shipped(), "spiffe://example.org/agent/triag", "GET http://api.github.com/"), @r#"
    refused     identity_unknown: No role is assigned to this identity.
    call        GET "http://api.github.com/"
    as          spiffe://example.org/agent/triag
    on          2026-11-22
    near        spiffe://example.org/agent/triage
    "#);
    insta::assert_snapshot!(told(&shipped(), "spiffe://other.test/agent/triage", "GET http://api.github.com/"), @r#"
    refused     certificate_invalid: The client certificate is not acceptable.
    call        GET "http://api.github.com/"
    as          spiffe://other.test/agent/triage
    on          2026-11-22
    because     no bundle is configured for the trust domain
    domains     example.org
    "#);
}

#[test]
fn a_query_is_not_repeated() {
    let said = told(
        &shipped(),
        TRIAGE,
        "GET http://api.github.com/x?access_token=hunter2",
    );
    assert!(
        said.contains("query_credential") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn the_day_decides_about_the_review() {
    let settings = shipped();
    let call = call(TRIAGE, "GET https://api.github.com/repos/acme/site/issues");
    let on = |day| Explanation::of(&settings, &call, day).reason();
    assert_eq!(on(date!(2027 - 04 - 30)), None);
    assert_eq!(on(date!(2027 - 05 - 01)), Some(Reason::ReviewOverdue));
}

#[test]
fn the_day_decides_about_a_tunnel_too() {
    let exception =
        "{role: triage, host: a.test, port: 9999, tunnel: true, reason: why, until: 2027-12-31}";
    let (_directory, settings) = settings(&format!("exceptions: [{exception}]"), "  []\n");
    let call = call(TRIAGE, "GET https://a.test:9999/x");
    let on = |day| Explanation::of(&settings, &call, day).reason();
    assert_eq!(on(date!(2027 - 01 - 01)), None);
    assert_eq!(on(date!(2027 - 01 - 02)), Some(Reason::ReviewOverdue));
}

/// A role with exceptions, and pins.
fn surrounded() -> (tempfile::TempDir, Settings) {
    let exception = |what: &str| {
        format!("{{role: triage, {what}, reason: the move is not done, until: 2026-12-31}}")
    };
    let lines = format!(
        "upstream: {{pins: {{pinned.test: 10.9.9.9, a.test: 93.184.216.34}}}}\nexceptions: [{}, {}, {}, {}, {}]",
        exception("host: b.test, port: 8080, cleartext: true"),
        exception("host: 10.1.2.3, port: 443, addresses: [10.1.2.0/24]"),
        exception("host: 127.0.0.1, port: 8443, addresses: [127.0.0.0/8]"),
        exception("host: pinned.test, port: 9999, tunnel: true"),
        exception("host: a.test, port: 9999, tunnel: true"),
    );
    let rule = |name: &str, host: &str, credential: &str| {
        format!(
            "  - {{name: {name}, verb: read, hosts: [\"{host}\"], methods: [GET], paths: [/x], credential: {credential}}}\n"
        )
    };
    let rules = [
        rule("a", "a.test", "key"),
        rule("clear", "b.test:8080", "key"),
        rule("inside", "10.1.2.3", "key"),
        rule("closed", "10.1.3.3", "none"),
        rule("pinned", "pinned.test", "none"),
        rule("itself", "127.0.0.1:8443", "none"),
    ]
    .concat();
    settings(&lines, &rules)
}

#[test]
fn exceptions_addresses_and_pins_decide_as_far_as_they_are_known() {
    let (_directory, settings) = surrounded();
    insta::assert_snapshot!(answers(&settings, &[
        "GET http://a.test/x",
        "GET http://b.test:8080/x",
        "GET https://b.test:8080/x",
        "GET http://10.1.2.3/x",
        "GET http://10.1.3.3/x",
        "GET http://10.1.4.4/x",
        "GET http://pinned.test/x",
        "GET https://127.0.0.1:8443/x",
        "GET https://pinned.test:9999/whatever",
        "BREW https://a.test:9999/../whatever",
    ]), @r#"
    GET http://a.test/x: allowed by a
    GET http://b.test:8080/x: credential_forbidden
    GET https://b.test:8080/x: allowed by clear
    GET http://10.1.2.3/x: allowed by inside
    GET http://10.1.3.3/x: address_forbidden
    GET http://10.1.4.4/x: address_forbidden
    GET http://pinned.test/x: address_forbidden
    GET https://127.0.0.1:8443/x: address_forbidden
    GET https://pinned.test:9999/whatever: address_forbidden
    BREW https://a.test:9999/../whatever: allowed by an exception
    "#);
    insta::assert_snapshot!(told(&settings, TRIAGE, "GET http://a.test/x"), @r#"
    allowed     by the rule a at roles/triage.yaml:8
    call        GET https://a.test/x
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-01-01
    on          2026-11-22
    verb        read, on record when it ends
    credential  key, in the header x-key
    limit       600/min for all identities of the role together
    address     a.test is pinned to 93.184.216.34
    "#);
    insta::assert_snapshot!(told(&settings, TRIAGE, "GET http://b.test:8080/x"), @r#"
    refused     credential_forbidden: The credential may not be used for this call. (by the rule clear at roles/triage.yaml:9)
    call        GET http://b.test:8080/x
    as          spiffe://example.org/agent/triage
    role        triage, to be reviewed by 2027-01-01
    on          2026-11-22
    because     a credential never travels in clear
    verb        read, on record when it ends
    credential  key, in the header x-key
    limit       600/min for all identities of the role together
    address     b.test is resolved, and its addresses are judged, when the call is made
    exception   spoken to without TLS until 2026-12-31: the move is not done
    "#);
    insta::assert_snapshot!(told(&settings, "spiffe://example.org/gone", "GET http://a.test/x"), @r#"
    refused     revoked: This identity is revoked.
    call        GET "http://a.test/x"
    as          spiffe://example.org/gone
    on          2026-11-22
    "#);
}

#[test]
fn a_yes_says_that_cookies_cross() {
    let rules = "  - {name: r, verb: read, hosts: [a.test], methods: [GET], paths: [/x], credential: none, cookies: pass}";
    let (_directory, settings) = settings("", rules);
    let told = told(&settings, TRIAGE, "GET http://a.test/x");
    let line = "cookies     cross, the agent's to the upstream and the upstream's to the agent";
    assert!(told.lines().any(|one| one == line), "{told}");
}

#[test]
fn a_yes_says_what_a_list_lets_cross_and_a_no_what_it_does_not() {
    let rules = "  - {name: r, verb: read, hosts: [a.test], methods: [GET], paths: [/x], credential: none, \
        headers: [notion-version], query: [q, key]}\n  \
        - {name: s, verb: read, hosts: [b.test], methods: [GET], paths: [/x], credential: none, headers: [], query: []}";
    let (_directory, settings) = settings("", rules);
    let told = |call: &str| told(&settings, TRIAGE, call);
    let yes = told("GET http://a.test/x?key=1&%71=2");
    for line in [
        "headers     notion-version and what HTTP needs, no others",
        "query       q, key, no others",
    ] {
        assert!(yes.lines().any(|one| one == line), "{yes}");
    }
    for (call, line) in [
        (
            "GET http://a.test/x?q=1&token=hunter2",
            "differs     query: \"token\" is asked, the rule takes q, key",
        ),
        (
            "GET http://b.test/x?a=hunter2",
            "differs     query: \"a\" is asked, the rule takes no parameter",
        ),
    ] {
        let no = told(call);
        assert!(
            no.contains("query_forbidden") && !no.contains("hunter2"),
            "{no}"
        );
        assert!(no.lines().any(|one| one == line), "{no}");
    }
}

#[test]
fn the_json_has_every_key_whatever_the_answer() {
    let settings = shipped();
    let json = |text: &str| {
        let call = call(TRIAGE, text);
        let explanation = Explanation::of(&settings, &call, date!(2026 - 11 - 22));
        serde_json::from_str::<serde_json::Value>(&explanation.to_json()).unwrap()
    };
    let allowed = json("GET http://api.github.com/repos/acme/site/issues?page=2");
    insta::assert_snapshot!(serde_json::to_string_pretty(&allowed).unwrap(), @r#"
    {
      "caller": {
        "id": "spiffe://example.org/agent/triage",
        "review_by": "2027-04-30",
        "role": "triage"
      },
      "cause": null,
      "credential": {
        "name": "github-triage",
        "place": "header authorization"
      },
      "decision": "allow",
      "exceptions": [],
      "limits": {
        "role": "600/min",
        "rule": {
          "burst": 10,
          "in_flight": 8,
          "rate": "60/min"
        }
      },
      "near_identities": [],
      "nearest": null,
      "on": "2026-11-22",
      "on_record_before_it_leaves": false,
      "passage": null,
      "reason": null,
      "request": {
        "canonical": true,
        "method": "GET",
        "url": "https://api.github.com/repos/acme/site/issues"
      },
      "rule": {
        "cookies": "stripped",
        "effect": "allow",
        "file": "config/roles/triage.yaml",
        "headers": null,
        "line": 18,
        "name": "read-issues",
        "query": null,
        "verb": "read"
      },
      "schema": "tollgate.explain/1"
    }
    "#);
    let refused = json("GET http://api.github.com/repos/acme/site/pulls");
    insta::assert_snapshot!(refused["nearest"], @r#"{"agrees":["host","port","method"],"differs":[{"how":"`pulls` is asked, `issues` stands in segment 4 of /repos/acme/*/issues","part":"path"}],"rule":{"cookies":"stripped","effect":"allow","file":"config/roles/triage.yaml","headers":null,"line":18,"name":"read-issues","query":null,"verb":"read"}}"#);
    assert_eq!(
        (&refused["reason"], &refused["credential"]),
        (&"no_rule".into(), &serde_json::Value::Null)
    );
    let keys = |value: &serde_json::Value| {
        let object = value.as_object().unwrap();
        object.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&allowed), keys(&refused));
    assert_eq!(
        keys(&allowed),
        keys(&json("GET http://api.github.com/a//b"))
    );
}
