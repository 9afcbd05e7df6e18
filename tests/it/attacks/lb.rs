//! What the libraries do that the gate is built around.
