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
    ]), @r#"
    roles: []
      roles/triage.yaml:26:17: the credential "github-triage" is not for the role "triage"; the platform team adds the role to its entry in the catalogue
      roles/triage.yaml:35:17: the credential "github-triage" is not for the role "triage"; the platform team adds the role to its entry in the catalogue
    roles: [triage, nobody]
      credentials.yaml:7:19: no role is called "nobody"; a role is a file roles/nobody.yaml
    hosts: []
      roles/triage.yaml:21:13: the credential "github-triage" may not go to api.github.com; the catalogue lets it go to nowhere
      roles/triage.yaml:32:13: the credential "github-triage" may not go to api.github.com; the catalogue lets it go to nowhere
    hosts: [github.com, api.github.com:8443]
      roles/triage.yaml:21:13: the credential "github-triage" may not go to api.github.com; the catalogue lets it go to github.com, api.github.com:8443
      roles/triage.yaml:32:13: the credential "github-triage" may not go to api.github.com; the catalogue lets it go to github.com, api.github.com:8443
      warning: credentials.yaml:5:1: no rule uses the credential "github-triage" at api.github.com:8443; take the host away if nobody needs it
      warning: credentials.yaml:5:1: no rule uses the credential "github-triage" at github.com; take the host away if nobody needs it
    hosts: ['*.github.com']
      nothing
    hosts: ['*.com']
      credentials.yaml:9:11: "*.com" is wider than one party's names; write the hosts, or a wildcard under a registered name like *.example.com
    github-other:

      roles/triage.yaml:26:17: no credential is called "github-triage"; name one of the catalogue, or write none for a call without one
      roles/triage.yaml:35:17: no credential is called "github-triage"; name one of the catalogue, or write none for a call without one
      warning: credentials.yaml:5:1: no rule names the credential "github-other"; take it away if nobody needs it
    none:

      credentials.yaml:5:1: a credential cannot be called "none"; choose a name: rules write none for no credential
      roles/triage.yaml:26:17: no credential is called "github-triage"; name one of the catalogue, or write none for a call without one
      roles/triage.yaml:35:17: no credential is called "github-triage"; name one of the catalogue, or write none for a call without one
      warning: credentials.yaml:5:1: no rule names the credential "none"; take it away if nobody needs it
    GitHub:

      credentials.yaml:5:1: "GitHub" is no name; a name has up to 64 of a-z, 0-9 and inner hyphens
      roles/triage.yaml:26:17: no credential is called "github-triage"; name one of the catalogue, or write none for a call without one
      roles/triage.yaml:35:17: no credential is called "github-triage"; name one of the catalogue, or write none for a call without one
      warning: credentials.yaml:5:1: no rule names the credential "GitHub"; take it away if nobody needs it
    "#);
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
    insta::assert_snapshot!(said_of_each("roles/triage.yaml", &changes), @r#"
    paths: ["/repos/acme/*/issues/*/labels"]
        credential: none
      nothing
    paths: ["/repos/acme/*/issues/*/labels"]
        credential: null
      roles/triage.yaml:35:17: the value is missing; write one, or take the key away if it is optional
    paths: ["/repos/acme/*/issues/*/labels"]
        credential: other
      roles/triage.yaml:35:17: no credential is called "other"; name one of the catalogue, or write none for a call without one
    paths: ["/repos/acme/*/issues/*/labels"]
        credential: [none]
      roles/triage.yaml:35:17: a list stands here; text is needed
    paths: ["/repos/acme/*/issues/*/labels"]
        safe_post: false
      roles/triage.yaml:30:5: the key "credential" is missing; it is mandatory
    "#);
    let wider = (
        "hosts: [api.github.com]\n    methods: [POST]",
        "hosts: [api.github.com, uploads.github.com, '*.github.com']\n    methods: [POST]",
    );
    insta::assert_snapshot!(said_of_each("roles/triage.yaml", &[wider]), @r#"
    hosts: [api.github.com, uploads.github.com, '*.github.com']
        methods: [POST]
      roles/triage.yaml:32:29: the credential "github-triage" may not go to uploads.github.com; the catalogue lets it go to api.github.com
      roles/triage.yaml:32:49: the credential "github-triage" may not go to *.github.com; the catalogue lets it go to api.github.com
    "#);
}

#[test]
fn a_rule_cannot_list_the_credentials_own_place() {
    let placed = |place: &str, keys: &str| {
        Example::new()
            .with(
                "credentials.yaml",
                "place: {header: Authorization, value: \"Bearer {token}\"}",
                &format!("place: {place}"),
            )
            .with(
                "roles/triage.yaml",
                "    limit: {rate: 60/min, burst: 10, in_flight: 8}",
                &format!("    {keys}"),
            )
            .said()
    };
    let query = "{query: {name: app_id}}";
    let header = "{header: X-Vendor-Pass, value: \"{token}\"}";
    insta::assert_snapshot!(placed(query, "query: [page, appId, app_id]"), @r#"
    roles/triage.yaml:28:19: the credential "github-triage" goes into "appId"; take it out of the list: the agent's own never goes there
    roles/triage.yaml:28:26: the credential "github-triage" goes into "app_id"; take it out of the list: the agent's own never goes there
    "#);
    insta::assert_snapshot!(placed(header, "headers: [if-match, x-vendor-pass]"), @r#"roles/triage.yaml:28:25: the credential "github-triage" goes into "x-vendor-pass"; take it out of the list: the agent's own never goes there"#);
    assert_eq!(placed(query, "headers: [app-id]"), "");
    assert_eq!(placed(header, "query: [x-vendor-pass]"), "");
}

#[test]
fn a_second_role_cannot_help_itself() {
    let other = "purpose: p\nowner: o\nsponsor: s\nreview_by: 2027-01-01\nidentities: [spiffe://example.org/o]\n\
        limit: {rate: 1/s}\nrules:\n- {name: r, verb: read, hosts: [api.github.com], methods: [GET], paths: [/a], \
        credential: github-triage}\n";
    insta::assert_snapshot!(Example::new().file("roles/other.yaml", other).said(), @r#"roles/other.yaml:8:91: the credential "github-triage" is not for the role "other"; the platform team adds the role to its entry in the catalogue"#);
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
    ]), @r#"
    file: /run/secrets/github-triage
      nothing
    vault: {kv2: secret, path: github/triage, field: token}
      file: token
      credentials.yaml:7:3: this credential has two sources; keep vault or file
    env: GITHUB_TOKEN
      credentials.yaml:7:3: this credential has no source; write vault: {kv2, path, field} or file: a path
      credentials.yaml:11:3: unknown key "env"; the keys here are roles, hosts, max_ttl, vault, file, place, allow_static
    vault: {kv2: secret, path: /github, field: token}
      credentials.yaml:11:30: "/github" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    vault: {kv2: secret, path: github/../root, field: token}
      credentials.yaml:11:30: "github/../root" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    vault: {kv2: 'secret?x', path: github, field: ''}
      credentials.yaml:11:16: "secret?x" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
      credentials.yaml:11:49: this text is empty; write one
    vault: {kv2: secret, path: github}
      credentials.yaml:11:10: the key "field" is missing; it is mandatory
    file:
      credentials.yaml:11:3: the value is missing; write one, or take the key away if it is optional
    "#);
}

#[test]
fn a_credential_from_vault_needs_a_vault_server() {
    let config = fs::read_to_string(Example::new().path("tollgate.yaml"));
    let config = config.expect("the example");
    let (before, vault) = config.split_once("vault:\n").expect("the key vault");
    let (_, after) = vault.split_once("approle").expect("its last key");
    let (_, after) = after.split_once('\n').expect("its end");
    let example = Example::new().file("tollgate.yaml", &format!("{before}{after}"));
    insta::assert_snapshot!(example.said(), @"credentials.yaml:11:10: this credential comes from Vault, and no Vault server is configured; write vault: {address, ca, approle} in tollgate.yaml");
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
        (place, "place: {header: X-Key}"),
        (place, "place: {}"),
    ]), @r#"
    place: {header: X-Api-Key, value: '{token}'}
      nothing
    place: {header: Host, value: '{token}'}
      credentials.yaml:35:19: the header "Host" belongs to the connection; a credential goes into a header of the request, like Authorization
    place: {header: Connection, value: '{token}'}
      credentials.yaml:35:19: the header "Connection" belongs to the connection; a credential goes into a header of the request, like Authorization
    place: {header: Content-Length, value: '{token}'}
      credentials.yaml:35:19: the header "Content-Length" belongs to the connection; a credential goes into a header of the request, like Authorization
    place: {header: transfer-encoding, value: '{token}'}
      credentials.yaml:35:19: the header "transfer-encoding" belongs to the connection; a credential goes into a header of the request, like Authorization
    place: {header: 'X Key', value: '{token}'}
      credentials.yaml:35:19: "X Key" is no name of a header; write one like Authorization
    place: {header: X-Key, value: ghp_pastedbymistake}
      credentials.yaml:35:33: this header value cannot be filled in; the value needs `{token}` where the secret goes
    place: {header: X-Key, value: '{token}{token}'}
      credentials.yaml:35:33: this header value cannot be filled in; the value may have only one place like `{token}`
    place: {header: X-Key, value: '{user}:{token}'}
      credentials.yaml:35:33: this header value cannot be filled in; the value may have no braces other than those of `{token}`
    place: {header: X-Key, value: {token}}
      credentials.yaml:35:33: a mapping stands here; text is needed
    place: {query: key, value: '{token}'}
      credentials.yaml:35:18: "key" stands here; a mapping like {key: value} is needed
    place: {header: X-Key}
      credentials.yaml:35:10: a header and its value are written together; write header: Authorization, value: "Bearer {token}"
    place: {}
      credentials.yaml:35:10: the credential goes nowhere; write header and value, basic: {user, password}, query: {name}, or client_certificate in place of it all
    "#);
}

