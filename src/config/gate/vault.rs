//! Where the Vault or OpenBao server is and how the gate logs in: `vault` in `tollgate.yaml`.
//!
//! Only AppRole: the gate has an identity of its own and no token in a file that could be a root token.

use std::path::PathBuf;

use crate::{
    config::{
        mistake::{Wrong, quoted},
        value::Value,
    },
    credential::vault::plain_path,
    target::Authority,
    upstream::resolve::Service,
};

/// A Vault or OpenBao server, and how the gate logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vault {
    /// Where it is: always https.
    pub(crate) address: Authority,
    /// The authorities that vouch for the server (PEM).
    pub(crate) ca: PathBuf,
    /// The namespace, if not the root.
    pub(crate) namespace: Option<String>,
    /// The login.
    pub(crate) approle: AppRole,
}

impl Vault {
    /// `https://host[:port]`, without a path.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Its host and its port.
    pub(crate) fn place(&self) -> Service {
        let (host, port) = self.address.clone().into_parts();
        Service {
            host,
            port: port.unwrap_or(443),
        }
    }
}

/// A login by AppRole; both ids stand in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppRole {
    /// The file with the role id.
    pub(crate) role_id: PathBuf,
    /// The file with the secret id.
    pub(crate) secret_id: PathBuf,
    /// Where the method is mounted, `approle` if not written.
    pub(crate) mount: String,
}

/// Lowers the mapping `vault`.
pub(super) fn lower(value: Value<'_>) -> Option<Vault> {
    value.mapping(|fields| {
        let address = fields.required("address", |v| v.parse(vault_address));
        let ca = fields.required("ca", Value::file);
        let namespace = fields.optional("namespace", |v| v.parse(path));
        let approle = fields.required("approle", approle);
        Some(Vault {
            address: address?,
            ca: ca?,
            namespace: namespace?,
            approle: approle?,
        })
    })
}

fn approle(value: Value<'_>) -> Option<AppRole> {
    value.mapping(|fields| {
        let role_id = fields.required("role_id", Value::file);
        let secret_id = fields.required("secret_id", Value::secret_file);
        let mount = fields.or("mount", "approle".to_owned(), |v| v.parse(path));
        Some(AppRole {
            role_id: role_id?,
            secret_id: secret_id?,
            mount: mount?,
        })
    })
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
