//! The engines of Vault in the catalogue: what each is asked, and what goes wrong when that is written.

use super::*;
use crate::credential::vault::Engine;

/// What is said about the catalogue's entry with this source, this place and this `max_ttl`, and nobody who answers for
/// it.
fn said(source: &str, place: &str, max_ttl: &str) -> String {
    let entry = format!(
        "github-triage:\n  roles: [triage]\n  hosts: [api.github.com]\n  vault: {source}\n  place: {place}\n  max_ttl: {max_ttl}\n"
    );
    let said = Example::new().file("credentials.yaml", &entry).said();
    let said = if said.is_empty() { "nothing" } else { &said };
    format!("{source} {place}\n  {}", said.replace('\n', "\n  "))
}

const BEARER: &str = "{header: Authorization, value: 'Bearer {token}'}";
const LOGIN: &str = "{basic: {user: '{username}', password: '{password}'}}";
const CERTIFICATE: &str = "client_certificate";

fn said_of_each(cases: &[(&str, &str)]) -> String {
    let said = cases
        .iter()
        .map(|(source, place)| said(source, place, "1h"));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_engine_is_named_once_with_its_mount() {
    insta::assert_snapshot!(said_of_each(&[
        ("{rabbitmq: rabbitmq, role: reader}", LOGIN),
        ("{database: db, role: reader}", LOGIN),
        ("{database: db, static_role: reader}", LOGIN),
        ("{database: db, role: a, static_role: b}", LOGIN),
        ("{database: db}", LOGIN),
        ("{rabbitmq: '', role: ../x}", LOGIN),
        ("{rabbitmq: rabbitmq, static_role: reader}", LOGIN),
        ("{ssh: ssh, role: reader}", LOGIN),
        ("{pki: pki, transit: transit, role: reader}", LOGIN),
        ("{rabbitmq: rabbitmq, role: reader}", BEARER),
        ("{rabbitmq: rabbitmq, role: reader}", CERTIFICATE),
    ]), @r#"
    {rabbitmq: rabbitmq, role: reader} {basic: {user: '{username}', password: '{password}'}}
      nothing
    {database: db, role: reader} {basic: {user: '{username}', password: '{password}'}}
      nothing
    {database: db, static_role: reader} {basic: {user: '{username}', password: '{password}'}}
      nothing
    {database: db, role: a, static_role: b} {basic: {user: '{username}', password: '{password}'}}
      credentials.yaml:4:10: a login to a database is of one role; write role, for users that are made for the gate, or static_role, for one whose password changes
    {database: db} {basic: {user: '{username}', password: '{password}'}}
      credentials.yaml:4:10: a login to a database is of one role; write role, for users that are made for the gate, or static_role, for one whose password changes
    {rabbitmq: '', role: ../x} {basic: {user: '{username}', password: '{password}'}}
      credentials.yaml:4:21: this text is empty; write one
      credentials.yaml:4:31: "../x" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    {rabbitmq: rabbitmq, static_role: reader} {basic: {user: '{username}', password: '{password}'}}
      credentials.yaml:4:10: the key "role" is missing; it is mandatory
      credentials.yaml:4:31: unknown key "static_role"; the keys here are kv1, kv2, database, rabbitmq, pki, transit, identity_token, aws, azure, gcp, role
    {ssh: ssh, role: reader} {basic: {user: '{username}', password: '{password}'}}
      credentials.yaml:4:10: this credential names no engine of Vault; name one with its mount, like kv2: secret; the engines are kv1, kv2, database, rabbitmq, pki, transit, identity_token, aws, azure, gcp
      credentials.yaml:4:11: unknown key "ssh"; the keys here are kv1, kv2, database, rabbitmq, pki, transit, identity_token, aws, azure, gcp, path, field, role, static_role, common_name, ttl, key, jwt, sts_role, roleset, static_account, impersonated_account
    {pki: pki, transit: transit, role: reader} {basic: {user: '{username}', password: '{password}'}}
      credentials.yaml:4:10: this credential names two engines of Vault, "pki" and "transit"; keep one of them
    {rabbitmq: rabbitmq, role: reader} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:5:10: the source of this credential gives no {token}; what it gives is {username} and {password}
    {rabbitmq: rabbitmq, role: reader} client_certificate
      credentials.yaml:5:10: the source of this credential gives no client certificate; it gives {username} and {password}, which goes into a header, into basic or into the query
    "#);
}

#[test]
fn a_certificate_is_shown_and_put_into_no_request() {
    let role = "{pki: pki, role: gate, common_name: gate.example.org}";
    insta::assert_snapshot!(said_of_each(&[
        (role, CERTIFICATE),
        ("{pki: pki/clients, role: gate, common_name: Gate 7, ttl: 10m}", CERTIFICATE),
        (role, BEARER),
        (role, "{query: {name: key}}"),
        (role, "certificate"),
        ("{pki: pki}", CERTIFICATE),
        ("{pki: pki, role: a b, common_name: ' x'}", CERTIFICATE),
        ("{pki: pki, role: gate, common_name: gäte}", CERTIFICATE),
        ("{pki: pki, role: gate, common_name: gate, ttl: 2h}", CERTIFICATE),
        ("{pki: pki, role: gate, common_name: gate, ttl: 0s}", CERTIFICATE),
        ("{pki: pki, role: gate, common_name: gate, alt_names: a.test}", CERTIFICATE),
    ]), @r#"
    {pki: pki, role: gate, common_name: gate.example.org} client_certificate
      nothing
    {pki: pki/clients, role: gate, common_name: Gate 7, ttl: 10m} client_certificate
      nothing
    {pki: pki, role: gate, common_name: gate.example.org} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:5:10: the source of this credential gives no {token}; it gives a client certificate: write place: client_certificate
    {pki: pki, role: gate, common_name: gate.example.org} {query: {name: key}}
      credentials.yaml:5:10: the source of this credential gives no {token}; it gives a client certificate: write place: client_certificate
    {pki: pki, role: gate, common_name: gate.example.org} certificate
      credentials.yaml:5:10: this is no place for a credential; write client_certificate, or a mapping like {header: Authorization, value: "Bearer {token}"}
    {pki: pki} client_certificate
      credentials.yaml:4:10: the key "common_name" is missing; it is mandatory
      credentials.yaml:4:10: the key "role" is missing; it is mandatory
    {pki: pki, role: a b, common_name: ' x'} client_certificate
      credentials.yaml:4:27: "a b" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
      credentials.yaml:4:45: " x" is no name for a certificate; write up to 64 printable characters of ASCII, like gate.example.org
    {pki: pki, role: gate, common_name: gäte} client_certificate
      credentials.yaml:4:46: "gäte" is no name for a certificate; write up to 64 printable characters of ASCII, like gate.example.org
    {pki: pki, role: gate, common_name: gate, ttl: 2h} client_certificate
      credentials.yaml:4:57: this is longer than the max_ttl of the credential; shorten it: nothing lasts longer than it may be used
    {pki: pki, role: gate, common_name: gate, ttl: 0s} client_certificate
      credentials.yaml:4:57: "0s" is no duration; write it like 30s, 10m or 1h, up to 8784h
    {pki: pki, role: gate, common_name: gate, alt_names: a.test} client_certificate
      credentials.yaml:4:52: unknown key "alt_names"; the keys here are kv1, kv2, database, rabbitmq, pki, transit, identity_token, aws, azure, gcp, role, common_name, ttl
    "#);
}

#[test]
fn a_token_that_vault_signs_says_what_is_written_and_no_time() {
    let key = |jwt: &str| format!("{{transit: transit, key: app, jwt: {jwt}}}");
    let written = [
        "{claims: {iss: \"12345\", aud: api.example.org, v: 1, admin: false}, ttl: 9m}",
        "{claims: {}}",
        "{claims: {iss: a}, ttl: 9m, kid: key-1, algorithm: ES256}",
        "{claims: {iss: a, iat: 1, exp: 2, nbf: 3, jti: x}}",
        "{claims: {iss: 1.5, n: 0x10, sub: null, aud: [a, b], o: {p: q}}}",
        "{claims: {iss: a}, ttl: 2h}",
        "{claims: {iss: a}, ttl: 9min, algorithm: HS256, kid: 7}",
        "{claims: iss}",
        "{iss: a}",
    ];
    let said = written.map(|jwt| said(&key(jwt), BEARER, "1h"));
    insta::assert_snapshot!(said.join("\n"), @r#"
    {transit: transit, key: app, jwt: {claims: {iss: "12345", aud: api.example.org, v: 1, admin: false}, ttl: 9m}} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {transit: transit, key: app, jwt: {claims: {}}} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {transit: transit, key: app, jwt: {claims: {iss: a}, ttl: 9m, kid: key-1, algorithm: ES256}} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {transit: transit, key: app, jwt: {claims: {iss: a, iat: 1, exp: 2, nbf: 3, jti: x}}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:62: the claim "iat" is not written by hand; take it away: the gate says when each token was made and when it ends
      credentials.yaml:4:70: the claim "exp" is not written by hand; take it away: the gate says when each token was made and when it ends
      credentials.yaml:4:78: the claim "nbf" is not written by hand; take it away: the gate says when each token was made and when it ends
      credentials.yaml:4:86: the claim "jti" is not written by hand; take it away: the gate says when each token was made and when it ends
    {transit: transit, key: app, jwt: {claims: {iss: 1.5, n: 0x10, sub: null, aud: [a, b], o: {p: q}}}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:59: "1.5" is no whole number; write it in decimal digits, or in quotes if it is meant as text
      credentials.yaml:4:67: "0x10" is no whole number; write it in decimal digits, or in quotes if it is meant as text
      credentials.yaml:4:78: the value is missing; write one, or take the key away if it is optional
      credentials.yaml:4:89: a list stands here; text, a number, true or false is needed
      credentials.yaml:4:100: a mapping stands here; text, a number, true or false is needed
    {transit: transit, key: app, jwt: {claims: {iss: a}, ttl: 2h}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:68: this is longer than the max_ttl of the credential; shorten it: nothing lasts longer than it may be used
    {transit: transit, key: app, jwt: {claims: {iss: a}, ttl: 9min, algorithm: HS256, kid: 7}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:68: "9min" is no duration; write it like 30s, 10m or 1h, up to 8784h
      credentials.yaml:4:85: "HS256" is not known here; it is one of RS256, ES256
      credentials.yaml:4:97: "7" is no text; write it in quotes if it is meant as text
    {transit: transit, key: app, jwt: {claims: iss}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:53: "iss" stands here; a mapping like {key: value} is needed
    {transit: transit, key: app, jwt: {iss: a}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:44: the key "claims" is missing; it is mandatory
      credentials.yaml:4:45: unknown key "iss"; the keys here are claims, ttl, kid, algorithm
    "#);
    insta::assert_snapshot!(said_of_each(&[
        ("{transit: transit}", BEARER),
        ("{transit: transit, key: a/../b, jwt: {claims: {}}}", BEARER),
        ("{transit: transit, key: a, jwt: {claims: {}}}", CERTIFICATE),
    ]), @r#"
    {transit: transit} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:10: the key "jwt" is missing; it is mandatory
      credentials.yaml:4:10: the key "key" is missing; it is mandatory
    {transit: transit, key: a/../b, jwt: {claims: {}}} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:34: "a/../b" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    {transit: transit, key: a, jwt: {claims: {}}} client_certificate
      credentials.yaml:5:10: the source of this credential gives no client certificate; it gives {token}, which goes into a header, into basic or into the query
    "#);
}

#[test]
fn tokens_and_keys_of_other_parties() {
    insta::assert_snapshot!(said_of_each(&[
        ("{identity_token: api}", BEARER),
        ("{identity_token: api, role: b}", BEARER),
        ("{identity_token: 'a b'}", BEARER),
        ("{aws: aws, role: deploy}", "{basic: {user: '{access_key}', password: '{secret_key}'}}"),
        ("{aws: aws, sts_role: deploy}", "{header: X-Amz-Security-Token, value: '{session_token}'}"),
        ("{aws: aws, role: deploy}", "{header: X-Amz-Security-Token, value: '{session_token}'}"),
        ("{aws: aws, role: a, sts_role: b}", BEARER),
        ("{aws: aws}", BEARER),
        ("{azure: azure, role: app}", "{basic: {user: '{client_id}', password: '{client_secret}'}}"),
        ("{azure: azure}", BEARER),
        ("{gcp: gcp, roleset: reader}", BEARER),
        ("{gcp: gcp, static_account: reader}", BEARER),
        ("{gcp: gcp, impersonated_account: reader}", BEARER),
        ("{gcp: gcp, roleset: a, static_account: b}", BEARER),
        ("{gcp: gcp}", BEARER),
        ("{gcp: gcp, roleset: ..}", BEARER),
    ]), @r#"
    {identity_token: api} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {identity_token: api, role: b} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:32: unknown key "role"; the keys here are kv1, kv2, database, rabbitmq, pki, transit, identity_token, aws, azure, gcp
    {identity_token: 'a b'} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:27: "a b" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    {aws: aws, role: deploy} {basic: {user: '{access_key}', password: '{secret_key}'}}
      nothing
    {aws: aws, sts_role: deploy} {header: X-Amz-Security-Token, value: '{session_token}'}
      nothing
    {aws: aws, role: deploy} {header: X-Amz-Security-Token, value: '{session_token}'}
      credentials.yaml:5:10: the source of this credential gives no {session_token}; what it gives is {access_key} and {secret_key}
    {aws: aws, role: a, sts_role: b} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:10: keys to AWS are of one role; write role, for a user that is made for the gate, or sts_role, for a session
    {aws: aws} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:10: keys to AWS are of one role; write role, for a user that is made for the gate, or sts_role, for a session
    {azure: azure, role: app} {basic: {user: '{client_id}', password: '{client_secret}'}}
      nothing
    {azure: azure} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:10: the key "role" is missing; it is mandatory
    {gcp: gcp, roleset: reader} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {gcp: gcp, static_account: reader} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {gcp: gcp, impersonated_account: reader} {header: Authorization, value: 'Bearer {token}'}
      nothing
    {gcp: gcp, roleset: a, static_account: b} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:10: a token for Google Cloud is of one account; write one of roleset, static_account and impersonated_account
    {gcp: gcp} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:10: a token for Google Cloud is of one account; write one of roleset, static_account and impersonated_account
    {gcp: gcp, roleset: ..} {header: Authorization, value: 'Bearer {token}'}
      credentials.yaml:4:30: ".." is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    "#);
}

#[test]
fn nobody_answers_for_what_ends_by_itself() {
    let entry = "github-triage:\n  roles: [triage]\n  hosts: [api.github.com]\n  vault: {identity_token: api}\n  \
        place: {header: Authorization, value: 'Bearer {token}'}\n  max_ttl: 1h\n  \
        allow_static: {owner: o@example.com, rotate_by: 2027-01-31}\n";
    let example = Example::new().file("credentials.yaml", entry);
    insta::assert_snapshot!(example.said(), @"credentials.yaml:2:3: the values of this credential end by themselves; take allow_static away: nobody has to replace them");
}

#[test]
fn what_is_asked_lasts_as_long_as_it_may_be_used() {
    let entry = "github-triage:\n  roles: [triage]\n  hosts: [api.github.com]\n  max_ttl: 20m\n  \
        place: client_certificate\n  vault: {pki: pki, role: gate, common_name: gate}\n";
    let settings = Example::new().file("credentials.yaml", entry).settings();
    let source = &settings.credentials["github-triage"].source;
    let Source::Vault(Engine::Certificate(role)) = source else {
        panic!("it is a certificate: {source:?}");
    };
    assert_eq!(role.ttl, std::time::Duration::from_secs(20 * 60));
}

/// What a reader finds in the comments of the shipped catalogue can be written as it stands there.
#[test]
fn every_source_and_place_in_the_comments_of_the_shipped_catalogue_can_be_used() {
    let shipped = fs::read_to_string(Example::new().path("credentials.yaml")).unwrap();
    let commented = |key: &str| -> Vec<String> {
        let start = format!("# {key}: ");
        let lines = shipped.lines().map(str::trim_start);
        let values = lines.filter_map(|line| line.strip_prefix(&start));
        values.map(str::to_owned).collect()
    };
    let (sources, places) = (commented("vault"), commented("place"));
    assert_eq!((sources.len(), places.len()), (11, 4));
    for source in sources {
        let place = match &source {
            pki if pki.starts_with("{pki:") => CERTIFICATE,
            login if login.contains("database") || login.contains("rabbitmq") => LOGIN,
            keys if keys.starts_with("{aws:") => {
                "{basic: {user: '{access_key}', password: '{secret_key}'}}"
            }
            app if app.starts_with("{azure:") => {
                "{basic: {user: '{client_id}', password: '{client_secret}'}}"
            }
            _ => BEARER,
        };
        let said = said(&source, place, "1h");
        let stored = source.starts_with("{kv");
        assert!(stored != said.ends_with("\n  nothing"), "{said}");
    }
    for place in places.iter().filter(|place| *place != CERTIFICATE) {
        let said = said("{identity_token: api}", place, "1h");
        assert!(said.ends_with("\n  nothing"), "{said}");
    }
}
