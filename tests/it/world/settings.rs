//! The settings of a world's gate, written the way a platform team would write them.

use std::{fmt::Write, fs, path::Path};

use time::{Duration, OffsetDateTime};

use super::pki::{TRUST_DOMAIN, spiffe_id, write_private};

/// The catalogue of every world: name, host, where the secret goes.
pub(crate) const CATALOGUE: [(&str, &str, &str); 6] = [
    (
        "api-a",
        "api.a.test",
        r#"{header: Authorization, value: "Bearer {token}"}"#,
    ),
    (
        "api-b",
        "api.b.test",
        r#"{header: X-Api-Key, value: "{token}"}"#,
    ),
    (
        "api-c",
        "api.c.test",
        r#"{header: X-Vendor-Pass, value: "{token}"}"#,
    ),
    (
        "git",
        "git.test",
        r#"{basic: {user: x-access-token, password: "{token}"}}"#,
    ),
    (
        "payments",
        "payments.test",
        r#"{basic: {user: "{token}", password: ""}}"#,
    ),
    ("weather", "weather.test", "{query: {name: app_id}}"),
];

/// Where the upstreams of a world are; other loopback addresses stay forbidden.
pub(crate) const UPSTREAMS: &str = "127.0.0.0/28";

/// A role as a test says it: its rules, one in a line or after a semicolon, and what else is not usual.
///
/// A rule is `[deny] METHOD[,METHOD] host[:port]/path [with CREDENTIAL]`; a host without a port listens on the
/// port of the upstreams, and one of the catalogue gets its credential unless the rule says which.
#[derive(Clone)]
pub(crate) struct Role {
    rules: String,
    rate: String,
    rule_limit: Option<String>,
    cookies: bool,
    rule_keys: Vec<String>,
    review_by: String,
    identities: Option<Vec<String>>,
}

impl From<&str> for Role {
    fn from(rules: &str) -> Role {
        Role {
            rules: rules.to_owned(),
            rate: "6000/min".into(),
            rule_limit: None,
            cookies: false,
            rule_keys: Vec::new(),
            review_by: in_days(90),
            identities: None,
        }
    }
}

impl Role {
    pub(crate) fn rate(self, rate: &str) -> Role {
        Role {
            rate: rate.to_owned(),
            ..self
        }
    }

    /// The `limit` of every rule, as it stands in a manifest.
    pub(crate) fn rule_limit(self, limit: &str) -> Role {
        Role {
            rule_limit: Some(limit.to_owned()),
            ..self
        }
    }

    /// Every rule lets cookies cross.
    pub(crate) fn cookies(self) -> Role {
        Role {
            cookies: true,
            ..self
        }
    }

    /// One more key of every allow rule, as it stands in a manifest: `query: [page]`.
    pub(crate) fn rule_key(mut self, key: &str) -> Role {
        self.rule_keys.push(key.to_owned());
        self
    }

    pub(crate) fn review_by(self, date: &str) -> Role {
        Role {
            review_by: date.to_owned(),
            ..self
        }
    }

    /// Who plays the role, where it is not the agent of the same name.
    pub(crate) fn played_by(self, identities: &[&str]) -> Role {
        let identities = identities.iter().map(|id| (*id).to_owned()).collect();
        Role {
            identities: Some(identities),
            ..self
        }
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.rules
            .split([';', '\n'])
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(Rule::parse)
            .collect()
    }

    fn manifest(&self, name: &str, port: u16) -> String {
        let identities = self
            .identities
            .clone()
            .unwrap_or_else(|| vec![spiffe_id(name)]);
        let mut text = format!(
            "purpose: Shows what the gate does\nowner: owner@example.test\nsponsor: sponsor@example.test\n\
             review_by: {}\nidentities: [{}]\nlimit: {{rate: {}}}\nrules:\n",
            self.review_by,
            quoted(&identities),
            self.rate,
        );
        for (number, rule) in self.rules().iter().enumerate() {
            text += &rule.manifest(&format!("{name}-{}", number + 1), port);
            if let (Some(limit), false) = (&self.rule_limit, rule.deny) {
                writeln!(text, "    limit: {limit}").unwrap();
            }
            if self.cookies && !rule.deny {
                text += "    cookies: pass\n";
            }
            for key in self.rule_keys.iter().filter(|_| !rule.deny) {
                writeln!(text, "    {key}").unwrap();
            }
        }
        text
    }
}

/// One rule, taken apart.
pub(crate) struct Rule {
    pub(crate) deny: bool,
    methods: Vec<String>,
    pub(crate) host: String,
    port: Option<u16>,
    path: String,
    pub(crate) credential: Option<String>,
}

