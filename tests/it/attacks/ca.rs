//! The interception authority, its leaves, and the upstream's certificate.

mod authority;
mod leaf;
mod switch;
mod upstream;
