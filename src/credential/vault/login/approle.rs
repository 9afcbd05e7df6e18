//! The login with a role id and a secret id, each in a file.

use std::{path::PathBuf, sync::Arc};

use super::{super::super::file, Question, Unwrapped, VaultError, Wire, wrapped};
use crate::secret::Secret;

/// A login by AppRole.
#[derive(Debug, Clone)]
pub(crate) struct AppRole {
    /// Where the auth method is mounted.
    pub(crate) mount: String,
    /// The file with what names the role; no secret by itself.
    pub(crate) role_id: PathBuf,
    /// What proves the role.
    pub(crate) secret_id: SecretId,
}

/// Where the secret id comes from.
#[derive(Debug, Clone)]
pub(crate) enum SecretId {
    /// A file that only the gate's user may read.
    Plain(PathBuf),
    /// A file with a token under which the server keeps the secret id, to be taken once.
    Wrapped {
        /// The file, that only the gate's user may read.
        file: PathBuf,
        /// The name of the role whose secret id it must be.
        role: String,
    },
}

impl SecretId {
    /// The role that the secret id must be of, if that is known.
    pub(super) fn role(&self) -> Option<&str> {
        match self {
            SecretId::Plain(_) => None,
            SecretId::Wrapped { file: _, role } => Some(role),
        }
    }
}

impl AppRole {
    /// The login, with what the files hold now.
    pub(super) async fn question(
        &self,
        wire: &Wire,
        unwrapped: &Unwrapped,
    ) -> Result<Question, VaultError> {
        let role_id = file::read_shared(&self.role_id).await?;
        let secret_id = match &self.secret_id {
            SecretId::Plain(path) => Arc::new(file::read(path).await?),
            SecretId::Wrapped { file, role } => {
                let path = format!("auth/{}/role/{role}/secret-id", self.mount);
                wrapped::secret_id(file, &path, (wire, unwrapped)).await?
            }
        };
        Ok(self.shown(&role_id, &secret_id))
    }

    fn shown(&self, role_id: &Secret, secret_id: &Secret) -> Question {
        let path = format!("auth/{}/login", self.mount);
        Question::new(
            path,
            &[
                ("role_id", role_id.expose()),
                ("secret_id", secret_id.expose()),
            ],
        )
    }
}
