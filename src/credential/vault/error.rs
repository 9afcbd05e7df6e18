//! What can go wrong with Vault, and whose fault it is.
//!
//! No variant carries text that Vault or a library of ours wrote: answers repeat secrets, and the debug text of
//! HTTP errors repeats answers.

use std::{fmt, io, time::Duration};

use super::super::file::FileError;
use crate::{metrics::VaultTrouble, secret::Unfit};

/// Why Vault gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VaultError {
    /// Our settings: what must be changed in them.
    Settings(&'static str),
    /// Our settings: a mount or path that has more than one reading.
    PathUnsafe,
    /// Our side: a file of the login cannot be used.
    LoginFile(FileError),
    /// Our side: the system has no randomness for what the gate makes itself.
    NoRandomness,
    /// Our side: the client is closed.
    Closed,
    /// Our side: the file that must name a token before its first use cannot be written.
    Unnoted(io::ErrorKind),
    /// The network, or nobody listens: no connection, or it broke.
    Unreachable,
    /// The server's certificate is not acceptable.
    Untrusted(&'static str),
    /// The server did not answer in time.
    TimedOut,
    /// The server's state: sealed, its namespace sealed or locked, or in maintenance.
    Sealed,
    /// The server's state: a standby that does not serve this call, or that sends it where the token must not go.
    Standby,
    /// The server's state: not initialised.
    Uninitialised,
    /// The server has a fault of its own; the HTTP status.
    ServerFault(u16),
    /// The server wants fewer calls.
    RateLimited {
        /// When to ask again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The login: what was shown is wrong or has ended, or the role is gone.
    BadLogin,
    /// The login: somebody else may have, or may have sent, what the gate is to show.
    Intercepted(&'static str),
    /// The login gave a token that the gate must not use.
    TokenUnfit(&'static str),
    /// The token that the login gave is refused by the server at once.
    TokenRefused,
    /// The policy of the gate's role does not allow the path.
    Denied,
    /// There is no secrets engine at the mount.
    NoEngine,
    /// There is nothing at the path.
    NotFound,
    /// The latest version of the secret is deleted or destroyed.
    Deleted,
    /// The server's state: the time of a password is over, and it did not change it.
    NotRotated,
    /// The server does not know the lease any more, or makes it no longer.
    LeaseEnded,
    /// The secret has no such field, or it is not a text.
    NoField,
    /// The field's text is no secret that can be used.
    Unfit(Unfit),
    /// The call is not one that the server knows, or its engine does not do what is asked; the HTTP status.
    Rejected(u16),
    /// The answer is not what the API promises.
    Malformed(&'static str),
}

impl VaultError {
    /// Whether the same call may succeed later without anybody changing a setting, a policy or a secret.
    pub(crate) fn retryable(&self) -> bool {
        match self {
            VaultError::Unreachable
            | VaultError::TimedOut
            | VaultError::Sealed
            | VaultError::Standby
            | VaultError::Uninitialised
            | VaultError::ServerFault(_)
            | VaultError::RateLimited { .. }
            | VaultError::TokenRefused
            | VaultError::NotRotated
            | VaultError::Unnoted(_)
            | VaultError::Malformed(_) => true,
            VaultError::Settings(_)
            | VaultError::PathUnsafe
            | VaultError::LoginFile(_)
            | VaultError::NoRandomness
            | VaultError::Closed
            | VaultError::Untrusted(_)
            | VaultError::BadLogin
            | VaultError::Intercepted(_)
            | VaultError::TokenUnfit(_)
            | VaultError::Denied
            | VaultError::NoEngine
            | VaultError::NotFound
            | VaultError::Deleted
            | VaultError::LeaseEnded
            | VaultError::NoField
            | VaultError::Unfit(_)
            | VaultError::Rejected(_) => false,
        }
    }

    /// Whether nothing can have been made by the question that failed so. A connection that broke is believed to have
    /// been none: mostly it was, and who looks for a server that is away is not held to make anything.
    pub(crate) fn made_nothing(&self) -> bool {
        !matches!(
            self,
            VaultError::TimedOut
                | VaultError::ServerFault(_)
                | VaultError::NoField
                | VaultError::Unfit(_)
                | VaultError::Malformed(_)
        )
    }

    /// What went wrong, as far as an alert needs to know.
    pub(crate) fn trouble(&self) -> VaultTrouble {
        match self {
            VaultError::Unreachable => VaultTrouble::Unreachable,
            VaultError::Untrusted(_) => VaultTrouble::Untrusted,
            VaultError::TimedOut => VaultTrouble::TimedOut,
            VaultError::Sealed
            | VaultError::Standby
            | VaultError::Uninitialised
            | VaultError::NotRotated
            | VaultError::ServerFault(_) => VaultTrouble::Unavailable,
            VaultError::RateLimited { .. } => VaultTrouble::RateLimited,
            VaultError::BadLogin | VaultError::TokenUnfit(_) | VaultError::TokenRefused => {
                VaultTrouble::Login
            }
            VaultError::Intercepted(_) => VaultTrouble::Intercepted,
            VaultError::Denied => VaultTrouble::Denied,
            VaultError::NoEngine
            | VaultError::NotFound
            | VaultError::Deleted
            | VaultError::LeaseEnded
            | VaultError::NoField => VaultTrouble::Missing,
            VaultError::Rejected(_) | VaultError::Malformed(_) => VaultTrouble::Malformed,
            VaultError::Settings(_)
            | VaultError::PathUnsafe
            | VaultError::LoginFile(_)
            | VaultError::NoRandomness
            | VaultError::Closed
            | VaultError::Unnoted(_)
            | VaultError::Unfit(_) => VaultTrouble::Settings,
        }
    }

    /// How long the server wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let VaultError::RateLimited { retry_after } = self {
            *retry_after
        } else {
            None
        }
    }

    /// Whether the server says that the secret is no more.
    pub(crate) fn withdrawn(&self) -> bool {
        matches!(self, VaultError::Deleted | VaultError::NotFound)
    }
}

impl From<FileError> for VaultError {
    fn from(error: FileError) -> VaultError {
        VaultError::LoginFile(error)
    }
}

impl std::error::Error for VaultError {}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::LoginFile(error) => error.fmt(f),
            VaultError::Untrusted(why) => write!(f, "its certificate is not acceptable: {why}"),
            VaultError::ServerFault(status) => write!(f, "it has a fault of its own ({status})"),
            VaultError::TokenUnfit(why) => write!(f, "the login gave a token that {why}"),
            VaultError::Unfit(unfit) => unfit.fmt(f),
            VaultError::Rejected(status) => write!(f, "it does not accept what it is asked ({status})"),
            VaultError::Malformed(what) => write!(f, "its answer is malformed: {what}"),
            VaultError::Unnoted(kind) => {
                write!(f, "the gate's token cannot be noted in the file `state` ({kind})")
            }
            VaultError::Settings(text) => f.write_str(text),
            VaultError::PathUnsafe => f.write_str(
                "mount and path are segments of letters, digits, `.`, `_` and `-`, and no dot segments",
            ),
            VaultError::NoRandomness => f.write_str("this machine has no randomness"),
            VaultError::Closed => f.write_str("the client is closed"),
            VaultError::Unreachable => f.write_str("it cannot be reached"),
            VaultError::TimedOut => f.write_str("it did not answer in time"),
            VaultError::Sealed => f.write_str("it is sealed or in maintenance"),
            VaultError::Standby => f.write_str("it is a standby, or sends the call elsewhere"),
            VaultError::Uninitialised => f.write_str("it is not initialised"),
            VaultError::RateLimited { .. } => f.write_str("it wants fewer calls"),
            VaultError::BadLogin => f.write_str("it refuses the login: what the gate shows, its role or the mount are wrong"),
            VaultError::Intercepted(why) => write!(f, "the secret id may be known to others: {why}"),
            VaultError::TokenRefused => f.write_str("it refuses the token that it gave"),
            VaultError::Denied => f.write_str("the gate's policy does not allow the path"),
            VaultError::NoEngine => f.write_str("it has no secrets engine at this mount"),
            VaultError::NotFound => f.write_str("there is nothing at the path"),
            VaultError::Deleted => f.write_str("the secret's latest version is deleted"),
            VaultError::NotRotated => f.write_str("the password's time is over and it was not changed"),
            VaultError::LeaseEnded => f.write_str("it does not know the lease, or makes it no longer"),
            VaultError::NoField => f.write_str("the secret has no such text field"),
        }
    }
}
