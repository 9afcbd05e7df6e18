//! tollgate: the gate that every call of an AI agent passes on its way out.

pub mod config;
pub mod identity;
pub mod refusal;
pub mod secret;
pub mod target;
