//! The login with a token of another issuer, as orchestrators put into a file and renew there.

use std::path::PathBuf;

use super::{super::super::file, Question, VaultError};

/// A login by JWT, or by the token of a Kubernetes service account.
#[derive(Debug, Clone)]
pub(crate) struct Jwt {
    /// Where the auth method is mounted.
    pub(crate) mount: String,
    /// The role that is asked for.
    pub(crate) role: String,
    /// The file with the token. Orchestrators choose its mode, so others on the machine may be able to read it.
    pub(crate) token_file: PathBuf,
}

impl Jwt {
    /// The login, with what the file holds now.
    pub(super) async fn question(&self) -> Result<Question, VaultError> {
        let token = file::read_shared(&self.token_file).await?;
        let path = format!("auth/{}/login", self.mount);
        let shown = [("role", &*self.role), ("jwt", token.expose().trim())];
        Ok(Question::new(path, &shown))
    }
}
