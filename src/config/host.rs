//! Hosts as settings write them: exact and canonical, or one label wider.
//!
//! Provides the spellings of [`HostPattern`] and of a host with its port. What a pattern matches is decided in
//! `scope`, and what a canonical host is in `target`: here a text that is not canonical is a mistake, never
//! repaired, so that a reviewer reads the very host that will be asked for.

use std::{fmt, net::IpAddr, sync::Arc};

use super::mistake::{Wrong, quoted};
use crate::{
    scope::{HostPattern, NamePattern},
    target::{
        Authority, Host,
        address::{self, Class},
    },
};

/// The port of a host that is written without one.
const PORT_DEFAULT: u16 = 443;

/// `api.example.com`, `api.example.com:8443`, `192.0.2.1`, `[2001:db8::1]:8443` or `*.example.com`.
///
/// A wildcard is exactly one more label before a name that one party owns: `*.com` and `*.co.uk` are refused.
/// A wildcard under a platform's name, like `*.github.io`, is taken, with a warning (see [`is_platform`]).
pub(crate) fn pattern(text: &str) -> Result<HostPattern, Wrong> {
    let wildcard = text.strip_prefix("*.");
    if wildcard.unwrap_or(text).contains('*') {
        return Err(Wrong::new(
            format!("{} has a `*` that is not its first label", quoted(text)),
            "write the host, or *.example.com for one more label",
        ));
    }
    let Some(suffix) = wildcard else {
        let (host, port) = canonical(text)?;
        let name = NamePattern::Exact(host);
        return Ok(HostPattern { name, port });
    };
    let (host, port) = canonical(suffix)?;
    if host.ip().is_some() || is_shared(host.as_str()) {
        return Err(Wrong::new(
            format!("{} is wider than one party's names", quoted(text)),
            "write the hosts, or a wildcard under a registered name like *.example.com",
        ));
    }
    let name = NamePattern::OneLabel(Arc::from(host.as_str()));
    Ok(HostPattern { name, port })
}

/// A host alone: no port and no wildcard.
pub(crate) fn exact(text: &str) -> Result<Host, Wrong> {
    let host = match text.parse() {
        Ok(ip) => Host::from(IpAddr::V6(ip)),
        Err(_) => Host::parse(text).map_err(|fault| not_canonical(text, fault))?,
    };
    if host.as_str() != text {
        return Err(not_canonical(text, format!("its canonical form is {host}")));
    }
    Ok(host)
}

/// The class of a pattern's address, if no exception can open it: nothing but a mistake can be meant by it.
pub(crate) fn never_opened(pattern: &HostPattern) -> Option<Class> {
    let class = forbidden(pattern)?;
    matches!(class, Class::Metadata | Class::EmbeddedIpv4).then_some(class)
}

/// The class of a pattern's address, if it is one that no agent may reach without an exception.
pub(crate) fn forbidden(pattern: &HostPattern) -> Option<Class> {
    match &pattern.name {
        NamePattern::Exact(host) => host.ip().and_then(address::forbidden),
        NamePattern::OneLabel(_) => None,
    }
}

fn canonical(text: &str) -> Result<(Host, u16), Wrong> {
    let authority = Authority::parse(text).map_err(|fault| not_canonical(text, fault))?;
    if authority.to_string() != text {
        return Err(not_canonical(
            text,
            format!("its canonical form is {authority}"),
        ));
    }
    let (host, port) = authority.into_parts();
    Ok((host, port.unwrap_or(PORT_DEFAULT)))
}

fn not_canonical(text: &str, fault: impl fmt::Display) -> Wrong {
    Wrong::fault(
        format!("{} is no host in canonical form", quoted(text)),
        fault,
    )
}

/// Whether names directly under `suffix` are a registry's to give, so that each belongs to another party.
fn is_shared(suffix: &str) -> bool {
    !suffix.contains('.') || public_suffix(suffix) == Some(psl::Type::Icann)
}

/// Whether names directly under `suffix` are given to anybody by the one who owns it: a platform that hosts.
pub(super) fn is_platform(suffix: &str) -> bool {
    public_suffix(suffix) == Some(psl::Type::Private)
}

/// Who gives out the names under `name`, if the public suffix list (publicsuffix.org) says so: it has the name itself,
/// or every name directly under it.
fn public_suffix(name: &str) -> Option<psl::Type> {
    let of = |name: &str| {
        let found = psl::suffix(name.as_bytes())?;
        let whole = found.as_bytes() == name.as_bytes();
        found.typ().filter(|_| whole)
    };
    of(name).or_else(|| of(&format!("any.{name}")))
}
