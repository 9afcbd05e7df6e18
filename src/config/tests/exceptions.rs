//! The dangers that `tollgate.yaml` allows.

use super::*;

fn said_of(changes: &[(&str, &str)]) -> String {
    said_of_each("tollgate.yaml", changes)
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
        "tunnel: true, reason: r, until: 2027-01-31",
        "tunnel: false, reason: r, until: 2027-01-31",
        "tunnel: true, cleartext: true, reason: r, until: 2027-01-31",
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
    insta::assert_snapshot!(said_of(&changes), @r#"
    exceptions: [{role: triage, host: api.github.com, port: 443, addresses: [10.20.30.0/24], reason: r, until: 2027-01-31}]
      nothing
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: true, reason: r, until: 2026-11-22}]
      warning: roles/triage.yaml:26:17: "github-triage" never travels without TLS; an exception makes a host of this rule cleartext; its calls there are refused
      warning: roles/triage.yaml:35:17: "github-triage" never travels without TLS; an exception makes a host of this rule cleartext; its calls there are refused
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: true, reason: r, until: 2026-11-21}]
      warning: roles/triage.yaml:26:17: "github-triage" never travels without TLS; an exception makes a host of this rule cleartext; its calls there are refused
      warning: roles/triage.yaml:35:17: "github-triage" never travels without TLS; an exception makes a host of this rule cleartext; its calls there are refused
      warning: tollgate.yaml:72:97: this exception ended on 2026-11-21 and is not in force; take it away, or decide anew and move the date
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: true, addresses: [10.0.0.0/8], reason: r, until: 2027-01-31}]
      tollgate.yaml:72:14: this exception allows two dangers; write an exception for each, so that each has its reason and its end
    exceptions: [{role: triage, host: api.github.com, port: 443, tunnel: true, reason: r, until: 2027-01-31}]
      warning: tollgate.yaml:72:21: rules of the role "triage" name api.github.com:443; a tunnel there is not looked into, and they hold for other calls only
    exceptions: [{role: triage, host: api.github.com, port: 443, tunnel: false, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:70: tunnel: false allows nothing; write true, or take the key away
    exceptions: [{role: triage, host: api.github.com, port: 443, tunnel: true, cleartext: true, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:14: this exception allows two dangers; write an exception for each, so that each has its reason and its end
    exceptions: [{role: triage, host: api.github.com, port: 443, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:14: this exception allows nothing; write one danger: cleartext: true, addresses: [10.1.2.0/24], or tunnel: true
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: false, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:73: cleartext: false allows nothing; write true, or take the key away
    exceptions: [{role: triage, host: api.github.com, port: 443, addresses: [], reason: r, until: 2027-01-31}]
      tollgate.yaml:72:73: this list is empty; name one at least
    exceptions: [{role: triage, host: api.github.com, port: 443, addresses: [10.20.30.1/24], reason: r, until: 2027-01-31}]
      tollgate.yaml:72:74: "10.20.30.1/24" cannot be opened; the address is not the first of the block, in canonical form
    exceptions: [{role: triage, host: api.github.com, port: 443, addresses: [0.0.0.0/0], reason: r, until: 2027-01-31}]
      tollgate.yaml:72:74: "0.0.0.0/0" cannot be opened; it is wider than an IPv4 /8 or an IPv6 /32
    exceptions: [{role: triage, host: api.github.com, port: 443, addresses: [169.254.169.254/32], reason: r, until: 2027-01-31}]
      tollgate.yaml:72:74: "169.254.169.254/32" cannot be opened; it holds a metadata service, which no exception opens
    exceptions: [{role: triage, host: api.github.com, port: 443, addresses: 10.0.0.0/8, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:73: "10.0.0.0/8" stands here; a list like [a, b] is needed
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: true, reason: '', until: 2027-01-31}]
      tollgate.yaml:72:87: this text is empty; write one
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: true, until: 2027-01-31}]
      tollgate.yaml:72:14: the key "reason" is missing; it is mandatory
    exceptions: [{role: triage, host: api.github.com, port: 443, cleartext: true, reason: r}]
      tollgate.yaml:72:14: the key "until" is missing; it is mandatory
    exceptions: [{role: triage, host: api.github.com, port: 443, verify: false, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:14: this exception allows nothing; write one danger: cleartext: true, addresses: [10.1.2.0/24], or tunnel: true
      tollgate.yaml:72:62: unknown key "verify"; the keys here are role, host, port, cleartext, addresses, tunnel, reason, until
    "#);
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
    ]), @r#"
    exceptions: [{role: nobody, host: a.test, port: 443, cleartext: true, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:21: no role is called "nobody"; a role is a file roles/nobody.yaml
    exceptions: [{role: triage, host: '*.a.test', port: 443, cleartext: true, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:35: "*.a.test" is no host in canonical form; the host has a character other than letters, digits, hyphens and dots
    exceptions: [{role: triage, host: 10.0.0.1, port: 0, cleartext: true, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:51: "0" is no number from 1 to 65535; write it in decimal digits, without quotes
    exceptions: [{role: triage, host: a.test, port: 80, cleartext: true, reason: r, until: 2027-01-31}]
      warning: tollgate.yaml:72:21: no rule of the role "triage" names a.test:80; this exception opens nothing
    exceptions: [{cleartext: true, reason: r, until: 2027-01-31}]
      tollgate.yaml:72:14: the key "host" is missing; it is mandatory
      tollgate.yaml:72:14: the key "port" is missing; it is mandatory
      tollgate.yaml:72:14: the key "role" is missing; it is mandatory
    "#);
}

#[test]
fn a_rule_for_an_internal_address_needs_an_exception_that_opens_it() {
    let said = |danger: &str| {
        let exception = exception(&format!("{danger}, reason: r, until: 2027-01-31"));
        let exception = exception.replace("api.github.com", "10.0.0.1");
        Example::new()
            .with("tollgate.yaml", "exceptions: []", &exception)
            .with(
                "roles/triage.yaml",
                "rules:\n",
                "rules:\n  - {name: in, verb: read, hosts: [10.0.0.1], methods: [GET], paths: [/], credential: none}\n",
            )
            .said()
    };
    assert_eq!(said("addresses: [10.0.0.0/24]"), "");
    insta::assert_snapshot!(said("addresses: [10.0.1.0/24]"), @"warning: roles/triage.yaml:18:36: 10.0.0.1 is an address that no agent may reach (private); its calls are refused unless tollgate.yaml has an exception");
    insta::assert_snapshot!(said("cleartext: true"), @"warning: roles/triage.yaml:18:36: 10.0.0.1 is an address that no agent may reach (private); its calls are refused unless tollgate.yaml has an exception");
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
    insta::assert_compact_debug_snapshot!(exception.danger, @"Addresses([Network { first: 10.20.30.0, prefix_bits: 24 }])");
}
