//! `tollgate.yaml`: how the gate runs.
//!
//! Provides [`Gate`] as used and its lowering. It deliberately opens none of the files that it names, and what
//! it allows as exceptions has a file of its own (`exception`).

mod admin;
mod proxy;
mod upstream;
pub(super) mod vault;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    exception::{self, Exception},
    fields::Fields,
    mistake::{Wrong, quoted},
    revoked::RevokedFile,
    scalar,
    value::Value,
};
use crate::{event::Intent, identity::TrustDomain, scope::Rate, upstream::Timeouts};

pub(crate) use self::{
    admin::Admin,
    proxy::{Proxy, Resolves},
    upstream::{Dns, Root, Upstream},
    vault::{Login as VaultLogin, SecretId as VaultSecretId, Vault},
};

/// Attempts per identity if the settings name no other rate.
const ATTEMPTS_DEFAULT: Rate = Rate {
    calls: 6000,
    per: Duration::from_secs(60),
};
/// Connections at a time if the settings name no other number, and the largest number that they may name.
const CONNECTIONS_DEFAULT: u32 = 4096;
const CONNECTIONS_MAX: u32 = 1 << 20;
/// How long open calls may take to end after the gate was told to stop.
const DRAIN_DEFAULT: Duration = Duration::from_secs(600);
/// How long calls are still taken after the gate was told to stop, if somebody can see by the admin listener that it is
/// not ready any more: an orchestrator takes a few seconds to send calls elsewhere. Without one nobody would know.
const DRAIN_DELAY_DEFAULT: Duration = Duration::from_secs(5);
/// API clients commonly wait ten minutes for an answer.
const TIMEOUTS_DEFAULT: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    request: Duration::from_secs(60),
    answer: Duration::from_secs(600),
};

/// How the gate runs: `tollgate.yaml` as used. Paths are as the gate opens them.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Where agents connect; port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
    /// What the gate shows to agents.
    pub(crate) certificate: KeyPair,
    /// The trust domains whose agents are known.
    pub(crate) trust_domains: BTreeMap<TrustDomain, Bundle>,
    /// The authority (`chain`) that signs the certificates shown inside tunnels.
    pub(crate) interception: KeyPair,
    /// How upstreams are found and verified.
    pub(crate) upstream: Upstream,
    /// Where credentials of the source `vault` come from.
    pub(crate) vault: Option<Vault>,
    /// Where events go.
    pub(crate) events: Events,
    /// How often one identity may try: connections, tunnels and requests, refused ones included.
    pub(crate) attempts: Rate,
    /// Connections at a time, at least 1.
    pub(crate) connections_max: u32,
    /// Where those who run the gate are answered, if anywhere.
    pub(crate) admin: Option<Admin>,
    /// How long calls are still taken after the gate was told to stop.
    pub(crate) drain_delay: Duration,
    /// How long open calls may take to end after that.
    pub(crate) drain: Duration,
    /// How long each phase of a call may take.
    pub(crate) timeouts: Timeouts,
    /// Every danger that is allowed; in force or not is asked with the day.
    pub(crate) exceptions: Vec<Exception>,
    /// Where the revoked list is, to be read again apart from all else.
    pub(crate) revoked: RevokedFile,
}

/// Whom a trust domain vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// Its authorities (PEM).
    pub(crate) authorities: PathBuf,
    /// What they revoked (PEM); none if nothing is looked at.
    pub(crate) crls: Vec<PathBuf>,
}

/// A certificate chain and its private key (PEM).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPair {
    /// The chain, leaf first.
    pub(crate) chain: PathBuf,
    /// The key of the leaf.
    pub(crate) key: PathBuf,
}

/// Where events go: to standard output, to a file, or to both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Events {
    /// Whether they go to standard output.
    pub(crate) stdout: bool,
    /// The file to which they are appended.
    pub(crate) file: Option<PathBuf>,
    /// Which calls are on record before their first byte goes upstream.
    pub(crate) intent: Intent,
}

