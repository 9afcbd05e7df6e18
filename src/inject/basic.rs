//! The placement as Basic credentials (RFC 7617): a user and a password in `Authorization`, one of them the secret.
//!
//! A source that gives both, as dynamic engines do, is one more member of [`Basic`].

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::placement::Unsendable;
use crate::secret::Secret;

/// What stands for the secret in the settings.
const PLACEHOLDER: &str = "{token}";
const SCHEME: &[u8] = b"Basic ";

/// Which half of the credentials is the secret, and what the other one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Basic {
    /// The secret is the password: `x-access-token` and a token, as Git hosts take it. The user may be empty.
    Password {
        /// The user.
        user: String,
    },
    /// The secret is the user: a key and an empty password, as Stripe takes it.
    User {
        /// The password: no secret but a word that the API asks for, mostly none at all.
        password: String,
    },
}

impl Basic {
    /// Reads the two halves: one is `{token}`, the other printable ASCII without braces, and no user has a colon.
    ///
    /// # Errors
    /// [`BasicError`] says which of these does not hold.
    pub(crate) fn parse(user: &str, password: &str) -> Result<Basic, BasicError> {
        let basic = match (user == PLACEHOLDER, password == PLACEHOLDER) {
            (false, true) => Basic::Password { user: fixed(user)? },
            (true, false) => Basic::User {
                password: fixed(password)?,
            },
            (true, true) => return Err(BasicError::SecondPlace),
            (false, false) => return Err(BasicError::NoPlace),
        };
        match &basic {
            Basic::Password { user } if user.contains(':') => Err(BasicError::ColonInUser),
            Basic::Password { .. } | Basic::User { .. } => Ok(basic),
        }
    }

    /// The header value with `secret` in its half: marked sensitive, its memory wiped with its last clone.
    ///
    /// # Errors
    /// The secret is the user and has a colon, or has a control character (RFC 7617 section 2).
    pub(crate) fn prepare(&self, secret: &Secret) -> Result<HeaderValue, Unsendable> {
        let (user, password) = match self {
            Basic::Password { user } => (user.as_str(), secret.expose()),
            Basic::User { password } => (secret.expose(), password.as_str()),
        };
        if user.contains(':') {
            return Err(Unsendable::ColonInUser);
        }
        if secret.expose().contains(char::is_control) {
            return Err(Unsendable::InHeader);
        }
        // Both buffers have their size from the start: one that grows leaves a copy of the secret behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
        for part in [user, ":", password] {
            plain.extend_from_slice(part.as_bytes());
        }
        let size = base64::encoded_len(plain.len(), true).ok_or(Unsendable::TooLong)?;
        let mut text = Zeroizing::new(vec![0; SCHEME.len() + size]);
        let (scheme, credentials) = text.split_at_mut(SCHEME.len());
        scheme.copy_from_slice(SCHEME);
        STANDARD
            .encode_slice(&*plain, credentials)
            .map_err(|_| Unsendable::TooLong)?;
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .map_err(|_| Unsendable::InHeader)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn fixed(half: &str) -> Result<String, BasicError> {
    if half.contains(['{', '}']) {
        return Err(BasicError::Brace);
    }
    if !half.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(BasicError::Unprintable);
    }
    Ok(half.to_owned())
}

/// Why two texts are no Basic credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BasicError {
    /// Neither half is `{token}`.
    NoPlace,
    /// Both halves are.
    SecondPlace,
    /// A half with a brace that is not `{token}` alone.
    Brace,
    /// A byte that is not printable ASCII.
    Unprintable,
    /// The user has a colon.
    ColonInUser,
}

impl fmt::Display for BasicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BasicError::NoPlace => {
                "the user or the password is to be `{token}`, where the secret goes"
            }
            BasicError::SecondPlace => "only one of user and password may be `{token}`",
            BasicError::Brace => "a half is `{token}` alone, or a text without braces",
            BasicError::Unprintable => "user and password may have printable ASCII only",
            BasicError::ColonInUser => "a user may have no colon (RFC 7617)",
        })
    }
}

impl std::error::Error for BasicError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(user: &str, password: &str, secret: &str) -> Result<String, Unsendable> {
        let value = Basic::parse(user, password)
            .unwrap()
            .prepare(&Secret::new(secret.into()))?;
        assert!(value.is_sensitive());
        Ok(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_secret_is_the_password_of_a_fixed_user() {
        // RFC 7617 section 2: the example of the specification.
        assert_eq!(
            prepared("Aladdin", "{token}", "open sesame").unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(
            prepared("x-access-token", "{token}", "a:b").unwrap(),
            "Basic eC1hY2Nlc3MtdG9rZW46YTpi"
        );
        assert_eq!(prepared("", "{token}", "k").unwrap(), "Basic Oms=");
    }

    #[test]
    fn the_secret_is_the_user_of_an_empty_or_fixed_password() {
        assert_eq!(prepared("{token}", "", "k").unwrap(), "Basic azo=");
        assert_eq!(
            prepared("{token}", "api_token", "k").unwrap(),
            "Basic azphcGlfdG9rZW4="
        );
    }

    #[test]
    fn a_secret_with_a_colon_is_no_user() {
        assert_eq!(prepared("{token}", "", "a:b"), Err(Unsendable::ColonInUser));
    }

    #[test]
    fn a_secret_with_a_line_break_hides_in_no_base64() {
        for (user, password) in [("git", "{token}"), ("{token}", "")] {
            let prepared = prepared(user, password, "a\r\nb");
            assert_eq!(prepared, Err(Unsendable::InHeader));
        }
    }

    #[test]
    fn exactly_one_half_is_the_secret() {
        for (user, password, error) in [
            ("alice", "hunter2", BasicError::NoPlace),
            ("", "", BasicError::NoPlace),
            ("{Token}", "", BasicError::NoPlace),
            ("{token}", "{token}", BasicError::SecondPlace),
            ("{user}", "{token}", BasicError::Brace),
            ("a{token}", "{token}", BasicError::Brace),
            ("a:b", "{token}", BasicError::ColonInUser),
            ("a\nb", "{token}", BasicError::Unprintable),
            ("{token}", "\0", BasicError::Unprintable),
            ("ä", "{token}", BasicError::Unprintable),
        ] {
            assert_eq!(Basic::parse(user, password), Err(error), "{user:?}");
        }
    }
}
