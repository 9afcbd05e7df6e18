//! Where a credential's value comes from: `vault` or `file` of a catalogue entry.

mod engine;
mod token;

use std::{path::PathBuf, time::Duration};

use super::{fields::Fields, mistake::Wrong, value::Value};
use crate::{credential::vault::Engine, inject::placement::Placement, secret::Part};

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

    /// What a value of it has.
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
        let given: Vec<_> = own.iter().map(|part| part.placeholder()).collect();
        let given = given.join(" and ");
        let instead = match (missing, own) {
            (_, [Part::Certificate]) => {
                format!("it gives a {given}: write place: client_certificate")
            }
            (Part::Certificate, _) => {
                format!("it gives {given}, which goes into a header, into basic or into the query")
            }
            _ => format!("what it gives is {given}"),
        };
        let missing = missing.placeholder();
        Some(Wrong::new(
            format!("the source of this credential gives no {missing}"),
            instead,
        ))
    }
}

/// Lowers the one of `vault` and `file` that is there; what Vault is asked for is to last for `max_ttl` at most.
pub(super) fn lower(fields: &mut Fields<'_>, max_ttl: Option<Duration>) -> Option<Source> {
    let vault = fields.optional("vault", |v| {
        v.mapping(|fields| engine::lower(fields, max_ttl))
    });
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
