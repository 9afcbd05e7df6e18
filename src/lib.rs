//! tollgate: the gate that every call of an AI agent passes on its way out.

pub mod cli;
mod config;
mod credential;
mod event;
mod headers;
pub mod identity;
mod inject;
mod limit;
mod proxy;
pub mod refusal;
mod refuse;
mod relay;
pub mod scope;
mod secret;
mod server;
mod session;
mod shutdown;
mod snapshot;
pub mod target;
mod tls;
mod upstream;
