//! The placement as Basic credentials (RFC 7617): a user and a password in `Authorization`, one of them a secret or both.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::placement::{MASK, Unsendable};
use crate::secret::{Part, Value};

const SCHEME: &[u8] = b"Basic ";

/// The two halves, at least one of them a secret: a fixed user with a token as the password, as Git hosts take it; a
/// key as the user of an empty password, as Stripe takes it; or both halves of a login that was made for the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basic {
    user: Half,
    password: Half,
}

/// What stands before or behind the colon.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Half {
    /// A text of the settings: a user, or a word that the API asks for as a password, mostly none at all.
    Fixed(String),
    /// A text of the credential.
    Secret(Part),
}

impl Basic {
    /// Reads the two halves: each is a placeholder like `{token}` or printable ASCII without braces, one at least is a
    /// placeholder, they are not the same one, and no user has a colon.
    ///
    /// # Errors
    /// [`BasicError`] says which of these does not hold.
    pub(crate) fn parse(user: &str, password: &str) -> Result<Basic, BasicError> {
        let basic = Basic {
            user: Half::parse(user)?,
            password: Half::parse(password)?,
        };
        match (&basic.user, &basic.password) {
            (Half::Fixed(_), Half::Fixed(_)) => Err(BasicError::NoPlace),
            (Half::Secret(one), Half::Secret(other)) if one == other => {
                Err(BasicError::SecondPlace)
            }
            (Half::Fixed(user), _) if user.contains(':') => Err(BasicError::ColonInUser),
            _ => Ok(basic),
        }
    }

    /// A token as the password of `user`.
    pub(crate) fn password_of(user: String) -> Basic {
        Basic {
            user: Half::Fixed(user),
            password: Half::Secret(Part::Token),
        }
    }

    /// Which texts of a credential it carries.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        let halves = [&self.user, &self.password];
        halves.into_iter().filter_map(|half| match half {
            Half::Fixed(_) => None,
            Half::Secret(part) => Some(*part),
        })
    }

    /// The header value with a mask in the place of each secret, before it is encoded.
    pub(super) fn masked(&self) -> String {
        let [user, password] = [&self.user, &self.password].map(|half| match half {
            Half::Fixed(text) => text,
            Half::Secret(_) => MASK,
        });
        format!("Basic base64({user}:{password})")
    }

    /// The header value with the texts of `value` in their halves: marked sensitive, its memory wiped with its last
    /// clone.
    ///
    /// # Errors
    /// A text is missing; the secret user has a colon; a text has a control character (RFC 7617 section 2).
    pub(crate) fn prepare(&self, value: &Value) -> Result<HeaderValue, Unsendable> {
        let (user, password) = (self.user.of(value)?, self.password.of(value)?);
        if user.contains(':') {
            return Err(Unsendable::ColonInUser);
        }
        if user.contains(char::is_control) || password.contains(char::is_control) {
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

impl Half {
    fn parse(text: &str) -> Result<Half, BasicError> {
        if let Some(part) = Part::named(text) {
            return Ok(Half::Secret(part));
        }
        if text.contains(['{', '}']) {
            return Err(BasicError::Brace);
        }
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(BasicError::Unprintable);
        }
        Ok(Half::Fixed(text.to_owned()))
    }

    fn of<'v>(&'v self, value: &'v Value) -> Result<&'v str, Unsendable> {
        match self {
            Half::Fixed(text) => Ok(text),
            Half::Secret(part) => {
                let secret = value.part(*part).ok_or(Unsendable::Missing)?;
                Ok(secret.expose())
            }
        }
    }
}

/// Why two texts are no Basic credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BasicError {
    /// Neither half is a placeholder.
    NoPlace,
    /// Both halves are the same one.
    SecondPlace,
    /// A half with a brace that is no placeholder alone.
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
                "the user or the password is to be `{token}`, or both `{username}` and `{password}`"
            }
            BasicError::SecondPlace => "user and password may not be the same secret",
            BasicError::Brace => {
                "a half is a placeholder like `{token}` alone, or a text without braces"
            }
            BasicError::Unprintable => "user and password may have printable ASCII only",
            BasicError::ColonInUser => "a user may have no colon (RFC 7617)",
        })
    }
}

impl std::error::Error for BasicError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn prepared(user: &str, password: &str, secret: &str) -> Result<String, Unsendable> {
        let value = Basic::parse(user, password)
            .unwrap()
            .prepare(&Value::token(Secret::new(secret.into())))?;
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
    fn both_halves_may_be_of_a_login_that_was_made() {
        let login = Value::of(vec![
            (Part::Username, Secret::new("Aladdin".into())),
            (Part::Password, Secret::new("open sesame".into())),
        ]);
        let basic = Basic::parse("{username}", "{password}").unwrap();
        assert_eq!(
            basic.prepare(&login).unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        let token = Value::token(Secret::new("k".into()));
        assert_eq!(basic.prepare(&token), Err(Unsendable::Missing));
    }

    #[test]
    fn at_least_one_half_is_a_secret_of_its_own() {
        for (user, password, error) in [
            ("alice", "hunter2", BasicError::NoPlace),
            ("", "", BasicError::NoPlace),
            ("{Token}", "", BasicError::Brace),
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
