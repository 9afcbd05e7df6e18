//! Where a credential's value comes from: `vault` or `file` of a catalogue entry.
//!
//! The key that names an engine of Vault has its mount as the value: `rabbitmq: rabbitmq, role: reader`.

use std::path::PathBuf;

use super::{
    fields::Fields,
    gate::vault,
    mistake::{Wrong, quoted},
    value::Value,
};
use crate::{
    credential::vault::{Engine, Stored},
    inject::placement::Placement,
    secret::Part,
};

/// Where a credential's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A secrets engine of Vault.
    Vault(Engine),
    /// A file with the value and nothing else.
    File(PathBuf),
}

impl Source {
    /// What the record calls it: where it is, and no secret.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::Vault(engine) => engine.name(),
            Source::File(path) => format!("file:{}", path.display()),
        }
    }

    /// Whether the source ends its values by itself.
    pub(super) fn ends_its_values(&self) -> bool {
        match self {
            Source::Vault(engine) => engine.ends_its_values(),
            Source::File(_) => false,
        }
    }

    /// The texts that a value of it has.
    fn parts(&self) -> &'static [Part] {
        match self {
            Source::Vault(engine) => engine.parts(),
            Source::File(_) => &[Part::Token],
        }
    }

    /// What `placement` carries that no value of this source has.
    pub(super) fn lacks(&self, placement: &Placement) -> Option<Wrong> {
        let own = self.parts();
        let missing = placement
            .parts()
            .into_iter()
            .find(|part| !own.contains(part))?;
        let own: Vec<_> = own.iter().map(|part| part.placeholder()).collect();
        Some(Wrong::new(
            format!(
                "the source of this credential gives no {}",
                missing.placeholder()
            ),
            format!("what it gives is {}", own.join(" and ")),
        ))
    }
}

/// Lowers the one of `vault` and `file` that is there.
pub(super) fn lower(fields: &mut Fields<'_>) -> Option<Source> {
    let vault = fields.optional("vault", |v| v.mapping(engine));
    let file = fields.optional("file", Value::secret_file);
    match (vault?, file?) {
        (Some(engine), None) => Some(Source::Vault(engine)),
        (None, Some(path)) => Some(Source::File(path)),
        (None, None) => fields.wrong(Wrong::new(
            "this credential has no source",
            "write vault: {kv2, path, field} or file: a path",
        )),
        (Some(_), Some(_)) => fields.wrong(Wrong::new(
            "this credential has two sources",
            "keep vault or file",
        )),
    }
}

/// How the keys beside the engine's mount are lowered.
type Lower = fn(String, &mut Fields<'_>) -> Option<Engine>;

/// The engines, by their keys.
const ENGINES: [(&str, Lower); 4] = [
    ("kv1", |mount, fields| {
        Some(Engine::Kv1(stored(mount, fields)?))
    }),
    ("kv2", |mount, fields| {
        Some(Engine::Kv2(stored(mount, fields)?))
    }),
    ("database", database),
    ("rabbitmq", |mount, fields| {
        let role = fields.required("role", name)?;
        Some(Engine::Login { mount, role })
    }),
];

/// The keys that some engine has beside its mount.
const KEYS: [&str; 4] = ["path", "field", "role", "static_role"];

fn engine(fields: &mut Fields<'_>) -> Option<Engine> {
    let mounts: Vec<_> = ENGINES
        .into_iter()
        .filter_map(|(key, lower)| Some((key, fields.take(key)?, lower)))
        .collect();
    match &*mounts {
        [(_, mount, lower)] => {
            let mount = mount.parse(vault::path);
            // Lowered all the same, so that every mistake is found at once.
            let lowered = lower(mount.clone().unwrap_or_default(), fields);
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

fn stored(mount: String, fields: &mut Fields<'_>) -> Option<Stored> {
    let path = fields.required("path", |v| v.parse(vault::path));
    let field = fields.required("field", Value::text);
    Some(Stored {
        mount,
        path: path?,
        field: field?,
    })
}

fn database(mount: String, fields: &mut Fields<'_>) -> Option<Engine> {
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

fn name(value: Value<'_>) -> Option<String> {
    value.parse(vault::path)
}