/// `tollgate.yaml` as written: what could be lowered of it, so that the other files are read all the same.
#[derive(Debug)]
pub(super) struct Written {
    /// All of it; `None` after any mistake.
    pub(super) gate: Option<Gate>,
    /// The names of the trust domains, if they could be read.
    pub(super) trust_domains: Option<Vec<TrustDomain>>,
    /// Whether there is a key `vault`, right or wrong.
    pub(super) has_vault: bool,
    /// Where the other files are; `None` if that key is wrong.
    pub(super) credentials: Option<PathBuf>,
    pub(super) roles: Option<PathBuf>,
    pub(super) revoked: Option<RevokedFile>,
    /// The exceptions that could be lowered, with their places.
    pub(super) exceptions: Vec<exception::Written>,
}

impl Written {
    /// What stands for a `tollgate.yaml` that could not be read: the other files are looked for at their usual
    /// places, and nothing is held against it.
    pub(super) fn unread(path: &Path) -> Written {
        let beside = |name: &str| path.with_file_name(name);
        Written {
            gate: None,
            trust_domains: None,
            has_vault: true,
            credentials: Some(beside("credentials.yaml")),
            roles: Some(beside("roles")),
            revoked: Some(RevokedFile {
                path: beside("revoked"),
                named: false,
            }),
            exceptions: Vec::new(),
        }
    }
}

/// Lowers the root of `tollgate.yaml`.
pub(super) fn lower(root: Value<'_>) -> Option<Written> {
    root.mapping(|fields| {
        let usual = Written::unread(Path::new(&*fields.at().file));
        let credentials = fields.or("credentials", usual.credentials, |v| v.path().map(Some));
        let roles = fields.or("roles", usual.roles, |v| v.path().map(Some));
        let revoked = fields.or("revoked", usual.revoked, |v| revoked_file(v).map(Some));
        let trust_domains = fields.required("trust_domains", trust_domains);
        let mut exceptions = Vec::new();
        let all_exceptions = fields.or("exceptions", (), |v| exception::lower(v, &mut exceptions));
        let has_vault = fields.place_of("vault").is_some();
        let names = trust_domains
            .as_ref()
            .map(|domains| domains.keys().cloned().collect());
        let gate = gate(
            fields,
            trust_domains,
            revoked.clone().flatten(),
            &exceptions,
        );
        Some(Written {
            gate: gate.filter(|_| all_exceptions.is_some()),
            trust_domains: names,
            has_vault,
            credentials: credentials.flatten(),
            roles: roles.flatten(),
            revoked: revoked.flatten(),
            exceptions,
        })
    })
}

/// The event file that the root of `tollgate.yaml` names, whatever else stands there.
pub(super) fn event_file(root: Value<'_>) -> Option<Option<PathBuf>> {
    match root.key("events")? {
        Some(value) => Some(events(value)?.file),
        None => Some(Events::default().file),
    }
}

fn gate(
    fields: &mut Fields<'_>,
    trust_domains: Option<BTreeMap<TrustDomain, Bundle>>,
    revoked: Option<RevokedFile>,
    exceptions: &[exception::Written],
) -> Option<Gate> {
    let listen = fields.required("listen", |v| v.parse(socket_address));
    let certificate = fields.required("certificate", |v| key_pair(v, "chain"));
    let interception = fields.required("interception", |v| key_pair(v, "ca"));
    let upstream = fields.or("upstream", Upstream::default(), upstream::lower);
    let vault = fields.optional("vault", vault::lower);
    let events = fields.or("events", Events::default(), events);
    let attempts = fields.or("attempts", ATTEMPTS_DEFAULT, |v| v.parse(scalar::rate));
    let connections_max = fields.or("connections", CONNECTIONS_DEFAULT, |v| {
        v.integer(1, CONNECTIONS_MAX)
    });
    let admin = fields.optional("admin", admin::lower);
    let drain_delay = fields.optional("drain_delay", |v| v.parse(scalar::duration_or_none));
    let drain = fields.or("drain", DRAIN_DEFAULT, |v| v.parse(scalar::duration));
    let timeouts = fields.or("timeouts", TIMEOUTS_DEFAULT, timeouts);
    Some(Gate {
        listen: listen?,
        certificate: certificate?,
        trust_domains: trust_domains?,
        interception: interception?,
        upstream: upstream?,
        vault: vault?,
        events: events?,
        attempts: attempts?,
        connections_max: connections_max?,
        drain_delay: drain_delay?.unwrap_or(match &admin {
            Some(Some(_)) => DRAIN_DELAY_DEFAULT,
            Some(None) | None => Duration::ZERO,
        }),
        drain: drain?,
        admin: admin?,
        timeouts: timeouts?,
        exceptions: exceptions
            .iter()
            .map(|written| written.exception.clone())
            .collect(),
        revoked: revoked?,
    })
}

