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
    insta::assert_snapshot!(said, @"");
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
    insta::assert_snapshot!(said.join("\n\n"), @"");
}

#[test]
fn says_only_that_the_main_file_is_not_there() {
    let said = Example::new().without("tollgate.yaml").said();
    insta::assert_snapshot!(said, @"");
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
