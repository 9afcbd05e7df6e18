//! Host and port are those that a WHATWG reader finds in the same text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::target::Authority;
use url::{Host, Url};

fuzz_target!(|text: &str| {
    let Ok(authority) = Authority::parse(text) else {
        return;
    };
    let host = authority.host().in_url();
    let again = Authority::parse(&host).unwrap();
    assert_eq!(again.host(), authority.host());

    let url =
        Url::parse(&format!("https://{text}/")).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert!(url.username().is_empty() && url.password().is_none());
    assert_eq!(url.path(), "/");
    let named = url.host_str().unwrap();
    match url.host() {
        // the last half may be written either way
        Some(Host::Ipv6(ip)) => assert_eq!(authority.host().ip(), Some(ip.into())),
        // a dot at the end names the same host
        _ => assert_eq!(named.strip_suffix('.').unwrap_or(named), &*host),
    }
    assert_eq!(
        url.port_or_known_default(),
        Some(authority.port().unwrap_or(443))
    );
});
