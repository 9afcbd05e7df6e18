//! What is the gate's own and is reached by no call, whatever rules and exceptions say: its listeners and its Vault.

use std::net::{IpAddr, SocketAddr};

use crate::{
    refusal::{Reason, Refusal},
    target::Host,
};

/// The gate's own listeners, and what tells whether an address is one of this machine's.
#[derive(Clone, Copy)]
pub(crate) struct Own<'o>(
    pub(crate) &'o [SocketAddr],
    pub(crate) &'o dyn Fn(IpAddr) -> bool,
);

/// Vault, as the settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// Its name or its address.
    pub(crate) host: Host,
    /// Its port.
    pub(crate) port: u16,
}

impl Own<'_> {
    pub(super) fn is(self, address: SocketAddr) -> bool {
        let Own(listeners, is_interface) = self;
        let ip = address.ip().to_canonical();
        let listens_here = |own: IpAddr| match own {
            own if own.is_unspecified() => ip.is_loopback() || is_interface(ip),
            own => own.to_canonical() == ip,
        };
        let mut own = listeners.iter();
        own.any(|own| own.port() == address.port() && listens_here(own.ip()))
    }
}

impl Service {
    /// Refuses a place that is this service by its name.
    pub(crate) fn is_not(&self, host: &Host, port: u16) -> Result<(), Refusal> {
        if self.host == *host && self.port == port {
            return Err(is_vault());
        }
        Ok(())
    }
}

/// Refuses `addresses` that are Vault's. A Vault on this machine may listen on all of the machine's addresses.
pub(super) fn is_none_of(its: &[IpAddr], addresses: &[IpAddr]) -> Result<(), Refusal> {
    let here = |ip: &IpAddr| ip.is_loopback() || is_interface(*ip);
    let is_here = its.iter().any(here);
    let is_its = |ip: &IpAddr| its.contains(ip) || is_here && here(ip);
    match addresses.iter().any(is_its) {
        true => Err(is_vault()),
        false => Ok(()),
    }
}

pub(super) fn is_the_gate() -> Refusal {
    Refusal::because(Reason::AddressForbidden, "the gate itself")
}

fn is_vault() -> Refusal {
    Refusal::because(Reason::AddressForbidden, "the gate's vault")
}

/// Whether `ip` is one of this machine's. Where the system does not tell, as in a sandbox without netlink, any may be.
pub(super) fn is_interface(ip: IpAddr) -> bool {
    if_addrs::get_if_addrs().map_or(true, |interfaces| {
        interfaces.iter().any(|interface| interface.ip() == ip)
    })
}
