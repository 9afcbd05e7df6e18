//! The Azure engine: a secret of an application, made for one lease.

use serde::Deserialize;

use super::{
    super::super::{End, Fetched},
    Answer, Envelope, NO_DATA, NO_LEASE, Text, VaultError, fetched, lease, texts,
};
use crate::secret::{Part, Value};

#[derive(Deserialize)]
struct Application {
    client_id: Option<Text>,
    client_secret: Option<Text>,
}

/// The secret that was made.
///
/// # Errors
///
/// That there is no such role; that the answer has no lease, without which nothing would end the secret; that a text is
/// missing or is no secret.
pub(super) fn made(answer: &Answer) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Application> = answer.success()?;
    let application = envelope.data.take().ok_or(NO_DATA)?;
    let lease = lease(&envelope).ok_or(NO_LEASE)?;
    let texts = texts([
        (Part::ClientId, application.client_id),
        (Part::ClientSecret, application.client_secret),
    ])?;
    Ok(fetched(&envelope, Value::of(texts), End::Lease(lease)))
}