impl Rule {
    fn parse(text: &str) -> Rule {
        let (text, credential) = match text.split_once(" with ") {
            Some((text, credential)) => (text, Some(credential.to_owned())),
            None => (text, None),
        };
        let (deny, text) = match text.strip_prefix("deny ") {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (methods, target) = text.split_once(' ').expect("METHOD host/path");
        let (authority, path) = target.split_at(target.find('/').expect("a path"));
        let (host, port) = match authority.rsplit_once(':') {
            // the last colon of `[::1]` is inside its brackets
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().unwrap())),
            Some(_) | None => (authority, None),
        };
        let usual = CATALOGUE
            .iter()
            .find(|(_, its, _)| *its == host)
            .map(|(name, ..)| *name);
        Rule {
            deny,
            methods: methods.split(',').map(str::to_owned).collect(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            credential: credential
                .or(usual.map(str::to_owned))
                .filter(|credential| credential != "none"),
        }
    }

    fn manifest(&self, name: &str, port: u16) -> String {
        let reads = ["GET", "HEAD", "OPTIONS"];
        let verb = match self
            .methods
            .iter()
            .all(|method| reads.contains(&method.as_str()))
        {
            true => "read",
            false => "write",
        };
        let port = self.port.unwrap_or(port);
        let mut text = format!("  - name: {name}\n");
        if self.deny {
            text += "    effect: deny\n";
        } else {
            let credential = self.credential.as_deref().unwrap_or("none");
            write!(text, "    verb: {verb}\n    credential: {credential}\n").unwrap();
        }
        writeln!(
            text,
            "    hosts: [\"{}:{port}\"]\n    methods: [{}]\n    paths: [\"{}\"]",
            self.host,
            self.methods.join(", "),
            self.path,
        )
        .unwrap();
        text
    }
}

/// What a test says about its gate.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) roles: Vec<(String, Role)>,
    /// Hosts that rules name but whose internal address is not excepted.
    pub(crate) guarded: Vec<String>,
    /// Roles and the hosts, with a port or without, to which they have opaque tunnels.
    pub(crate) opaque: Vec<(String, String)>,
    /// Host and port pairs that are reached in clear.
    pub(crate) cleartext: Vec<String>,
    /// Lines of `tollgate.yaml` that stand in for the usual ones with the same first word, or are added.
    pub(crate) lines: Vec<String>,
    /// Who vouches for upstreams, where it is not the usual authority.
    pub(crate) roots: Option<String>,
    /// What else stands in `upstream`, each with a comma before it.
    pub(crate) upstream: String,
    /// Whether credentials come from Vault, and not from files.
    pub(crate) from_vault: bool,
    /// How long a value without a lease of its own may be served.
    pub(crate) max_ttl: Option<String>,
    /// More of the catalogue: name, host, and the keys of the entry that say neither, each on its line.
    pub(crate) entries: Vec<(String, String, String)>,
}

/// Where the world is, for the settings to name.
pub(crate) struct Places {
    pub(crate) port: u16,
    pub(crate) dns: String,
    pub(crate) vault: Option<String>,
}

impl Plan {
    /// Writes every file but the secrets and the certificates.
    pub(crate) fn write(&self, dir: &Path, places: &Places) {
        fs::create_dir_all(dir.join("roles")).unwrap();
        fs::write(dir.join("tollgate.yaml"), self.frame(places)).unwrap();
        fs::write(dir.join("credentials.yaml"), self.catalogue(places)).unwrap();
        fs::write(dir.join("revoked"), "").unwrap();
        for (name, role) in &self.roles {
            let path = dir.join("roles").join(format!("{name}.yaml"));
            fs::write(path, role.manifest(name, places.port)).unwrap();
        }
    }

    fn frame(&self, places: &Places) -> String {
        let mut lines = vec![
            "listen: 127.0.0.1:0".to_owned(),
            "certificate: {chain: pki/gate.crt, key: pki/gate.key}".into(),
            format!("trust_domains: {{{TRUST_DOMAIN}: {{bundle: pki/agents-ca.crt}}}}"),
            "interception: {ca: pki/interception-ca.crt, key: pki/interception-ca.key}".into(),
            format!(
                "upstream: {{roots: {}, dns: [\"{}\"]{}}}",
                self.roots.as_deref().unwrap_or("[pki/upstream-ca.crt]"),
                places.dns,
                self.upstream
            ),
            "events: {stdout: true, intent: all}".into(),
        ];
        if let Some(vault) = &places.vault {
            lines.push(format!(
                "vault: {{address: \"{vault}\", ca: pki/vault-ca.crt, approle: {{role_id: secrets/role_id, secret_id: secrets/secret_id}}}}"
            ));
        }
        lines.push(format!(
            "exceptions: [{}]",
            self.exceptions(places.port).join(", ")
        ));
        for line in &self.lines {
            let key = line.split(':').next();
            lines.retain(|usual| usual.split(':').next() != key);
            lines.push(line.clone());
        }
        lines.join("\n") + "\n"
    }

