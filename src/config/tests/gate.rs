//! `tollgate.yaml`, a table for each of its keys.

use super::*;

fn said_of(changes: &[(&str, &str)]) -> String {
    said_of_each("tollgate.yaml", changes)
}

#[test]
fn everything_but_the_mandatory_keys_has_a_default() {
    let mandatory = "\
listen: '[::1]:0'
certificate: {chain: a, key: b}
trust_domains: {example.org: {bundle: c}}
interception: {ca: d, key: e}
";
    let example = Example::new().file("tollgate.yaml", mandatory);
    let from_file = "    file: here\n";
    let example = example.with(
        "credentials.yaml",
        "  vault: {kv2: secret, path: github/triage, field: token}\n",
        from_file.trim_start_matches("  "),
    );
    let gate = example.without("revoked").settings().gate;
    insta::assert_debug_snapshot!((&gate.upstream, &gate.vault, &gate.events), @"");
    insta::assert_compact_debug_snapshot!((gate.attempts, gate.connections_max, gate.drain), @"");
    assert_eq!(gate.exceptions, []);
}

#[test]
fn the_mandatory_keys_are_missed() {
    insta::assert_snapshot!(Example::new().file("tollgate.yaml", "{}").said(), @"");
}

#[test]
fn listen_certificate_and_interception() {
    insta::assert_snapshot!(said_of(&[
        ("listen: 127.0.0.1:8443", "listen: localhost:8443"),
        ("listen: 127.0.0.1:8443", "listen: 8443"),
        ("listen: 127.0.0.1:8443", "listen: 127.0.0.1"),
        ("certificate: {chain: pki/gate.crt, key: pki/gate.key}", "certificate: {chain: pki/gate.crt}"),
        ("certificate: {chain: pki/gate.crt, key: pki/gate.key}", "certificate: {cert: a, key: b}"),
        ("certificate: {chain: pki/gate.crt, key: pki/gate.key}", "certificate: {chain: , key: b}"),
        ("{ca: pki/interception-ca.crt, key: pki/interception-ca.key}", "{chain: a, key: b}"),
        ("{ca: pki/interception-ca.crt, key: pki/interception-ca.key}", "pki"),
    ]), @"");
}

#[test]
fn trust_domains() {
    insta::assert_snapshot!(said_of(&[
        ("  example.org: {bundle: pki/agents-ca.crt}", "  {}"),
        ("  example.org: {bundle: pki/agents-ca.crt}", "  example.org: pki/agents-ca.crt"),
        ("  example.org: {bundle: pki/agents-ca.crt}", "  Example.org: {bundle: a}"),
        ("  example.org: {bundle: pki/agents-ca.crt}", "  spiffe://example.org: {bundle: a}"),
        ("  example.org: {bundle: pki/agents-ca.crt}", "  other.test: {bundle: a}"),
        ("  example.org: {bundle: pki/agents-ca.crt}", "  example.org: {bundle: a}\n  example.org: {bundle: b}"),
    ]), @"");
}

#[test]
fn upstream() {
    insta::assert_snapshot!(said_of(&[
        ("roots: [system]", "roots: []"),
        ("roots: [system]", "roots: system"),
        ("roots: [system]", "roots: [system, pki/partner.crt]"),
        ("dns: system ", "dns: [192.0.2.53:53, '[2001:db8::53]:53'] "),
        ("dns: system ", "dns: 192.0.2.53:53 "),
        ("dns: system ", "dns: [192.0.2.53] "),
        ("dns: system ", "dns: [] "),
        ("pins: {}", "pins: {api.example.com: 203.0.113.7, b.example.com: [203.0.113.8, '2001:db8::1']}"),
        ("pins: {}", "pins: {API.example.com: 203.0.113.7}"),
        ("pins: {}", "pins: {'*.example.com': 203.0.113.7}"),
        ("pins: {}", "pins: {api.example.com:443: 203.0.113.7}"),
        ("pins: {}", "pins: {api.example.com: other.example.com}"),
        ("pins: {}", "pins: {api.example.com: []}"),
        ("roots: [system]", "root: [system]"),
    ]), @"");
}

#[test]
fn vault() {
    insta::assert_snapshot!(said_of(&[
        ("address: https://vault.example.org:8200", "address: http://vault.example.org:8200"),
        ("address: https://vault.example.org:8200", "address: https://user@vault.example.org"),
        ("address: https://vault.example.org:8200", "address: https://vault.example.org/v1"),
        ("address: https://vault.example.org:8200", "address: https://vault.example.org/"),
        ("  ca: pki/vault-ca.crt\n", "  namespace: team/a\n"),
        ("  ca: pki/vault-ca.crt\n", "  ca: pki/vault-ca.crt\n  namespace: /team\n"),
        ("  ca: pki/vault-ca.crt\n", "  ca: pki/vault-ca.crt\n  token: hvs.secret\n"),
        ("secret_id: vault/secret-id}", "mount: ../approle}"),
    ]), @"");
}

