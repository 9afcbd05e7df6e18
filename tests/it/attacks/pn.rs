//! Normalisation of paths: what is matched is what is sent.

mod canonical;
mod matched;
mod refused;
