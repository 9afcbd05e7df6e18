//! The request target, `Host`, `CONNECT` and absolute-form: one authority.

mod connect;
mod inside;
mod open;
