//! What tollgate promises, shown from the outside: the real binary between real sockets.
//!
//! One module per promise. [`world`] builds everything around the gate (upstreams, DNS, Vault, agents) and, at
//! the end of every test, checks what must hold after any of them: no credential where it does not belong, no
//! upstream byte without a permit written before it, nothing left open.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that meets a surprise stops with it"
)]

mod addresses;
mod admin;
mod attack;
mod attacks;
mod catalogue;
mod clients;
mod credentials;
mod crossing;
mod deploy;
mod drain;
mod egress;
mod engines;
mod explain;
mod framing;
mod identity;
mod isolation;
mod leaf;
mod limits;
mod log;
mod logs;
mod metrics;
mod opaque;
mod openbao;
mod path;
mod placement;
mod proxy;
mod refusals;
mod reload;
mod revocation;
mod roots;
mod rotation;
mod scope;
#[path = "../servers/servers.rs"]
mod servers;
mod streaming;
mod tables;
mod target;
mod world;
