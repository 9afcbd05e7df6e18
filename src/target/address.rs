//! Which addresses no agent may reach.
//!
//! The test is for global unicast only: what the IANA special-purpose address registries
//! (`iana-ipv4-special-registry`, `iana-ipv6-special-registry`, RFC 6890) set apart is forbidden, whether a
//! registry calls it globally reachable or not, and so are the public-looking addresses of cloud
//! infrastructure. An IPv6 address that carries an IPv4 address is forbidden whatever it carries: it would be
//! translated to a destination that was not checked. Exceptions and the gate's own addresses are not known here;
//! a [`Network`] is what an exception opens.

mod network;

pub use network::{Network, NetworkFault};

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why an address is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// This machine.
    Loopback,
    /// No address at all, or "this network" (RFC 791 3.2).
    Unspecified,
    /// Private networks: RFC 1918, unique local (RFC 4193) and site-local (RFC 3879).
    Private,
    /// One link (RFC 3927, RFC 4291 2.5.6).
    LinkLocal,
    /// The metadata and control services of clouds.
    Metadata,
    /// Shared with a carrier (RFC 6598).
    Shared,
    /// More than one receiver.
    Multicast,
    /// Set apart, or not yet given to anybody.
    Reserved,
    /// For documents only (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// For measurements only (RFC 2544, RFC 5180).
    Benchmarking,
    /// An IPv4 address inside an IPv6 address.
    EmbeddedIpv4,
}

