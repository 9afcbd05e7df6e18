//! The log cannot be forged or blinded, and holds no secret.
