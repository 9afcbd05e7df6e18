use proptest::prelude::*;

use super::*;

fn class(text: &str) -> Option<Class> {
    forbidden(text.parse().unwrap())
}

/// Row SS-01: the first, a middle and the last address of each range.
#[test]
fn no_special_ipv4_address_may_be_reached() {
    for (addresses, expected) in [
        (["0.0.0.0", "0.1.2.3", "0.255.255.255"], Class::Unspecified),
        (["10.0.0.0", "10.0.0.1", "10.255.255.255"], Class::Private),
        (
            ["100.64.0.0", "100.100.1.1", "100.127.255.255"],
            Class::Shared,
        ),
        (
            ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
            Class::Loopback,
        ),
        (
            ["169.254.0.0", "169.254.169.253", "169.254.255.255"],
            Class::LinkLocal,
        ),
        (
            ["172.16.0.0", "172.20.0.1", "172.31.255.255"],
            Class::Private,
        ),
        (["192.0.0.0", "192.0.0.9", "192.0.0.255"], Class::Reserved),
        (
            ["192.0.2.0", "192.0.2.1", "192.0.2.255"],
            Class::Documentation,
        ),
        (
            ["192.31.196.0", "192.31.196.1", "192.31.196.255"],
            Class::Reserved,
        ),
        (
            ["192.52.193.0", "192.52.193.1", "192.52.193.255"],
            Class::Reserved,
        ),
        (
            ["192.88.99.0", "192.88.99.1", "192.88.99.255"],
            Class::Reserved,
        ),
        (
            ["192.168.0.0", "192.168.1.100", "192.168.255.255"],
            Class::Private,
        ),
        (
            ["192.175.48.0", "192.175.48.1", "192.175.48.255"],
            Class::Reserved,
        ),
        (
            ["198.18.0.0", "198.19.0.0", "198.19.255.255"],
            Class::Benchmarking,
        ),
        (
            ["198.51.100.0", "198.51.100.1", "198.51.100.255"],
            Class::Documentation,
        ),
        (
            ["203.0.113.0", "203.0.113.9", "203.0.113.255"],
            Class::Documentation,
        ),
        (
            ["224.0.0.0", "232.0.0.1", "239.255.255.255"],
            Class::Multicast,
        ),
        (
            ["240.0.0.0", "240.0.0.1", "255.255.255.255"],
            Class::Reserved,
        ),
    ] {
        for address in addresses {
            assert_eq!(class(address), Some(expected), "{address}");
        }
    }
}

/// Row SS-02 and the gaps of the egress guard's table.
#[test]
fn no_special_ipv6_address_may_be_reached() {
    for (address, expected) in [
        ("::", Class::Unspecified),
        ("::1", Class::Loopback),
        ("::7f00:1", Class::EmbeddedIpv4),
        ("::127.0.0.1", Class::EmbeddedIpv4),
        ("::ffff:10.0.0.1", Class::EmbeddedIpv4),
        ("::ffff:0:10.0.0.1", Class::EmbeddedIpv4),
        ("64:ff9b::a00:1", Class::EmbeddedIpv4),
        ("64:ff9b::ac1c:5", Class::EmbeddedIpv4),
        ("64:ff9b::808:808", Class::EmbeddedIpv4),
        ("64:ff9b::ffff:ffff", Class::EmbeddedIpv4),
        ("64:ff9b:1::a00:1", Class::EmbeddedIpv4),
        ("64:ff9c::1", Class::Reserved),
        ("100::1", Class::Reserved),
        ("100:0:0:1::1", Class::Reserved),
        ("2001::1", Class::EmbeddedIpv4),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Class::EmbeddedIpv4),
        ("2001:1::1", Class::Reserved),
        ("2001:2::1", Class::Benchmarking),
        ("2001:10::1", Class::Reserved),
        ("2001:20::1", Class::Reserved),
        ("2001:1ff:ffff::1", Class::Reserved),
        ("2001:db8::1", Class::Documentation),
        ("2002:a00:1::1", Class::EmbeddedIpv4),
        ("2002:808:808::1", Class::EmbeddedIpv4),
        ("2620:4f:8000::1", Class::Reserved),
        ("3fff::1", Class::Documentation),
        ("3fff:fff:ffff::1", Class::Documentation),
        ("4000::1", Class::Reserved),
        ("5f00::1", Class::Reserved),
        ("fc00::1", Class::Private),
        ("fdff::1", Class::Private),
        ("fe00::1", Class::Reserved),
        ("fe80::1", Class::LinkLocal),
        ("fe80::5efe:10.0.0.1", Class::EmbeddedIpv4),
        ("2606:4700::5efe:8.8.8.8", Class::EmbeddedIpv4),
        ("2606:4700::200:5efe:8.8.8.8", Class::EmbeddedIpv4),
        ("fec0::1", Class::Private),
        ("ff02::1", Class::Multicast),
        ("ff02::2", Class::Multicast),
    ] {
        assert_eq!(class(address), Some(expected), "{address}");
    }
}

