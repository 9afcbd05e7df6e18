//! A value that never prints and is wiped when it is dropped, and a lease on one.
//!
//! What is not here: where values come from and how long they may be kept (that is `credential`).

mod awake;
mod certificate;
mod exposure;
mod key;
mod lease;
mod ready;
mod value;

#[cfg(test)]
pub(crate) use awake::as_if_suspended_for;
pub(crate) use awake::{slept, suspended};
pub(crate) use certificate::Certificate;
#[cfg(test)]
pub(crate) use certificate::tests::holding_for as certificate_for;
pub(crate) use exposure::Exposure;
pub(crate) use key::OwnKey;
pub(crate) use lease::{Class, Lease, Mark, Term};
pub(crate) use ready::Ready;
pub(crate) use value::{Part, Value};

use std::fmt;

use zeroize::Zeroizing;

/// A secret text: a credential's value, a Vault token, a secret id.
///
/// It has no `Display`, `Serialize` or `Clone`, its `Debug` says only that it is there, and its memory is
/// overwritten on drop. What is made of it (a header value) must be marked sensitive by the maker.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over `value`; the caller keeps no copy.
    pub(crate) fn new(value: String) -> Secret {
        Secret(Zeroizing::new(value))
    }

    /// Takes a value that somebody wrote into a file or into Vault: one trailing newline, as editors and `echo`
    /// leave it, is cut off; the rest must be printable ASCII.
    ///
    /// # Errors
    ///
    /// [`Unfit`] when nothing is left, or when a byte is left that no secret has (a line break, NUL, a byte order mark).
    pub(crate) fn from_outside(mut value: Zeroizing<String>) -> Result<Secret, Unfit> {
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        if value.is_empty() {
            return Err(Unfit::Empty);
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Unfit::Unprintable);
        }
        Ok(Secret(value))
    }

    /// The value itself. Each call site is a place where a secret could leak: keep them few.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Secret {
    /// Takes over a text that was wiped on drop already.
    fn from(value: Zeroizing<String>) -> Secret {
        Secret(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a text is no secret that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// There is nothing in it.
    Empty,
    /// It has a byte outside printable ASCII.
    Unprintable,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Empty => "the value is empty",
            Unfit::Unprintable => "the value has bytes that are not printable ASCII",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_outside(text: &str) -> Result<String, Unfit> {
        Secret::from_outside(Zeroizing::new(text.to_owned()))
            .map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn one_trailing_newline_is_cut_off() {
        assert_eq!(from_outside("s3cret\n"), Ok("s3cret".into()));
        assert_eq!(from_outside("s3cret\r\n"), Ok("s3cret".into()));
        assert_eq!(from_outside("pass phrase"), Ok("pass phrase".into()));
    }

    #[test]
    fn an_empty_value_is_unfit() {
        assert_eq!(from_outside(""), Err(Unfit::Empty));
        assert_eq!(from_outside("\n"), Err(Unfit::Empty));
    }

    #[test]
    fn a_value_that_could_break_a_header_is_unfit() {
        for text in [
            "a\n\n",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\tb",
            "\u{feff}a",
            "ä",
            "a\u{7f}",
        ] {
            assert_eq!(from_outside(text), Err(Unfit::Unprintable), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_part_of_the_value() {
        assert_eq!(format!("{:?}", Secret::new("s3cret".into())), "Secret(..)");
    }
}
