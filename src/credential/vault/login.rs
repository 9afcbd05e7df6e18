//! How the gate proves to Vault who it is, one file for each way.
//!
//! Files are read at each login, because whoever rotates them tells nobody. A way asks once and says what came of it;
//! when the next login may be tried is not known here (that is `session`).

mod approle;
mod certificate;
mod child;
mod jwt;
mod question;
mod token_file;
mod wrapped;

use std::path::PathBuf;

use tokio::time::Instant;
use vaultrs::api::token::requests::RevokeTokenSelfRequest;

pub(super) use self::child::Child;
pub(crate) use self::{
    approle::{AppRole, SecretId},
    certificate::Certificate,
    child::PerRole,
    jwt::Jwt,
};
use self::{question::Question, wrapped::Unwrapped};
use super::{
    envelope::Answer,
    error::VaultError,
    path,
    token::{Grant, Token},
    warnings::Warnings,
    wire::Wire,
};

/// What a client remembers of its logins when it goes on with other settings.
#[derive(Default)]
pub(super) struct Memory {
    unwrapped: Unwrapped,
    /// What the server warned of.
    pub(super) warnings: Warnings,
}

/// A way to log in.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// With a token that somebody else got, in a file that only the gate's user may read.
    TokenFile(PathBuf),
    /// With a role id and a secret id.
    AppRole(AppRole),
    /// With the certificate that the wire shows.
    Certificate(Certificate),
    /// With a token of another issuer: the methods `jwt` and `kubernetes` ask the same.
    Jwt(Jwt),
    /// As a role, with the gate's own token.
    Child(Child),
}

impl Login {
    /// Asks for a token, once.
    ///
    /// # Errors
    ///
    /// [`VaultError::LoginFile`], [`VaultError::BadLogin`] and [`VaultError::Intercepted`] are ours to mend;
    /// [`VaultError::TokenUnfit`] for a token that the gate must not use; else why there is no answer.
    pub(super) async fn ask(&self, wire: &Wire, memory: &Memory) -> Result<Token, VaultError> {
        let question = match self {
            Login::TokenFile(path) => return token_file::token(path, wire).await,
            Login::AppRole(approle) => approle.question(wire, &memory.unwrapped).await?,
            Login::Certificate(certificate) => certificate.question(),
            Login::Jwt(jwt) => jwt.question().await?,
            Login::Child(child) => return Box::pin(child.token(wire, memory)).await,
        };
        let asked = Instant::now();
        let answer = wire.ask(&question, None).await?;
        match answer.status {
            200 => {
                let grant = Grant::of(answer.envelope()?, &memory.warnings);
                taken(grant, asked, wire).await
            }
            _ => Err(refused(&answer)),
        }
    }

    /// Whether the tokens are the gate's own, to be given back by it.
    pub(super) fn gives_own_tokens(&self) -> bool {
        match self {
            Login::TokenFile(_) => false,
            Login::AppRole(_) | Login::Certificate(_) | Login::Jwt(_) | Login::Child(_) => true,
        }
    }

    /// Whose the tokens are, in one word.
    pub(super) fn whose(&self) -> String {
        match self {
            Login::Child(child) if path::plain(&child.role) => format!("role:{}", child.role),
            Login::Child(_) => "role".to_owned(),
            Login::TokenFile(_) | Login::AppRole(_) | Login::Certificate(_) | Login::Jwt(_) => {
                "gate".to_owned()
            }
        }
    }

    /// Whether all that becomes part of a path has one reading.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] says what has more.
    pub(super) fn checked(&self) -> Result<(), VaultError> {
        let (mount, role) = match self {
            Login::TokenFile(_) => return Ok(()),
            Login::AppRole(approle) => (&approle.mount, approle.secret_id.role()),
            Login::Certificate(certificate) => (&certificate.mount, None),
            Login::Jwt(jwt) => (&jwt.mount, None),
            Login::Child(child) => (&child.kind.token_role, None),
        };
        if !path::plain(mount) {
            return Err(VaultError::Settings("the auth mount is not a plain path"));
        }
        if role.is_some_and(|role| !path::plain(role)) {
            return Err(VaultError::Settings("the role is not a plain path"));
        }
        Ok(())
    }
}

/// The token of a login that was asked for at `asked`. One that the gate must not use is given back: a token without an
/// end would stay, and another one come with each try.
async fn taken(grant: Grant, asked: Instant, wire: &Wire) -> Result<Token, VaultError> {
    let header = grant.header();
    let token = Token::new(grant, asked);
    if let (Err(VaultError::TokenUnfit(_)), Some(header)) = (&token, header) {
        let answer = wire.ask(&RevokeTokenSelfRequest {}, Some(&header)).await;
        let given_back = answer.is_ok_and(|answer| matches!(answer.status, 200 | 204));
        tracing::warn!(given_back, "vault gave a token that the gate must not use");
    }
    token
}

/// What a login that gave no token means: what is wrong with what was shown has the status 400 with most methods.
fn refused(answer: &Answer) -> VaultError {
    match answer.status {
        400 | 401 | 403 | 404 => VaultError::BadLogin,
        0..=399 | 402 | 405.. => answer.fault(),
    }
}
