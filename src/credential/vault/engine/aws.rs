//! The AWS engine: keys of a user that is made for one lease, or of a session that AWS ends.

use serde::Deserialize;

use super::{
    super::super::{End, Fetched},
    Answer, Ask, Envelope, NO_DATA, NO_LEASE, Text, VaultError, fetched, lease, texts,
};
use crate::secret::{Part, Value};

/// Of which role keys to AWS are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsRole {
    /// Where the engine is mounted.
    pub(crate) mount: String,
    /// The role that says what the keys may do.
    pub(crate) role: String,
    /// Whether they are of a session, with a token beside them, and not of a user.
    pub(crate) session: bool,
}

impl AwsRole {
    pub(super) fn parts(&self) -> &'static [Part] {
        match self.session {
            true => &[Part::AccessKey, Part::SecretKey, Part::SessionToken],
            false => &[Part::AccessKey, Part::SecretKey],
        }
    }

    pub(super) fn ask(&self) -> Result<Ask<'_>, VaultError> {
        Ask::read(&[&self.mount, self.kind(), &self.role], |answer| {
            made(answer, self.session)
        })
    }

    pub(super) fn name(&self) -> String {
        format!("vault:{}/{}/{}", self.mount, self.kind(), self.role)
    }

    fn kind(&self) -> &'static str {
        match self.session {
            true => "sts",
            false => "creds",
        }
    }
}

#[derive(Deserialize)]
struct Keys {
    access_key: Option<Text>,
    secret_key: Option<Text>,
    session_token: Option<Text>,
    /// The same under its older name, the only one that OpenBao's plugin knows.
    security_token: Option<Text>,
}

fn made(answer: &Answer, session: bool) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Keys> = answer.success()?;
    let keys = envelope.data.take().ok_or(NO_DATA)?;
    let lease = lease(&envelope).ok_or(NO_LEASE)?;
    let mut found = texts([
        (Part::AccessKey, keys.access_key),
        (Part::SecretKey, keys.secret_key),
    ])?;
    if session {
        let token = keys.session_token.or(keys.security_token);
        found.extend(texts([(Part::SessionToken, token)])?);
    }
    Ok(fetched(&envelope, Value::of(found), End::Lease(lease)))
}
