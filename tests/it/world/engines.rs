//! Servers whose users OpenBao makes.

use std::net::Ipv4Addr;

use super::pki::Pki;
use crate::servers::Shown;

impl Pki {
    /// What a server shows that is an upstream by this name, and is administered at this address.
    pub(crate) fn shown(&self, host: &str, address: Ipv4Addr) -> Shown {
        let identity = self.upstreams.server(&[host, &address.to_string()]);
        Shown {
            certificate: identity.certificate.pem(),
            key: identity.key.serialize_pem(),
            authority: self.upstreams.certificate.pem(),
        }
    }
}
