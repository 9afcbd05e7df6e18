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

use self::vault::{Engine, Parent, Vault, VaultError};

use crate::{
    inject::placement::Unsendable,
    refusal::{Reason, Refusal},
    secret::{Secret, Value},
};

/// Where the value of a catalogue entry comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A secrets engine of Vault.
    Vault {
        /// Who is asked; shared by all entries of one identity at Vault.
        vault: Arc<Vault>,
        /// What is asked.
        engine: Engine,
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

    /// Asks the source for more time, as much as the lease began with, and gives what it grants from the question on:
    /// less near the end of what a lease may have in all. Brings no value.
    fn renew(
        &self,
        lease: &LeaseInfo,
    ) -> impl Future<Output = Result<Duration, SourceError>> + Send;

    /// Has the source end a lease that nobody is given any more, after calls under way have had `rest` to begin. Best
    /// effort, in a task of its own; a lease that cannot be ended ends by itself.
    fn give_up(&self, lease: LeaseInfo, rest: Duration);

    /// Whether each fetch makes something anew at the source, which is then there until its end.
    fn creates(&self) -> bool;

    /// What the value is called at its source, for the record: no secret, the same for the life of the entry.
    fn name(&self) -> String;
}

impl Fetch for Source {
    async fn fetch(&self) -> Result<Fetched, SourceError> {
        match self {
            Source::Vault { vault, engine } => Ok(vault.fetch(engine).await?),
            Source::File { path } => Ok(Fetched::stored(file::read(path).await?)),
        }
    }

    async fn renew(&self, lease: &LeaseInfo) -> Result<Duration, SourceError> {
        match self {
            Source::Vault { vault, engine: _ } => Ok(vault.renew(lease).await?),
            Source::File { .. } => Err(SourceError::TooShort),
        }
    }

    fn give_up(&self, lease: LeaseInfo, rest: Duration) {
        match self {
            Source::Vault { vault, engine: _ } => vault.give_up(lease, rest),
            Source::File { .. } => {}
        }
    }

    fn creates(&self) -> bool {
        match self {
            Source::Vault { vault: _, engine } => engine.creates(),
            Source::File { .. } => false,
        }
    }

    fn name(&self) -> String {
        match self {
            Source::Vault { vault: _, engine } => engine.name(),
            Source::File { path } => format!("file:{}", path.display()),
        }
    }
}

/// What a source answered.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The value.
    pub(crate) value: Value,
    /// The source's own count of the value's versions, if it counts.
    pub(crate) version: Option<u64>,
    /// What ends it.
    pub(crate) end: End,
    /// The source's name for this answer in its own log.
    pub(crate) request_id: Option<String>,
    /// The token with which it was asked for: what is leased by it ends with it.
    pub(crate) parent: Option<Arc<Parent>>,
}

impl Fetched {
    /// A value that somebody stored, of which the source knows neither a version nor an end.
    pub(crate) fn stored(secret: Secret) -> Fetched {
        Fetched {
            value: Value::token(secret),
            version: None,
            end: End::Open,
            request_id: None,
            parent: None,
        }
    }
}

/// What ends a value, apart from the catalogue's `max_ttl`, which holds for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: it works until somebody changes it.
    Open,
    /// A lease, which the source may make longer and which may be given back.
    Lease(LeaseInfo),
    /// The source puts another in its place after this time, and not before: to ask ahead gives the same once more.
    Rotation(Duration),
    /// Nobody: it has its end in itself, after this time, and another can be had before.
    After(Duration),
}

/// A source's lease on a value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LeaseInfo {
    /// The source's name for the lease; whoever has it may end the lease.
    pub(crate) id: Arc<str>,
    /// From the answer to the end.
    pub(crate) duration: Duration,
    /// Whether the source would make it longer.
    pub(crate) renewable: bool,
}

impl fmt::Debug for LeaseInfo {
    /// Without the id: it is no secret value, but it stands in no log of ours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseInfo")
            .field("duration", &self.duration)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
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
    /// So many values were made that it is left alone for this long.
    TooMany(Duration),
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
            | SourceError::TimedOut
            | SourceError::TooMany(_) => false,
        }
    }

    /// Whether it is sure, as far as the source says it, that nothing was made there by the question that failed so.
    pub(crate) fn made_nothing(&self) -> bool {
        match self {
            SourceError::Vault(error) => error.made_nothing(),
            SourceError::TooMany(_) => true,
            SourceError::File(_)
            | SourceError::Unsendable(_)
            | SourceError::TooShort
            | SourceError::TimedOut => false,
        }
    }

    /// Whether the same question may bring something later, with nothing changed by anybody.
    pub(crate) fn passes(&self) -> bool {
        match self {
            SourceError::Vault(error) => error.retryable(),
            SourceError::TimedOut | SourceError::TooMany(_) => true,
            SourceError::File(_) | SourceError::Unsendable(_) | SourceError::TooShort => false,
        }
    }

    /// How long the source wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            SourceError::Vault(error) => error.retry_after(),
            SourceError::TooMany(wait) => Some(*wait),
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
            SourceError::TooMany(_) => {
                f.write_str("too many values were made of it; none is made for a while")
            }
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
