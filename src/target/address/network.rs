//! A block of addresses: what an exception of the settings opens.

use std::{fmt, net::IpAddr};

use super::{Class, FORBIDDEN_V4, FORBIDDEN_V6, forbidden};

/// A CIDR block (RFC 4632, RFC 4291 2.3), written with all host bits zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u32,
}

/// Why a text is not a block that may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    /// Not an address, a slash and a number of bits that the address has.
    Malformed,
    /// The address is not the first of the block, or not in canonical form.
    NotFirst,
    /// More than an IPv4 /8 or an IPv6 /32.
    TooWide,
    /// It holds addresses of a class that no exception opens (see [`Class::may_be_opened`]).
    Closed(Class),
}

impl Network {
    /// `10.1.0.0/16`, `10.1.2.3/32` or `fd00:1::/32`.
    pub fn parse(text: &str) -> Result<Network, NetworkFault> {
        let (first, bits) = text.split_once('/').ok_or(NetworkFault::Malformed)?;
        let first: IpAddr = first.parse().map_err(|_| NetworkFault::Malformed)?;
        let prefix_bits: u32 = bits.parse().map_err(|_| NetworkFault::Malformed)?;
        let (widest, all) = match first {
            IpAddr::V4(_) => (8, 32),
            IpAddr::V6(_) => (32, 128),
        };
        if prefix_bits > all {
            return Err(NetworkFault::Malformed);
        }
        let network = Network { first, prefix_bits };
        if trailing_zeros(first) < all - prefix_bits || network.to_string() != text {
            return Err(NetworkFault::NotFirst);
        }
        if prefix_bits < widest {
            return Err(NetworkFault::TooWide);
        }
        network.check_holdings()?;
        Ok(network)
    }

    /// Whether `ip` lies in the block. An IPv6 address that carries an IPv4 address is an IPv6 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let same_bits = match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => (first.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V6(first), IpAddr::V6(ip)) => (first.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        same_bits >= self.prefix_bits
    }

    /// Refuses a block that holds, or lies in, what no exception opens.
    fn check_holdings(&self) -> Result<(), NetworkFault> {
        let v4 = FORBIDDEN_V4
            .iter()
            .map(|(first, _, class)| (IpAddr::V4(*first), *class));
        let v6 = FORBIDDEN_V6
            .iter()
            .map(|(first, _, class)| (IpAddr::V6(*first), *class));
        let held = v4
            .chain(v6)
            .filter(|(first, _)| self.contains(*first))
            .map(|(_, class)| class);
        let mut held = held.chain(forbidden(self.first));
        match held.find(|class| !class.may_be_opened()) {
            Some(class) => Err(NetworkFault::Closed(class)),
            None => Ok(()),
        }
    }
}

fn trailing_zeros(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().trailing_zeros(),
        IpAddr::V6(ip) => ip.to_bits().trailing_zeros(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NetworkFault::Malformed => {
                "It is not an address, a slash and a number of bits, like 10.1.0.0/16."
            }
            NetworkFault::NotFirst => {
                "The address is not the first of the block, in canonical form."
            }
            NetworkFault::TooWide => "It is wider than an IPv4 /8 or an IPv6 /32.",
            NetworkFault::Closed(Class::Metadata) => {
                "It holds a metadata service, which no exception opens."
            }
            NetworkFault::Closed(Class::EmbeddedIpv4) => {
                "It holds IPv6 addresses that carry IPv4 addresses."
            }
            NetworkFault::Closed(_) => {
                "It holds unspecified, link-local or multicast addresses, which no exception opens."
            }
        })
    }
}

impl std::error::Error for NetworkFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            (
                "10.1.0.0/16",
                ["10.1.0.0", "10.1.255.255"],
                ["10.0.255.255", "10.2.0.0"],
            ),
            (
                "10.1.2.3/32",
                ["10.1.2.3", "10.1.2.3"],
                ["10.1.2.2", "::ffff:10.1.2.3"],
            ),
            (
                "fd00:1::/32",
                ["fd00:1::", "fd00:1:ffff::1"],
                ["fd00:2::", "10.0.0.1"],
            ),
            ("::1/128", ["::1", "::1"], ["::", "::2"]),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(
                inside
                    .iter()
                    .all(|ip| network.contains(ip.parse().unwrap())),
                "{network}"
            );
            assert!(
                !outside
                    .iter()
                    .any(|ip| network.contains(ip.parse().unwrap())),
                "{network}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_block_or_too_dangerous_to_open() {
        use Class::{EmbeddedIpv4, LinkLocal, Metadata, Multicast, Unspecified};
        use NetworkFault::{Closed, Malformed, NotFirst, TooWide};
        for (text, fault) in [
            ("", Malformed),
            ("10.0.0.1", Malformed),
            ("10.0.0.0/33", Malformed),
            ("10.0.0.0/", Malformed),
            ("a/8", Malformed),
            ("10.0.0.0/-1", Malformed),
            ("10.0.0.0/08", NotFirst),
            ("10.0.0.0/+8", NotFirst),
            ("10.0.0.1/24", NotFirst),
            ("FD00::/32", NotFirst),
            ("fd00:0::/32", NotFirst),
            ("0.0.0.0/0", TooWide),
            ("8.0.0.0/7", TooWide),
            ("::/0", TooWide),
            ("fc00::/7", TooWide),
            ("169.254.0.0/16", Closed(Metadata)),
            ("169.254.169.254/32", Closed(Metadata)),
            ("100.64.0.0/10", Closed(Metadata)),
            ("fd00:ec2::/32", Closed(Metadata)),
            ("::ffff:0.0.0.0/96", Closed(EmbeddedIpv4)),
            ("::/32", Closed(Unspecified)),
            ("64:ff9b::/96", Closed(EmbeddedIpv4)),
            ("2002:a00::/32", Closed(EmbeddedIpv4)),
            ("fd00:1::5efe:a00:0/104", Closed(EmbeddedIpv4)),
            ("0.0.0.0/8", Closed(Unspecified)),
            ("::/128", Closed(Unspecified)),
            ("169.254.42.0/27", Closed(LinkLocal)),
            ("fe80::/64", Closed(Metadata)),
            ("fe80:1::/64", Closed(LinkLocal)),
            ("224.0.0.0/24", Closed(Multicast)),
            ("ff02::/32", Closed(Multicast)),
        ] {
            assert_eq!(Network::parse(text), Err(fault), "{text}");
        }
    }
}
