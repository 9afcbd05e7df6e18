//! The Google Cloud engine: tokens of an account, which Google ends and nobody leases.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::{
    super::super::{End, Fetched},
    Answer, Ask, Envelope, NO_DATA, NO_END, Text, VaultError, fetched, texts,
};
use crate::secret::{Part, Value};

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GcpAccount {
    /// Where the engine is mounted.
    pub(crate) mount: String,
    /// The kind of account as the API's paths spell it: `roleset`, `static-account` or `impersonated-account`.
    pub(crate) kind: &'static str,
    /// Which one.
    pub(crate) name: String,
}

impl GcpAccount {
    pub(super) fn ask(&self) -> Result<Ask<'_>, VaultError> {
        let segments = [&self.mount, self.kind, &self.name, "token"];
        Ask::read(&segments, |answer| token(answer, SystemTime::now()))
    }

    pub(super) fn name(&self) -> String {
        format!("vault:{}/{}/{}/token", self.mount, self.kind, self.name)
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<Text>,
    /// Seconds since 1970.
    expires_at_seconds: Option<u64>,
    /// Seconds from the answer on.
    token_ttl: Option<u64>,
}

fn token(answer: &Answer, now: SystemTime) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Token> = answer.success()?;
    let data = envelope.data.take().ok_or(NO_DATA)?;
    let left = data.expires_at_seconds.map(|seconds| {
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        Duration::from_secs(seconds).saturating_sub(now.unwrap_or(Duration::MAX))
    });
    let ttl = data.token_ttl.map(Duration::from_secs);
    // The sooner of the two: a clock may be wrong, theirs or ours.
    let ends = left.into_iter().chain(ttl).min().ok_or(NO_END)?;
    Ok(fetched(
        &envelope,
        Value::of(texts([(Part::Token, data.token)])?),
        End::After(ends),
    ))
}
