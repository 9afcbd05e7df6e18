//! The login at Vault: exactly one of the keys that name one.

use std::path::{Path, PathBuf};

use super::path;
use crate::config::{fields::Fields, mistake::Wrong, value::Value};

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The keys that name a login.
const KEYS: [&str; 5] = [
    "approle",
    "token_file",
    "certificate_login",
    "kubernetes",
    "jwt",
];

/// How the gate comes to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// By AppRole.
    AppRole {
        /// The file with the role id.
        role_id: PathBuf,
        /// What proves it.
        secret_id: SecretId,
        /// Where the method is mounted.
        mount: String,
    },
    /// It stands in a file, and somebody else got it.
    TokenFile(PathBuf),
    /// By the certificate that the gate shows.
    Certificate {
        /// The role that is asked for, if not any that fits.
        role: Option<String>,
        /// Where the method is mounted.
        mount: String,
    },
    /// By a token of another issuer, of Kubernetes too.
    Jwt {
        /// The role that is asked for.
        role: String,
        /// The file with the token.
        token_file: PathBuf,
        /// Where the method is mounted.
        mount: String,
    },
}

/// Where the secret id of a login by AppRole is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretId {
    /// In a file.
    Plain(PathBuf),
    /// At Vault, for whoever shows the token in a file first.
    Wrapped {
        /// The file.
        file: PathBuf,
        /// The role whose secret id it must be.
        role: String,
    },
}

impl Login {
    /// The files with what is shown.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let (one, other) = match self {
            Login::AppRole {
                role_id, secret_id, ..
            } => (Some(role_id), Some(secret_id.file())),
            Login::TokenFile(file) => (Some(file), None),
            Login::Certificate { .. } => (None, None),
            Login::Jwt { token_file, .. } => (Some(token_file), None),
        };
        one.into_iter().chain(other).map(PathBuf::as_path)
    }
}

impl SecretId {
    fn file(&self) -> &PathBuf {
        match self {
            SecretId::Plain(file) | SecretId::Wrapped { file, role: _ } => file,
        }
    }
}

/// Lowers the one login among the keys of `vault`.
pub(super) fn lower(fields: &mut Fields<'_>) -> Option<Login> {
    let written: Vec<&str> = KEYS
        .into_iter()
        .filter(|key| fields.place_of(key).is_some())
        .collect();
    let approle = fields.optional("approle", approle);
    let token_file = fields.optional("token_file", Value::secret_file);
    let certificate = fields.optional("certificate_login", certificate);
    let kubernetes = fields.optional("kubernetes", |v| jwt(v, "kubernetes"));
    let jwt = fields.optional("jwt", |v| jwt(v, "jwt"));
    match written.as_slice() {
        [_] => {}
        [] => {
            return fields.wrong(Wrong::new(
                "no login is named",
                format!("write one of {}", KEYS.join(", ")),
            ));
        }
        [one, other, ..] => {
            return fields.wrong(Wrong::new(
                format!("two logins stand here: {one} and {other}"),
                "keep one",
            ));
        }
    }
    let token_file = token_file?.map(Login::TokenFile);
    let others = certificate?.or(kubernetes?).or(jwt?);
    approle?.or(token_file).or(others)
}

fn approle(value: Value<'_>) -> Option<Login> {
    value.mapping(|fields| {
        let role_id = fields.required("role_id", Value::file);
        let secret_id = secret_id(fields);
        let mount = mount(fields, "approle");
        Some(Login::AppRole {
            role_id: role_id?,
            secret_id: secret_id?,
            mount: mount?,
        })
    })
}

fn secret_id(fields: &mut Fields<'_>) -> Option<SecretId> {
    if fields.place_of("wrapped_secret_id").is_none() {
        let plain = fields.required("secret_id", Value::secret_file);
        // Asked for all the same, so that they are known where a key is misspelt.
        fields.leave(&["wrapped_secret_id"]);
        return Some(SecretId::Plain(plain?));
    }
    let file = fields.required("wrapped_secret_id", Value::secret_file);
    let role = fields.required("role", |v| v.parse(path));
    if fields.place_of("secret_id").is_some() {
        fields.leave(&["secret_id"]);
        return fields.wrong(Wrong::new(
            "the secret id stands here twice: plain and wrapped",
            "keep secret_id or wrapped_secret_id",
        ));
    }
    Some(SecretId::Wrapped {
        file: file?,
        role: role?,
    })
}

fn certificate(value: Value<'_>) -> Option<Login> {
    value.mapping(|fields| {
        let role = fields.optional("role", Value::text);
        let mount = mount(fields, "cert");
        Some(Login::Certificate {
            role: role?,
            mount: mount?,
        })
    })
}

/// The methods `kubernetes` and `jwt`, each mounted where it is called like that if nothing else is written.
fn jwt(value: Value<'_>, method: &'static str) -> Option<Login> {
    value.mapping(|fields| {
        let role = fields.required("role", Value::text);
        let token_file = match method {
            "kubernetes" => fields.or("token_file", SERVICE_ACCOUNT_TOKEN.into(), Value::file),
            _ => fields.required("token_file", Value::file),
        };
        let mount = mount(fields, method);
        Some(Login::Jwt {
            role: role?,
            token_file: token_file?,
            mount: mount?,
        })
    })
}

fn mount(fields: &mut Fields<'_>, usual: &str) -> Option<String> {
    fields.or("mount", usual.to_owned(), |v| v.parse(path))
}
