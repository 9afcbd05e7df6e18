//! The interception authority, its leaves, and the upstream's certificate.
