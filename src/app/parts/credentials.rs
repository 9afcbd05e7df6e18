//! The credentials of the catalogue as they are lent, each with its lease at hand.

use std::{collections::HashMap, sync::Arc};

use super::{Making, StartError, vault::settings as vault_settings};
use crate::{
    config::{self, Settings, Source as ConfiguredSource},
    credential::{
        Credential, Entry, Source,
        vault::{Vault, VaultSettings},
    },
    snapshot::Catalogue,
};

/// All of them.
#[derive(Debug, Clone)]
pub(in crate::app) struct Credentials(HashMap<Key, Listed>);

/// Which credential: its name, and the role that has a value of its own of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: Arc<str>,
    role: Option<Arc<str>>,
}

/// A credential as the catalogue describes it and as it is lent.
#[derive(Debug, Clone)]
struct Listed {
    configured: Arc<config::Credential>,
    credential: Arc<Credential>,
}

impl Credentials {
    /// What a role finds under the names of the catalogue: its own value where it has one.
    pub(in crate::app) fn of_role(&self, role: &str) -> Catalogue {
        let of_role = |key: &Key| key.role.as_deref().is_none_or(|owner| owner == role);
        let credentials = self.0.iter().filter(|(key, _)| of_role(key));
        credentials
            .map(|(key, listed)| (key.name.clone(), listed.credential.clone()))
            .collect()
    }

    /// Every credential that is lent.
    pub(in crate::app) fn all(&self) -> Arc<[Arc<Credential>]> {
        let all = self.0.values();
        all.map(|listed| listed.credential.clone()).collect()
    }
}

impl Making<'_> {
    /// The credentials of the catalogue; those that have the same value as before go on with what they have.
    pub(super) fn credentials(
        &self,
        vault: Option<&Arc<Vault>>,
    ) -> Result<Credentials, StartError> {
        let mut listed = HashMap::new();
        for configured in self.settings.credentials.values() {
            for key in self.keys(configured) {
                let credential = Arc::new(self.credential(configured, &key, vault)?);
                let configured = configured.clone();
                listed.insert(
                    key,
                    Listed {
                        configured,
                        credential,
                    },
                );
            }
        }
        Ok(Credentials(listed))
    }

    /// Whose values there are of a credential: everybody's, or one for each role that may name it, where roles act at
    /// Vault under tokens of their own.
    fn keys(&self, configured: &config::Credential) -> Vec<Key> {
        let vault = self.settings.gate.vault.as_ref();
        let by_roles = vault.is_some_and(|vault| vault.per_role.is_some());
        let key = |role| Key {
            name: configured.name.clone(),
            role,
        };
        match (&configured.source, by_roles) {
            (ConfiguredSource::Vault(_), true) => {
                let roles = configured.binding.roles.iter().cloned();
                roles.map(|role| key(Some(role))).collect()
            }
            (ConfiguredSource::Vault(_), false) | (ConfiguredSource::File(_), _) => vec![key(None)],
        }
    }

    /// A credential; who may use it may change without its value being fetched anew.
    fn credential(
        &self,
        configured: &config::Credential,
        key: &Key,
        vault: Option<&Arc<Vault>>,
    ) -> Result<Credential, StartError> {
        let last = self.last.and_then(|last| last.credentials.0.get(key));
        let kept = last.filter(|last| last.configured.has_the_value_of(configured));
        let entry = match kept {
            Some(kept) => kept.credential.entry.clone(),
            None => Entry::new(
                source(configured, of_role(vault, key)?.as_ref())?,
                configured.placement.clone(),
                configured.max_ttl,
                self.names.clone(),
            ),
        };
        Ok(Credential {
            name: configured.name.clone(),
            role: key.role.clone(),
            binding: configured.binding.clone(),
            source: match configured.source {
                ConfiguredSource::File(_) => "file",
                ConfiguredSource::Vault(_) => "vault",
            },
            entry,
        })
    }
}

/// The source of one credential for who has no gate.
pub(crate) struct Alone {
    /// The source, as a role asks it that has a token of its own where the settings say so.
    pub(crate) source: Source,
    /// The client of Vault that it was made for and that owns all others: it does nothing until it is asked, and gives
    /// everything back when it is closed.
    pub(crate) vault: Option<Arc<Vault>>,
}

impl Alone {
    /// The source of `configured` as `role` asks it.
    ///
    /// # Errors
    /// What the settings say of Vault cannot be used.
    pub(crate) fn of(
        settings: &Settings,
        configured: &config::Credential,
        role: &str,
    ) -> Result<Alone, StartError> {
        let unusable = |error| StartError::because("vault", error);
        let vault = match (&configured.source, &settings.gate.vault) {
            (ConfiguredSource::Vault(_), Some(vault)) => {
                let settings = VaultSettings {
                    revoke_on_exit: true,
                    ..vault_settings(vault)?
                };
                let vault = Vault::new(settings, Arc::default()).map_err(unusable)?;
                Some(Arc::new(vault))
            }
            (ConfiguredSource::Vault(_), None) | (ConfiguredSource::File(_), _) => None,
        };
        let of_role = vault.as_ref().map(|vault| vault.for_role(role));
        let of_role = of_role.transpose().map_err(unusable)?;
        let source = source(configured, of_role.as_ref())?;
        Ok(Alone { source, vault })
    }
}

/// Who asks Vault for a credential.
fn of_role(vault: Option<&Arc<Vault>>, key: &Key) -> Result<Option<Arc<Vault>>, StartError> {
    let asks = |vault: &Arc<Vault>| match &key.role {
        Some(role) => vault.for_role(role),
        None => Ok(vault.clone()),
    };
    vault
        .map(asks)
        .transpose()
        .map_err(|error| StartError::because("vault", error))
}

fn source(
    configured: &config::Credential,
    vault: Option<&Arc<Vault>>,
) -> Result<Source, StartError> {
    match &configured.source {
        ConfiguredSource::File(path) => Ok(Source::File { path: path.clone() }),
        ConfiguredSource::Vault(engine) => {
            let vault = vault
                .ok_or_else(|| StartError::because(&configured.name, "no vault is configured"))?;
            Ok(Source::Vault {
                vault: vault.clone(),
                engine: engine.clone(),
            })
        }
    }
}
