//! `tollgate credential list`: the catalogue, one credential a line, and what a running gate tells of each.
//!
//! Nothing is fetched. Without a gate that answers, the settings say what they can, and stderr says why that is all.
#![allow(clippy::print_stderr, reason = "the command line speaks on stderr")]

mod row;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;

use self::row::Row;
use super::{
    super::{Failure, admin, explain},
    class,
};
use crate::{
    admin::credentials::{CredentialTold, Told},
    config::{self, Admin, Settings},
};

/// The schema of what `--json` prints.
const SCHEMA: &str = "tollgate.credential-list/1";

/// What `credential list` is told.
#[derive(Args)]
pub(crate) struct List {
    /// The main settings file; the catalogue is found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// The admin listener of the gate, in place of the one that the settings name: an address with its port, or unix:PATH.
    #[arg(long, value_name = "ADDRESS", value_parser = admin::place)]
    admin: Option<Admin>,
    /// List as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the list; whether a gate was asked is said on stderr.
///
/// # Errors
/// [`Failure::Usage`] if the settings have a mistake. That no gate runs is none.
pub(super) fn run(list: &List) -> Result<(), Failure> {
    let settings = explain::settings(&list.config, OffsetDateTime::now_utc().date())?;
    let place = list.admin.as_ref().or(settings.gate.admin.as_ref());
    let asked = ask(place);
    match &asked {
        Err(why) => eprintln!("tollgate: no gate was asked how they stand: {why}"),
        Ok(told) if told.snapshot != settings.version => eprintln!(
            "tollgate: the gate runs with settings {}, and these are {}",
            told.snapshot, settings.version
        ),
        Ok(_) => {}
    }
    let text = match list.json {
        true => json(&settings, asked),
        false => row::table(rows(&settings, asked.as_ref().ok())),
    };
    explain::print(&text)
}

/// What the gate says, or why it says nothing.
fn ask(place: Option<&Admin>) -> Result<Told, String> {
    let place = place.ok_or("the settings name no `admin` listener")?;
    if matches!(place, Admin::Tcp(address) if address.port() == 0) {
        return Err("the port of `admin` was left to the system; name it with --admin".to_owned());
    }
    let told = admin::ask(place, "/credentials");
    let told = told.map_err(|error| format!("nobody answers at {place}: {error}"))?;
    let read = Told::read(&told.body).filter(|_| told.status == Some(200));
    read.ok_or_else(|| format!("what answers at {place} is no gate of this version"))
}

/// A row for each credential, and one for each role that has a value of its own.
fn rows<'s>(settings: &'s Settings, told: Option<&'s Told>) -> Vec<Row<'s>> {
    let rows = settings.credentials.values().flat_map(|credential| {
        let own = told.iter().flat_map(|told| &told.credentials);
        let own: Vec<_> = own
            .filter(|told| told.name == *credential.name)
            .map(Some)
            .collect();
        let own = if own.is_empty() { vec![None] } else { own };
        own.into_iter().map(|told| Row { credential, told })
    });
    rows.collect()
}

#[derive(Serialize)]
struct ListTold<'s> {
    schema: &'static str,
    /// The version of the settings that were read.
    snapshot: &'s str,
    /// The one that the gate runs with, if it was asked.
    gate_snapshot: Option<String>,
    not_asked: Option<String>,
    credentials: Vec<Entry<'s>>,
}

/// Every key is always there, `null` where there is nothing to say.
#[derive(Serialize)]
struct Entry<'s> {
    name: &'s str,
    source: String,
    class: &'static str,
    roles: Vec<&'s str>,
    hosts: Vec<String>,
    max_ttl_s: u64,
    owner: Option<&'s str>,
    rotate_by: Option<String>,
    /// What the gate says: one for each value that it may have.
    gate: Vec<CredentialTold>,
}

fn json(settings: &Settings, asked: Result<Told, String>) -> String {
    let (gate_snapshot, not_asked, mut told) = match asked {
        Ok(told) => (Some(told.snapshot), None, told.credentials),
        Err(why) => (None, Some(why), Vec::new()),
    };
    let credentials = settings.credentials.values().map(|credential| {
        let own = told.extract_if(.., |told| told.name == *credential.name);
        entry(credential, own.collect())
    });
    let list = ListTold {
        schema: SCHEMA,
        snapshot: &settings.version,
        gate_snapshot,
        not_asked,
        credentials: credentials.collect(),
    };
    serde_json::to_string(&list).expect("texts and numbers can be written") + "\n"
}

fn entry(credential: &config::Credential, gate: Vec<CredentialTold>) -> Entry<'_> {
    let allowed = credential.allow_static.as_ref();
    Entry {
        name: &credential.name,
        source: credential.source.name(),
        class: class(credential),
        roles: credential
            .binding
            .roles
            .iter()
            .map(|role| &**role)
            .collect(),
        hosts: credential
            .binding
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect(),
        max_ttl_s: credential.max_ttl.as_secs(),
        owner: allowed.map(|allowed| &*allowed.owner),
        rotate_by: allowed.map(|allowed| allowed.rotate_by.to_string()),
        gate,
    }
}
