//! tollgate: the gate that every call of an AI agent passes on its way out.

#[allow(dead_code, reason = "no request asks for a lease yet")]
pub(crate) mod credential;
#[allow(dead_code, reason = "no request is given a credential yet")]
pub(crate) mod inject;
pub mod refusal;
#[allow(dead_code, reason = "no request uses a lease yet")]
pub mod secret;
