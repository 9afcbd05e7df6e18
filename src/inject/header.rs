//! The placement in a header: a text around the secret, made ready once per fetched value.
//!
//! Which header it is, and what of the agent's own headers makes way for it, is not decided here.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::placement::Unsendable;
use crate::secret::Secret;

const PLACEHOLDER: &str = "{token}";

/// A header value with one place for the secret: `Bearer {token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderTemplate {
    before: String,
    after: String,
}

impl HeaderTemplate {
    /// Reads a template: printable ASCII with `{token}` exactly once and no other brace.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] says which of these does not hold.
    pub(crate) fn parse(text: &str) -> Result<HeaderTemplate, TemplateError> {
        let (before, after) = text.split_once(PLACEHOLDER).ok_or(TemplateError::NoPlace)?;
        if after.contains(PLACEHOLDER) {
            return Err(TemplateError::SecondPlace);
        }
        for byte in before.bytes().chain(after.bytes()) {
            match byte {
                b'{' | b'}' => return Err(TemplateError::OtherBrace),
                b' '..=b'~' => {}
                0..=0x1f | 0x7f.. => return Err(TemplateError::Unprintable),
            }
        }
        Ok(HeaderTemplate {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// The header value with `secret` in its place: marked sensitive, its memory wiped with its last clone.
    ///
    /// # Errors
    ///
    /// [`Unsendable::InHeader`] when the secret has a byte that no header value may have (RFC 9110 section 5.5).
    pub(crate) fn prepare(&self, secret: &Secret) -> Result<HeaderValue, Unsendable> {
        let parts = [&self.before, secret.expose(), &self.after];
        // The capacity is exact, because a buffer that grows leaves a copy of the secret behind.
        let mut text = Zeroizing::new(Vec::with_capacity(
            parts.iter().map(|part| part.len()).sum(),
        ));
        parts
            .iter()
            .for_each(|part| text.extend_from_slice(part.as_bytes()));
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .map_err(|_| Unsendable::InHeader)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Why a text is no header template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// `{token}` is missing.
    NoPlace,
    /// `{token}` stands there twice.
    SecondPlace,
    /// A brace that is not part of `{token}`.
    OtherBrace,
    /// A byte that is not printable ASCII.
    Unprintable,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TemplateError::NoPlace => "the value needs `{token}` where the secret goes",
            TemplateError::SecondPlace => "the value may have `{token}` only once",
            TemplateError::OtherBrace => "the value may have no braces other than `{token}`",
            TemplateError::Unprintable => "the value may have printable ASCII only",
        })
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stands_where_the_template_says() {
        let template = HeaderTemplate::parse("Bearer {token}").unwrap();
        let value = template.prepare(&Secret::new("s3cret".into())).unwrap();
        assert_eq!(value.as_bytes(), b"Bearer s3cret");
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("s3cret"));
    }

    #[test]
    fn the_secret_may_be_the_whole_value_or_stand_in_the_middle() {
        let whole = HeaderTemplate::parse("{token}").unwrap();
        assert_eq!(whole.prepare(&Secret::new("k".into())).unwrap(), "k");
        let middle = HeaderTemplate::parse("key=\"{token}\", v=1").unwrap();
        assert_eq!(
            middle.prepare(&Secret::new("k".into())).unwrap(),
            "key=\"k\", v=1"
        );
    }

    #[test]
    fn a_template_needs_exactly_one_place() {
        assert_eq!(HeaderTemplate::parse("Bearer"), Err(TemplateError::NoPlace));
        assert_eq!(
            HeaderTemplate::parse("Bearer {Token}"),
            Err(TemplateError::NoPlace)
        );
        assert_eq!(
            HeaderTemplate::parse("{token}{token}"),
            Err(TemplateError::SecondPlace)
        );
    }

    #[test]
    fn a_template_with_a_mistyped_place_is_refused() {
        assert_eq!(
            HeaderTemplate::parse("{user}:{token}"),
            Err(TemplateError::OtherBrace)
        );
        assert_eq!(
            HeaderTemplate::parse("{{token}}"),
            Err(TemplateError::OtherBrace)
        );
    }

    #[test]
    fn a_template_cannot_smuggle_a_second_header() {
        for text in [
            "Bearer {token}\r\nX-Admin: 1",
            "\n{token}",
            "{token}\0",
            "ä{token}",
        ] {
            assert_eq!(HeaderTemplate::parse(text), Err(TemplateError::Unprintable));
        }
    }

    #[test]
    fn a_secret_with_a_line_break_is_unsendable() {
        let template = HeaderTemplate::parse("Bearer {token}").unwrap();
        assert_eq!(
            template.prepare(&Secret::new("a\r\nb".into())),
            Err(Unsendable::InHeader)
        );
    }
}
