use proptest::prelude::*;

use super::*;

#[test]
fn a_host_has_one_spelling() {
    for (text, canonical) in [
        ("API.A.TEST", "api.a.test"),
        ("api.a.test.", "api.a.test"),
        ("localhost", "localhost"),
        ("metadata", "metadata"),
        ("1password.com", "1password.com"),
        ("r3---sn-4g5e.example.com", "r3---sn-4g5e.example.com"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
    ] {
        assert_eq!(
            Host::parse(text).map(|h| h.to_string()).as_deref(),
            Ok(canonical),
            "{text}"
        );
    }
}

/// Rows HN-01, HN-04, HN-05, HN-06.
#[test]
fn refuses_every_host_with_a_second_reading() {
    use HostFault::{Character, Empty, EmptyLabel, Hyphen, Ipv4, NonAscii, Punycode};
    for (text, fault) in [
        ("", Empty),
        (".", Empty),
        ("..", EmptyLabel),
        ("api.a.test..", EmptyLabel),
        (".api.a.test", EmptyLabel),
        ("api..test", EmptyLabel),
        ("ａｐｉ.a.test", NonAscii),
        ("api。a。test", NonAscii),
        ("a\u{ad}pi.a.test", NonAscii),
        ("ⓐpi.a.test", NonAscii),
        ("a\u{200b}pi.a.test", NonAscii),
        ("bücher.example", NonAscii),
        ("０x7f.1", NonAscii),
        ("①②⑦.0.0.1", NonAscii),
        ("xn--api-.a.test", Hyphen),
        ("a.test.xn--", Hyphen),
        ("xn--a-ecp", Punycode),
        ("xn--a", Punycode),
        ("2130706433", Ipv4),
        ("0x7f000001", Ipv4),
        ("0X7F000001", Ipv4),
        ("0177.0.0.1", Ipv4),
        ("127.1", Ipv4),
        ("127.0.1", Ipv4),
        ("0", Ipv4),
        ("0x7f.1", Ipv4),
        ("1.0x7f", Ipv4),
        ("127.0.0.1.", Ipv4),
        ("00000177.0.0.1", Ipv4),
        ("256.0.0.1", Ipv4),
        ("1.2.3.4.5", Ipv4),
        ("api.a.0x", Ipv4),
        ("a.test.123", Ipv4),
        ("under_score.a.test", Character),
        ("a%2etest", Character),
        ("u@a.test", Character),
        ("a test", Character),
        ("a.test\t", Character),
        ("a.test\0", Character),
        ("*.a.test", Character),
        ("::1", Character),
        ("[::1]", Character),
        ("a/b", Character),
        ("a\\b", Character),
        ("-a.test", Hyphen),
        ("a-.test", Hyphen),
    ] {
        assert_eq!(Host::parse(text), Err(fault), "{text:?}");
    }
}

#[test]
fn refuses_a_label_and_a_name_one_byte_too_long() {
    let label = "a".repeat(LABEL_BYTES_MAX);
    assert!(Host::parse(&label).is_ok());
    assert_eq!(
        Host::parse(&format!("{label}a")),
        Err(HostFault::LabelTooLong)
    );

    let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(name.len(), HOST_BYTES_MAX);
    assert!(Host::parse(&name).is_ok());
    assert!(Host::parse(&format!("{name}.")).is_ok());
    assert_eq!(Host::parse(&format!("{name}a")), Err(HostFault::TooLong));
}

#[test]
fn an_ipv6_address_needs_its_brackets_and_loses_them() {
    let host = Host::parse_bracketed("[2001:DB8:0:0::0001]").unwrap();
    assert_eq!(
        (host.as_str(), host.in_url().as_ref()),
        ("2001:db8::1", "[2001:db8::1]")
    );
    assert_eq!(host.ip(), Some("2001:db8::1".parse().unwrap()));
    for text in [
        "::1",
        "[::1",
        "[]",
        "[fe80::1%eth0]",
        "[192.0.2.1]",
        "[a.test]",
        "[[::1]]",
        "[::1 ]",
    ] {
        assert_eq!(Host::parse_bracketed(text), Err(HostFault::Ipv6), "{text}");
    }
}

#[test]
fn only_an_address_has_an_ip() {
    assert_eq!(Host::parse("api.a.test").unwrap().ip(), None);
    assert_eq!(
        Host::parse("192.0.2.1").unwrap().ip(),
        Some("192.0.2.1".parse().unwrap())
    );
}

#[test]
fn a_map_of_hosts_can_be_asked_with_a_text() {
    let hosts = std::collections::HashMap::from([(Host::parse("API.a.test.").unwrap(), 1)]);
    assert_eq!(hosts.get("api.a.test"), Some(&1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_canonical_form_is_its_own_canonical_form(text in "((xn--)?[a-zA-Z0-9-]{1,8}\\.){0,3}[a-z0-9A-Z]{1,5}\\.?") {
        if let Ok(host) = Host::parse(&text) {
            prop_assert_eq!(Host::parse(host.as_str()), Ok(host.clone()));
            prop_assert!(host.as_str().bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')));
        }
    }

    #[test]
    fn any_text_is_a_host_or_a_fault(text in "\\PC{0,40}") {
        if let Ok(host) = Host::parse(&text) {
            prop_assert!(host.as_str().eq_ignore_ascii_case(text.strip_suffix('.').unwrap_or(&text)));
        }
    }
}
