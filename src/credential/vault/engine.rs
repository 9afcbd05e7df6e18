//! The secrets engines of Vault: what each is asked, and what its answer gives.
//!
//! One file per kind of answer. A new engine is one more variant here, and the compiler lists what else it needs.
//! Who asks, with which token and how often is not known here.

mod ask;
mod aws;
mod azure;
mod gcp;
mod identity;
mod kv;
mod login;
mod pki;
mod question;
mod transit;

pub(crate) use aws::AwsRole;
pub(crate) use gcp::GcpAccount;
pub(crate) use kv::Stored;
pub(crate) use pki::CertificateRole;
pub(super) use question::Question;
pub(crate) use transit::{Algorithm, Claims, SigningKey};

use self::ask::Ask;
use super::{
    super::{End, Fetched, LeaseInfo},
    envelope::{Answer, Envelope, Text},
    error::VaultError,
    path,
};
use crate::secret::{Part, Secret, Value};

use std::time::{Duration, SystemTime};

use rustify::{endpoint::Endpoint as _, enums::RequestMethod};

/// A longer name of an answer is not kept; Vault's have 36 bytes.
const ID_BYTES_MAX: usize = 64;

/// What a credential is asked of. All of mount, path and role are plain paths: see [`path::plain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A field of a secret that somebody stored, in the key-value engine's first version.
    Kv1(Stored),
    /// The same in its second version, which counts the secret's versions.
    Kv2(Stored),
    /// A user that is made for one lease, by the database or the RabbitMQ engine.
    Login {
        /// Where the engine is mounted.
        mount: String,
        /// The role that says what the user may do.
        role: String,
    },
    /// A user that is there for good and whose password the database engine changes.
    StaticLogin {
        /// Where the engine is mounted.
        mount: String,
        /// The static role.
        role: String,
    },
    /// A certificate for a key that the gate makes and keeps.
    Certificate(CertificateRole),
    /// A JWT that the gate writes and whose key stays in the transit engine.
    SignedToken(SigningKey),
    /// A JWT that says which entity of Vault the gate is.
    IdentityToken {
        /// The role that says for whom it is and what is in it.
        role: String,
    },
    /// Keys to AWS.
    Aws(AwsRole),
    /// A secret of an application at Azure, made for one lease.
    Azure {
        /// Where the engine is mounted.
        mount: String,
        /// The role that says what the application may do.
        role: String,
    },
    /// A token for Google Cloud.
    Gcp(GcpAccount),
}

/// What a policy must allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    /// The path of the API, without the version before it.
    pub(crate) path: String,
    /// Vault's word for what is done there.
    pub(crate) capability: &'static str,
}

