//! The client of Vault: which files it is made of, and what it is told.

use std::sync::Arc;

use super::unusable;
use crate::{
    app::StartError,
    config::{self, Digest, VaultLogin, VaultSecretId},
    credential::vault::{
        AppRole, Certificate, ClientCertificate, Jwt, Ledger, LedgerFault, Login, SecretId, Vault,
        VaultSettings,
    },
    tls::stores,
};

/// The files of the login count too: they are read at each login, but a new one is a reason to log in.
pub(super) fn made_of(settings: &config::Vault) -> Digest {
    Digest::of(&format!("{settings:?}"), settings.files())
}

/// The file in which its tokens are noted, if there is to be one; a client that has it goes on with it.
///
/// # Errors
/// It cannot be had.
pub(super) fn ledger(
    settings: &config::Vault,
    last: Option<&Vault>,
) -> Result<Option<Arc<Ledger>>, StartError> {
    let Some(path) = &settings.state else {
        return Ok(None);
    };
    let last = last.and_then(Vault::ledger);
    if let Some(same) = last.filter(|last| last.is_at(path)) {
        return Ok(Some(same));
    }
    let opened = Ledger::open(path).map_err(|error| {
        let why = format!("vault.state: {error}");
        match error.fault {
            LedgerFault::InUse => StartError::Address(why),
            _ => StartError::Settings(why),
        }
    });
    opened.map(Some)
}

/// What the client is told, but for the file of its tokens.
///
/// # Errors
/// An address or a file that cannot be used.
pub(super) fn settings(settings: &config::Vault) -> Result<VaultSettings, StartError> {
    let uri = |url: String, what| {
        let uri = url.parse();
        uri.map_err(|error| StartError::because(what, error))
    };
    let redirects = settings.redirect_urls();
    let redirects = redirects.map(|url| uri(url, "vault.redirects"));
    let certificate = settings.client_certificate.as_ref();
    Ok(VaultSettings {
        address: uri(settings.url(), "vault.address")?,
        ca: stores::certificates(&settings.ca).map_err(unusable)?,
        server_name: settings.server_name.clone(),
        certificate: certificate.map(client_certificate).transpose()?,
        redirects: redirects.collect::<Result<_, _>>()?,
        namespace: settings.namespace.clone(),
        login_namespace: settings.login_namespace.clone(),
        login: login(settings.login.clone()),
        per_role: settings.per_role.clone(),
        revoke_on_exit: settings.revoke_on_exit,
        ledger: None,
    })
}

fn client_certificate(pair: &config::KeyPair) -> Result<ClientCertificate, StartError> {
    let chain = stores::certificates(&pair.chain).map_err(unusable)?;
    let key = stores::key(&pair.key).map_err(unusable)?;
    ClientCertificate::new(chain, key)
        .map_err(|error| StartError::because("vault.client_certificate", error))
}

fn login(configured: VaultLogin) -> Login {
    match configured {
        VaultLogin::AppRole {
            role_id,
            secret_id,
            mount,
        } => Login::AppRole(AppRole {
            mount,
            role_id,
            secret_id: match secret_id {
                VaultSecretId::Plain(file) => SecretId::Plain(file),
                VaultSecretId::Wrapped { file, role } => SecretId::Wrapped { file, role },
            },
        }),
        VaultLogin::TokenFile(file) => Login::TokenFile(file),
        VaultLogin::Certificate { role, mount } => Login::Certificate(Certificate { mount, role }),
        VaultLogin::Jwt {
            role,
            token_file,
            mount,
        } => Login::Jwt(Jwt {
            mount,
            role,
            token_file,
        }),
    }
}
