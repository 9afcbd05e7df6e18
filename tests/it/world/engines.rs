//! Servers whose users OpenBao makes, in the place of upstreams.

use std::net::{Ipv4Addr, SocketAddr};

use super::{World, pki::Pki};
use crate::servers::{Shown, influx::Influx, rabbitmq::RabbitMq};

/// Where they listen, on the port of the world's upstreams: addresses that none of those has.
const RABBITMQ: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 12);
const INFLUX: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

impl World {
    /// Puts the management API of a RabbitMQ in the place of the upstream of `host`.
    pub(crate) async fn rabbitmq(&self, host: &str) -> RabbitMq {
        let at = SocketAddr::from((RABBITMQ, self.port));
        let server = RabbitMq::start(at, self.pki.shown(host, RABBITMQ)).await;
        self.dns.answers(host, &[&RABBITMQ.to_string()]);
        server
    }

    /// Puts an InfluxDB in the place of the upstream of `host`.
    pub(crate) async fn influx(&self, host: &str) -> Influx {
        let at = SocketAddr::from((INFLUX, self.port));
        let server = Influx::start(at, self.pki.shown(host, INFLUX)).await;
        self.dns.answers(host, &[&INFLUX.to_string()]);
        server
    }
}

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
