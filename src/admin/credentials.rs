//! How every credential of the catalogue stands, for `tollgate credential list`: no value, no part of one, and of a
//! lease the name that events give it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{credential::Credential, snapshot::Snapshot};

/// The schema of the object.
const SCHEMA: &str = "tollgate.credentials/1";

/// What is told; read again by the command line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    schema: String,
    /// The version of the settings in force.
    pub(crate) snapshot: String,
    /// Every credential.
    pub(crate) credentials: Vec<CredentialTold>,
}

/// A credential; every key is always there, `null` where there is nothing to say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CredentialTold {
    /// Its name in the catalogue.
    pub(crate) name: String,
    /// The role whose own value it is, if all that may name it do not have the same.
    pub(crate) role: Option<String>,
    /// The lease that calls are given now.
    pub(crate) at_hand: Option<AtHandTold>,
    /// Why the last attempt to have a value failed, if it did.
    pub(crate) failure: Option<String>,
    /// For how long all attempts have failed.
    pub(crate) failing_s: Option<u64>,
    /// Values that were read.
    pub(crate) fetched: u64,
    /// Attempts to read one, or to make it longer, that failed.
    pub(crate) failed: u64,
    /// Renewals that brought more time.
    pub(crate) renewed: u64,
    /// Calls that found none at hand.
    pub(crate) waited: u64,
    /// Values that the source was asked to make.
    pub(crate) made: u64,
    /// Leases that were not needed any more before their end.
    pub(crate) given_up: u64,
}

/// A lease.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AtHandTold {
    /// `static` or `dynamic`.
    pub(crate) class: String,
    /// Its name in events.
    pub(crate) lease: String,
    /// How long ago its value was asked for.
    pub(crate) age_s: u64,
    /// How long it may still be used.
    pub(crate) remaining_s: u64,
    /// Its end, on the wall clock.
    pub(crate) expires: String,
}

impl Told {
    /// What the listener of a gate answered, if it is what a gate of this schema says.
    pub(crate) fn read(answer: &str) -> Option<Told> {
        let told: Told = serde_json::from_str(answer).ok()?;
        (told.schema == SCHEMA).then_some(told)
    }
}

/// All of them, by name, as one line of JSON.
pub(super) fn of(snapshot: &Snapshot) -> String {
    let mut credentials: Vec<_> = snapshot.credentials.iter().map(|its| told(its)).collect();
    credentials.sort_by(|one, other| (&one.name, &one.role).cmp(&(&other.name, &other.role)));
    let told = Told {
        schema: SCHEMA.to_owned(),
        snapshot: snapshot.version.to_string(),
        credentials,
    };
    serde_json::to_string(&told).expect("texts and numbers can be written") + "\n"
}

fn told(credential: &Credential) -> CredentialTold {
    let its = credential.entry.condition();
    CredentialTold {
        name: credential.name.to_string(),
        role: credential.role.as_deref().map(str::to_owned),
        at_hand: its.at_hand.map(|lease| AtHandTold {
            class: lease.class.as_str().to_owned(),
            lease: lease.id,
            age_s: lease.age.as_secs(),
            remaining_s: lease.remaining.as_secs(),
            expires: written(lease.expires),
        }),
        failure: its.failure.map(String::from),
        failing_s: its.failing_for.as_ref().map(Duration::as_secs),
        fetched: its.fetched,
        failed: its.failed,
        renewed: its.renewed,
        waited: its.waited,
        made: its.made,
        given_up: its.given_up,
    }
}

fn written(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time).truncate_to_second();
    time.format(&Rfc3339).unwrap_or_default()
}
