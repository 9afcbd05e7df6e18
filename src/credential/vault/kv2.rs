//! The second version of the key-value engine: a secret has fields, and versions that can be deleted.

use serde::Deserialize;
use vaultrs::api::kv2::requests::ReadSecretRequest;

use super::{
    super::{Fetched, LeaseInfo},
    envelope::{Answer, Envelope, Field, Fields},
    error::VaultError,
    path,
};
use crate::secret::Secret;

use std::time::Duration;

/// A longer name of an answer is not kept; Vault's have 36 bytes.
const ID_BYTES_MAX: usize = 64;

/// The question for the latest version.
///
/// # Errors
///
/// [`VaultError::PathUnsafe`] when mount or path have more than one reading.
pub(super) fn request(mount: &str, path: &str) -> Result<ReadSecretRequest, VaultError> {
    if !path::plain(mount) || !path::plain(path) {
        return Err(VaultError::PathUnsafe);
    }
    Ok(ReadSecretRequest {
        mount: mount.to_owned(),
        path: path.to_owned(),
        version: None,
    })
}

/// The value of `field` in the answer to [`request`].
///
/// # Errors
///
/// [`VaultError::Deleted`] and [`VaultError::NotFound`] when there is no value any more or never was one; that the
/// field is missing or is no secret; that the answer is none.
pub(super) fn fetched(answer: &Answer, field: &str) -> Result<Fetched, VaultError> {
    match answer.status {
        200 => value(answer.envelope()?, field),
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

fn value(envelope: Envelope<Kv>, field: &str) -> Result<Fetched, VaultError> {
    let lease = lease(&envelope);
    let kv = envelope
        .data
        .ok_or(VaultError::Malformed("it has no data"))?;
    let metadata = kv.metadata.as_ref();
    let Some(mut fields) = kv.data else {
        return Err(match metadata.is_some_and(Metadata::says_deleted) {
            true => VaultError::Deleted,
            false => VaultError::Malformed("it has no data"),
        });
    };
    match fields.remove(field) {
        Some(Field::Text(text)) => Ok(Fetched {
            value: Secret::from_outside(text.0).map_err(VaultError::Unfit)?,
            version: metadata.and_then(|metadata| metadata.version),
            lease,
            request_id: envelope.request_id.filter(|id| id.len() <= ID_BYTES_MAX),
        }),
        Some(Field::Other) | None => Err(VaultError::NoField),
    }
}

/// A duration without a lease id is a hint on how often to read, not an end.
fn lease<T>(envelope: &Envelope<T>) -> Option<LeaseInfo> {
    let id = envelope.lease_id.clone().filter(|id| !id.is_empty())?;
    Some(LeaseInfo {
        id,
        duration: Duration::from_secs(envelope.lease_duration.unwrap_or_default()),
        renewable: envelope.renewable.unwrap_or_default(),
    })
}

/// Three things have the status 404: a deleted version, nothing at the path, and no engine at the mount.
fn absence(answer: &Answer) -> VaultError {
    let metadata = answer.envelope::<Kv>().ok();
    let metadata = metadata
        .and_then(|envelope| envelope.data)
        .and_then(|kv| kv.metadata);
    if metadata.is_some_and(|metadata| metadata.says_deleted()) {
        VaultError::Deleted
    } else if answer.errors().is_empty() {
        VaultError::NotFound
    } else {
        VaultError::NoEngine
    }
}
