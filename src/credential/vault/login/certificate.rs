//! The login with the certificate that the wire shows in TLS.

use super::Question;

/// A login by certificate.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// Where the auth method is mounted.
    pub(crate) mount: String,
    /// The role that is asked for; without one the server looks for a role that fits the certificate.
    pub(crate) role: Option<String>,
}

impl Certificate {
    pub(super) fn question(&self) -> Question {
        let path = format!("auth/{}/login", self.mount);
        let role = self.role.as_deref().map(|role| ("name", role));
        Question::new(path, role.as_slice())
    }
}
