//! Which engine of Vault a credential comes from, and what it is asked: `vault` of a catalogue entry.
//!
//! The key that names the engine has its mount as the value: `rabbitmq: rabbitmq, role: reader`. Identity tokens have no
//! mount, and their key has the role.

use std::time::Duration;

use super::token;
use crate::{
    config::{
        fields::Fields,
        gate::vault,
        mistake::{Wrong, quoted},
        scalar,
        value::Value,
    },
    credential::vault::{AwsRole, CertificateRole, Engine, GcpAccount, Stored},
};

/// The longest name of a certificate's subject (RFC 5280, upper bound `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;

/// What is known when the keys beside the engine's are lowered.
pub(super) struct Mounted {
    /// The value of the engine's key.
    pub(super) mount: String,
    /// For how long a value may be used at all, if that could be read.
    pub(super) max_ttl: Option<Duration>,
}

type Lower = fn(Mounted, &mut Fields<'_>) -> Option<Engine>;

/// The engines, by their keys.
const ENGINES: [(&str, Lower); 10] = [
    ("kv1", |mounted, fields| {
        Some(Engine::Kv1(stored(mounted, fields)?))
    }),
    ("kv2", |mounted, fields| {
        Some(Engine::Kv2(stored(mounted, fields)?))
    }),
    ("database", database),
    ("rabbitmq", |Mounted { mount, .. }, fields| {
        let role = fields.required("role", name)?;
        Some(Engine::Login { mount, role })
    }),
    ("pki", pki),
    ("transit", token::lower),
    ("identity_token", |Mounted { mount: role, .. }, _| {
        Some(Engine::IdentityToken { role })
    }),
    ("aws", aws),
    ("azure", |Mounted { mount, .. }, fields| {
        let role = fields.required("role", name)?;
        Some(Engine::Azure { mount, role })
    }),
    ("gcp", gcp),
];

/// The keys that some engine has beside its own.
const KEYS: [&str; 12] = [
    "path",
    "field",
    "role",
    "static_role",
    "common_name",
    "ttl",
    "key",
    "jwt",
    "sts_role",
    "roleset",
    "static_account",
    "impersonated_account",
];

/// Lowers the mapping `vault`.
pub(super) fn lower(fields: &mut Fields<'_>, max_ttl: Option<Duration>) -> Option<Engine> {
    let named: Vec<_> = ENGINES
        .into_iter()
        .filter_map(|(key, lower)| Some((key, fields.take(key)?, lower)))
        .collect();
    match &*named {
        [(_, mount, lower)] => {
            let mount = mount.parse(vault::path);
            let mounted = Mounted {
                mount: mount.clone().unwrap_or_default(),
                max_ttl,
            };
            // Lowered all the same, so that every mistake is found at once.
            let lowered = lower(mounted, fields);
            mount.and(lowered)
        }
        [] => {
            fields.leave(&KEYS);
            let engines = ENGINES.map(|(key, _)| key).join(", ");
            fields.wrong(Wrong::new(
                "this credential names no engine of Vault",
                format!("name one with its mount, like kv2: secret; the engines are {engines}"),
            ))
        }
        [(one, ..), (other, ..), ..] => {
            fields.leave(&KEYS);
            fields.wrong(Wrong::new(
                format!(
                    "this credential names two engines of Vault, {} and {}",
                    quoted(one),
                    quoted(other)
                ),
                "keep one of them",
            ))
        }
    }
}

fn stored(Mounted { mount, .. }: Mounted, fields: &mut Fields<'_>) -> Option<Stored> {
    let path = fields.required("path", name);
    let field = fields.required("field", Value::text);
    Some(Stored {
        mount,
        path: path?,
        field: field?,
    })
}

fn database(Mounted { mount, .. }: Mounted, fields: &mut Fields<'_>) -> Option<Engine> {
    let role = fields.optional("role", name);
    let of_static = fields.optional("static_role", name);
    match (role?, of_static?) {
        (Some(role), None) => Some(Engine::Login { mount, role }),
        (None, Some(role)) => Some(Engine::StaticLogin { mount, role }),
        (None, None) | (Some(_), Some(_)) => fields.wrong(Wrong::new(
            "a login to a database is of one role",
            "write role, for users that are made for the gate, or static_role, for one whose password changes",
        )),
    }
}

fn pki(Mounted { mount, max_ttl }: Mounted, fields: &mut Fields<'_>) -> Option<Engine> {
    let role = fields.required("role", name);
    let common_name = fields.required("common_name", |v| v.parse(common_name));
    let ttl = ttl(fields, max_ttl);
    Some(Engine::Certificate(CertificateRole {
        mount,
        role: role?,
        common_name: common_name?,
        ttl: ttl?,
    }))
}

fn aws(Mounted { mount, .. }: Mounted, fields: &mut Fields<'_>) -> Option<Engine> {
    let of_user = fields.optional("role", name);
    let of_session = fields.optional("sts_role", name);
    let (role, session) = match (of_user?, of_session?) {
        (Some(role), None) => (role, false),
        (None, Some(role)) => (role, true),
        (None, None) | (Some(_), Some(_)) => {
            return fields.wrong(Wrong::new(
                "keys to AWS are of one role",
                "write role, for a user that is made for the gate, or sts_role, for a session",
            ));
        }
    };
    Some(Engine::Aws(AwsRole {
        mount,
        role,
        session,
    }))
}

/// The kinds of accounts: as the settings and as the API's paths spell them.
const ACCOUNTS: [(&str, &str); 3] = [
    ("roleset", "roleset"),
    ("static_account", "static-account"),
    ("impersonated_account", "impersonated-account"),
];

fn gcp(Mounted { mount, .. }: Mounted, fields: &mut Fields<'_>) -> Option<Engine> {
    let accounts = ACCOUNTS.map(|(key, kind)| (kind, fields.optional(key, name)));
    let mut named = Vec::new();
    for (kind, account) in accounts {
        named.extend(account?.map(|name| (kind, name)));
    }
    match <[_; 1]>::try_from(named) {
        Ok([(kind, name)]) => Some(Engine::Gcp(GcpAccount { mount, kind, name })),
        Err(_) => fields.wrong(Wrong::new(
            "a token for Google Cloud is of one account",
            "write one of roleset, static_account and impersonated_account",
        )),
    }
}

/// How long a value is asked to last: as long as it may be used if nothing is said, and never longer.
pub(super) fn ttl(fields: &mut Fields<'_>, max_ttl: Option<Duration>) -> Option<Duration> {
    let written = fields.optional("ttl", |v| {
        let ttl = v.parse(scalar::duration)?;
        match max_ttl {
            Some(max_ttl) if ttl > max_ttl => v.wrong(Wrong::new(
                "this is longer than the max_ttl of the credential",
                "shorten it: nothing lasts longer than it may be used",
            )),
            Some(_) | None => Some(ttl),
        }
    });
    written?.or(max_ttl)
}

pub(super) fn name(value: Value<'_>) -> Option<String> {
    value.parse(vault::path)
}

fn common_name(text: &str) -> Result<String, Wrong> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && text.trim() == text && text.len() <= COMMON_NAME_MAX {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{} is no name for a certificate", quoted(text)),
        "write up to 64 printable characters of ASCII, like gate.example.org",
    ))
}
