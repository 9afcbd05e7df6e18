//! A secret in the form in which it leaves, made once per fetched value.

use http::{HeaderName, HeaderValue};

use super::Secret;

/// What of a request carries the secret, ready to be put in.
#[derive(Debug)]
pub(crate) enum Ready {
    /// A header; its value is marked sensitive and wiped with its last clone.
    Header(HeaderName, HeaderValue),
    /// A parameter of the query, `name=value`, percent-encoded.
    Parameter(Secret),
}

impl Ready {
    /// A header that carries a secret.
    pub(crate) fn header(name: HeaderName, value: HeaderValue) -> Ready {
        debug_assert!(
            value.is_sensitive(),
            "a header value made of a secret is sensitive"
        );
        Ready::Header(name, value)
    }
}