impl Class {
    /// The stable word for this class in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Loopback => "loopback",
            Class::Unspecified => "unspecified",
            Class::Private => "private",
            Class::LinkLocal => "link_local",
            Class::Metadata => "metadata",
            Class::Shared => "shared",
            Class::Multicast => "multicast",
            Class::Reserved => "reserved",
            Class::Documentation => "documentation",
            Class::Benchmarking => "benchmarking",
            Class::EmbeddedIpv4 => "embedded_ipv4",
        }
    }

    /// Whether an exception of the settings may open it. What carries an IPv4 address, or stands for the machine
    /// itself in another way than loopback, goes elsewhere than it says; metadata services are the machine's own
    /// credentials, and clouds keep them on the link.
    pub fn may_be_opened(self) -> bool {
        match self {
            Class::Unspecified
            | Class::LinkLocal
            | Class::Metadata
            | Class::Multicast
            | Class::EmbeddedIpv4 => false,
            Class::Loopback
            | Class::Private
            | Class::Shared
            | Class::Reserved
            | Class::Documentation
            | Class::Benchmarking => true,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why `ip` may not be reached, or `None` when it is an ordinary public address.
pub fn forbidden(ip: IpAddr) -> Option<Class> {
    match ip {
        IpAddr::V4(ip) => class_v4(ip),
        IpAddr::V6(ip) => class_v6(ip),
    }
}

/// The same where the settings may make an exception: `excepted` is asked only of what may be opened at all.
pub fn closed(ip: IpAddr, excepted: impl FnOnce(IpAddr) -> bool) -> Option<Class> {
    forbidden(ip).filter(|class| !(class.may_be_opened() && excepted(ip)))
}

fn class_v4(ip: Ipv4Addr) -> Option<Class> {
    FORBIDDEN_V4
        .iter()
        .find(|(network, bits, _)| {
            same_network(32 - bits, ip.to_bits().into(), network.to_bits().into())
        })
        .map(|(.., class)| *class)
}

fn class_v6(ip: Ipv6Addr) -> Option<Class> {
    let listed = FORBIDDEN_V6
        .iter()
        .find(|(network, bits, _)| same_network(128 - bits, ip.to_bits(), network.to_bits()));
    is_isatap(ip)
        .then_some(Class::EmbeddedIpv4)
        .or_else(|| listed.map(|(.., class)| *class))
        .or_else(|| (!is_global_unicast(ip)).then_some(Class::Reserved))
}

/// Whether two addresses agree in all but the last `host_bits` bits.
fn same_network(host_bits: u32, one: u128, other: u128) -> bool {
    (one ^ other).checked_shr(host_bits).unwrap_or(0) == 0
}

/// 2000::/3, the only block that is given out (RFC 4291 2.4).
fn is_global_unicast(ip: Ipv6Addr) -> bool {
    ip.to_bits() >> 125 == 0b001
}

/// An interface identifier `0000:5efe` or `0200:5efe` and an IPv4 address, under any prefix (RFC 5214 6.1).
fn is_isatap(ip: Ipv6Addr) -> bool {
    let [.., high, low, _, _] = ip.segments();
    (high & !0x0200) == 0 && low == 0x5efe
}

/// The first entry that holds an address gives its class: single hosts stand before their networks.
#[rustfmt::skip]
const FORBIDDEN_V4: &[(Ipv4Addr, u32, Class)] = &[
    (Ipv4Addr::new(169, 254, 169, 254), 32, Class::Metadata),      // AWS, Azure, Google, OpenStack and others
    (Ipv4Addr::new(169, 254, 170, 2), 32, Class::Metadata),        // AWS ECS task credentials
    (Ipv4Addr::new(169, 254, 170, 23), 32, Class::Metadata),       // AWS EKS pod identity
    (Ipv4Addr::new(169, 254, 0, 23), 32, Class::Metadata),         // Tencent Cloud
    (Ipv4Addr::new(169, 254, 42, 42), 32, Class::Metadata),        // Scaleway
    (Ipv4Addr::new(100, 100, 100, 200), 32, Class::Metadata),      // Alibaba Cloud
    (Ipv4Addr::new(168, 63, 129, 16), 32, Class::Metadata),        // Azure WireServer: looks public
    (Ipv4Addr::new(192, 0, 0, 192), 32, Class::Metadata),          // Oracle Cloud, formerly
    (Ipv4Addr::new(0, 0, 0, 0), 8, Class::Unspecified),            // RFC 791 3.2
    (Ipv4Addr::new(10, 0, 0, 0), 8, Class::Private),               // RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10, Class::Shared),             // RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8, Class::Loopback),             // RFC 1122 3.2.1.3
    (Ipv4Addr::new(169, 254, 0, 0), 16, Class::LinkLocal),         // RFC 3927
    (Ipv4Addr::new(172, 16, 0, 0), 12, Class::Private),            // RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24, Class::Reserved),            // RFC 6890 2.1, with 192.0.0.9 and .10
    (Ipv4Addr::new(192, 0, 2, 0), 24, Class::Documentation),       // RFC 5737
    (Ipv4Addr::new(192, 31, 196, 0), 24, Class::Reserved),         // RFC 7535, AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24, Class::Reserved),         // RFC 7450, AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24, Class::Reserved),          // RFC 7526, 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16, Class::Private),           // RFC 1918
    (Ipv4Addr::new(192, 175, 48, 0), 24, Class::Reserved),         // RFC 7534, AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15, Class::Benchmarking),       // RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24, Class::Documentation),    // RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24, Class::Documentation),     // RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4, Class::Multicast),            // RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4, Class::Reserved),             // RFC 1112 4, with the broadcast address
];

/// The same for IPv6; what is not global unicast is forbidden in any case, and has an entry for its class.
#[rustfmt::skip]
const FORBIDDEN_V6: &[(Ipv6Addr, u32, Class)] = &[
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, Class::Metadata),  // AWS
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23), 128, Class::Metadata),   // AWS EKS pod identity
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, Class::Metadata),   // Google Cloud
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, Class::Metadata), // Oracle Cloud
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, Class::Metadata),    // Scaleway
    (Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1), 128, Class::Metadata), // Akamai
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128, Class::Metadata), // OpenStack
    (Ipv6Addr::UNSPECIFIED, 128, Class::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Class::Loopback),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96, Class::EmbeddedIpv4),            // compatible, RFC 4291 2.5.5.1
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Class::EmbeddedIpv4),       // mapped, RFC 4291 2.5.5.2
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, Class::EmbeddedIpv4),       // SIIT, RFC 2765 2.1
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Class::EmbeddedIpv4),    // NAT64, RFC 6052
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Class::EmbeddedIpv4),    // local NAT64, RFC 8215
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Class::EmbeddedIpv4),       // Teredo, RFC 4380
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Class::EmbeddedIpv4),       // 6to4, RFC 3056
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Class::Benchmarking),       // RFC 5180
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Class::Documentation),  // RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Class::Documentation),      // RFC 9637
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Class::Reserved),           // RFC 2928: ORCHID, AMT, AS112
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, Class::Reserved),   // RFC 7534, AS112
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Class::Private),             // RFC 4193
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Class::LinkLocal),          // RFC 4291 2.5.6
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Class::Private),            // RFC 3879
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Class::Multicast),           // RFC 4291 2.7
];

#[cfg(test)]
mod tests;
