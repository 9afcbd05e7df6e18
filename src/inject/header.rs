//! The placement in a header: a text around the secret, made ready once per fetched value.
//!
//! Which header it is, and what of the agent's own headers makes way for it, is not decided here.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::placement::{MASK, Unsendable};
use crate::secret::{Part, Value};

/// A header value with one place for the secret: `Bearer {token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderTemplate {
    before: String,
    part: Part,
    after: String,
}

impl HeaderTemplate {
    /// Reads a template: printable ASCII with one placeholder like `{token}` and no other brace.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] says which of these does not hold.
    pub(crate) fn parse(text: &str) -> Result<HeaderTemplate, TemplateError> {
        let places = Part::TEXTS.into_iter().filter_map(|part| {
            let (before, after) = text.split_once(part.placeholder())?;
            Some((before, part, after))
        });
        let (before, part, after) = places
            .min_by_key(|(before, ..)| before.len())
            .ok_or(TemplateError::NoPlace)?;
        if Part::TEXTS
            .iter()
            .any(|part| after.contains(part.placeholder()))
        {
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
            part,
            after: after.to_owned(),
        })
    }

    /// Which text of a credential it carries.
    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// The header value with a mask in the place of the secret.
    pub(super) fn masked(&self) -> String {
        format!("{}{MASK}{}", self.before, self.after)
    }

    /// The header value with the text of `value` in its place: marked sensitive, its memory wiped with its last clone.
    ///
    /// # Errors
    ///
    /// [`Unsendable::Missing`] when the value has no such text, [`Unsendable::InHeader`] when that has a byte that no
    /// header value may have (RFC 9110 section 5.5).
    pub(crate) fn prepare(&self, value: &Value) -> Result<HeaderValue, Unsendable> {
        let secret = value.part(self.part).ok_or(Unsendable::Missing)?;
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
    /// `{token}` is missing, or what stands in its place for sources that give several texts.
    NoPlace,
    /// There are two of them.
    SecondPlace,
    /// A brace that is not part of it.
    OtherBrace,
    /// A byte that is not printable ASCII.
    Unprintable,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TemplateError::NoPlace => "the value needs `{token}` where the secret goes",
            TemplateError::SecondPlace => "the value may have only one place like `{token}`",
            TemplateError::OtherBrace => {
                "the value may have no braces other than those of `{token}`"
            }
            TemplateError::Unprintable => "the value may have printable ASCII only",
        })
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn token(text: &str) -> Value {
        Value::token(Secret::new(text.into()))
    }

    #[test]
    fn the_secret_stands_where_the_template_says() {
        let template = HeaderTemplate::parse("Bearer {token}").unwrap();
        let value = template.prepare(&token("s3cret")).unwrap();
        assert_eq!(value.as_bytes(), b"Bearer s3cret");
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("s3cret"));
    }

    #[test]
    fn the_secret_may_be_the_whole_value_or_stand_in_the_middle() {
        let whole = HeaderTemplate::parse("{token}").unwrap();
        assert_eq!(whole.prepare(&token("k")).unwrap(), "k");
        let middle = HeaderTemplate::parse("key=\"{token}\", v=1").unwrap();
        assert_eq!(middle.prepare(&token("k")).unwrap(), "key=\"k\", v=1");
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
        assert_eq!(
            HeaderTemplate::parse("{username}:{password}"),
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
    fn a_template_takes_the_text_that_it_names() {
        let login = Value::of(vec![
            (Part::Username, Secret::new("u".into())),
            (Part::Password, Secret::new("p".into())),
        ]);
        let template = HeaderTemplate::parse("Key {password}").unwrap();
        assert_eq!(template.prepare(&login).unwrap(), "Key p");
        assert_eq!(template.prepare(&token("t")), Err(Unsendable::Missing));
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
            template.prepare(&token("a\r\nb")),
            Err(Unsendable::InHeader)
        );
    }
}