impl Engine {
    /// What an answer gives.
    pub(crate) fn parts(&self) -> &'static [Part] {
        match self {
            Engine::Kv1(_)
            | Engine::Kv2(_)
            | Engine::SignedToken(_)
            | Engine::IdentityToken { .. }
            | Engine::Gcp(_) => &[Part::Token],
            Engine::Login { .. } | Engine::StaticLogin { .. } => &[Part::Username, Part::Password],
            Engine::Certificate(_) => &[Part::Certificate],
            Engine::Aws(role) => role.parts(),
            Engine::Azure { .. } => &[Part::ClientId, Part::ClientSecret],
        }
    }

    /// Whether the engine ends its values by itself, or they have an end in themselves.
    pub(crate) fn ends_its_values(&self) -> bool {
        match self {
            Engine::Kv1(_) | Engine::Kv2(_) => false,
            Engine::Login { .. }
            | Engine::StaticLogin { .. }
            | Engine::Certificate(_)
            | Engine::SignedToken(_)
            | Engine::IdentityToken { .. }
            | Engine::Aws(_)
            | Engine::Azure { .. }
            | Engine::Gcp(_) => true,
        }
    }

    /// Whether each question makes something anew, which is then there for as long as its lease: such a question is
    /// not repeated when it is unknown what became of it.
    pub(crate) fn creates(&self) -> bool {
        match self {
            Engine::Kv1(_)
            | Engine::Kv2(_)
            | Engine::StaticLogin { .. }
            | Engine::SignedToken(_)
            | Engine::IdentityToken { .. }
            | Engine::Gcp(_) => false,
            // A certificate stands in the engine's list until its end, and works for nobody without the key.
            Engine::Login { .. }
            | Engine::Certificate(_)
            | Engine::Aws(_)
            | Engine::Azure { .. } => true,
        }
    }

    /// What it is asked, and how its answer is read. What the gate adds of its own (a key, the time) is of this moment:
    /// for another question it is asked for anew.
    ///
    /// # Errors
    ///
    /// [`VaultError::PathUnsafe`] when mount, path or role have more than one reading; [`VaultError::NoRandomness`].
    pub(super) fn ask(&self) -> Result<Ask<'_>, VaultError> {
        match self {
            Engine::Kv1(stored) => stored.ask_first(),
            Engine::Kv2(stored) => stored.ask_second(),
            Engine::Login { mount, role } => Ask::read(&[mount, "creds", role], login::made),
            Engine::StaticLogin { mount, role } => {
                Ask::read(&[mount, "static-creds", role], login::rotated)
            }
            Engine::Certificate(role) => role.ask(),
            Engine::SignedToken(key) => key.ask(SystemTime::now()),
            Engine::IdentityToken { role } => {
                Ask::read(&["identity/oidc/token", role], identity::token)
            }
            Engine::Aws(role) => role.ask(),
            Engine::Azure { mount, role } => Ask::read(&[mount, "creds", role], azure::made),
            Engine::Gcp(account) => account.ask(),
        }
    }

    /// Where its question goes, and what a policy must allow there.
    ///
    /// # Errors
    ///
    /// [`VaultError::PathUnsafe`] when mount, path or role have more than one reading.
    pub(crate) fn needs(&self) -> Result<Need, VaultError> {
        let question = self.ask()?.question;
        Ok(Need {
            capability: match question.method() {
                RequestMethod::GET => "read",
                _ => "update",
            },
            path: question.path(),
        })
    }

    /// What the record calls it: where it is, and no secret.
    pub(crate) fn name(&self) -> String {
        match self {
            Engine::Kv1(stored) | Engine::Kv2(stored) => stored.name(),
            Engine::Login { mount, role } | Engine::Azure { mount, role } => {
                format!("vault:{mount}/creds/{role}")
            }
            Engine::StaticLogin { mount, role } => format!("vault:{mount}/static-creds/{role}"),
            Engine::Certificate(role) => role.name(),
            Engine::SignedToken(key) => key.name(),
            Engine::IdentityToken { role } => format!("vault:identity/oidc/token/{role}"),
            Engine::Aws(role) => role.name(),
            Engine::Gcp(account) => account.name(),
        }
    }
}

/// The end that an answer's lease sets, if it has one. A duration without a lease id is a hint on how often to read.
fn lease<T>(envelope: &Envelope<T>) -> Option<LeaseInfo> {
    let id = envelope.lease_id.clone().filter(|id| !id.is_empty())?;
    Some(LeaseInfo {
        id: id.into(),
        duration: Duration::from_secs(envelope.lease_duration.unwrap_or_default()),
        renewable: envelope.renewable.unwrap_or_default(),
    })
}

/// What an answer gave: `value`, until `end`. Which token it was got with is noted where it was asked for.
fn fetched<T>(envelope: &Envelope<T>, value: Value, end: End) -> Fetched {
    Fetched {
        value,
        version: None,
        end,
        request_id: request_id(envelope),
        parent: None,
    }
}

/// The server's name for an answer, which its audit log has too.
fn request_id<T>(envelope: &Envelope<T>) -> Option<String> {
    let id = envelope.request_id.clone();
    id.filter(|id| id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// The texts of an answer, each with its name.
///
/// # Errors
///
/// One is missing or is no secret.
fn texts<const N: usize>(
    found: [(Part, Option<Text>); N],
) -> Result<Vec<(Part, Secret)>, VaultError> {
    let secrets = found.into_iter().map(|(part, text)| {
        let text = text.ok_or(VaultError::NoField)?;
        let secret = Secret::from_outside(text.0).map_err(VaultError::Unfit)?;
        Ok((part, secret))
    });
    secrets.collect()
}

const NO_DATA: VaultError = VaultError::Malformed("it has no data");
const NO_LEASE: VaultError = VaultError::Malformed("it has no lease");
const NO_END: VaultError = VaultError::Malformed("it does not say when it ends");
