//! `host` and `host:port`, as `CONNECT`, `Host` and settings write it.
//!
//! There is no userinfo, no sign, no zero and no default here: whether a port must be named, and which one
//! holds when it is not, is for the reader of an authority.

use std::fmt;

use super::host::{Host, HostFault};

/// A host with the port that was written, if one was (RFC 3986 3.2, without userinfo).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    host: Host,
    port: Option<u16>,
}

/// Why a text is not an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityFault {
    /// The host is none.
    Host(HostFault),
    /// What follows the host is not `:` and a decimal number from 1 to 65535 without sign or leading zero.
    Port,
}

impl Authority {
    /// `name`, `name:port`, `1.2.3.4:port`, `[v6]` or `[v6]:port`, and nothing more lenient.
    pub fn parse(text: &str) -> Result<Authority, AuthorityFault> {
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']').ok_or(HostFault::Ipv6)? + 1;
            let (host, rest) = text.split_at(end);
            (Host::parse_bracketed(host)?, after_bracket(rest)?)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (Host::parse(host)?, Some(port)),
                None => (Host::parse(text)?, None),
            }
        };
        let port = port.map(parse_port).transpose()?;
        Ok(Authority { host, port })
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 1 to 65535, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host and the port.
    pub fn into_parts(self) -> (Host, Option<u16>) {
        (self.host, self.port)
    }
}

fn after_bracket(rest: &str) -> Result<Option<&str>, AuthorityFault> {
    if rest.is_empty() {
        return Ok(None);
    }
    rest.strip_prefix(':').map(Some).ok_or(AuthorityFault::Port)
}

fn parse_port(text: &str) -> Result<u16, AuthorityFault> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if !plain {
        return Err(AuthorityFault::Port);
    }
    text.parse().map_err(|_| AuthorityFault::Port)
}

impl From<HostFault> for AuthorityFault {
    fn from(fault: HostFault) -> AuthorityFault {
        AuthorityFault::Host(fault)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host.in_url())?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AuthorityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthorityFault::Host(fault) => fault.fmt(f),
            AuthorityFault::Port => {
                f.write_str("The port is not a decimal number from 1 to 65535.")
            }
        }
    }
}

impl std::error::Error for AuthorityFault {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row RT-13, each with `CONNECT`'s demand for a port left to the reader.
    #[test]
    fn refuses_every_authority_with_a_second_reading() {
        for text in [
            "",
            ":443",
            "api.a.test:",
            "api.a.test:0",
            "api.a.test:65536",
            "api.a.test:+443",
            "api.a.test:-443",
            "api.a.test:0443",
            "api.a.test:443x",
            "api.a.test: 443",
            "api.a.test:443 ",
            "user@api.a.test:443",
            "api.a.test:443@evil.test:443",
            "api.a.test:443/x",
            "api.a.test/x",
            "api.a.test?x",
            "api.a.test#x",
            "http://api.a.test:443",
            "[api.a.test]:443",
            "[[::1]]:443",
            "[::1",
            "[::1]443",
            "[::1]:",
            "[::1]x:443",
            "[fe80::1%eth0]:443",
            "[fe80::1%25eth0]:443",
            "[127.0.0.1]:443",
            "[]:443",
            "::1:443",
            "::1",
            "api.a.test%00:443",
            "api.a.test\0:443",
            "a:443:443",
            "api.a.test:443, evil.test",
        ] {
            assert!(Authority::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn reads_a_host_with_and_without_a_port() {
        for (text, host, port) in [
            ("API.a.test", "api.a.test", None),
            ("api.a.test.:443", "api.a.test", Some(443)),
            ("192.0.2.1:1", "192.0.2.1", Some(1)),
            ("[2001:DB8:0::1]:65535", "2001:db8::1", Some(65535)),
            ("[::1]", "::1", None),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!(
                (authority.host().as_str(), authority.port()),
                (host, port),
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_an_authority_prints_is_itself(text in "(\\[[0-9a-f:.]{2,12}\\]|[a-zA-Z0-9.-]{1,12})(:[0-9]{1,5})?") {
            if let Ok(authority) = Authority::parse(&text) {
                prop_assert_eq!(Authority::parse(&authority.to_string()), Ok(authority));
            }
        }
    }
}
