//! Any bytes are a caller with a valid SPIFFE ID, or a fault; an ID is found in the certificate as it stands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls::pki_types::CertificateDer;
use tollgate::identity::{SpiffeId, certificate::Caller};

fuzz_target!(|bytes: &[u8]| {
    let Ok(caller) = Caller::read(&CertificateDer::from(bytes)) else {
        return;
    };
    let id = caller.id.as_str();
    assert!(SpiffeId::parse(id).is_ok(), "{id:?}");
    let times = bytes
        .windows(id.len())
        .filter(|window| *window == id.as_bytes())
        .count();
    assert!(times >= 1, "{id:?} does not stand in the certificate");
});
