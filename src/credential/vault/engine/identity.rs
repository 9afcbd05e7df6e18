//! Identity tokens: a JWT by which Vault says to somebody else which of its entities the gate is.

use std::time::Duration;

use serde::Deserialize;

use super::{
    super::super::{End, Fetched},
    Answer, Envelope, NO_DATA, NO_END, Text, VaultError, fetched, texts,
};
use crate::secret::{Part, Value};

#[derive(Deserialize)]
struct Token {
    token: Option<Text>,
    /// Seconds.
    ttl: Option<u64>,
}

/// The token that was signed; nobody can take it back, so that it has an end in itself and no lease.
///
/// # Errors
///
/// That there is no such role, or the gate's login has no entity; that the answer does not say when the token ends.
pub(super) fn token(answer: &Answer) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Token> = answer.success()?;
    let data = envelope.data.take().ok_or(NO_DATA)?;
    let ttl = data.ttl.ok_or(NO_END)?;
    Ok(fetched(
        &envelope,
        Value::of(texts([(Part::Token, data.token)])?),
        End::After(Duration::from_secs(ttl)),
    ))
}
