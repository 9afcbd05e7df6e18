//! Users with passwords: made for one lease (`creds/<role>`), or there for good with a password that the engine changes
//! (`static-creds/<role>`).

use std::time::Duration;

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::super::{End, Fetched},
    Answer, Envelope, NO_DATA, NO_LEASE, Text, VaultError, fetched, lease, texts,
};
use crate::secret::{Part, Value};

#[derive(Deserialize)]
struct Login {
    username: Option<Text>,
    password: Option<Text>,
    /// Seconds until the password is changed; with static roles only.
    ttl: Option<u64>,
    /// When it was changed; with static roles only.
    last_vault_rotation: Option<String>,
}

/// The user that was made.
///
/// # Errors
///
/// That there is no such role; that the answer has no lease, without which nothing would end the user; that a text is
/// missing or is no secret.
pub(super) fn made(answer: &Answer) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Login> = answer.success()?;
    let login = envelope.data.take();
    let lease = lease(&envelope).ok_or(NO_LEASE)?;
    Ok(fetched(&envelope, value(login)?.0, End::Lease(lease)))
}

/// The user that is there, with the password of the moment.
///
/// # Errors
///
/// As [`made`], but that the answer must say when the password changes.
pub(super) fn rotated(answer: &Answer) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Login> = answer.success()?;
    let (value, login) = value(envelope.data.take())?;
    let (Some(ttl), Some(changed)) = (login.ttl, login.last_vault_rotation.as_deref()) else {
        return Err(VaultError::Malformed("it does not say when it changes"));
    };
    let changed = OffsetDateTime::parse(changed, &Rfc3339)
        .map_err(|_| VaultError::Malformed("it does not say when it changed"))?;
    let end = End::Rotation(Duration::from_secs(ttl));
    Ok(Fetched {
        version: u64::try_from(changed.unix_timestamp_nanos()).ok(),
        ..fetched(&envelope, value, end)
    })
}

fn value(login: Option<Login>) -> Result<(Value, Login), VaultError> {
    let mut login = login.ok_or(NO_DATA)?;
    let texts = texts([
        (Part::Username, login.username.take()),
        (Part::Password, login.password.take()),
    ])?;
    Ok((Value::of(texts), login))
}
