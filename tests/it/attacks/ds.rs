//! Slow and flooding agents and upstreams: everything is bounded.
