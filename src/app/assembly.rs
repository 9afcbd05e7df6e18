//! The parts of a gate, each made of its settings.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{RootCertStore, ServerConfig};

use super::StartError;
use crate::{
    config::{self, Dns, Root, Settings, Source as ConfiguredSource},
    credential::{
        Credential, Entry, LeaseNames, Source,
        vault::{AppRole, Vault, VaultSettings},
    },
    event::{Log, Sink, Writer},
    limit::Limits,
    metrics::Metrics,
    proxy::Gate,
    scope::{Effect, Role, RuleLimit},
    snapshot::{RuleStanding, Snapshot, Standing},
    tls::{self, mint::Mint, stores},
    upstream::{Resolver, Upstream, resolve::Pins},
};

/// One identity has this part of all connections at most, so that none can shut the others out by itself.
const IDENTITY_SHARE: u32 = 4;

fn unusable(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// The TLS of the agents' listener.
pub(super) fn agents(settings: &config::Gate) -> Result<ServerConfig, StartError> {
    let chain = stores::certificates(&settings.certificate.chain).map_err(unusable)?;
    let key = stores::key(&settings.certificate.key).map_err(unusable)?;
    let mut bundles = HashMap::new();
    for (domain, bundle) in &settings.trust_domains {
        bundles.insert(domain.to_string(), stores::roots(bundle).map_err(unusable)?);
    }
    tls::agents(chain, key, bundles)
        .map_err(|error| StartError::because("the agents' listener", error))
}

/// The log with its writer.
pub(super) fn log(settings: &config::Gate) -> Result<(Log, Writer), StartError> {
    let mut sinks = Vec::new();
    if settings.events.stdout {
        sinks.push(Sink::stdout().map_err(|error| StartError::because("stdout", error))?);
    }
    if let Some(path) = &settings.events.file {
        let file = Sink::file(path)
            .map_err(|error| StartError::because(&path.display().to_string(), error))?;
        sinks.push(file);
    }
    Log::start(
        sinks,
        settings.connections_max as usize,
        Arc::new(Metrics::new()),
    )
    .map_err(|error| StartError::because("the event writer", error))
}

/// The gate itself, listening on `own`.
pub(super) fn gate(
    settings: &Settings,
    log: Log,
    own: SocketAddr,
) -> Result<(Arc<Gate>, Option<Arc<Vault>>), StartError> {
    let limits = Limits::default();
    let vault = settings
        .gate
        .vault
        .as_ref()
        .map(vault)
        .transpose()?
        .map(Arc::new);
    let snapshot = snapshot(settings, (&limits, log.metrics()), vault.as_ref())?;
    let gate = Gate {
        snapshot: ArcSwap::from_pointee(snapshot),
        log,
        limits,
        upstream: upstream(&settings.gate, own)?,
        attempts: RuleLimit {
            rate: Some(settings.gate.attempts),
            burst: None,
            in_flight: Some((settings.gate.connections_max / IDENTITY_SHARE).max(1)),
        },
    };
    Ok((Arc::new(gate), vault))
}

fn upstream(settings: &config::Gate, own: SocketAddr) -> Result<Upstream, StartError> {
    let mut roots = RootCertStore::empty();
    for root in &settings.upstream.roots {
        match root {
            Root::System => stores::add_system_roots(&mut roots),
            Root::File(path) => stores::add_roots(&mut roots, path).map_err(unusable)?,
        }
    }
    let servers: &[SocketAddr] = match &settings.upstream.dns {
        Dns::System => &[],
        Dns::Servers(servers) => servers,
    };
    let resolver =
        Resolver::new(servers, own).map_err(|error| StartError::because("upstream.dns", error))?;
    let tls =
        tls::upstreams(roots).map_err(|error| StartError::because("upstream.roots", error))?;
    Ok(Upstream::new(resolver, Arc::new(tls), settings.timeouts))
}

fn vault(settings: &config::Vault) -> Result<Vault, StartError> {
    let address = settings
        .address
        .parse()
        .map_err(|error| StartError::because("vault.address", error))?;
    let ca = stores::certificates(&settings.ca).map_err(unusable)?;
    let login = &settings.approle;
    let approle = AppRole {
        mount: login.mount.clone(),
        role_id: login.role_id.clone(),
        secret_id: login.secret_id.clone(),
    };
    Vault::new(VaultSettings {
        address,
        ca,
        namespace: settings.namespace.clone(),
        approle,
    })
    .map_err(|error| StartError::because("vault", error))
}

fn snapshot(
    settings: &Settings,
    (limits, metrics): (&Limits, &Metrics),
    vault: Option<&Arc<Vault>>,
) -> Result<Snapshot, StartError> {
    let authority = &settings.gate.interception;
    let mint = Mint::load(&authority.chain, &authority.key).map_err(unusable)?;
    let mut credentials = HashMap::new();
    let names = LeaseNames::random().map_err(|error| StartError::because("random bytes", error))?;
    for configured in settings.credentials.values() {
        let credential = credential(configured, vault, names.clone())?;
        credentials.insert(configured.name.clone(), Arc::new(credential));
    }
    let mut standings = HashMap::new();
    for (identity, role) in &settings.role_of {
        let standing = standing(
            settings,
            role,
            identity.as_str(),
            (limits, metrics, &credentials),
        );
        standings.insert(identity.clone(), Arc::new(standing));
    }
    let pins: Pins = settings
        .gate
        .upstream
        .pins
        .iter()
        .map(|(host, addresses)| (host.clone(), Arc::<[IpAddr]>::from(addresses.as_slice())))
        .collect();
    Ok(Snapshot {
        version: settings.version.as_str().into(),
        standings,
        revoked: Arc::new(settings.revoked.entries.clone()),
        intent: settings.gate.events.intent,
        pins,
        mint: Arc::new(mint),
    })
}

fn credential(
    configured: &config::Credential,
    vault: Option<&Arc<Vault>>,
    names: LeaseNames,
) -> Result<Credential, StartError> {
    let (word, source) = match &configured.source {
        ConfiguredSource::File(path) => ("file", Source::File { path: path.clone() }),
        ConfiguredSource::Kv2 { mount, path, field } => {
            let vault = vault
                .ok_or_else(|| StartError::because(&configured.name, "no vault is configured"))?
                .clone();
            (
                "vault",
                Source::Vault {
                    vault,
                    mount: mount.clone(),
                    path: path.clone(),
                    field: field.clone(),
                },
            )
        }
    };
    Ok(Credential {
        name: configured.name.clone(),
        roles: configured.roles.clone(),
        hosts: configured.hosts.clone(),
        source: word,
        entry: Entry::new(
            source,
            configured.placement.clone(),
            configured.max_ttl,
            names,
        ),
    })
}

fn standing(
    settings: &Settings,
    role: &Arc<Role>,
    identity: &str,
    (limits, metrics, credentials): (&Limits, &Metrics, &HashMap<Arc<str>, Arc<Credential>>),
) -> Standing {
    let limit = RuleLimit {
        rate: Some(role.limit),
        burst: None,
        in_flight: None,
    };
    let refers_to = |rule: &crate::scope::Rule| match &rule.effect {
        Effect::Deny => RuleStanding::default(),
        Effect::Allow(grant) => RuleStanding {
            limit: grant.limit.map(|limit| {
                limits.bucket(
                    format!("rule {}/{} for {identity}", role.name, rule.name),
                    limit,
                )
            }),
            credential: grant
                .credential
                .as_ref()
                .and_then(|name| credentials.get(name).cloned()),
        },
    };
    Standing {
        role: role.clone(),
        counts: metrics.role(&role.name),
        limit: limits.bucket(format!("role {}", role.name), limit),
        rules: role.rules().iter().map(refers_to).collect(),
        exceptions: settings
            .gate
            .exceptions
            .iter()
            .filter(|one| one.role == role.name)
            .cloned()
            .collect(),
    }
}
