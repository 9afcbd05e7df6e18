//! How a world comes to be: what a test says about it, and everything around the gate made from that.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    FORBIDDEN, World,
    agent::Sockets,
    canary::Canaries,
    dns::Dns,
    events::Events,
    gate::{Gate, Launch, Stderr, Stdout},
    pki::{self, Pki},
    recorder::Recorder,
    settings::{self, CATALOGUE, Places, Plan, Role},
    tape::Tapes,
    vault::Vault,
};

/// A world about to be.
pub(crate) struct Builder {
    /// The authorities, for a test that needs a certificate before there is a gate.
    pub(crate) pki: Arc<Pki>,
    plan: Plan,
    stdout: Stdout,
    stderr: Stderr,
    files: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    descriptors: Option<u32>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            pki: Arc::new(Pki::new()),
            plan: Plan::default(),
            stdout: Stdout::default(),
            stderr: Stderr::default(),
            files: Vec::new(),
            secrets: Vec::new(),
            environment: Vec::new(),
            descriptors: None,
        }
    }

    /// A role, played by the agent of the same name.
    pub(crate) fn role(mut self, name: &str, role: impl Into<Role>) -> Builder {
        self.plan.roles.push((name.to_owned(), role.into()));
        self
    }

    /// The loopback address of `host` is not excepted from the guard against internal addresses.
    pub(crate) fn guarded(mut self, host: &str) -> Builder {
        self.plan.guarded.push(host.to_owned());
        self
    }

    /// `role` has an opaque tunnel to `host`, which names a port or means that of the upstreams.
    pub(crate) fn opaque(mut self, role: &str, host: &str) -> Builder {
        self.plan.opaque.push((role.to_owned(), host.to_owned()));
        self
    }

    /// `host` is reached in clear.
    pub(crate) fn cleartext(mut self, host: &str) -> Builder {
        self.plan.cleartext.push(host.to_owned());
        self
    }

    /// A line of `tollgate.yaml`, in place of the usual one with the same key.
    pub(crate) fn setting(mut self, line: &str) -> Builder {
        self.plan.lines.push(line.to_owned());
        self
    }

    /// Those who run the gate can ask it, and it ends without a delay.
    pub(crate) fn admin(self) -> Builder {
        self.setting("admin: 127.0.0.1:0")
            .setting("drain_delay: 0s")
    }

    /// Who vouches for upstreams: a list as in `upstream.roots`.
    pub(crate) fn roots(mut self, roots: &str) -> Builder {
        self.plan.roots = Some(roots.to_owned());
        self
    }

    /// More of the mapping `upstream` in `tollgate.yaml`.
    pub(crate) fn upstream(mut self, more: &str) -> Builder {
        self.plan.upstream += &format!(", {more}");
        self
    }

    /// A file that only the gate can read, with a secret that must be seen nowhere.
    pub(crate) fn secret(mut self, path: &str, secret: &str) -> Builder {
        self.secrets.push((path.to_owned(), secret.to_owned()));
        self
    }

    /// Credentials come from Vault.
    pub(crate) fn vault(mut self) -> Builder {
        self.plan.from_vault = true;
        self
    }

    /// One more entry of the catalogue, for the roles that name it: its keys as they stand there, without `roles` and
    /// `hosts`.
    pub(crate) fn credential(mut self, name: &str, host: &str, keys: &str) -> Builder {
        let entry = (name.to_owned(), host.to_owned(), keys.to_owned());
        self.plan.entries.push(entry);
        self
    }

    /// How long a credential without a lease of its own is served, as in `2s`.
    pub(crate) fn max_ttl(mut self, max_ttl: &str) -> Builder {
        self.plan.max_ttl = Some(max_ttl.to_owned());
        self
    }

    /// A file of this text among the settings, in place of the usual one.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Builder {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// A variable in the environment of the gate.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The most descriptors that the gate may have open.
    pub(crate) fn descriptors(mut self, most: u32) -> Builder {
        self.descriptors = Some(most);
        self
    }

    /// Where the events go.
    pub(crate) fn stdout(mut self, stdout: Stdout) -> Builder {
        self.stdout = stdout;
        self
    }

    /// Where the gate speaks of itself.
    pub(crate) fn stderr(mut self, stderr: Stderr) -> Builder {
        self.stderr = stderr;
        self
    }

    /// Starts it all; returns when the gate listens.
    pub(crate) async fn start(self) -> World {
        let surroundings = self.surroundings().await;
        let launch = Launch {
            out: (self.stdout, self.stderr),
            environment: &self.environment,
            descriptors: self.descriptors,
        };
        surroundings.open(launch).await
    }

    /// Writes the settings of this world over those of another, which has all the upstreams.
    pub(super) fn write_over(&self, dir: &Path, places: &Places) {
        let _ = std::fs::remove_dir_all(dir.join("roles"));
        self.plan.write(dir, places);
        for (path, text) in &self.files {
            std::fs::write(dir.join(path), text).unwrap();
        }
    }

    /// Everything but the gate.
    pub(super) async fn surroundings(&self) -> Surroundings {
        let dir = tempfile::Builder::new()
            .prefix("tollgate-world-")
            .tempdir()
            .unwrap();
        let events = Events::at(dir.path().join("events.jsonl"), self.stdout == Stdout::File);
        let pki = self.pki.clone();
        pki.write(&dir.path().join("pki"));
        let dns = Dns::start().await;
        let canaries = Canaries::default();
        let vault = match self.plan.from_vault {
            true => Some(Vault::start(canaries.clone(), pki.vault_server()).await),
            false => None,
        };
        let (port, upstreams) = start_upstreams(&self.hosts_of_all(), &pki, &dns, &events).await;
        let secrets = hand_out_secrets(dir.path(), &canaries, vault.as_ref());
        let places = Places {
            port,
            dns: dns.address.to_string(),
            vault: vault.as_ref().map(Vault::url),
        };
        self.plan.write(dir.path(), &places);
        for (path, text) in &self.files {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        for (path, secret) in &self.secrets {
            canaries.know(secret);
            pki::write_private(&dir.path().join(path), secret);
        }
        Surroundings {
            places,
            dir,
            events,
            pki,
            dns,
            canaries,
            vault,
            port,
            upstreams,
            secrets,
        }
    }

    /// Every host that needs an upstream.
    fn hosts_of_all(&self) -> Vec<String> {
        let rules = self.plan.roles.iter().flat_map(|(_, role)| role.rules());
        let opaque = self.plan.opaque.iter();
        let opaque = opaque.map(|(_, place)| place.split_once(':').unwrap_or((place, "")));
        let mut hosts: Vec<String> = rules
            .map(|rule| rule.host)
            .filter(|host| !host.starts_with('*') && host.parse::<std::net::IpAddr>().is_err())
            .chain(opaque.map(|(host, _)| host.to_owned()))
            .chain(FORBIDDEN.map(str::to_owned))
            .collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

/// A world without its gate.
pub(super) struct Surroundings {
    pub(super) places: Places,
    pub(super) dir: TempDir,
    pub(super) events: Events,
    pub(super) pki: Arc<Pki>,
    pub(super) dns: Dns,
    pub(super) canaries: Canaries,
    pub(super) vault: Option<Vault>,
    pub(super) port: u16,
    pub(super) upstreams: BTreeMap<String, Recorder>,
    pub(super) secrets: BTreeMap<String, String>,
}

impl Surroundings {
    async fn open(self, launch: Launch<'_>) -> World {
        let gate = Gate::start(self.dir.path(), launch);
        let listen = gate.listening(&self.events).await;
        World {
            quiet_descriptors: gate.descriptors(),
            gate,
            listen,
            events: self.events,
            dns: self.dns,
            pki: self.pki,
            canaries: self.canaries,
            port: self.port,
            places: self.places,
            dir: self.dir,
            upstreams: self.upstreams,
            vault: self.vault,
            secrets: self.secrets,
            received: Tapes::default(),
            sockets: Sockets::default(),
            finished: false,
        }
    }
}

/// One upstream per host, each on its own loopback address and all on one port, and its name in the DNS.
async fn start_upstreams(
    hosts: &[String],
    pki: &Pki,
    dns: &Dns,
    events: &Events,
) -> (u16, BTreeMap<String, Recorder>) {
    let (port, listeners) = loopback_listeners(hosts.len()).await;
    let mut upstreams = BTreeMap::new();
    for (host, listener) in hosts.iter().zip(listeners) {
        let address = listener.local_addr().unwrap().ip().to_string();
        dns.answers(host, &[&address]);
        let tls = pki::server_config(&pki.upstreams.server(&[host]));
        upstreams.insert(
            host.clone(),
            Recorder::start(host, listener, tls, events.clone()),
        );
    }
    (port, upstreams)
}

/// Listeners on 127.0.0.2, 127.0.0.3 and so on, all on one port that was free on each, and on 127.0.0.1 too: a Vault
/// there would be on the port of the upstreams, and the gate keeps calls away from it.
async fn loopback_listeners(count: usize) -> (u16, Vec<TcpListener>) {
    'port: loop {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = unused.local_addr().unwrap().port();
        let mut listeners = Vec::new();
        for number in 2..count + 2 {
            match TcpListener::bind(format!("127.0.0.{number}:{port}")).await {
                Ok(listener) => listeners.push(listener),
                Err(_) => continue 'port,
            }
        }
        return (port, listeners);
    }
}

/// Every catalogue entry gets its secret, and the gate its way to Vault.
fn hand_out_secrets(
    dir: &Path,
    canaries: &Canaries,
    vault: Option<&Vault>,
) -> BTreeMap<String, String> {
    if let Some(vault) = vault {
        settings::write_secret(dir, "role_id", &vault.role_id);
        settings::write_secret(dir, "secret_id", &vault.secret_id);
    }
    let secrets = CATALOGUE.map(|(name, host, _)| (name.to_owned(), canaries.add(Some(host))));
    for (name, value) in &secrets {
        hand_out(dir, vault, name, value);
    }
    secrets.into()
}

pub(super) fn hand_out(dir: &Path, vault: Option<&Vault>, name: &str, value: &str) {
    match vault {
        Some(vault) => vault.stores(name, "token", value),
        None => settings::write_secret(dir, name, value),
    }
}
