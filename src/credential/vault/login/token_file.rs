//! The login without a login: a token that somebody else got and put into a file.
//!
//! The gate renews it, as nobody else may, but never gives it back: whoever made it may have other uses for it.

use std::path::Path;

use serde::Deserialize;
use tokio::time::Instant;
use vaultrs::api::token::requests::LookupTokenSelfRequest;

use super::{
    super::{
        super::file,
        envelope::Auth,
        token::{self, Token},
    },
    VaultError, Wire, refused,
};

/// The token in the file at `path`, as the server knows it.
pub(super) async fn token(path: &Path, wire: &Wire) -> Result<Token, VaultError> {
    let token = file::read(path).await?;
    let asked = Instant::now();
    let shown = token::header(&token)?;
    let answer = wire.ask(&LookupTokenSelfRequest {}, Some(&shown)).await?;
    let known = match answer.status {
        200 => answer.envelope::<Known>()?.data,
        _ => return Err(refused(&answer)),
    };
    let known = known.ok_or(VaultError::Malformed("it says nothing of the token"))?;
    Token::held(shown, &known.into(), asked)
}

/// What the server says of a token.
#[derive(Deserialize)]
struct Known {
    /// Seconds.
    ttl: Option<u64>,
    renewable: Option<bool>,
    policies: Option<Vec<String>>,
    #[serde(rename = "type")]
    token_type: Option<String>,
    num_uses: Option<u64>,
}

impl From<Known> for Auth {
    fn from(known: Known) -> Auth {
        Auth {
            client_token: None,
            // It is not the gate's to end.
            accessor: None,
            lease_duration: known.ttl,
            renewable: known.renewable,
            policies: known.policies,
            token_type: known.token_type,
            num_uses: known.num_uses,
            mfa_requirement: None,
        }
    }
}
