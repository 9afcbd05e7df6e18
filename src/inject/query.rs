//! The placement in the query: a parameter of its own, behind whatever the agent asked for.
//!
//! The agent's own query is sent as it was judged; a call that has a parameter which some reader takes for the
//! credential's is refused, not repaired.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use super::placement::Unsendable;
use crate::{
    secret::{Part, Secret, Value},
    target::Target,
};

/// What is sent as it is: the unreserved characters (RFC 3986 section 2.3), which nobody reads in two ways.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The longest parameter, encoded.
const PARAMETER_BYTES_MAX: usize = 16 * 1024;
/// The longest name of a parameter.
const NAME_BYTES_MAX: usize = 64;

/// The parameter that carries a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    name: String,
}

impl Parameter {
    /// Reads a name: one that means the same encoded and plain, to every reader.
    ///
    /// # Errors
    /// [`ParameterError`]: there are other characters in it, or too many, or none that tells it from others.
    pub(crate) fn parse(name: &str) -> Result<Parameter, ParameterError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let tells = name.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if !tells || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
            return Err(ParameterError);
        }
        Ok(Parameter {
            name: name.to_owned(),
        })
    }

    /// `name=value` with the token as the value, percent-encoded.
    ///
    /// # Errors
    /// There is no token, or it would be longer than [`PARAMETER_BYTES_MAX`].
    pub(crate) fn prepare(&self, value: &Value) -> Result<Secret, Unsendable> {
        let secret = value.part(Part::Token).ok_or(Unsendable::Missing)?;
        let pieces = || percent_encode(secret.expose().as_bytes(), ENCODED);
        let size = self.name.len() + 1 + pieces().map(str::len).sum::<usize>();
        if size > PARAMETER_BYTES_MAX {
            return Err(Unsendable::TooLong);
        }
        // The capacity is exact, because a buffer that grows leaves a copy of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(size));
        text.push_str(&self.name);
        text.push('=');
        pieces().for_each(|piece| text.push_str(piece));
        Ok(Secret::from(text))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the agent's query has a parameter that some reader takes for this one.
    pub(crate) fn is_in(&self, target: &Target) -> bool {
        target
            .query()
            .is_some_and(|query| query.may_name(&self.name))
    }
}

/// A text is no name of a parameter that can carry a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParameterError;

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parameter has up to 64 of A-Z, a-z, 0-9 and - . _ ~, like api_key")
    }
}

impl std::error::Error for ParameterError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_encoded_and_the_name_is_as_written() {
        let parameter = Parameter::parse("api.Key_1").unwrap();
        let secret = Value::token(Secret::new("a+b/c=d&e ~.-_%#".into()));
        assert_eq!(
            parameter.prepare(&secret).unwrap().expose(),
            "api.Key_1=a%2Bb%2Fc%3Dd%26e%20~.-_%25%23"
        );
    }

    #[test]
    fn a_name_has_one_reading() {
        for name in [
            "", "_", "a b", "a+b", "a[]", "a%20", "a&b", "a=b", "ä", "a;b",
        ] {
            assert_eq!(Parameter::parse(name), Err(ParameterError), "{name:?}");
        }
        assert_eq!(Parameter::parse(&"a".repeat(65)), Err(ParameterError));
    }

    #[test]
    fn a_value_that_is_too_long_is_unsendable() {
        let parameter = Parameter::parse("key").unwrap();
        let fits = Value::token(Secret::new("a".repeat(PARAMETER_BYTES_MAX - 4)));
        assert!(parameter.prepare(&fits).is_ok());
        let long = Value::token(Secret::new("+".repeat(PARAMETER_BYTES_MAX / 3)));
        assert_eq!(parameter.prepare(&long).map(drop), Err(Unsendable::TooLong));
    }
}
