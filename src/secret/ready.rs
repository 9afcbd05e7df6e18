//! A secret in the form in which it leaves, made once per fetched value.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::{Certificate, Secret};

/// What of a request, or of the connection it is sent on, carries the secret, ready to be put in.
#[derive(Debug)]
pub(crate) enum Ready {
    /// A header; its value is marked sensitive and wiped with its last clone.
    Header(HeaderName, HeaderValue),
    /// A parameter of the query, `name=value`, percent-encoded.
    Parameter(Secret),
    /// A certificate, which the connection shows and of which the request has nothing.
    Certificate(Arc<Certificate>),
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

    /// The certificate that the connection is to show, if there is one.
    pub(crate) fn certificate(&self) -> Option<&Arc<Certificate>> {
        match self {
            Ready::Certificate(certificate) => Some(certificate),
            Ready::Header(..) | Ready::Parameter(_) => None,
        }
    }
}
