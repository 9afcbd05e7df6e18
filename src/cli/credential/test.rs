//! `tollgate credential test`: one credential is fetched as a gate would, told of, and given back.
//!
//! It takes the settings alone, and a login of its own. What is printed is the same for every value. What was leased is
//! ended before the command ends, and so is the token that asked for it, whatever went wrong in between.

mod outcome;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use time::OffsetDateTime;
use tokio::time::timeout;

use self::outcome::Outcome;
use super::{
    super::{Failure, explain},
    advice,
};
use crate::{
    app::Alone,
    config::{self, Settings, VaultLogin, VaultSecretId, distance},
    credential::{End, Fetch as _, Fetched, LeaseInfo, Source, SourceError, vault::VaultError},
    shutdown::signalled,
};

/// A fetch takes no longer, whatever the source does; its own deadlines are shorter.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// So many names are told to who asks for one that is not there.
const NAMES_MAX: usize = 10;

/// What `credential test` is told.
#[derive(Args)]
pub(crate) struct Test {
    /// The main settings file; the catalogue is found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// The role that asks, if it is not the first that the credential is for: it matters where roles have tokens of their
    /// own.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Tell in JSON.
    #[arg(long)]
    json: bool,
    /// The name of the credential in the catalogue.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Fetches it, prints what a call would carry, and gives it back.
///
/// # Errors
/// [`Failure::Run`] if it cannot be had, sent or given back, [`Failure::Usage`] if the settings have a mistake or no such
/// name.
pub(super) fn run(test: &Test) -> Result<(), Failure> {
    let settings = explain::settings(&test.config, OffsetDateTime::now_utc().date())?;
    let credential = settings
        .credentials
        .get(&*test.name)
        .ok_or_else(|| Failure::Usage(unknown(&test.name, settings.credentials.keys())))?;
    if takes_a_wrapped_secret(&settings, credential) {
        let why =
            "the secret id is wrapped and can be taken once: a test would take it from the gate";
        return Err(Failure::Run(why.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("the runtime cannot start: {error}")))?;
    let role = role(test.role.as_deref(), credential)?;
    let alone = Alone::of(&settings, credential, role)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let (outcome, given_back) = runtime.block_on(tested(credential, &alone));
    if let Ok(outcome) = &outcome {
        explain::print(&outcome.told(test.json))?;
    }
    match (outcome, given_back) {
        (Ok(_), Ok(())) => Ok(()),
        (Ok(_), Err(why)) | (Err(why), Ok(())) => Err(Failure::Run(why)),
        (Err(why), Err(left)) => Err(Failure::Run(format!("{why}\ntollgate: {left}"))),
    }
}

/// What a fetch shows, or why there is nothing to show; and whether all of it was given back.
async fn tested<'c>(
    credential: &'c config::Credential,
    alone: &Alone,
) -> (Result<Outcome<'c>, String>, Result<(), String>) {
    let fetched = tokio::select! {
        fetched = timeout(FETCH_TIMEOUT, alone.source.fetch()) => {
            fetched.unwrap_or(Err(SourceError::TimedOut)).map_err(|error| not_had(credential, &error))
        }
        _ = signalled() => Err("interrupted".to_owned()),
    };
    let lease = match &fetched {
        Ok(Fetched {
            end: End::Lease(lease),
            ..
        }) => Some(lease),
        Ok(_) | Err(_) => None,
    };
    let given_back = give_back(alone, lease).await;
    let outcome = fetched.and_then(|fetched| {
        // Only whether it can be done counts: what is made of the value is wiped at once.
        let ready = credential.placement.prepare(&fetched.value);
        ready.map_err(|error| not_had(credential, &error.into()))?;
        Ok(Outcome::of(credential, &fetched, given_back.is_ok()))
    });
    (outcome, given_back)
}

/// Ends the lease, and the token of the gate's that it was asked for with.
async fn give_back(alone: &Alone, lease: Option<&LeaseInfo>) -> Result<(), String> {
    let ended = match (&alone.source, lease) {
        (Source::Vault { vault, engine: _ }, Some(lease)) => vault.revoke(lease).await,
        (Source::Vault { .. } | Source::File { .. }, _) => Ok(()),
    };
    let closed = match &alone.vault {
        Some(vault) => vault.close().await,
        None => Ok(()),
    };
    let left = |what: &str, error: &VaultError| {
        let advice = advice::on_vault(error.trouble());
        format!("{what} was not given back and ends by itself: {error}; {advice}")
    };
    match (ended, closed) {
        (Err(error), _) => Err(left("what was leased", &error)),
        (Ok(()), Err(error)) => Err(left("the token of this test", &error)),
        (Ok(()), Ok(())) => Ok(()),
    }
}

/// Who asks: a role that the credential is for.
fn role<'t>(
    named: Option<&'t str>,
    credential: &'t config::Credential,
) -> Result<&'t str, Failure> {
    let roles = &credential.binding.roles;
    match (named, roles.first()) {
        (Some(named), _) if roles.iter().any(|role| **role == *named) => Ok(named),
        (None, Some(first)) => Ok(first),
        (Some(_) | None, _) => Err(Failure::Usage(format!(
            "{} is for the roles {}",
            credential.name,
            roles.join(", ")
        ))),
    }
}

