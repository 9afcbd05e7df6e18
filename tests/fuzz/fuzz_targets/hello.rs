//! Any bytes are a handshake for the tunnel's host, one for another, or none; nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::fuzzed;

fuzz_target!(|bytes: &[u8]| {
    let named = ["api.a.test", "b.test", "c.test"].map(|host| fuzzed::hello_names(host, bytes));
    let agreeing = named.iter().filter(|one| **one == Some(true)).count();
    // a handshake names one host, or none and is anybody's
    assert!(matches!(agreeing, 0 | 1 | 3), "{named:?}");
    assert!(named.iter().all(Option::is_some) || named.iter().all(Option::is_none));
});