#[test]
fn places_other_than_a_header() {
    let place = "place: {header: Authorization, value: \"Bearer {token}\"}";
    insta::assert_snapshot!(said_of(&[
        (place, "place: {basic: {user: x-access-token, password: '{token}'}}"),
        (place, "place: {basic: {user: '{token}', password: ''}}"),
        (place, "place: {basic: {user: '{token}'}}"),
        (place, "place: {basic: {password: '{token}'}}"),
        (place, "place: {basic: {user: alice, password: hunter2}}"),
        (place, "place: {basic: {user: '{token}', password: '{token}'}}"),
        (place, "place: {basic: {user: 'a:b', password: '{token}'}}"),
        (place, "place: {basic: {name: alice, password: '{token}'}}"),
        (place, "place: {query: {name: api_key}}"),
        (place, "place: {query: {name: 'key[]'}}"),
        (place, "place: {query: {name: ''}}"),
        (place, "place: {query: {}}"),
        (place, "place: {query: {name: key, value: '{token}'}}"),
        (place, "place: {query: {name: key}, basic: {user: '{token}'}}"),
    ]), @r#"
    place: {basic: {user: x-access-token, password: '{token}'}}
      nothing
    place: {basic: {user: '{token}', password: ''}}
      nothing
    place: {basic: {user: '{token}'}}
      nothing
    place: {basic: {password: '{token}'}}
      nothing
    place: {basic: {user: alice, password: hunter2}}
      credentials.yaml:35:18: these Basic credentials cannot be filled in; the user or the password is to be `{token}`, or both `{username}` and `{password}`
    place: {basic: {user: '{token}', password: '{token}'}}
      credentials.yaml:35:18: these Basic credentials cannot be filled in; user and password may not be the same secret
    place: {basic: {user: 'a:b', password: '{token}'}}
      credentials.yaml:35:18: these Basic credentials cannot be filled in; a user may have no colon (RFC 7617)
    place: {basic: {name: alice, password: '{token}'}}
      credentials.yaml:35:19: unknown key "name"; the keys here are user, password
    place: {query: {name: api_key}}
      nothing
    place: {query: {name: 'key[]'}}
      credentials.yaml:35:25: "key[]" is no name of a parameter; a parameter has up to 64 of A-Z, a-z, 0-9 and - . _ ~, like api_key
    place: {query: {name: ''}}
      credentials.yaml:35:25: this text is empty; write one
    place: {query: {}}
      credentials.yaml:35:18: the key "name" is missing; it is mandatory
    place: {query: {name: key, value: '{token}'}}
      credentials.yaml:35:30: unknown key "value"; the keys here are name
    place: {query: {name: key}, basic: {user: '{token}'}}
      credentials.yaml:35:10: the credential goes to two places; keep header and value, basic or query
    "#);
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
    ]), @r#"
    max_ttl: forever
      credentials.yaml:47:12: "forever" is no duration; write it like 30s, 10m or 1h, up to 8784h
    # max_ttl: 1h
      credentials.yaml:7:3: the key "max_ttl" is missing; it is mandatory
      # {
      credentials.yaml:7:3: the value of this credential does not end by itself; write who answers for it: allow_static: {owner, rotate_by}
    rotate_by: 2026-11-21
      warning: credentials.yaml:49:61: this credential was to be replaced by 2026-11-21; replace the value and move the date
    rotate_by: soon
      credentials.yaml:49:61: "soon" is no date; write a day that exists as year-month-day, like 2027-04-30

      credentials.yaml:49:17: the key "owner" is missing; it is mandatory
    "#);
}

#[test]
fn a_credential_that_nobody_uses_is_worth_a_look() {
    let text = fs::read_to_string(Example::new().path("credentials.yaml")).expect("the example");
    let second = text.replace("github-triage:\n", "unused:\n");
    let example = Example::new().file("credentials.yaml", &format!("{text}{second}"));
    insta::assert_snapshot!(example.said(), @r#"warning: credentials.yaml:54:1: no rule names the credential "unused"; take it away if nobody needs it"#);
    assert!(
        Example::new()
            .file("credentials.yaml", "# none\n")
            .said()
            .contains("no credential is called")
    );
}
