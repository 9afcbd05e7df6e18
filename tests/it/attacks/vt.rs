//! Vault and the life of a credential.
