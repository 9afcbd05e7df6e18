//! The agent's certificate and its SPIFFE ID.
