//! `credentials.yaml`: the catalogue, which binds every credential to roles and hosts.
//!
//! Provides [`Credential`] as used and its lowering. It deliberately holds no secret and fetches none: a
//! credential here is where a value comes from, where it may go and how it is put in. The other side of the
//! binding, the rules that name it, is checked in `binding`.

use std::{sync::Arc, time::Duration};

use time::Date;

use super::{
    fields::Fields,
    host,
    mistake::{Place, Wrong},
    placement, scalar,
    source::{self, Source},
    value::Value,
};
use crate::{
    inject::{binding::Binding, placement::Placement},
    scope::HostPattern,
};

/// An entry of the catalogue.
#[derive(Debug)]
pub(crate) struct Credential {
    /// The name that rules use.
    pub(crate) name: Arc<str>,
    /// Whose rules may name it, and where it may go.
    pub(crate) binding: Binding,
    /// Where its value comes from.
    pub(crate) source: Source,
    /// Where in a request it goes.
    pub(crate) placement: Placement,
    /// How long a value is used after it was asked for, whatever its source grants.
    pub(crate) max_ttl: Duration,
    /// Who answers for a value that does not end by itself; nobody has to for others.
    pub(crate) allow_static: Option<AllowStatic>,
}

/// Leave for a value that does not end by itself.
#[derive(Debug)]
pub(crate) struct AllowStatic {
    /// Who answers for it.
    pub(crate) owner: String,
    /// The last day on which it should be in use.
    pub(crate) rotate_by: Date,
    /// Where that stands.
    pub(crate) place: Place,
}

impl Credential {
    /// Whether both would have the same value at hand, ready to send and for as long; for whom it is does not count.
    pub(crate) fn has_the_value_of(&self, other: &Credential) -> bool {
        self.source == other.source
            && self.placement == other.placement
            && self.max_ttl == other.max_ttl
    }
}

/// An entry as written: what could be lowered of it, so that rules are held against it all the same.
#[derive(Debug)]
pub(super) struct Written {
    /// Its name.
    pub(super) name: Arc<str>,
    /// Where that stands.
    pub(super) at: Place,
    /// The roles with their places, if they could be read.
    pub(super) roles: Option<Vec<(Arc<str>, Place)>>,
    /// The hosts, if they could be read.
    pub(super) hosts: Option<Vec<HostPattern>>,
    /// Where it asks for a Vault server, if it does.
    pub(super) vault_at: Option<Place>,
    /// The day by which it is replaced and its place, if they could be read.
    pub(super) rotate_by: Option<(Date, Place)>,
    /// All of it; `None` after any mistake.
    pub(super) credential: Option<Credential>,
}

/// Lowers the root of `credentials.yaml`; an entry with a mistake stays in the list, its name at least.
pub(super) fn lower(root: Value<'_>) -> Option<Vec<Written>> {
    root.names(|name, value| {
        let good = name.parse(credential_name);
        let mut written = Written {
            name: Arc::from(name.text),
            at: name.at.clone(),
            roles: None,
            hosts: None,
            vault_at: None,
            rotate_by: None,
            credential: None,
        };
        let lowered = value.mapping(|fields| entry(fields, &mut written));
        written.credential = lowered.filter(|_| good.is_some());
        Some(written)
    })
}

/// `none` is the word of a rule for no credential.
fn credential_name(text: &str) -> Result<String, Wrong> {
    if text == "none" {
        let what = "a credential cannot be called \"none\"";
        return Err(Wrong::new(
            what,
            "choose a name: rules write none for no credential",
        ));
    }
    scalar::name(text)
}

fn entry(fields: &mut Fields<'_>, written: &mut Written) -> Option<Credential> {
    written.roles = fields.required("roles", |v| v.each(role));
    written.hosts = fields.required("hosts", |v| v.each(|v| v.parse(host::pattern)));
    written.vault_at = fields.place_of("vault");
    let max_ttl = fields.required("max_ttl", |v| v.parse(scalar::duration));
    let source = source::lower(fields, max_ttl);
    let placement = fields.required("place", |v| fits(v, source.as_ref()));
    let allow_static = match source.as_ref().map(Source::ends_its_values) {
        Some(true) => ends_by_itself(fields).map(|()| None),
        Some(false) => allow_static(fields, written).map(Some),
        None if fields.place_of("allow_static").is_none() => None,
        None => allow_static(fields, written).map(Some),
    };
    let roles = written.roles.iter().flatten();
    Some(Credential {
        name: Arc::clone(&written.name),
        binding: Binding {
            roles: roles.map(|(role, _)| Arc::clone(role)).collect(),
            hosts: written.hosts.clone()?,
        },
        source: source?,
        placement: placement?,
        max_ttl: max_ttl?,
        allow_static: allow_static?,
    })
}

/// A placement for what the source gives.
fn fits(value: Value<'_>, source: Option<&Source>) -> Option<Placement> {
    let placement = placement::lower(value)?;
    match source.and_then(|source| source.lacks(&placement)) {
        Some(wrong) => value.wrong(wrong),
        None => Some(placement),
    }
}

fn role(value: Value<'_>) -> Option<(Arc<str>, Place)> {
    Some((value.parse(scalar::name)?.into(), value.at().clone()))
}

/// Nobody has to answer for a value that its source ends; who says so is mistaken about it.
fn ends_by_itself(fields: &mut Fields<'_>) -> Option<()> {
    match fields.take("allow_static") {
        None => Some(()),
        Some(_) => fields.wrong(Wrong::new(
            "the values of this credential end by themselves",
            "take allow_static away: nobody has to replace them",
        )),
    }
}

/// Somebody must answer for a value that does not end by itself, and say until when.
fn allow_static(fields: &mut Fields<'_>, written: &mut Written) -> Option<AllowStatic> {
    let Some(value) = fields.take("allow_static") else {
        return fields.wrong(Wrong::new(
            "the value of this credential does not end by itself",
            "write who answers for it: allow_static: {owner, rotate_by}",
        ));
    };
    value.mapping(|fields| {
        let owner = fields.required("owner", Value::text);
        written.rotate_by = fields.required("rotate_by", |v| {
            Some((v.parse(scalar::date)?, v.at().clone()))
        });
        Some(AllowStatic {
            owner: owner?,
            rotate_by: written.rotate_by.as_ref()?.0,
            place: value.at().clone(),
        })
    })
}