#[test]
fn events_and_bounds() {
    insta::assert_snapshot!(said_of(&[
        ("{stdout: true, file: null, intent: writes}", "{stdout: false}"),
        ("{stdout: true, file: null, intent: writes}", "{stdout: false, file: events.jsonl, intent: all}"),
        ("{stdout: true, file: null, intent: writes}", "{stdout: yes, file: , intent: none}"),
        ("attempts: 6000/min ", "attempts: 6000 "),
        ("attempts: 6000/min ", "attempts: 0/min "),
        ("connections: 4096 ", "connections: 0 "),
        ("connections: 4096 ", "connections: 1048577 "),
        ("connections: 4096 ", "connections: '4096' "),
        ("drain: 10m ", "drain: 10 "),
    ]), @"");
}

#[test]
fn the_other_files() {
    insta::assert_snapshot!(said_of(&[
        ("credentials: credentials.yaml", "credentials: others.yaml"),
        ("\nroles: roles", "\nroles: nowhere"),
        ("revoked: revoked", "revoked: nowhere"),
        ("revoked: revoked", "# revoked: revoked"),
        ("revoked: revoked", "revoked: null"),
    ]), @"");
}

/// An exception of the example's role with these keys more.
fn exception(rest: &str) -> String {
    format!("exceptions: [{{role: triage, host: api.github.com, port: 443, {rest}}}]")
}

#[test]
fn exceptions() {
    let tables = [
        "addresses: [10.20.30.0/24], reason: r, until: 2027-01-31",
        "cleartext: true, reason: r, until: 2026-11-22",
        "cleartext: true, reason: r, until: 2026-11-21",
        "cleartext: true, addresses: [10.0.0.0/8], reason: r, until: 2027-01-31",
        "reason: r, until: 2027-01-31",
        "cleartext: false, reason: r, until: 2027-01-31",
        "addresses: [], reason: r, until: 2027-01-31",
        "addresses: [10.20.30.1/24], reason: r, until: 2027-01-31",
        "addresses: [0.0.0.0/0], reason: r, until: 2027-01-31",
        "addresses: [169.254.169.254/32], reason: r, until: 2027-01-31",
        "addresses: 10.0.0.0/8, reason: r, until: 2027-01-31",
        "cleartext: true, reason: '', until: 2027-01-31",
        "cleartext: true, until: 2027-01-31",
        "cleartext: true, reason: r",
        "verify: false, reason: r, until: 2027-01-31",
    ];
    let exceptions: Vec<String> = tables.iter().map(|rest| exception(rest)).collect();
    let changes: Vec<(&str, &str)> = exceptions
        .iter()
        .map(|to| ("exceptions: []", &**to))
        .collect();
    insta::assert_snapshot!(said_of(&changes), @"");
}

#[test]
fn exceptions_name_a_role_a_host_and_a_port() {
    let rest = "cleartext: true, reason: r, until: 2027-01-31";
    insta::assert_snapshot!(said_of(&[
        ("exceptions: []", &format!("exceptions: [{{role: nobody, host: a.test, port: 443, {rest}}}]")),
        ("exceptions: []", &format!("exceptions: [{{role: triage, host: '*.a.test', port: 443, {rest}}}]")),
        ("exceptions: []", &format!("exceptions: [{{role: triage, host: 10.0.0.1, port: 0, {rest}}}]")),
        ("exceptions: []", &format!("exceptions: [{{role: triage, host: a.test, port: 80, {rest}}}]")),
        ("exceptions: []", &format!("exceptions: [{{{rest}}}]")),
    ]), @"");
}

#[test]
fn an_exception_holds_through_its_last_day() {
    let example = Example::new().with(
        "tollgate.yaml",
        "exceptions: []",
        &exception("addresses: [10.20.30.0/24], reason: r, until: 2027-01-31"),
    );
    let gate = example.settings().gate;
    let [exception] = &gate.exceptions[..] else {
        panic!("one exception")
    };
    assert!(exception.in_force(date!(2027 - 01 - 31)));
    assert!(!exception.in_force(date!(2027 - 02 - 01)));
    insta::assert_compact_debug_snapshot!(exception.danger, @"");
}

#[test]
fn revoked() {
    let fingerprint = "AB:".repeat(31) + "ab";
    let text = format!(
        "# who\nspiffe://example.org/agent/triage # left\n\n  sha256:{fingerprint}\n{}\n",
        "cd".repeat(32)
    );
    let example = Example::new().file("revoked", &text);
    let revoked = example.settings().revoked;
    for entry in [
        "spiffe://example.org/agent/triage",
        &"ab".repeat(32),
        &"cd".repeat(32),
    ] {
        assert!(revoked.entries.contains(entry), "{entry}");
    }
    assert_eq!(revoked.entries.len(), 3);
    let wrong = "spiffe://example.org\nSPIFFE://example.org/a\n  sha256:ab\ntriage\nspiffe://example.org/a b\n";
    insta::assert_snapshot!(Example::new().file("revoked", wrong).said(), @"");
}

#[test]
fn revoked_is_read_again_apart_from_the_rest_and_without_its_broken_lines() {
    let example = Example::new();
    let file = example.settings().gate.revoked;
    let example = example
        .file("revoked", "spiffe://example.org/a\nwho?\n")
        .file("tollgate.yaml", "[");
    let (revoked, mistakes) = file.read().unwrap();
    assert!(revoked.entries.contains("spiffe://example.org/a"));
    assert_eq!(mistakes.map(|mistakes| mistakes.mistakes.len()), Some(1));
    example.without("revoked");
    assert!(file.read().is_err());
}
