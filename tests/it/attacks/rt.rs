//! The request target, `Host`, `CONNECT` and absolute-form: one authority.
