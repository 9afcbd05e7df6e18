//! Limits cannot be gone around.