/// Row SS-03.
#[test]
fn the_services_of_clouds_are_told_by_name() {
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "169.254.0.23",
        "169.254.42.42",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fd00:a9fe:a9fe::1",
        "fe80::a9fe:a9fe",
    ] {
        assert_eq!(class(address), Some(Class::Metadata), "{address}");
    }
}

#[test]
fn the_neighbours_of_special_ranges_are_public() {
    for address in [
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.254",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2620:4f:8001::1",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ] {
        assert_eq!(class(address), None, "{address}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_is_never_reached(bits in any::<u32>(), rest in any::<u32>()) {
        let ip = Ipv4Addr::from_bits(bits);
        let low = u128::from(bits);
        let under = |prefix: &str| prefix.parse::<Ipv6Addr>().unwrap().to_bits();
        for embedded in [
            ip.to_ipv6_mapped().to_bits(),
            ip.to_ipv6_compatible().to_bits(),
            under("::ffff:0:0:0") | low,
            under("64:ff9b::") | low,
            under("64:ff9b:1::") | u128::from(rest) << 32 | low,
            under("2002::") | low << 80 | u128::from(rest),
            under("2001::") | u128::from(rest) << 32 | u128::from(!bits),
            under("2606:4700::5efe:0:0") | low,
            under("2606:4700::200:5efe:0:0") | low,
        ] {
            let embedded = Ipv6Addr::from_bits(embedded);
            prop_assert!(forbidden(embedded.into()).is_some(), "{}", embedded);
        }
    }

    /// Operators' prefixes carry the address in other places (RFC 6052 section 2.2), in a block that may be excepted
    /// no more than the address itself.
    #[test]
    fn no_exception_opens_an_address_that_carries_another(bits in any::<u32>(), net in any::<u16>(), rest in any::<u32>()) {
        let low = u128::from(bits);
        let under = |prefix: &str| prefix.parse::<Ipv6Addr>().unwrap().to_bits();
        let net = u128::from(net) << 80;
        let (high, tail) = (low >> 16, low & 0xffff);
        for embedded in [
            Ipv4Addr::from_bits(bits).to_ipv6_mapped().to_bits(),
            Ipv4Addr::from_bits(bits).to_ipv6_compatible().to_bits(),
            under("::ffff:0:0:0") | low,
            under("64:ff9b::") | low,
            under("64:ff9b:1::") | high << 64 | tail << 40,
            under("64:ff9b:1::") | net & (0xffff << 64) | low,
            under("2002::") | low << 80 | u128::from(rest),
            under("2001::") | u128::from(rest) << 32 | u128::from(!bits),
            under("fd00::5efe:0:0") | net | low,
            under("fd00::200:5efe:0:0") | net | low,
            under("fe80::5efe:0:0") | low,
        ] {
            let embedded = IpAddr::V6(Ipv6Addr::from_bits(embedded));
            prop_assert!(closed(embedded, |_| true).is_some(), "{}", embedded);
            // and an exception for the address that is carried is none for what carries it
            let own = Network::parse(&format!("{}/32", Ipv4Addr::from_bits(bits)));
            prop_assert!(!own.is_ok_and(|own| own.contains(embedded)), "{}", embedded);
        }
    }

    #[test]
    fn only_global_unicast_may_be_reached(bits in any::<u128>()) {
        let ip = Ipv6Addr::from_bits(bits);
        prop_assert!(forbidden(ip.into()).is_some() || bits >> 125 == 1);
    }
}
