//! The transit engine: a JWT (RFC 7519) that the gate writes, signed by a key that never leaves Vault.

use std::time::{Duration, SystemTime};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use zeroize::Zeroizing;

use super::{
    super::super::{End, Fetched},
    Answer, Ask, Envelope, NO_DATA, Question, Text, VaultError, fetched,
};
use crate::secret::{Secret, Value};

/// A token says that it was made so long ago, for readers whose clock is behind.
const SKEW: Duration = Duration::from_secs(60);

/// What a token says, apart from when it was made and when it ends.
pub(crate) type Claims = Map<String, Json>;

/// A token, and the key that is to sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SigningKey {
    /// Where the engine is mounted.
    pub(crate) mount: String,
    /// The key.
    pub(crate) key: String,
    /// What it signs with.
    pub(crate) algorithm: Algorithm,
    /// What the reader of the token knows the key by.
    pub(crate) kid: Option<String>,
    /// What the token says.
    pub(crate) claims: Claims,
    /// How long it is good after it was made.
    pub(crate) ttl: Duration,
}

/// What a key signs with (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
        }
    }

    /// Whether a signature of so many bytes may be one: the engine signs with whatever the key is of.
    fn makes(self, bytes: usize) -> bool {
        match self {
            Algorithm::Rs256 => bytes >= 256,
            Algorithm::Es256 => bytes == 64,
        }
    }
}

impl SigningKey {
    /// Has a token signed that is made `now`.
    pub(super) fn ask(&self, now: SystemTime) -> Result<Ask<'_>, VaultError> {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|_| VaultError::Settings("the clock of this machine is before 1970"))?;
        let ends = Duration::from_secs((now + self.ttl).as_secs());
        let text = self.unsigned(now, ends)?;
        let body = json!({
            "input": STANDARD.encode(&text),
            "prehashed": false,
            "hash_algorithm": "sha2-256",
            "signature_algorithm": "pkcs1v15",
            "marshaling_algorithm": "jws",
        });
        let question = Question::write(&[&self.mount, "sign", &self.key], body)?;
        let left = ends.saturating_sub(now);
        Ok(Ask::new(question, move |answer| {
            signed(answer, (&text, self.algorithm), left)
        }))
    }

    pub(super) fn name(&self) -> String {
        format!("vault:{}/sign/{}", self.mount, self.key)
    }

    /// Header and claims of a token that is good until `ends`, as they are signed (RFC 7515 section 5.1).
    fn unsigned(&self, now: Duration, ends: Duration) -> Result<String, VaultError> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(self.algorithm.name()));
        header.insert("typ".to_owned(), json!("JWT"));
        if let Some(kid) = &self.kid {
            header.insert("kid".to_owned(), json!(kid));
        }
        let mut claims = self.claims.clone();
        for (name, value) in [
            ("iat", json!(now.saturating_sub(SKEW).as_secs())),
            ("exp", json!(ends.as_secs())),
            ("jti", json!(unique()?)),
        ] {
            claims.insert(name.to_owned(), value);
        }
        let encoded = |json: Claims| URL_SAFE_NO_PAD.encode(Json::Object(json).to_string());
        Ok(format!("{}.{}", encoded(header), encoded(claims)))
    }
}

/// 128 random bits: no two tokens are the same, so that a reader can refuse one that comes twice.
fn unique() -> Result<String, VaultError> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[derive(Deserialize)]
struct Signed {
    signature: Option<Text>,
}

fn signed(
    answer: &Answer,
    (text, algorithm): (&str, Algorithm),
    left: Duration,
) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Signed> = answer.success()?;
    let signature = envelope.data.take().ok_or(NO_DATA)?.signature;
    let signature = signature.ok_or(VaultError::NoField)?;
    let signature = bare(&signature.0).ok_or(VaultError::Malformed("it has no signature"))?;
    let bytes = URL_SAFE_NO_PAD.decode(signature);
    if !bytes.is_ok_and(|bytes| algorithm.makes(bytes.len())) {
        return Err(VaultError::Malformed(
            "the key does not sign as the settings say",
        ));
    }
    // The size is exact, because a text that grows leaves a copy of itself behind.
    let mut token = Zeroizing::new(String::with_capacity(text.len() + 1 + signature.len()));
    for part in [text, ".", signature] {
        token.push_str(part);
    }
    Ok(fetched(
        &envelope,
        Value::token(Secret::from_outside(token).map_err(VaultError::Unfit)?),
        End::After(left),
    ))
}

/// The signature without the word for the engine and the version of its key.
fn bare(signature: &str) -> Option<&str> {
    let (version, bare) = signature.strip_prefix("vault:v")?.split_once(':')?;
    let counted = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    counted.then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_any_version_of_the_key() {
        assert_eq!(bare("vault:v1:abc"), Some("abc"));
        assert_eq!(bare("vault:v12:abc"), Some("abc"));
        for text in ["abc", "vault:abc", "vault:v:abc", "vault:vx:abc", "v1:abc"] {
            assert_eq!(bare(text), None, "{text}");
        }
    }
}
