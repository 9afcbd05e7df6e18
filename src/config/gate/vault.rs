//! Where the Vault or OpenBao server is and how the gate comes to a token: `vault` in `tollgate.yaml`.
//!
//! No login has its secret in the settings: they name the files where it stands.

mod login;

use std::path::{Path, PathBuf};

use super::{KeyPair, key_pair};
use crate::{
    config::{
        fields::Fields,
        mistake::{Wrong, quoted},
        value::Value,
    },
    credential::vault::{PerRole, plain_path},
    target::Authority,
    upstream::resolve::Service,
};

pub(crate) use self::login::{Login, SecretId};

/// A Vault or OpenBao server, and how the gate logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vault {
    /// Where it is: always https.
    pub(crate) address: Authority,
    /// The authorities that vouch for the server (PEM).
    pub(crate) ca: PathBuf,
    /// The name that its certificate has, if it is not the host of the address.
    pub(crate) server_name: Option<String>,
    /// What the gate shows to it, if anything.
    pub(crate) client_certificate: Option<KeyPair>,
    /// Other servers to which it may send a call on.
    pub(crate) redirects: Vec<Authority>,
    /// The namespace of the secrets, if not the root.
    pub(crate) namespace: Option<String>,
    /// The namespace of the login, if not the root.
    pub(crate) login_namespace: Option<String>,
    /// The login.
    pub(crate) login: Login,
    /// What the roles act under, if not under the gate's own token.
    pub(crate) per_role: Option<PerRole>,
    /// Whether the gate gives back what it has when it ends.
    pub(crate) revoke_on_exit: bool,
    /// The file in which it notes its tokens, so that the next run ends what a crash left behind.
    pub(crate) state: Option<PathBuf>,
}

impl Vault {
    /// `https://host[:port]`, without a path.
    pub(crate) fn url(&self) -> String {
        url(&self.address)
    }

    /// The same of the servers to which it may send a call on.
    pub(crate) fn redirect_urls(&self) -> impl Iterator<Item = String> {
        self.redirects.iter().map(url)
    }

    /// The host and the port of each of its servers.
    pub(crate) fn places(&self) -> impl Iterator<Item = Service> {
        let servers = std::iter::once(&self.address).chain(&self.redirects);
        servers.map(|address| {
            let (host, port) = address.clone().into_parts();
            Service {
                host,
                port: port.unwrap_or(443),
            }
        })
    }

    /// The files of which the gate's standing is made: another content is a reason to log in.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let shown = self.client_certificate.iter();
        let shown = shown.flat_map(|shown| [&*shown.chain, &*shown.key]);
        [&*self.ca]
            .into_iter()
            .chain(shown)
            .chain(self.login.files())
    }
}

fn url(address: &Authority) -> String {
    format!("https://{address}")
}

/// Lowers the mapping `vault`.
pub(super) fn lower(value: Value<'_>) -> Option<Vault> {
    value.mapping(|fields| {
        let address = fields.required("address", |v| v.parse(vault_address));
        let ca = fields.required("ca", Value::file);
        let server_name = fields.optional("server_name", |v| v.parse(server_name));
        let client_certificate = fields.optional("client_certificate", |v| key_pair(v, "chain"));
        let redirects = fields.or("redirects", Vec::new(), |v| {
            v.each(|v| v.parse(vault_address))
        });
        let namespace = fields.optional("namespace", |v| v.parse(path));
        let login_namespace = fields.optional("login_namespace", |v| v.parse(path));
        let per_role = fields.optional("per_role", per_role);
        let revoke_on_exit = fields.or("revoke_on_exit", true, Value::boolean);
        let state = fields.optional("state", Value::kept_file);
        let login = login::lower(fields);
        let (namespace, client_certificate) = (namespace?, client_certificate?);
        let login = shown(fields, login?, client_certificate.as_ref())?;
        Some(Vault {
            address: address?,
            ca: ca?,
            server_name: server_name?,
            redirects: redirects?,
            login_namespace: login_namespace?.or_else(|| namespace.clone()),
            namespace,
            client_certificate,
            login,
            per_role: per_role?,
            revoke_on_exit: revoke_on_exit?,
            state: state?,
        })
    })
}

fn per_role(value: Value<'_>) -> Option<PerRole> {
    value.mapping(|fields| {
        let token_role = fields.required("token_role", |v| v.parse(path));
        let entity_alias = fields.required("entity_alias", |v| v.parse(entity_alias));
        Some(PerRole {
            token_role: token_role?,
            entity_alias: entity_alias?,
        })
    })
}

/// Each role has an alias of its own.
fn entity_alias(text: &str) -> Result<String, Wrong> {
    if plain_path(&text.replace("{role}", "role")) && text.matches("{role}").count() == 1 {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{} is no alias for each role", quoted(text)),
        "write it like tollgate-{role}, with {role} where the name of the role goes",
    ))
}

/// A login by certificate needs one.
fn shown(fields: &Fields<'_>, login: Login, certificate: Option<&KeyPair>) -> Option<Login> {
    match (&login, certificate) {
        (Login::Certificate { .. }, None) => fields.wrong(Wrong::new(
            "a login by certificate, and no certificate is shown",
            "write client_certificate: {chain, key} beside it",
        )),
        _ => Some(login),
    }
}

fn vault_address(text: &str) -> Result<Authority, Wrong> {
    let authority = text
        .strip_prefix("https://")
        .map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match authority.map(Authority::parse) {
        Some(Ok(authority)) => Ok(authority),
        Some(Err(_)) | None => Err(Wrong::new(
            format!("{} is no address of a Vault server", quoted(text)),
            "write it like https://vault.example.org:8200, without a path",
        )),
    }
}

fn server_name(text: &str) -> Result<String, Wrong> {
    let name = Authority::parse(text).ok().map(Authority::into_parts);
    match name {
        Some((host, None)) if host.ip().is_none() => Ok(text.to_owned()),
        Some(_) | None => Err(Wrong::new(
            format!("{} is no name of a server", quoted(text)),
            "write the DNS name that its certificate has, like vault.example.org",
        )),
    }
}

/// A path inside Vault that has one reading for every server.
pub(in crate::config) fn path(text: &str) -> Result<String, Wrong> {
    if plain_path(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{} is no path in Vault", quoted(text)),
        "write segments of A-Z, a-z, 0-9, dots, hyphens and underscores with single slashes between them",
    ))
}
