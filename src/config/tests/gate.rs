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
    let example = Example::new().file("tollgate.yaml", mandatory).with(
        "credentials.yaml",
        "vault: {kv2: secret, path: github/triage, field: token}",
        "file: token",
    );
    let gate = example.without("revoked").settings().gate;
    insta::assert_debug_snapshot!((&gate.upstream, &gate.vault, &gate.events), @r#"
    (
        Upstream {
            roots: [
                System,
            ],
            dns: System,
            pins: {},
            roots_of: {},
            proxy: None,
        },
        None,
        Events {
            stdout: true,
            file: None,
            intent: Writes,
        },
    )
    "#);
    insta::assert_compact_debug_snapshot!((gate.attempts, gate.connections_max, gate.drain), @"(Rate { calls: 6000, per: 60s }, 4096, 600s)");
    assert_eq!(gate.exceptions, []);
}

#[test]
fn the_mandatory_keys_are_missed() {
    insta::assert_snapshot!(Example::new().file("tollgate.yaml", "{}").said(), @r#"
    credentials.yaml:11:10: this credential comes from Vault, and no Vault server is configured; write vault: {address, ca, approle} in tollgate.yaml
    tollgate.yaml:1:1: the key "certificate" is missing; it is mandatory
    tollgate.yaml:1:1: the key "interception" is missing; it is mandatory
    tollgate.yaml:1:1: the key "listen" is missing; it is mandatory
    tollgate.yaml:1:1: the key "trust_domains" is missing; it is mandatory
    "#);
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
    ]), @r#"
    listen: localhost:8443
      tollgate.yaml:5:9: "localhost:8443" is no address with a port; write it like 127.0.0.1:8443 or [::1]:8443
    listen: 8443
      tollgate.yaml:5:9: "8443" is no address with a port; write it like 127.0.0.1:8443 or [::1]:8443
    listen: 127.0.0.1
      tollgate.yaml:5:9: "127.0.0.1" is no address with a port; write it like 127.0.0.1:8443 or [::1]:8443
    certificate: {chain: pki/gate.crt}
      tollgate.yaml:8:14: the key "key" is missing; it is mandatory
    certificate: {cert: a, key: b}
      tollgate.yaml:8:14: the key "chain" is missing; it is mandatory
      tollgate.yaml:8:15: unknown key "cert"; the keys here are chain, key
    certificate: {chain: , key: b}
      tollgate.yaml:8:15: the value is missing; write one, or take the key away if it is optional
    {chain: a, key: b}
      tollgate.yaml:16:15: the key "ca" is missing; it is mandatory
      tollgate.yaml:16:16: unknown key "chain"; the keys here are ca, key
    pki
      tollgate.yaml:16:15: "pki" stands here; a mapping like {key: value} is needed
    "#);
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
    ]), @r#"
    {}
    tollgate.yaml:12:3: no trust domain is named; name one at least: without it no agent is known
    example.org: pki/agents-ca.crt
    tollgate.yaml:12:16: "pki/agents-ca.crt" stands here; a mapping like {key: value} is needed
    Example.org: {bundle: a}
    tollgate.yaml:12:3: "Example.org" is no trust domain; a trust domain is 1 to 255 lower-case letters, digits, dots, hyphens and underscores
    spiffe://example.org: {bundle: a}
    tollgate.yaml:12:3: "spiffe://example.org" is no trust domain; a trust domain is 1 to 255 lower-case letters, digits, dots, hyphens and underscores
    other.test: {bundle: a}
    roles/triage.yaml:11:14: the trust domain "example.org" is not configured; tollgate.yaml names other.test
    example.org: {bundle: a}
    example.org: {bundle: b}
    tollgate.yaml:13:3: the key "example.org" stands here a second time; the first is in line 12; keep one
    "#);
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
    ]), @r#"
    roots: []
      tollgate.yaml:20:10: this list is empty; name one at least
    roots: system
      tollgate.yaml:20:10: "system" stands here; a list like [a, b] is needed
    roots: [system, pki/partner.crt]
      nothing
    dns: [192.0.2.53:53, '[2001:db8::53]:53'] 
      nothing
    dns: 192.0.2.53:53 
      tollgate.yaml:21:8: "192.0.2.53:53" is no way to resolve names; write system, or a list of servers like [192.0.2.53:53]
    dns: [192.0.2.53] 
      tollgate.yaml:21:9: "192.0.2.53" is no address with a port; write it like 127.0.0.1:8443 or [::1]:8443
    dns: [] 
      tollgate.yaml:21:8: this list is empty; name one at least
    pins: {api.example.com: 203.0.113.7, b.example.com: [203.0.113.8, '2001:db8::1']}
      nothing
    pins: {API.example.com: 203.0.113.7}
      tollgate.yaml:22:10: "API.example.com" is no host in canonical form; its canonical form is api.example.com
    pins: {'*.example.com': 203.0.113.7}
      tollgate.yaml:22:10: "*.example.com" is no host in canonical form; the host has a character other than letters, digits, hyphens and dots
    pins: {api.example.com:443: 203.0.113.7}
      tollgate.yaml:22:10: "api.example.com:443" is no host in canonical form; the host has a character other than letters, digits, hyphens and dots
    pins: {api.example.com: other.example.com}
      tollgate.yaml:22:27: "other.example.com" is no address; write an IPv4 or IPv6 address
    pins: {api.example.com: []}
      tollgate.yaml:22:27: this list is empty; name one at least
    root: [system]
      tollgate.yaml:20:3: unknown key "root"; did you mean "roots"?
    "#);
}

