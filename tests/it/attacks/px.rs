//! Redirects and pooled connections: nothing crosses from one agent to another.
