//! Addresses: what resolves to an internal one is never dialled.