    fn exceptions(&self, port: u16) -> Vec<String> {
        let until = in_days(30);
        let mut exceptions = Vec::new();
        for (role, spec) in &self.roles {
            // an exception names a host: what a wildcard covers needs a rule of its own in the test
            let mut hosts = spec.rules();
            hosts.retain(|rule| !rule.deny && !rule.host.starts_with('*'));
            hosts.sort_by(|a, b| a.host.cmp(&b.host));
            hosts.dedup_by(|a, b| a.host == b.host && a.port == b.port);
            for rule in hosts {
                let whose = format!(
                    "role: {role}, host: \"{}\", port: {}",
                    rule.host,
                    rule.port.unwrap_or(port)
                );
                let why =
                    format!("reason: the upstreams of a test are on loopback, until: {until}");
                if !self.guarded.contains(&rule.host) {
                    exceptions.push(format!("{{{whose}, addresses: [{UPSTREAMS}], {why}}}"));
                }
                if self.cleartext.contains(&rule.host) {
                    exceptions.push(format!("{{{whose}, cleartext: true, {why}}}"));
                }
            }
        }
        for (role, place) in &self.opaque {
            let (host, port) = match place.split_once(':') {
                Some((host, port)) => (host, port.parse().unwrap()),
                None => (&**place, port),
            };
            let whose = format!("role: {role}, host: \"{host}\", port: {port}");
            let why = format!("reason: it pins its certificate, until: {until}");
            exceptions.push(format!("{{{whose}, tunnel: true, {why}}}"));
            if !self.guarded.iter().any(|guarded| guarded == host) {
                exceptions.push(format!("{{{whose}, addresses: [{UPSTREAMS}], {why}}}"));
            }
        }
        exceptions
    }

    fn catalogue(&self, places: &Places) -> String {
        let mut text = String::new();
        for (name, host, place) in CATALOGUE {
            let roles: Vec<&str> = self
                .roles
                .iter()
                .filter(|(_, role)| {
                    role.rules()
                        .iter()
                        .any(|rule| rule.credential.as_deref() == Some(name))
                })
                .map(|(role, _)| role.as_str())
                .collect();
            if roles.is_empty() {
                continue;
            }
            let source = match self.from_vault {
                true => format!("vault: {{kv2: secret, path: {name}, field: token}}"),
                false => format!("file: secrets/{name}"),
            };
            let max_ttl = self.max_ttl.as_deref().unwrap_or("1h");
            write!(
                text,
                "{name}:\n  roles: [{}]\n  hosts: [\"{host}:{}\"]\n  {source}\n  place: {place}\n  max_ttl: {max_ttl}\n  \
                 allow_static: {{owner: owner@example.test, rotate_by: {}}}\n",
                roles.join(", "),
                places.port,
                in_days(60),
            )
            .unwrap();
        }
        text.extend(self.entries.iter().map(|entry| self.entry(entry, places)));
        match text.is_empty() {
            true => "{}\n".into(),
            false => text,
        }
    }

    /// An entry for the roles that name it; nothing if none does.
    fn entry(&self, (name, host, keys): &(String, String, String), places: &Places) -> String {
        let names_it = |rule: &Rule| rule.credential.as_ref() == Some(name);
        let roles = self.roles.iter();
        let roles = roles.filter(|(_, role)| role.rules().iter().any(names_it));
        let roles: Vec<&str> = roles.map(|(role, _)| role.as_str()).collect();
        if roles.is_empty() {
            return String::new();
        }
        let (roles, port) = (roles.join(", "), places.port);
        let keys = keys.replace('\n', "\n  ");
        format!("{name}:\n  roles: [{roles}]\n  hosts: [\"{host}:{port}\"]\n  {keys}\n")
    }
}

/// Writes the secret of a catalogue entry to its file.
pub(crate) fn write_secret(dir: &Path, name: &str, value: &str) {
    fs::create_dir_all(dir.join("secrets")).unwrap();
    // a reader sees the old value or the new one, never half of either
    let fresh = dir.join("secrets").join(format!("{name}.fresh"));
    write_private(&fresh, value);
    fs::rename(fresh, dir.join("secrets").join(name)).unwrap();
}

/// The day so many days from now.
pub(crate) fn in_days(days: i64) -> String {
    (OffsetDateTime::now_utc() + Duration::days(days))
        .date()
        .to_string()
}

fn quoted(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    texts.join(", ")
}
