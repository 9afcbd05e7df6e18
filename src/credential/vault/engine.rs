//! The secrets engines of Vault: what each is asked, and what its answer gives.
//!
//! One file per kind of answer. A new engine is one more variant here, and the compiler lists what else it needs.
//! Who asks, with which token and how often is not known here.

mod kv;
mod login;
mod question;

pub(super) use question::Question;

use super::{
    super::{Fetched, LeaseInfo},
    envelope::{Answer, Envelope},
    error::VaultError,
    path,
};
use crate::secret::Part;

use std::time::Duration;

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
}

/// What a policy must allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    /// The path of the API, without the version before it.
    pub(crate) path: String,
    /// Vault's word for what is done there.
    pub(crate) capability: &'static str,
}

/// A secret in a key-value engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Where the engine is mounted.
    pub(crate) mount: String,
    /// The secret.
    pub(crate) path: String,
    /// Which of its fields.
    pub(crate) field: String,
}

impl Engine {
    /// The texts that an answer has.
    pub(crate) fn parts(&self) -> &'static [Part] {
        match self {
            Engine::Kv1(_) | Engine::Kv2(_) => &[Part::Token],
            Engine::Login { .. } | Engine::StaticLogin { .. } => &[Part::Username, Part::Password],
        }
    }

    /// Whether the engine ends its values by itself.
    pub(crate) fn ends_its_values(&self) -> bool {
        match self {
            Engine::Kv1(_) | Engine::Kv2(_) => false,
            Engine::Login { .. } | Engine::StaticLogin { .. } => true,
        }
    }

    /// Whether each question makes something anew, which is then there for as long as its lease: such a question is
    /// not repeated when it is unknown what became of it.
    pub(crate) fn creates(&self) -> bool {
        match self {
            Engine::Kv1(_) | Engine::Kv2(_) | Engine::StaticLogin { .. } => false,
            Engine::Login { .. } => true,
        }
    }

    /// What it is asked.
    ///
    /// # Errors
    ///
    /// [`VaultError::PathUnsafe`] when mount, path or role have more than one reading.
    pub(super) fn question(&self) -> Result<Question, VaultError> {
        match self {
            Engine::Kv1(stored) => Question::read(&[&stored.mount, &stored.path]),
            Engine::Kv2(stored) => Question::read(&[&stored.mount, "data", &stored.path]),
            Engine::Login { mount, role } => Question::read(&[mount, "creds", role]),
            Engine::StaticLogin { mount, role } => Question::read(&[mount, "static-creds", role]),
        }
    }

    /// Where its question goes, and what a policy must allow there.
    ///
    /// # Errors
    ///
    /// [`VaultError::PathUnsafe`] when mount, path or role have more than one reading.
    pub(crate) fn needs(&self) -> Result<Need, VaultError> {
        let question = self.question()?;
        Ok(Need {
            capability: match question.method() {
                RequestMethod::GET => "read",
                _ => "update",
            },
            path: question.path(),
        })
    }

    /// What the answer to [`Engine::question`] gives.
    ///
    /// # Errors
    ///
    /// That there is nothing, or nothing any more; that a text is missing or is no secret; that the answer is none.
    pub(super) fn fetched(&self, answer: &Answer) -> Result<Fetched, VaultError> {
        match self {
            Engine::Kv1(stored) => kv::first(answer, &stored.field),
            Engine::Kv2(stored) => kv::second(answer, &stored.field),
            Engine::Login { .. } => login::made(answer),
            Engine::StaticLogin { .. } => login::rotated(answer),
        }
    }

    /// What the record calls it: where it is, and no secret.
    pub(crate) fn name(&self) -> String {
        match self {
            Engine::Kv1(stored) | Engine::Kv2(stored) => {
                format!("vault:{}/{}#{}", stored.mount, stored.path, stored.field)
            }
            Engine::Login { mount, role } => format!("vault:{mount}/creds/{role}"),
            Engine::StaticLogin { mount, role } => format!("vault:{mount}/static-creds/{role}"),
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

/// The server's name for an answer, which its audit log has too.
fn request_id<T>(envelope: &Envelope<T>) -> Option<String> {
    let id = envelope.request_id.clone();
    id.filter(|id| id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic()))
}
