//! The proof that a call is allowed.

use std::sync::Arc;

use time::Date;

use super::{Denial, Grant, Role, Spoiled, Written};
use crate::{
    refusal::{Reason, Refusal},
    target::{Destination, Host, Target, asked::Asked},
};

/// Proof that a rule of a role allows this very call; it owns the call it judged.
#[derive(Debug)]
#[must_use = "a permit is used or the call ends"]
pub struct Permit {
    role: Arc<Role>,
    rule_number: usize,
    rule_name: Arc<str>,
    written: Written,
    grant: Grant,
    asked: Asked,
}

/// A call that was not permitted, with the rule that denied it if one did.
#[derive(Debug)]
pub struct NotPermitted {
    /// The no.
    pub refusal: Refusal,
    /// Name and place of the deny rule.
    pub rule: Option<(Arc<str>, Written)>,
}

impl Permit {
    /// Judges `asked` by the rules of `role` as they stand on `today`.
    pub fn judge(role: &Arc<Role>, asked: Asked, today: Date) -> Result<Permit, NotPermitted> {
        let allowed = role.verdict(asked.target(), today)?;
        Ok(Permit {
            role: role.clone(),
            rule_number: allowed.number,
            rule_name: allowed.rule.name.clone(),
            written: allowed.rule.written.clone(),
            grant: allowed.grant.clone(),
            asked,
        })
    }

    /// The role in which the call is made.
    pub fn role(&self) -> &Arc<Role> {
        &self.role
    }

    /// The place of the rule that allows it among the rules of the role, from 0.
    pub fn rule_number(&self) -> usize {
        self.rule_number
    }

    /// The name of that rule.
    pub fn rule_name(&self) -> &Arc<str> {
        &self.rule_name
    }

    /// Where that rule is written.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// What that rule grants.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Where the call goes.
    pub fn target(&self) -> &Arc<Target> {
        self.asked.target()
    }

    /// The call itself, to be built anew.
    pub(crate) fn into_asked(self) -> Asked {
        self.asked
    }
}

impl Destination for Permit {
    fn host(&self) -> &Host {
        self.target().host()
    }

    fn port(&self) -> u16 {
        self.target().port()
    }
}

impl From<Denial<'_>> for NotPermitted {
    fn from(denial: Denial<'_>) -> NotPermitted {
        let because = |reason, cause: &'static str| NotPermitted {
            refusal: Refusal::because(reason, cause),
            rule: None,
        };
        match denial {
            Denial::ReviewOverdue => NotPermitted {
                refusal: Reason::ReviewOverdue.into(),
                rule: None,
            },
            Denial::NoRule => NotPermitted {
                refusal: Reason::NoRule.into(),
                rule: None,
            },
            Denial::DeniedByRule(rule) => NotPermitted {
                refusal: Reason::DeniedByRule.into(),
                rule: Some((rule.name.clone(), rule.written.clone())),
            },
            Denial::AddressForbidden(class) => because(Reason::AddressForbidden, class.as_str()),
            Denial::Spoiled(Spoiled::EncodedSlash) => because(
                Reason::PathAmbiguous,
                "the rule does not take an encoded slash",
            ),
            Denial::Spoiled(Spoiled::QueryName) => because(
                Reason::QueryForbidden,
                "the query has a name that the rule does not list",
            ),
            Denial::Spoiled(Spoiled::QueryCredential) => because(
                Reason::QueryCredential,
                "the query has a name that carries a credential",
            ),
        }
    }
}
