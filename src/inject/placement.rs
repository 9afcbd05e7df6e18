//! Where in a request a credential goes: the closed set of places, one file per member.

use std::fmt;

use http::{HeaderName, header};

use super::{basic::Basic, header::HeaderTemplate, query::Parameter};
use crate::{
    names,
    refusal::{Reason, Refusal},
    secret::{Part, Ready, Value},
    target::Target,
};

/// What stands for a secret where people read.
pub(super) const MASK: &str = "****";

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
    /// `Authorization: Basic`, the secret being the user, the password or both.
    Basic(Basic),
    /// A parameter of the query.
    Query(Parameter),
    /// No place in the request: the connection shows it.
    ClientCertificate,
}

impl Placement {
    /// Which texts of a credential it carries.
    pub(crate) fn parts(&self) -> Vec<Part> {
        match self {
            Placement::Header { template, .. } => vec![template.part()],
            Placement::Basic(basic) => basic.parts().collect(),
            Placement::Query(_) => vec![Part::Token],
            Placement::ClientCertificate => vec![Part::Certificate],
        }
    }

    /// What carries `value`, ready to be put in.
    ///
    /// # Errors
    /// The value cannot stand there.
    pub(crate) fn prepare(&self, value: &Value) -> Result<Ready, Unsendable> {
        match self {
            Placement::Header { name, template } => {
                Ok(Ready::header(name.clone(), template.prepare(value)?))
            }
            Placement::Basic(basic) => {
                Ok(Ready::header(header::AUTHORIZATION, basic.prepare(value)?))
            }
            Placement::Query(parameter) => Ok(Ready::Parameter(parameter.prepare(value)?)),
            Placement::ClientCertificate => {
                let certificate = value.certificate().ok_or(Unsendable::Missing)?;
                Ok(Ready::Certificate(certificate.clone()))
            }
        }
    }

    /// What a call carries, with [`MASK`] in the place of each secret: no part of one, and not its length.
    pub(crate) fn masked(&self) -> String {
        match self {
            Placement::Header { name, template } => format!("{name}: {}", template.masked()),
            Placement::Basic(basic) => format!("{}: {}", header::AUTHORIZATION, basic.masked()),
            Placement::Query(parameter) => format!("?{}={MASK}", parameter.name()),
            Placement::ClientCertificate => {
                "nothing: its connection shows a certificate".to_owned()
            }
        }
    }

    /// Whether it is the header `name`.
    pub(crate) fn is_header(&self, name: &HeaderName) -> bool {
        match self {
            Placement::Header { name: own, .. } => own == name,
            Placement::Basic(_) => *name == header::AUTHORIZATION,
            Placement::Query(_) | Placement::ClientCertificate => false,
        }
    }

    /// Whether some reader takes the query parameter `name`, decoded, for it.
    pub(crate) fn is_parameter(&self, name: &str) -> bool {
        match self {
            Placement::Query(parameter) => names::are_alike(name, parameter.name()),
            Placement::Header { .. } | Placement::Basic(_) | Placement::ClientCertificate => false,
        }
    }

    /// Checks that the agent's own request has nothing there that would be sent beside the credential. A header of
    /// the agent's makes way; a parameter does not, since the query is sent as it was judged.
    ///
    /// # Errors
    /// The query has the parameter.
    pub(crate) fn check_free(&self, target: &Target) -> Result<(), Refusal> {
        match self {
            Placement::Query(parameter) if parameter.is_in(target) => Err(Refusal::because(
                Reason::QueryCredential,
                "the query has the parameter in which the credential goes",
            )),
            Placement::Header { .. }
            | Placement::Basic(_)
            | Placement::Query(_)
            | Placement::ClientCertificate => Ok(()),
        }
    }
}

impl fmt::Display for Placement {
    /// `header authorization`, `basic credentials`, `query parameter api_key` or `client certificate`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placement::Header { name, .. } => write!(f, "header {name}"),
            Placement::Basic(_) => f.write_str("basic credentials"),
            Placement::Query(parameter) => write!(f, "query parameter {}", parameter.name()),
            Placement::ClientCertificate => f.write_str("client certificate"),
        }
    }
}

/// The secret cannot stand where the catalogue puts it. Says nothing of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// The source gave no such text.
    Missing,
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
            Unsendable::Missing => "the source gave no text of the name that the placement has",
            Unsendable::InHeader => "the value cannot stand in a header",
            Unsendable::ColonInUser => {
                "the value has a colon, which the user of Basic credentials may not have"
            }
            Unsendable::TooLong => "the value is too long for a parameter of a query",
        })
    }
}

impl std::error::Error for Unsendable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_call_is_the_same_for_every_secret() {
        let header = Placement::Header {
            name: header::AUTHORIZATION,
            template: HeaderTemplate::parse("Bearer {token}").unwrap(),
        };
        assert_eq!(header.masked(), "authorization: Bearer ****");
        let basic = |user, password| Placement::Basic(Basic::parse(user, password).unwrap());
        assert_eq!(
            basic("x-access-token", "{token}").masked(),
            "authorization: Basic base64(x-access-token:****)"
        );
        assert_eq!(
            basic("{username}", "{password}").masked(),
            "authorization: Basic base64(****:****)"
        );
        let query = Placement::Query(Parameter::parse("api_key").unwrap());
        assert_eq!(query.masked(), "?api_key=****");
        let shown = Placement::ClientCertificate.masked();
        assert_eq!(shown, "nothing: its connection shows a certificate");
    }
}
