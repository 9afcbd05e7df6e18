//! `roles/<role>.yaml`: one manifest per role.
//!
//! Provides the lowering of a manifest into a [`Role`] and the list of a directory's manifests. Rules have a
//! file of their own (`rule`), and what a manifest names elsewhere is checked in `agreement`. It deliberately
//! judges no date: a role past its review date loads, and is refused when it is used.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use time::Date;

use super::{
    fields::Fields,
    mistake::{Findings, Place, Wrong, quoted},
    rule::{self, Reach},
    scalar,
    value::Value,
};
use crate::{
    identity::SpiffeId,
    regular,
    scope::{Rate, Role},
};

/// How many manifests the directory may have.
const MANIFESTS_MAX: usize = 10_000;

/// A manifest as written: what could be lowered of it, so that other files are held against it all the same.
#[derive(Debug)]
pub(super) struct Written {
    /// The name of its file.
    pub(super) name: Arc<str>,
    /// The identities that could be read, with their places.
    pub(super) identities: Vec<(SpiffeId, Place)>,
    /// What could be read of the allow rules' hosts and credentials.
    pub(super) reaches: Vec<Reach>,
    /// Where each rule begins, in their order; empty after any mistake in them.
    pub(super) rule_places: Vec<Place>,
    /// The review date and its place, if it could be read.
    pub(super) review_by: Option<(Date, Place)>,
    /// All of it; `None` after any mistake.
    pub(super) role: Option<Role>,
}

impl Written {
    /// A manifest of which only the name is known.
    pub(super) fn unread(name: &str) -> Written {
        Written {
            name: Arc::from(name),
            identities: Vec::new(),
            reaches: Vec::new(),
            rule_places: Vec::new(),
            review_by: None,
            role: None,
        }
    }
}

/// The manifests in `directory`, by name: every file `<role>.yaml`. Names with a leading dot are not looked at.
///
/// `None` if the directory cannot be read or holds more than 10,000 manifests; the mistake is noted.
pub(super) fn manifests(directory: &Path, findings: &Findings) -> Option<Vec<(String, PathBuf)>> {
    let at = Place::start(&directory.to_string_lossy().into());
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = match entries {
        Ok(entries) if entries.len() <= MANIFESTS_MAX => entries,
        Ok(_) => {
            let what = format!("more than {MANIFESTS_MAX} files in this directory");
            findings.mistake(&at, Wrong::new(what, "it holds manifests and nothing else"));
            return None;
        }
        Err(error) => {
            let what = format!("cannot read this directory: {error}");
            findings.mistake(&at, Wrong::new(what, "it holds one manifest per role"));
            return None;
        }
    };
    if let Ok(Some(open_to_all)) = regular::directory_open_to_all(directory) {
        let instead = "whoever adds a manifest there says what is allowed";
        findings.mistake(&at, Wrong::new(open_to_all.to_string(), instead));
    }
    let paths = entries.iter().map(fs::DirEntry::path);
    let mut manifests: Vec<(String, PathBuf)> =
        paths.filter_map(|path| manifest(path, findings)).collect();
    manifests.sort();
    Some(manifests)
}

/// The role whose manifest `path` is; a name that looks like one but is not read is a mistake.
fn manifest(path: PathBuf, findings: &Findings) -> Option<(String, PathBuf)> {
    let file = path.file_name()?.to_str().unwrap_or_default();
    let at = Place::start(&path.to_string_lossy().into());
    if file.starts_with('.') {
        return None;
    }
    if let Some(name) = file.strip_suffix(".yml") {
        let what = "this manifest is not read: its name ends in .yml";
        findings.mistake(&at, Wrong::new(what, format!("call it {name}.yaml")));
        return None;
    }
    let stem = file.strip_suffix(".yaml")?;
    let name = scalar::name(stem)
        .map_err(|wrong| findings.mistake(&at, wrong))
        .ok()?;
    Some((name, path))
}

/// Lowers the root of the manifest of the role `name`.
pub(super) fn lower(name: &str, root: Value<'_>) -> Written {
    let mut written = Written::unread(name);
    written.role = root.mapping(|fields| role(fields, &mut written));
    written
}

fn role(fields: &mut Fields<'_>, written: &mut Written) -> Option<Role> {
    let purpose = fields.required("purpose", Value::text);
    let owner = fields.required("owner", Value::text);
    let sponsor = fields.required("sponsor", Value::text);
    written.review_by = fields.required("review_by", |v| {
        Some((v.parse(scalar::date)?, v.at().clone()))
    });
    let identities = fields.required("identities", |v| {
        v.some_of(|v| identity(v, &mut written.identities))
    });
    let limit = fields.required("limit", |v| v.mapping(limit));
    let rules = fields.required("rules", |v| rule::lower_all(v, &mut written.reaches));
    let (rules, places) = rules?.into_iter().unzip();
    written.rule_places = places;
    let (review_by, _) = written.review_by.clone()?;
    let mut role = Role::new(Arc::clone(&written.name), review_by, limit?);
    role.purpose = purpose?.into();
    role.owner = owner?.into();
    role.sponsor = sponsor?.into();
    role.identities = identities?;
    Some(role.with_rules(rules))
}

fn identity(value: Value<'_>, read: &mut Vec<(SpiffeId, Place)>) -> Option<SpiffeId> {
    let id = value.parse(|text| {
        SpiffeId::parse(text).map_err(|fault| {
            Wrong::fault(
                format!("{} is no identity of an agent", quoted(text)),
                fault,
            )
        })
    })?;
    read.push((id.clone(), value.at().clone()));
    Some(id)
}

fn limit(fields: &mut Fields<'_>) -> Option<Rate> {
    fields.required("rate", |v| v.parse(scalar::rate))
}
