//! Who calls: the names of identities.
//!
//! A name is parsed once and then only compared, byte for byte. What a certificate proves about its holder is
//! not decided here, nor which role an identity has.

pub mod certificate;
mod spiffe_id;

pub use spiffe_id::{
    SPIFFE_ID_BYTES_MAX, SpiffeId, SpiffeIdFault, TRUST_DOMAIN_BYTES_MAX, TrustDomain,
};
