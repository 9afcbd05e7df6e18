//! `tollgate credential policy`: what the gate's login must be allowed at Vault, and nothing else.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use clap::Args;
use time::OffsetDateTime;

use super::super::{Failure, explain};
use crate::{
    config::{self, Settings, Source},
    credential::vault::{Engine, Need},
};

/// What the care of leases needs.
const LEASES: [&str; 2] = ["sys/leases/renew", "sys/leases/revoke"];

/// What the care of the gate's own token needs, beside looking at it.
const OWN_TOKEN: [&str; 2] = ["auth/token/renew-self", "auth/token/revoke-self"];

/// What `credential policy` is told.
#[derive(Args)]
pub(crate) struct Policy {
    /// The main settings file; the catalogue is found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// Print what one role needs beside the gate, for the identity behind its alias, where roles have tokens of their own.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

/// Prints it in the language of Vault's policies.
///
/// # Errors
/// [`Failure::Run`] if nothing comes from Vault, [`Failure::Usage`] if the settings have a mistake.
pub(super) fn run(policy: &Policy) -> Result<(), Failure> {
    let settings = explain::settings(&policy.config, OffsetDateTime::now_utc().date())?;
    let needs = match &policy.role {
        Some(role) => of_role(&settings, role)?,
        None => of_gate(&settings)?,
    };
    let mut text = String::new();
    for Need { path, capability } in needs {
        let _infallible = writeln!(
            text,
            "path \"{path}\" {{ capabilities = [\"{capability}\"] }}"
        );
    }
    explain::print(&text)
}

/// What the login of the gate needs. A token of a role may do what that may, so where roles have tokens of their own it
/// may read nothing.
fn of_gate(settings: &Settings) -> Result<Vec<Need>, Failure> {
    let engines = engines(settings, None)?;
    let vault = settings.gate.vault.as_ref();
    let mut needs = match vault.and_then(|vault| vault.per_role.as_ref()) {
        Some(of_roles) => {
            let path = format!("auth/token/create/{}", of_roles.token_role);
            vec![need(&path, "update")]
        }
        None => paths(&engines)?,
    };
    if engines.iter().any(|engine| engine.creates()) {
        needs.extend(LEASES.map(|path| need(path, "update")));
    }
    if vault.is_some_and(|vault| vault.state.is_some()) {
        needs.push(need("auth/token/revoke-accessor", "update"));
    }
    needs.push(need("auth/token/lookup-self", "read"));
    needs.extend(OWN_TOKEN.map(|path| need(path, "update")));
    Ok(needs)
}

/// What the identity of a role needs beside what the gate may do.
fn of_role(settings: &Settings, role: &str) -> Result<Vec<Need>, Failure> {
    paths(&engines(settings, Some(role))?)
}

/// The paths that these are asked at, each once.
fn paths(engines: &[&Engine]) -> Result<Vec<Need>, Failure> {
    let needs: Result<BTreeSet<Need>, _> = engines.iter().map(|engine| engine.needs()).collect();
    let needs = needs.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(needs.into_iter().collect())
}

/// What the catalogue takes from Vault, for a role or for all.
fn engines<'s>(settings: &'s Settings, role: Option<&str>) -> Result<Vec<&'s Engine>, Failure> {
    let is_for = |credential: &config::Credential| {
        let mut roles = credential.binding.roles.iter();
        role.is_none_or(|role| roles.any(|its| **its == *role))
    };
    let credentials = settings.credentials.values();
    let engines: Vec<_> = credentials
        .filter(|credential| is_for(credential))
        .filter_map(|credential| match &credential.source {
            Source::Vault(engine) => Some(engine),
            Source::File(_) => None,
        })
        .collect();
    match (&*engines, role) {
        ([], None) => Err(Failure::Run(
            "the catalogue takes nothing from Vault".to_owned(),
        )),
        ([], Some(role)) => {
            let none = format!("the catalogue takes nothing from Vault for a role {role}");
            Err(Failure::Run(none))
        }
        (_, _) => Ok(engines),
    }
}

fn need(path: &str, capability: &'static str) -> Need {
    Need {
        path: path.to_owned(),
        capability,
    }
}
