//! A gate and its snapshots, put together from settings and parts.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use super::{StartError, parts::Parts};
use crate::{
    config::{self, Settings},
    event::{Fields, Log, Sink, Writer},
    limit::Limits,
    metrics::Metrics,
    scope::{Effect, Role, Rule, RuleLimit},
    snapshot::{Catalogue, RuleStanding, Snapshot, Standing},
    upstream::resolve::Pins,
};

/// One identity has this part of all connections at most, so that none can shut the others out by itself.
const IDENTITY_SHARE: u32 = 4;

/// The log with its writer.
pub(super) fn log(
    settings: &config::Gate,
    connections_max: u32,
) -> Result<(Log, Writer), StartError> {
    let mut sinks = Vec::new();
    if let Some(path) = &settings.events.file {
        let unfit = |error| StartError::because(&format!("events.file: {}", path.display()), error);
        let file = Sink::file(path).map_err(unfit)?;
        sinks.push(file);
    }
    // After the file: whoever reads it may make its writer wait for ever.
    if settings.events.stdout {
        sinks.push(Sink::stdout().map_err(|error| StartError::because("stdout", error))?);
    }
    let metrics = Arc::new(Metrics::new());
    Log::start(sinks, connections_max as usize, metrics)
        .map_err(|error| StartError::because("the event writer", error))
}

/// The snapshot of `settings`, whose parts these are.
pub(super) fn snapshot(
    settings: &Settings,
    parts: &Parts,
    (limits, metrics): (&Limits, &Metrics),
) -> Snapshot {
    let standings = settings.role_of.iter().map(|(identity, role)| {
        let catalogue = Arc::new(parts.credentials.of_role(&role.name));
        let standing = standing(
            settings,
            role,
            identity.as_str(),
            (limits, metrics, &catalogue),
        );
        (identity.clone(), Arc::new(standing))
    });
    let pins: Pins = settings
        .gate
        .upstream
        .pins
        .iter()
        .map(|(host, addresses)| (host.clone(), Arc::<[IpAddr]>::from(addresses.as_slice())))
        .collect();
    Snapshot {
        version: settings.version.as_str().into(),
        standings: standings.collect(),
        revoked: Arc::new(settings.revoked.entries.clone()),
        intent: settings.gate.events.intent,
        attempts: RuleLimit {
            rate: Some(settings.gate.attempts),
            burst: None,
            in_flight: Some((parts.connections_max / IDENTITY_SHARE).max(1)),
        },
        pins,
        agents: parts.agents.value.clone(),
        mint: parts.mint.value.clone(),
        upstream: parts.upstream.value.clone(),
        credentials: parts.credentials.all(),
        vault: parts.vault.as_ref().map(|vault| vault.value.clone()),
    }
}

fn standing(
    settings: &Settings,
    role: &Arc<Role>,
    identity: &str,
    (limits, metrics, catalogue): (&Limits, &Metrics, &Arc<Catalogue>),
) -> Standing {
    let limit = RuleLimit {
        rate: Some(role.limit),
        burst: None,
        in_flight: None,
    };
    let refers_to = |rule: &Rule| match &rule.effect {
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
                .and_then(|name| catalogue.get(name))
                .cloned(),
            told: OnceLock::new(),
        },
    };
    Standing {
        role: role.clone(),
        told: Fields::of_role(role),
        counts: metrics.role(&role.name),
        limit: limits.bucket(format!("role {}", role.name), limit),
        rules: role.rules().iter().map(refers_to).collect(),
        catalogue: catalogue.clone(),
        exceptions: settings.exceptions_of(role),
    }
}