#[test]
fn roots_of_a_host_and_a_proxy() {
    let proxy = |rest: &str| format!("proxy: {{{rest}}}");
    let proxies = [
        "address: 'http://proxy.example.org:3128'",
        "address: 'https://[2001:db8::1]:3129', roots: [system, pki/p.crt], except: [near.example.org, '*.example.org:8443']",
        "address: 'http://proxy.example.org:3128', login: {user: gate, password: proxy-password}",
        "address: 'http://proxy.example.org:3128', resolve: proxy",
        "address: proxy.example.org:3128",
        "address: 'http://proxy.example.org'",
        "address: 'http://user:word@proxy.example.org:3128'",
        "address: 'http://proxy.example.org:3128', roots: [system]",
        "address: 'https://proxy.example.org:3128', login: {user: 'a:b', password: p}",
        "address: 'https://proxy.example.org:3128', login: {user: gate}",
        "address: 'http://proxy.example.org:3128', resolve: dns, except: [UP.example.org]",
        "host: proxy.example.org",
    ];
    let proxies = proxies.map(proxy);
    let proxies = proxies.each_ref().map(|to| ("pins: {}", &**to));
    let hosts = [
        "hosts: {api.example.com: {roots: [pki/p.crt]}}",
        "hosts: {api.example.com: {roots: []}}",
        "hosts: {'*.example.com': {}}",
    ];
    let hosts = hosts.map(|to| ("pins: {}", to));
    insta::assert_snapshot!(said_of(&[&proxies[..], &hosts[..]].concat()), @r#"
    proxy: {address: 'http://proxy.example.org:3128'}
      nothing
    proxy: {address: 'https://[2001:db8::1]:3129', roots: [system, pki/p.crt], except: [near.example.org, '*.example.org:8443']}
      nothing
    proxy: {address: 'http://proxy.example.org:3128', login: {user: gate, password: proxy-password}}
      warning: tollgate.yaml:22:10: the login goes to the proxy without TLS; whoever is on the way can read the password: https:// where the proxy takes it
    proxy: {address: 'http://proxy.example.org:3128', resolve: proxy}
      warning: tollgate.yaml:22:62: the proxy resolves names, and nobody checks the addresses; a name that a rule allows may lead inside your network, unless the proxy itself forbids it
    proxy: {address: proxy.example.org:3128}
      tollgate.yaml:22:20: this is no address of a proxy; write it like http://proxy.example.org:3128, or https:// if it speaks TLS; a login stands beside it
    proxy: {address: 'http://proxy.example.org'}
      tollgate.yaml:22:20: this is no address of a proxy; write it like http://proxy.example.org:3128, or https:// if it speaks TLS; a login stands beside it
    proxy: {address: 'http://user:word@proxy.example.org:3128'}
      tollgate.yaml:22:20: this is no address of a proxy; write it like http://proxy.example.org:3128, or https:// if it speaks TLS; a login stands beside it
    proxy: {address: 'http://proxy.example.org:3128', roots: [system]}
      tollgate.yaml:22:10: roots are named for a proxy without TLS; write https:// in its address, or take roots away
    proxy: {address: 'https://proxy.example.org:3128', login: {user: 'a:b', password: p}}
      tollgate.yaml:22:68: "a:b" is no user; a user has printable ASCII without colons and braces
    proxy: {address: 'https://proxy.example.org:3128', login: {user: gate}}
      tollgate.yaml:22:61: the key "password" is missing; it is mandatory
    proxy: {address: 'http://proxy.example.org:3128', resolve: dns, except: [UP.example.org]}
      tollgate.yaml:22:62: "dns" is not known here; it is one of gate, proxy
      tollgate.yaml:22:76: "UP.example.org" is no host in canonical form; its canonical form is up.example.org
    proxy: {host: proxy.example.org}
      tollgate.yaml:22:10: the key "address" is missing; it is mandatory
      tollgate.yaml:22:11: unknown key "host"; the keys here are address, roots, login, except, resolve
    hosts: {api.example.com: {roots: [pki/p.crt]}}
      nothing
    hosts: {api.example.com: {roots: []}}
      tollgate.yaml:22:36: this list is empty; name one at least
    hosts: {'*.example.com': {}}
      tollgate.yaml:22:11: "*.example.com" is no host in canonical form; the host has a character other than letters, digits, hyphens and dots
      tollgate.yaml:22:28: the key "roots" is missing; it is mandatory
    "#);
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
    ]), @r#"
    address: http://vault.example.org:8200
      tollgate.yaml:31:12: "http://vault.example.org:8200" is no address of a Vault server; write it like https://vault.example.org:8200, without a path
    address: https://user@vault.example.org
      tollgate.yaml:31:12: "https://user@vault.example.org" is no address of a Vault server; write it like https://vault.example.org:8200, without a path
    address: https://vault.example.org/v1
      tollgate.yaml:31:12: "https://vault.example.org/v1" is no address of a Vault server; write it like https://vault.example.org:8200, without a path
    address: https://vault.example.org/
      nothing
      namespace: team/a

      tollgate.yaml:31:3: the key "ca" is missing; it is mandatory
      ca: pki/vault-ca.crt
      namespace: /team

      tollgate.yaml:33:14: "/team" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
      ca: pki/vault-ca.crt
      token: hvs.secret

      tollgate.yaml:33:3: unknown key "token"; the keys here are address, ca, server_name, client_certificate, redirects, namespace, login_namespace, per_role, revoke_on_exit, state, approle, token_file, certificate_login, kubernetes, jwt
    mount: ../approle}
      tollgate.yaml:33:12: the key "secret_id" is missing; it is mandatory
      tollgate.yaml:33:44: "../approle" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    "#);
}

