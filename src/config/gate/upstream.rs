//! How upstreams are found and verified: `upstream` in `tollgate.yaml`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use super::{
    proxy::{self, Proxy},
    socket_address,
};
use crate::{
    config::{
        host,
        mistake::{Wrong, quoted},
        value::Value,
    },
    target::Host,
};

/// How upstreams are found and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// Whom the gate trusts to vouch for upstreams; at least one.
    pub(crate) roots: Vec<Root>,
    /// Who turns a name into addresses.
    pub(crate) dns: Dns,
    /// Addresses fixed for a host, at least one each. A pin fixes an address, it never exempts one.
    pub(crate) pins: BTreeMap<Host, Vec<IpAddr>>,
    /// Who vouches for a host in place of `roots`.
    pub(crate) roots_of: BTreeMap<Host, Vec<Root>>,
    /// The proxy through which they are reached, if the gate has no way out of its own.
    pub(crate) proxy: Option<Proxy>,
}

/// One source of trusted authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// The operating system's.
    System,
    /// A bundle (PEM).
    File(PathBuf),
}

/// Who turns a name into addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dns {
    /// The operating system's settings.
    System,
    /// These servers, at least one.
    Servers(Vec<SocketAddr>),
}

impl Default for Upstream {
    fn default() -> Upstream {
        Upstream {
            roots: vec![Root::System],
            dns: Dns::System,
            pins: BTreeMap::new(),
            roots_of: BTreeMap::new(),
            proxy: None,
        }
    }
}

/// Lowers the mapping `upstream`.
pub(super) fn lower(value: Value<'_>) -> Option<Upstream> {
    value.mapping(|fields| {
        let default = Upstream::default();
        let roots = fields.or("roots", default.roots, |v| v.some_of(root));
        let dns = fields.or("dns", default.dns, dns);
        let roots_of = fields.or("hosts", default.roots_of, hosts);
        let pins = fields.or("pins", default.pins, pins);
        let proxy = fields.optional("proxy", proxy::lower);
        Some(Upstream {
            roots: roots?,
            dns: dns?,
            pins: pins?,
            roots_of: roots_of?,
            proxy: proxy?,
        })
    })
}

pub(super) fn root(value: Value<'_>) -> Option<Root> {
    match value.text()?.as_str() {
        "system" => Some(Root::System),
        _ => value.file().map(Root::File),
    }
}

/// Hosts with authorities of their own.
fn hosts(value: Value<'_>) -> Option<BTreeMap<Host, Vec<Root>>> {
    let hosts = value.names(|name, value| {
        let host = name.parse(host::exact);
        let roots = value.mapping(|fields| fields.required("roots", |v| v.some_of(root)));
        Some((host?, roots?))
    })?;
    Some(hosts.into_iter().collect())
}

fn dns(value: Value<'_>) -> Option<Dns> {
    if value.is_scalar() {
        return value.parse(|text| match text {
            "system" => Ok(Dns::System),
            _ => Err(Wrong::new(
                format!("{} is no way to resolve names", quoted(text)),
                "write system, or a list of servers like [192.0.2.53:53]",
            )),
        });
    }
    value.some_of(|v| v.parse(socket_address)).map(Dns::Servers)
}

fn pins(value: Value<'_>) -> Option<BTreeMap<Host, Vec<IpAddr>>> {
    let pins = value.names(|name, value| {
        let host = name.parse(host::exact);
        let addresses = value.one_or_more(|v| v.parse(address));
        Some((host?, addresses?))
    })?;
    Some(pins.into_iter().collect())
}

fn address(text: &str) -> Result<IpAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("{} is no address", quoted(text)),
            "write an IPv4 or IPv6 address",
        )
    })
}
