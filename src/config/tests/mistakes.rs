//! Many mistakes in many files, reported in one go.

use super::*;

/// Fixtures are read by a path relative to the package, where Cargo runs tests.
fn said_of_fixture(directory: &str) -> String {
    let path = format!("tests/fixtures/{directory}/tollgate.yaml");
    match load(Path::new(&path), TODAY) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn reports_twelve_mistakes_in_three_files_at_once() {
    let said = said_of_fixture("twelve-mistakes-in-three-files");
    insta::assert_snapshot!(said, @r#"
    tests/fixtures/twelve-mistakes-in-three-files/credentials.yaml:2:3: the value of this credential does not end by itself; write who answers for it: allow_static: {owner, rotate_by}
    tests/fixtures/twelve-mistakes-in-three-files/credentials.yaml:5:41: this header value cannot be filled in; the value needs `{token}` where the secret goes
    tests/fixtures/twelve-mistakes-in-three-files/roles/triage.yaml:1:1: the key "sponsor" is missing; it is mandatory
    tests/fixtures/twelve-mistakes-in-three-files/roles/triage.yaml:4:14: the trust domain "example.com" is not configured; tollgate.yaml names example.org
    tests/fixtures/twelve-mistakes-in-three-files/roles/triage.yaml:9:5: unknown key "host"; did you mean "hosts"?
    tests/fixtures/twelve-mistakes-in-three-files/roles/triage.yaml:10:13: the credential "github-triage" may not go to uploads.github.com; the catalogue lets it go to api.github.com
    tests/fixtures/twelve-mistakes-in-three-files/roles/triage.yaml:11:20: POST is no method of the verb read; read is GET, HEAD, OPTIONS; a POST that changes nothing needs safe_post: true
    tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml:1:9: "localhost:8443" is no address with a port; write it like 127.0.0.1:8443 or [::1]:8443
    tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml:5:15: the key "key" is missing; it is mandatory
    tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml:6:1: unknown key "upstrem"; did you mean "upstream"?
    tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml:7:32: "sometimes" is not known here; it is one of writes, all
    tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml:9:77: "2027-02-30" is no date; write a day that exists as year-month-day, like 2027-04-30
    "#);
    assert_eq!(said.lines().count(), 12);
}

#[test]
fn reads_the_other_files_when_one_is_broken() {
    let broken = "[";
    let wrong_verb =
        |example: Example| example.with("roles/triage.yaml", "verb: write", "verb: wirte");
    let cases = [
        wrong_verb(Example::new()).file("tollgate.yaml", broken),
        wrong_verb(Example::new()).file("tollgate.yaml", "[]"),
        wrong_verb(Example::new()).file("credentials.yaml", broken),
        wrong_verb(Example::new()).file("credentials.yaml", "text"),
        wrong_verb(Example::new()).without("credentials.yaml"),
        wrong_verb(Example::new()).file("roles/other.yaml", broken),
        wrong_verb(Example::new()).file("revoked", "somebody"),
    ];
    let said: Vec<String> = cases.iter().map(Example::said).collect();
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute
    tollgate.yaml:1:1: not valid YAML: unclosed bracket '['; nothing after this was read

    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute
    tollgate.yaml:1:1: a list stands here; a mapping like {key: value} is needed

    credentials.yaml:1:1: not valid YAML: unclosed bracket '['; nothing after this was read
    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute

    credentials.yaml:1:1: "text" stands here; a mapping like {key: value} is needed
    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute

    credentials.yaml:1:1: cannot read this file: No such file or directory (os error 2); it must be there and readable
    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute

    roles/other.yaml:1:1: not valid YAML: unclosed bracket '['; nothing after this was read
    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute

    revoked:1:1: "somebody" revokes nobody; write an identity (spiffe://...) or the SHA-256 of a certificate in hex
    roles/triage.yaml:31:11: "wirte" is not known here; it is one of read, write, execute
    "#);
}

#[test]
fn says_only_that_the_main_file_is_not_there() {
    let said = Example::new().without("tollgate.yaml").said();
    insta::assert_snapshot!(said, @"tollgate.yaml:1:1: cannot read this file: No such file or directory (os error 2); it must be there and readable");
}

#[test]
fn says_nothing_of_a_second_file_that_an_unread_one_would_explain() {
    let no_roles = Example::new().with("tollgate.yaml", "roles: roles", "roles: [here]");
    let no_catalogue = Example::new().with(
        "tollgate.yaml",
        "credentials: credentials.yaml",
        "credentials:",
    );
    let unread_role = Example::new().with("roles/triage.yaml", "\npurpose:", "\n]");
    let unread_entry = Example::new().with("credentials.yaml", "roles: [triage]", "roles: triage");
    for example in [no_roles, no_catalogue, unread_role, unread_entry] {
        let said = example.said();
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
