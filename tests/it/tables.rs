//! `test` asks a table of calls and says which answers are not as expected.

use std::path::Path;

use tempfile::TempDir;

use crate::world::gate::tollgate;

/// Runs `tollgate test` on the shipped settings: exit code, stdout and stderr.
fn test(table: &Path) -> (Option<i32>, String, String) {
    let mut command = tollgate();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.arg("test").arg(table).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let directory = format!("{}/", table.parent().unwrap().display());
    (output.status.code(), stdout.replace(&directory, ""), stderr)
}

fn table(text: &str) -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cases.yaml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

const CALL: &str = "as: spiffe://example.org/agent/triage, on: 2026-12-01, method: GET, \
    url: https://api.github.com/repos/acme/site/issues?state=open";

#[test]
fn the_shipped_table_is_as_expected_and_touches_every_rule() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tests.yaml");
    let said = test(&shipped);
    let all = "tollgate: 10 cases, all as expected\n".to_owned();
    assert_eq!(said, (Some(0), String::new(), all));
}

#[test]
fn a_case_that_differs_is_told_with_its_place_and_the_explanation() {
    let cases = [
        "expect: no_rule, name: not that rule",
        "expect: deny",
        "expect: allow, rule: label-issues",
        "expect: allow, credential: none",
        "expect: allow, rule: read-issues, credential: github-triage",
    ];
    let cases = cases.map(|case| format!("- {{{CALL}, {case}}}\n"));
    let refused = "- {as: spiffe://example.org/agent/triage, on: 2026-12-01, method: GET, \
        url: http://evil.test/, expect: denied_by_rule}\n";
    let (_directory, path) = table(&(cases.concat() + refused));
    let (code, stdout, stderr) = test(&path);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert_eq!(stderr, "tollgate: 6 cases, 1 as expected, 5 not\n");
    insta::assert_snapshot!(stdout, @r#"
    cases.yaml:1:3: not that rule: no_rule is expected, the answer is allow
        allowed     by the rule read-issues at config/roles/triage.yaml:18
        call        GET https://api.github.com/repos/acme/site/issues
        as          spiffe://example.org/agent/triage
        role        triage, to be reviewed by 2027-04-30
        on          2026-12-01
        verb        read, on record when it ends
        credential  github-triage, in the header authorization
        limit       60/min, burst 10, 8 in flight for this identity by the rule
                    600/min for all identities of the role together
        address     api.github.com is resolved, and its addresses are judged, when the call is made
    cases.yaml:2:3: deny is expected, the answer is allow
        allowed     by the rule read-issues at config/roles/triage.yaml:18
        call        GET https://api.github.com/repos/acme/site/issues
        as          spiffe://example.org/agent/triage
        role        triage, to be reviewed by 2027-04-30
        on          2026-12-01
        verb        read, on record when it ends
        credential  github-triage, in the header authorization
        limit       60/min, burst 10, 8 in flight for this identity by the rule
                    600/min for all identities of the role together
        address     api.github.com is resolved, and its addresses are judged, when the call is made
    cases.yaml:3:3: the rule label-issues is expected, read-issues decided
        allowed     by the rule read-issues at config/roles/triage.yaml:18
        call        GET https://api.github.com/repos/acme/site/issues
        as          spiffe://example.org/agent/triage
        role        triage, to be reviewed by 2027-04-30
        on          2026-12-01
        verb        read, on record when it ends
        credential  github-triage, in the header authorization
        limit       60/min, burst 10, 8 in flight for this identity by the rule
                    600/min for all identities of the role together
        address     api.github.com is resolved, and its addresses are judged, when the call is made
    cases.yaml:4:3: the credential none is expected, the call has github-triage
        allowed     by the rule read-issues at config/roles/triage.yaml:18
        call        GET https://api.github.com/repos/acme/site/issues
        as          spiffe://example.org/agent/triage
        role        triage, to be reviewed by 2027-04-30
        on          2026-12-01
        verb        read, on record when it ends
        credential  github-triage, in the header authorization
        limit       60/min, burst 10, 8 in flight for this identity by the rule
                    600/min for all identities of the role together
        address     api.github.com is resolved, and its addresses are judged, when the call is made
    cases.yaml:6:3: denied_by_rule is expected, the answer is no_rule
        refused     no_rule: No rule of the role allows this call.
        call        GET https://evil.test/
        as          spiffe://example.org/agent/triage
        role        triage, to be reviewed by 2027-04-30
        on          2026-12-01
        nearest     the rule read-issues at config/roles/triage.yaml:18
        agrees      port, method
        differs     host: evil.test is asked, the rule names api.github.com
                    path: it ends where `repos` stands in segment 1 of /repos/acme/*/issues
    note: config/roles/triage.yaml:30: no case touches the rule label-issues
    note: config/roles/triage.yaml:38: no case touches the rule never-the-billing
    "#);
}

#[test]
fn every_mistake_of_a_table_is_said_at_once() {
    let (_directory, path) = table(
        "- {as: triage, method: G T, url: api.github.com, expect: maybe, on: 2026-02-30}\n\
         - {method: GET, url: http://a.test/, expect: rate_limited, colour: red}\n\
         - {as: spiffe://example.org/a, method: GET, url: http://a.test/, expect: deny, credential: none}\n",
    );
    let (code, stdout, stderr) = test(&path);
    assert_eq!(code, Some(2));
    assert_eq!(stderr, "tollgate: 9 mistakes, no warnings\n");
    insta::assert_snapshot!(stdout, @r#"
    cases.yaml:1:8: "triage" is no identity of an agent; a SPIFFE ID starts with spiffe://
    cases.yaml:1:24: "G T" is no method; a method is one word, like GET
    cases.yaml:1:34: "api.github.com" is no URL; a URL has a scheme and a host, like https://api.example.com/v1
    cases.yaml:1:58: "maybe" is not known here; it is one of allow, deny, certificate_invalid, identity_unknown, revoked, request_malformed, target_malformed, path_ambiguous, query_credential, method_refused, review_overdue, no_rule, denied_by_rule, query_forbidden, port_forbidden, address_forbidden, credential_forbidden
    cases.yaml:1:69: "2026-02-30" is no date; write a day that exists as year-month-day, like 2027-04-30
    cases.yaml:2:3: the key "as" is missing; it is mandatory
    cases.yaml:2:46: "rate_limited" is not known here; it is one of allow, deny, certificate_invalid, identity_unknown, revoked, request_malformed, target_malformed, path_ambiguous, query_credential, method_refused, review_overdue, no_rule, denied_by_rule, query_forbidden, port_forbidden, address_forbidden, credential_forbidden
    cases.yaml:2:60: unknown key "colour"; the keys here are name, as, method, url, on, expect, rule, credential
    cases.yaml:3:92: a call that is refused has no credential; take the key away, or expect allow
    "#);
    let (_directory, path) = table("[]");
    assert_eq!(test(&path).0, Some(2), "no cases");
    assert_eq!(test(Path::new("config/nowhere.yaml")).0, Some(2));
}
