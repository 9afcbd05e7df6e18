//! The key-value engine: values that somebody stored and that nobody ends. In its second version a secret has versions,
//! and these can be deleted.

use serde::Deserialize;

use super::{
    super::super::{End, Fetched},
    Answer, Ask, Envelope, NO_DATA, VaultError, lease,
};
use crate::{
    credential::vault::envelope::{Field, Fields},
    secret::{Secret, Value},
};

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

impl Stored {
    pub(super) fn ask_first(&self) -> Result<Ask<'_>, VaultError> {
        Ask::read(&[&self.mount, &self.path], |answer| {
            first(answer, &self.field)
        })
    }

    pub(super) fn ask_second(&self) -> Result<Ask<'_>, VaultError> {
        Ask::read(&[&self.mount, "data", &self.path], |answer| {
            second(answer, &self.field)
        })
    }

    pub(super) fn name(&self) -> String {
        format!("vault:{}/{}#{}", self.mount, self.path, self.field)
    }
}

/// The value of `field` in an answer of the first version. A secret that is leased, as a server for development does
/// it, ends with its lease.
///
/// # Errors
///
/// [`VaultError::NotFound`] when there is no such secret; that the field is missing or is no secret; that the answer is
/// none.
fn first(answer: &Answer, field: &str) -> Result<Fetched, VaultError> {
    match answer.status {
        200 => {
            let mut envelope: Envelope<Fields> = answer.envelope()?;
            let fields = envelope.data.take().ok_or(NO_DATA)?;
            fetched(&envelope, text(fields, field)?, None)
        }
        404 => Err(absence(answer)),
        0..=199 | 201..=403 | 405.. => Err(answer.fault()),
    }
}

/// The value of `field` in an answer of the second version.
///
/// # Errors
///
/// [`VaultError::Deleted`] and [`VaultError::NotFound`] when there is no value any more or never was one; that the
/// field is missing or is no secret; that the answer is none.
fn second(answer: &Answer, field: &str) -> Result<Fetched, VaultError> {
    match answer.status {
        200 => of_version(answer.envelope()?, field),
        404 => Err(absence(answer)),
        0..=199 | 201..=403 | 405.. => Err(answer.fault()),
    }
}

#[derive(Deserialize)]
struct Kv {
    data: Option<Fields>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    version: Option<u64>,
    /// Empty while the version is not deleted.
    deletion_time: Option<String>,
    destroyed: Option<bool>,
}

impl Metadata {
    fn says_deleted(&self) -> bool {
        let deleted = self
            .deletion_time
            .as_ref()
            .is_some_and(|time| !time.is_empty());
        deleted || self.destroyed == Some(true)
    }
}

fn of_version(mut envelope: Envelope<Kv>, field: &str) -> Result<Fetched, VaultError> {
    let kv = envelope.data.take().ok_or(NO_DATA)?;
    let metadata = kv.metadata.as_ref();
    let Some(fields) = kv.data else {
        return Err(match metadata.is_some_and(Metadata::says_deleted) {
            true => VaultError::Deleted,
            false => NO_DATA,
        });
    };
    let version = metadata.and_then(|metadata| metadata.version);
    fetched(&envelope, text(fields, field)?, version)
}

fn text(mut fields: Fields, field: &str) -> Result<Secret, VaultError> {
    match fields.remove(field) {
        Some(Field::Text(text)) => Secret::from_outside(text.0).map_err(VaultError::Unfit),
        Some(Field::Other) | None => Err(VaultError::NoField),
    }
}

fn fetched<T>(
    envelope: &Envelope<T>,
    secret: Secret,
    version: Option<u64>,
) -> Result<Fetched, VaultError> {
    let end = lease(envelope).map_or(End::Open, End::Lease);
    Ok(Fetched {
        version,
        ..super::fetched(envelope, Value::token(secret), end)
    })
}

/// Three things have the status 404: a deleted version, nothing at the path, and no engine at the mount. A page of
/// something that stands before the server is none of them, and ends no value.
fn absence(answer: &Answer) -> VaultError {
    let Ok(envelope) = answer.envelope::<Kv>() else {
        return VaultError::Malformed("its 404 is not of the API");
    };
    let metadata = envelope.data.and_then(|kv| kv.metadata);
    if metadata.is_some_and(|metadata| metadata.says_deleted()) {
        VaultError::Deleted
    } else if answer.errors().is_empty() {
        VaultError::NotFound
    } else {
        VaultError::NoEngine
    }
}
