//! Normalisation of paths: what is matched is what is sent.
