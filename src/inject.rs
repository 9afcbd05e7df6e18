//! Puts the credential into a request that was admitted.

pub(crate) mod header;
