//! Where a request goes, in the one spelling that is decided on, logged, dialled and sent.
//!
//! Everything here parses text an agent chose into a type that has a single reading, or refuses it. Nothing
//! here reads an `http::Request` (the proxy does), resolves a name, or knows a rule; there is no I/O. These
//! are the only host and path types of the product: whoever needs one takes it from a [`Target`].

pub mod address;
pub mod asked;
mod authority;
mod escape;
mod host;
mod method;
mod path;
mod query;
pub(crate) mod spelled;

use std::fmt;

pub use authority::{Authority, AuthorityFault};
pub use host::{HOST_BYTES_MAX, Host, HostFault, LABEL_BYTES_MAX};
pub use method::{Method, Methods};
pub use path::{PATH_BYTES_MAX, Path, PathFault};
pub use query::{QUERY_BYTES_MAX, Query, QueryFault};

/// Where one request goes: what the rules judge and what is sent are both read from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    method: Method,
    scheme: Scheme,
    host: Host,
    port: u16,
    path: Path,
    query: Option<Query>,
}

impl Target {
    /// A target made of parts that are canonical already; who calls this has decided scheme and port.
    #[allow(
        clippy::too_many_arguments,
        reason = "the six parts of a target, each with a type of its own"
    )]
    pub fn new(
        method: Method,
        scheme: Scheme,
        host: Host,
        port: u16,
        path: Path,
        query: Option<Query>,
    ) -> Target {
        Target {
            method,
            scheme,
            host,
            port,
            path,
            query,
        }
    }

    /// What is to be done there.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether the upstream leg is TLS.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: the name that is matched, resolved and verified.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, canonical.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The query, if the request had a `?`.
    pub fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// `scheme://host[:port]/path` for the log and for people: the default port and the query are left out.
    pub fn url(&self) -> String {
        let (scheme, host, path) = (self.scheme, self.host.in_url(), self.path.as_str());
        if self.port == self.scheme.default_port() {
            format!("{scheme}://{host}{path}")
        } else {
            format!("{scheme}://{host}:{}{path}", self.port)
        }
    }
}

/// Something that goes to one host and port.
pub trait Destination {
    /// The host: the name that is resolved and verified.
    fn host(&self) -> &Host;
    /// The port, 1 to 65535.
    fn port(&self) -> u16;
}

/// How the upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP inside TLS.
    Https,
    /// HTTP in clear.
    Http,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Https => "https",
            Scheme::Http => "http",
        }
    }

    /// The port that a URL of this scheme leaves out (RFC 9110 4.2.1 and 4.2.2).
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Https => 443,
            Scheme::Http => 80,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(scheme: Scheme, authority: &str, port: u16) -> Target {
        let (host, _) = Authority::parse(authority).unwrap().into_parts();
        let path = Path::parse("/v1/x").unwrap();
        let query = Query::parse("page=2").unwrap();
        Target::new(Method::Get, scheme, host, port, path, Some(query))
    }

    #[test]
    fn a_url_leaves_out_the_query_and_the_default_port() {
        for (scheme, authority, port, url) in [
            (Scheme::Https, "api.a.test", 443, "https://api.a.test/v1/x"),
            (
                Scheme::Https,
                "api.a.test",
                80,
                "https://api.a.test:80/v1/x",
            ),
            (Scheme::Http, "api.a.test", 80, "http://api.a.test/v1/x"),
            (
                Scheme::Https,
                "[2001:DB8::1]",
                8443,
                "https://[2001:db8::1]:8443/v1/x",
            ),
        ] {
            assert_eq!(target(scheme, authority, port).url(), url);
        }
    }
}
