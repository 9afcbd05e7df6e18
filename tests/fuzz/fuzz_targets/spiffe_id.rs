//! A SPIFFE ID that the gate takes is one to the `spiffe` crate, with the same trust domain.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::identity::SpiffeId;

fuzz_target!(|text: &str| {
    let Ok(id) = SpiffeId::parse(text) else {
        return;
    };
    assert_eq!(id.as_str(), text);
    let other = spiffe::SpiffeId::new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(other.to_string(), text);
    assert_eq!(other.trust_domain().as_str(), id.trust_domain());
});