/// What is said when this stands in place of the example's login.
fn said_of_logins<const N: usize>(logins: [&str; N]) -> String {
    let logins = logins.map(|login| format!("  {login}\n"));
    let approle = "  approle: {role_id: vault/role-id, secret_id: vault/secret-id}\n";
    said_of(&logins.each_ref().map(|to| (approle, &**to)))
}

#[test]
fn logins_at_vault() {
    insta::assert_snapshot!(said_of_logins([
        "token_file: vault/token",
        "certificate_login: {}\n  client_certificate: {chain: a, key: b}",
        "certificate_login: {role: gate, mount: tls}\n  client_certificate: {chain: a, key: b}",
        "kubernetes: {role: gate}",
        "jwt: {role: gate, token_file: vault/jwt, mount: oidc/team}",
        "approle: {role_id: a, wrapped_secret_id: b, role: gate}\n  revoke_on_exit: false",
        "token_file: a\n  server_name: vault.example.org\n  redirects: ['https://vault-2.example.org:8200']\n  namespace: a/b\n  login_namespace: root\n  state: tokens",
    ]), @r#"
    token_file: vault/token

    nothing
    certificate_login: {}
    client_certificate: {chain: a, key: b}

    nothing
    certificate_login: {role: gate, mount: tls}
    client_certificate: {chain: a, key: b}

    nothing
    kubernetes: {role: gate}

    nothing
    jwt: {role: gate, token_file: vault/jwt, mount: oidc/team}

    nothing
    approle: {role_id: a, wrapped_secret_id: b, role: gate}
    revoke_on_exit: false

    nothing
    token_file: a
    server_name: vault.example.org
    redirects: ['https://vault-2.example.org:8200']
    namespace: a/b
    login_namespace: root
    state: tokens

    nothing
    "#);
}

#[test]
fn wrong_logins_at_vault() {
    insta::assert_snapshot!(said_of_logins([
        "namespace: a",
        "token_file: a\n  jwt: {role: gate, token_file: b}",
        "certificate_login: {role: gate}",
        "kubernetes: {}",
        "jwt: {role: gate, file: b}",
        "approle: {role_id: a, secret_id: b, wrapped_secret_id: c, role: gate}",
        "approle: {role_id: a, wrapped_secret_id: c}",
        "approle: {role_id: a, secret_id: b, role: gate}",
        "token_file: a\n  server_name: 10.0.0.1\n  redirects: ['http://vault-2.example.org']\n  revoke_on_exit: no",
        "token_files: a",
        "token_file: a\n  per_role: {token_role: agents, entity_alias: 'tollgate-{role}'}",
        "token_file: a\n  per_role: {token_role: ../x, entity_alias: tollgate}",
        "token_file: a\n  state: [tokens]",
        "token_file: a\n  state: ''",
    ]), @r#"
    namespace: a

    tollgate.yaml:31:3: no login is named; write one of approle, token_file, certificate_login, kubernetes, jwt
    token_file: a
    jwt: {role: gate, token_file: b}

    tollgate.yaml:31:3: two logins stand here: token_file and jwt; keep one
    certificate_login: {role: gate}

    tollgate.yaml:31:3: a login by certificate, and no certificate is shown; write client_certificate: {chain, key} beside it
    kubernetes: {}

    tollgate.yaml:33:15: the key "role" is missing; it is mandatory
    jwt: {role: gate, file: b}

    tollgate.yaml:33:8: the key "token_file" is missing; it is mandatory
    tollgate.yaml:33:21: unknown key "file"; did you mean "role"?
    approle: {role_id: a, secret_id: b, wrapped_secret_id: c, role: gate}

    tollgate.yaml:33:12: the secret id stands here twice: plain and wrapped; keep secret_id or wrapped_secret_id
    approle: {role_id: a, wrapped_secret_id: c}

    tollgate.yaml:33:12: the key "role" is missing; it is mandatory
    approle: {role_id: a, secret_id: b, role: gate}

    tollgate.yaml:33:39: unknown key "role"; the keys here are role_id, secret_id, wrapped_secret_id, mount
    token_file: a
    server_name: 10.0.0.1
    redirects: ['http://vault-2.example.org']
    revoke_on_exit: no

    tollgate.yaml:34:16: "10.0.0.1" is no name of a server; write the DNS name that its certificate has, like vault.example.org
    tollgate.yaml:35:15: "http://vault-2.example.org" is no address of a Vault server; write it like https://vault.example.org:8200, without a path
    tollgate.yaml:36:19: "no" is no truth value; write true or false, without quotes
    token_files: a

    tollgate.yaml:31:3: no login is named; write one of approle, token_file, certificate_login, kubernetes, jwt
    tollgate.yaml:33:3: unknown key "token_files"; did you mean "token_file"?
    token_file: a
    per_role: {token_role: agents, entity_alias: 'tollgate-{role}'}

    nothing
    token_file: a
    per_role: {token_role: ../x, entity_alias: tollgate}

    tollgate.yaml:34:26: "../x" is no path in Vault; write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them
    tollgate.yaml:34:46: "tollgate" is no alias for each role; write it like tollgate-{role}, with {role} where the name of the role goes
    token_file: a
    state: [tokens]

    tollgate.yaml:34:10: a list stands here; text is needed
    token_file: a
    state: ''

    tollgate.yaml:34:10: this text is empty; write one
    "#);
}

#[test]
fn a_login_at_vault_as_the_client_is_told_of_it() {
    let of = |to: &str| {
        let from = "approle: {role_id: vault/role-id, secret_id: vault/secret-id}";
        let example = Example::new().with("tollgate.yaml", from, to);
        let vault = example.settings().gate.vault.expect("it has one");
        let directory = format!("{}/", example.directory.path().display());
        let files: Vec<String> = vault
            .files()
            .map(|file| file.display().to_string())
            .collect();
        let told = format!("{:?} {:?} {files:?}", vault.login, vault.login_namespace);
        told.replace(&directory, "")
    };
    insta::assert_snapshot!(of("kubernetes: {role: gate}\n  namespace: team"), @r#"Jwt { role: "gate", token_file: "/var/run/secrets/kubernetes.io/serviceaccount/token", mount: "kubernetes" } Some("team") ["pki/vault-ca.crt", "/var/run/secrets/kubernetes.io/serviceaccount/token"]"#);
    insta::assert_snapshot!(of("approle: {role_id: a, wrapped_secret_id: b, role: gate}"), @r#"AppRole { role_id: "a", secret_id: Wrapped { file: "b", role: "gate" }, mount: "approle" } None ["pki/vault-ca.crt", "a", "b"]"#);
    insta::assert_snapshot!(of("certificate_login: {}\n  client_certificate: {chain: a, key: b}"), @r#"Certificate { role: None, mount: "cert" } None ["pki/vault-ca.crt", "a", "b"]"#);
}

#[test]
fn admin_and_drain_delay() {
    insta::assert_snapshot!(said_of(&[
        ("admin: 127.0.0.1:9901", "admin: '[::1]:0'"),
        ("admin: 127.0.0.1:9901", "admin: unix:/run/tollgate/admin.sock"),
        ("admin: 127.0.0.1:9901", "admin: 0.0.0.0:9901"),
        ("admin: 127.0.0.1:9901", "admin: '[::]:9901'"),
        ("admin: 127.0.0.1:9901", "admin: 192.0.2.1:9901"),
        ("admin: 127.0.0.1:9901", "admin: localhost:9901"),
        ("admin: 127.0.0.1:9901", "admin: 'unix:'"),
        ("drain_delay: 5s", "drain_delay: 0s"),
        ("drain_delay: 5s", "drain_delay: 0"),
    ]), @r#"
    admin: '[::1]:0'
      nothing
    admin: unix:/run/tollgate/admin.sock
      nothing
    admin: 0.0.0.0:9901
      tollgate.yaml:82:8: "0.0.0.0:9901" is not on this machine alone; write a loopback address like 127.0.0.1:9901, or a socket like unix:/run/tollgate/admin.sock
    admin: '[::]:9901'
      tollgate.yaml:82:8: "[::]:9901" is not on this machine alone; write a loopback address like 127.0.0.1:9901, or a socket like unix:/run/tollgate/admin.sock
    admin: 192.0.2.1:9901
      tollgate.yaml:82:8: "192.0.2.1:9901" is not on this machine alone; write a loopback address like 127.0.0.1:9901, or a socket like unix:/run/tollgate/admin.sock
    admin: localhost:9901
      tollgate.yaml:82:8: "localhost:9901" is no address with a port; write it like 127.0.0.1:8443 or [::1]:8443
    admin: 'unix:'
      tollgate.yaml:82:8: "" is no path for a socket; name a file, in up to 80 bytes with its directory
    drain_delay: 0s
      nothing
    drain_delay: 0
      tollgate.yaml:86:14: "0" is no duration; write it like 30s, 10m or 1h, up to 8784h
    "#);
}

#[test]
fn the_delay_is_for_those_who_can_see_that_the_gate_is_not_ready() {
    let without = |example: Example| example.with("tollgate.yaml", "drain_delay: 5s", "");
    let gate = without(Example::new()).settings().gate;
    assert_eq!(gate.drain_delay.as_secs(), 5);
    let unseen = Example::new().with("tollgate.yaml", "admin: 127.0.0.1:9901", "");
    assert_eq!(without(unseen).settings().gate.drain_delay.as_secs(), 0);
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
    ]), @r#"
    {stdout: false}
      tollgate.yaml:50:9: events go nowhere; write stdout: true or a file: a call that cannot be recorded is not made
    {stdout: false, file: events.jsonl, intent: all}
      nothing
    {stdout: yes, file: , intent: none}
      tollgate.yaml:50:18: "yes" is no truth value; write true or false, without quotes
      tollgate.yaml:50:39: "none" is not known here; it is one of writes, all
    attempts: 6000 
      tollgate.yaml:53:11: "6000" is no rate; write it like 5/s, 600/min or 1000/h
    attempts: 0/min 
      tollgate.yaml:53:11: "0/min" is no rate; write it like 5/s, 600/min or 1000/h
    connections: 0 
      tollgate.yaml:54:14: "0" is no number from 1 to 1048576; write it in decimal digits, without quotes
    connections: 1048577 
      tollgate.yaml:54:14: "1048577" is no number from 1 to 1048576; write it in decimal digits, without quotes
    connections: '4096' 
      tollgate.yaml:54:14: "4096" is no number from 1 to 1048576; write it in decimal digits, without quotes
    drain: 10 
      tollgate.yaml:56:8: "10" is no duration; write it like 30s, 10m or 1h, up to 8784h
    "#);
}

#[test]
fn the_other_files() {
    insta::assert_snapshot!(said_of(&[
        ("credentials: credentials.yaml", "credentials: others.yaml"),
        ("\nroles: roles", "\nroles: nowhere"),
        ("revoked: revoked", "revoked: nowhere"),
        ("revoked: revoked", "# revoked: revoked"),
        ("revoked: revoked", "revoked: null"),
    ]), @r#"
    credentials: others.yaml
      others.yaml:1:1: cannot read this file: No such file or directory (os error 2); it must be there and readable

    roles: nowhere
      nowhere:1:1: cannot read this directory: No such file or directory (os error 2); it holds one manifest per role
    revoked: nowhere
      nowhere:1:1: cannot read this file: No such file or directory (os error 2); it must be there and readable
    # revoked: revoked
      nothing
    revoked: null
      tollgate.yaml:61:10: the value is missing; write one, or take the key away if it is optional
    "#);
}

#[test]
fn timeouts() {
    insta::assert_snapshot!(said_of(&[
        ("connect: 5s ", "connect: 5 "),
        ("request: 60s ", "request: 0s "),
        ("answer: 10m ", "first_byte: 10m "),
    ]), @r#"
    connect: 5 
      tollgate.yaml:76:12: "5" is no duration; write it like 30s, 10m or 1h, up to 8784h
    request: 0s 
      tollgate.yaml:77:12: "0s" is no duration; write it like 30s, 10m or 1h, up to 8784h
    first_byte: 10m 
      tollgate.yaml:78:3: unknown key "first_byte"; the keys here are connect, request, answer
    "#);
}
