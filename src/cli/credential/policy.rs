//! `tollgate credential policy`: what the gate's login must be allowed at Vault, and nothing else.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use clap::Args;
use time::OffsetDateTime;

use super::super::{Failure, explain};
use crate::{
    config::{Settings, Source},
    credential::vault::{Engine, Need},
};

/// What the care of leases needs.
const LEASES: [&str; 2] = ["sys/leases/renew", "sys/leases/revoke"];

/// What `credential policy` is told.
#[derive(Args)]
pub(crate) struct Policy {
    /// The main settings file; the catalogue is found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
}

/// Prints it in the language of Vault's policies.
///
/// # Errors
/// [`Failure::Run`] if nothing comes from Vault, [`Failure::Usage`] if the settings have a mistake.
pub(super) fn run(policy: &Policy) -> Result<(), Failure> {
    let settings = explain::settings(&policy.config, OffsetDateTime::now_utc().date())?;
    explain::print(&of(&settings)?)
}

fn of(settings: &Settings) -> Result<String, Failure> {
    let engines: Vec<_> = engines(settings).collect();
    if engines.is_empty() {
        return Err(Failure::Run(
            "the catalogue takes nothing from Vault".to_owned(),
        ));
    }
    let needs: Result<BTreeSet<Need>, _> = engines.iter().map(|engine| engine.needs()).collect();
    let mut needs: Vec<Need> = needs
        .map_err(|error| Failure::Usage(error.to_string()))?
        .into_iter()
        .collect();
    let mut need = |path: &str, capability| {
        needs.push(Need {
            path: path.to_owned(),
            capability,
        });
    };
    if engines.iter().any(|engine| engine.creates()) {
        LEASES.iter().for_each(|path| need(path, "update"));
    }
    let of_roles = settings
        .gate
        .vault
        .as_ref()
        .and_then(|vault| vault.per_role.as_ref());
    if let Some(of_roles) = of_roles {
        need(
            &format!("auth/token/create/{}", of_roles.token_role),
            "update",
        );
    }
    need("auth/token/lookup-self", "read");
    need("auth/token/renew-self", "update");
    need("auth/token/revoke-self", "update");
    let mut text = String::new();
    for Need { path, capability } in needs {
        let _infallible = writeln!(
            text,
            "path \"{path}\" {{ capabilities = [\"{capability}\"] }}"
        );
    }
    Ok(text)
}

/// What the catalogue takes from Vault.
fn engines(settings: &Settings) -> impl Iterator<Item = &Engine> {
    let credentials = settings.credentials.values();
    credentials.filter_map(|credential| match &credential.source {
        Source::Vault(engine) => Some(engine),
        Source::File(_) => None,
    })
}
