//! With what: where a credential's value comes from, and for how long it may be used.
//!
//! Each name of the catalogue is one [`Entry`]: a source and the lease that was made of its last answer. Which
//! request may have which lease is not decided here, and neither is where in the request it goes.

mod backoff;
mod cache;
mod file;
mod flight;
mod loan;
mod names;
pub(crate) mod vault;

pub(crate) use cache::{Condition, Entry};
pub(crate) use file::FileError;
pub(crate) use loan::{Credential, Loan};
pub(crate) use names::LeaseNames;

use std::{borrow::Cow, fmt, path::PathBuf, sync::Arc, time::Duration};

use self::vault::{Vault, VaultError};

use crate::{
    inject::placement::Unsendable,
    refusal::{Reason, Refusal},
    secret::Secret,
};

/// Where the value of a catalogue entry comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A field of a secret in Vault's key-value engine, version 2.
    Vault {
        /// Who is asked; shared by all entries.
        vault: Arc<Vault>,
        /// Where the engine is mounted.
        mount: String,
        /// The secret.
        path: String,
        /// Which of its fields.
        field: String,
    },
    /// A file that only the gate's user can read: see [`file::read`].
    File {
        /// The file.
        path: PathBuf,
    },
}

/// Something that can be asked for the present value of one credential.
pub(crate) trait Fetch: Send + Sync + 'static {
    /// Asks the source now. The caller sees to it that there is one fetch at a time, and bounds it in time.
    fn fetch(&self) -> impl Future<Output = Result<Fetched, SourceError>> + Send;

    /// What the value is called at its source, for the record: no secret, the same for the life of the entry.
    fn name(&self) -> String;
}

impl Fetch for Source {
    async fn fetch(&self) -> Result<Fetched, SourceError> {
        match self {
            Source::Vault {
                vault,
                mount,
                path,
                field,
            } => Ok(vault.read_kv2(mount, path, field).await?),
            Source::File { path } => Ok(Fetched::unleased(file::read(path).await?)),
        }
    }

    fn name(&self) -> String {
        match self {
            Source::Vault {
                vault: _,
                mount,
                path,
                field,
            } => format!("vault:{mount}/{path}#{field}"),
            Source::File { path } => format!("file:{}", path.display()),
        }
    }
}

/// What a source answered.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The value.
    pub(crate) value: Secret,
    /// The source's own count of the value's versions, if it counts.
    pub(crate) version: Option<u64>,
    /// The source's own limit on the value's use; without one the catalogue's `max_ttl` is the limit.
    pub(crate) lease: Option<LeaseInfo>,
    /// The source's name for this answer in its own log.
    pub(crate) request_id: Option<String>,
}

impl Fetched {
    /// A value of which the source knows neither a version nor an end.
    pub(crate) fn unleased(value: Secret) -> Fetched {
        Fetched {
            value,
            version: None,
            lease: None,
            request_id: None,
        }
    }
}

/// A source's limit on the use of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseInfo {
    /// The source's name for the lease; whoever has it may end the lease.
    pub(crate) id: String,
    /// From the answer to the end.
    pub(crate) duration: Duration,
    /// Whether the source would make it longer.
    pub(crate) renewable: bool,
}

/// Why a source gave no value that can be used. Says nothing of what the value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceError {
    /// Vault gave no value.
    Vault(VaultError),
    /// The file cannot be used.
    File(FileError),
    /// The value cannot stand where the catalogue puts it.
    Unsendable(Unsendable),
    /// The lease is over before it could be used.
    TooShort,
    /// The source did not answer in time.
    TimedOut,
}

impl SourceError {
    /// Whether the source says that there is no such value any more: then what is left of the old one is not used up.
    pub(crate) fn withdrawn(&self) -> bool {
        match self {
            SourceError::Vault(error) => error.withdrawn(),
            // A file that is missing may be in the middle of its replacement.
            SourceError::File(_)
            | SourceError::Unsendable(_)
            | SourceError::TooShort
            | SourceError::TimedOut => false,
        }
    }

    /// How long the source wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            SourceError::Vault(error) => error.retry_after(),
            SourceError::File(_)
            | SourceError::Unsendable(_)
            | SourceError::TooShort
            | SourceError::TimedOut => None,
        }
    }
}

impl From<VaultError> for SourceError {
    fn from(error: VaultError) -> SourceError {
        SourceError::Vault(error)
    }
}

impl From<FileError> for SourceError {
    fn from(error: FileError) -> SourceError {
        SourceError::File(error)
    }
}

impl From<Unsendable> for SourceError {
    fn from(error: Unsendable) -> SourceError {
        SourceError::Unsendable(error)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Vault(error) => write!(f, "vault: {error}"),
            SourceError::File(error) => write!(f, "file {error}"),
            SourceError::Unsendable(error) => error.fmt(f),
            SourceError::TooShort => f.write_str("the lease is over before it could be used"),
            SourceError::TimedOut => f.write_str("the source did not answer in time"),
        }
    }
}

impl std::error::Error for SourceError {}

/// No lease can be had for a credential at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// When to ask again; an earlier try is sure to fail.
    pub(crate) retry_after: Duration,
    /// What happened, for the record: no secret in it.
    pub(crate) cause: Cow<'static, str>,
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Refusal {
        Refusal::because(Reason::CredentialUnavailable, unavailable.cause)
            .retry_after(unavailable.retry_after)
    }
}