/// Whether a fetch would use up what only the gate may have.
fn takes_a_wrapped_secret(settings: &Settings, credential: &config::Credential) -> bool {
    let login = settings.gate.vault.as_ref().map(|vault| &vault.login);
    let wrapped = match login {
        Some(VaultLogin::AppRole { secret_id, .. }) => {
            matches!(secret_id, VaultSecretId::Wrapped { .. })
        }
        Some(
            VaultLogin::TokenFile(_) | VaultLogin::Certificate { .. } | VaultLogin::Jwt { .. },
        )
        | None => false,
    };
    wrapped && matches!(credential.source, config::Source::Vault(_))
}

fn not_had(credential: &config::Credential, error: &SourceError) -> String {
    let source = credential.source.name();
    let advice = advice::on(error);
    format!(
        "{} cannot be had from {source}: {error}; {advice}",
        credential.name
    )
}

/// That there is no such name among the `known`, and which ones are near.
fn unknown<'k>(name: &str, known: impl Iterator<Item = &'k Arc<str>>) -> String {
    let mut known: Vec<(usize, &str)> = known
        .map(|known| (distance(name, known), &**known))
        .collect();
    known.sort_unstable();
    let is_near = |(distance, known): &&(usize, &str)| {
        *distance <= 1 + name.len() / 4 || known.contains(name) || name.contains(known)
    };
    let names =
        |known: &[(usize, &'k str)]| known.iter().map(|(_, name)| *name).collect::<Vec<_>>();
    let near: Vec<_> = known.iter().filter(is_near).copied().collect();
    let instead = match (&*near, &*known) {
        ([], []) => "it has none".to_owned(),
        ([], all) => format!("it has {}", listed(&names(all))),
        (near, _) => format!("did you mean {}?", listed(&names(near))),
    };
    format!("the catalogue has no credential {name:?}; {instead}")
}

/// Some names, and that there are more.
fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let told: Vec<&str> = names.iter().take(NAMES_MAX).copied().collect();
    match more {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_an_unknown_name_is_told_near_ones_or_all() {
        let said = |name: &str, known: &[&str]| {
            let known: Vec<Arc<str>> = known.iter().map(|name| Arc::from(*name)).collect();
            unknown(name, known.iter())
        };
        let known = ["github-triage", "queues", "weather"];
        assert!(said("github", &known).ends_with("did you mean github-triage?"));
        assert!(said("wether", &known).ends_with("did you mean weather?"));
        assert!(said("x", &known).ends_with("it has queues, weather, github-triage"));
        assert!(said("x", &[]).ends_with("it has none"));
        let many: Vec<String> = (10..30).map(|number| format!("name-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(said("q", &many).ends_with("name-19 and 10 more"));
    }
}
