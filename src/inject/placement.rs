//! Where in a request a credential goes: the closed set of places, one file per member.

use std::fmt;

use http::{HeaderName, header};

use super::{basic::Basic, header::HeaderTemplate, query::Parameter};
use crate::{
    secret::{Ready, Secret},
    target::Target,
};

/// Where in a request a credential goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// A header with a text around the secret.
    Header {
        /// The header.
        name: HeaderName,
        /// Its value.
        template: HeaderTemplate,
    },
    /// `Authorization: Basic`, the secret being the user or the password.
    Basic(Basic),
    /// A parameter of the query.
    Query(Parameter),
}

impl Placement {
    /// What carries `secret`, ready to be put in.
    ///
    /// # Errors
    /// The secret cannot stand there.
    pub(crate) fn prepare(&self, secret: &Secret) -> Result<Ready, Unsendable> {
        match self {
            Placement::Header { name, template } => {
                Ok(Ready::header(name.clone(), template.prepare(secret)?))
            }
            Placement::Basic(basic) => {
                Ok(Ready::header(header::AUTHORIZATION, basic.prepare(secret)?))
            }
            Placement::Query(parameter) => Ok(Ready::Parameter(parameter.prepare(secret)?)),
        }
    }

    /// Whether the agent's own request already has something there that would be sent beside the credential. A
    /// header of the agent's makes way; a parameter does not, since the query is sent as it was judged.
    pub(crate) fn is_taken(&self, target: &Target) -> bool {
        match self {
            Placement::Header { .. } | Placement::Basic(_) => false,
            Placement::Query(parameter) => parameter.is_in(target),
        }
    }
}

/// The secret cannot stand where the catalogue puts it. Says nothing of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// It has a byte that no header value may have (RFC 9110 section 5.5).
    InHeader,
    /// It has a colon, which ends the user of Basic credentials (RFC 7617 section 2).
    ColonInUser,
    /// It is longer than a parameter may be.
    TooLong,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsendable::InHeader => "the value cannot stand in a header",
            Unsendable::ColonInUser => {
                "the value has a colon, which the user of Basic credentials may not have"
            }
            Unsendable::TooLong => "the value is too long for a parameter of a query",
        })
    }
}

impl std::error::Error for Unsendable {}