fn revoked_file(value: Value<'_>) -> Option<RevokedFile> {
    let path = value.path()?;
    Some(RevokedFile { path, named: true })
}

fn trust_domains(value: Value<'_>) -> Option<BTreeMap<TrustDomain, Bundle>> {
    let domains = value.names(|name, value| {
        let name = name.parse(trust_domain);
        let bundle = value.mapping(bundle);
        Some((name?, bundle?))
    })?;
    if domains.is_empty() {
        return value.wrong(Wrong::new(
            "no trust domain is named",
            "name one at least: without it no agent is known",
        ));
    }
    Some(domains.into_iter().collect())
}

fn bundle(fields: &mut Fields<'_>) -> Option<Bundle> {
    let authorities = fields.required("bundle", Value::file);
    let crls = fields.or("crls", Vec::new(), |v| v.some_of(Value::file));
    Some(Bundle {
        authorities: authorities?,
        crls: crls?,
    })
}

fn trust_domain(text: &str) -> Result<TrustDomain, Wrong> {
    TrustDomain::parse(text)
        .map_err(|fault| Wrong::fault(format!("{} is no trust domain", quoted(text)), fault))
}

fn key_pair(value: Value<'_>, chain: &'static str) -> Option<KeyPair> {
    value.mapping(|fields| {
        let chain = fields.required(chain, Value::file);
        let key = fields.required("key", Value::secret_file);
        Some(KeyPair {
            chain: chain?,
            key: key?,
        })
    })
}

fn socket_address(text: &str) -> Result<SocketAddr, Wrong> {
    let address: Option<SocketAddr> = text.parse().ok();
    // 0443 is an octal number to some
    let decimal = |address: &SocketAddr| text.ends_with(&format!(":{}", address.port()));
    address.filter(decimal).ok_or_else(|| {
        Wrong::new(
            format!("{} is no address with a port", quoted(text)),
            "write it like 127.0.0.1:8443 or [::1]:8443",
        )
    })
}

fn timeouts(value: Value<'_>) -> Option<Timeouts> {
    value.mapping(|fields| {
        let of = |name: &'static str, default: Duration, fields: &mut Fields<'_>| {
            fields.or(name, default, |v| v.parse(scalar::duration))
        };
        let connect = of("connect", TIMEOUTS_DEFAULT.connect, fields);
        let request = of("request", TIMEOUTS_DEFAULT.request, fields);
        let answer = of("answer", TIMEOUTS_DEFAULT.answer, fields);
        Some(Timeouts {
            connect: connect?,
            request: request?,
            answer: answer?,
        })
    })
}

impl Default for Events {
    fn default() -> Events {
        Events {
            stdout: true,
            file: None,
            intent: Intent::Writes,
        }
    }
}

fn events(value: Value<'_>) -> Option<Events> {
    let events = value.mapping(|fields| {
        let stdout = fields.or("stdout", true, Value::boolean);
        let file = fields.or("file", None, |v| {
            if v.is_null() {
                Some(None)
            } else {
                v.path().map(Some)
            }
        });
        let intent = fields.or("intent", Intent::Writes, |v| {
            v.word(&[("writes", Intent::Writes), ("all", Intent::All)])
        });
        Some(Events {
            stdout: stdout?,
            file: file?,
            intent: intent?,
        })
    })?;
    if !events.stdout && events.file.is_none() {
        return value.wrong(Wrong::new(
            "events go nowhere",
            "write stdout: true or a file: a call that cannot be recorded is not made",
        ));
    }
    Some(events)
}
