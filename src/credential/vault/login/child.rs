//! The login of a role: a token of its own, made with the gate's, so that Vault's policies and its log know the role.

use std::sync::Weak;

use serde_json::json;
use tokio::time::Instant;

use super::{
    super::{
        Vault,
        engine::Question,
        token::{Grant, Token},
    },
    Memory, VaultError, Wire, refused, taken,
};

/// Of which kind the tokens of roles are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PerRole {
    /// The role of Vault's token method that says what may be made.
    pub(crate) token_role: String,
    /// The alias of the identity that acts, with `{role}` where the name of the role goes.
    pub(crate) entity_alias: String,
}

/// A login as one role.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    /// The gate's own client. It owns the clients of its roles, so that they do not keep it.
    pub(in super::super) of: Weak<Vault>,
    /// The name of the role.
    pub(in super::super) role: String,
    /// What is made for it.
    pub(in super::super) kind: PerRole,
}

impl Child {
    pub(super) async fn token(&self, wire: &Wire, memory: &Memory) -> Result<Token, VaultError> {
        let gate = self.of.upgrade().ok_or(VaultError::Closed)?;
        let PerRole {
            token_role,
            entity_alias,
        } = &self.kind;
        let body = json!({
            "entity_alias": entity_alias.replace("{role}", &self.role),
            "display_name": format!("tollgate-{}", self.role),
            "meta": { "role": self.role },
        });
        let question = Question::write(&["auth/token/create", token_role], body)?;
        let asked = Instant::now();
        let (answer, parent) = gate.ask_as_itself(&question).await?;
        match answer.status {
            200 => {
                let grant = Grant::of(answer.envelope()?, &memory.warnings);
                taken(grant.under(parent), asked, wire).await
            }
            _ => Err(refused(&answer)),
        }
    }
}
