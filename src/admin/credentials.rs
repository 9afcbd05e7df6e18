//! How every credential of the catalogue stands, for `tollgate credential list`: no value, no part of one, and of a
//! lease the name that events give it.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{credential::Credential, snapshot::Snapshot};

/// The schema of the object.
const SCHEMA: &str = "tollgate.credentials/1";

#[derive(Serialize)]
struct Told<'s> {
    schema: &'static str,
    /// The version of the settings in force.
    snapshot: &'s str,
    credentials: Vec<CredentialTold<'s>>,
}

/// A credential; every key is always there, `null` where there is nothing to say.
#[derive(Serialize)]
struct CredentialTold<'s> {
    name: &'s str,
    /// The role whose own value it is, if all that may name it do not have the same.
    role: Option<&'s str>,
    at_hand: Option<AtHandTold>,
    /// Why the last attempt to have a value failed, if it did.
    failure: Option<String>,
    failing_s: Option<u64>,
    fetched: u64,
    failed: u64,
    renewed: u64,
    waited: u64,
    made: u64,
    given_up: u64,
}

/// The lease that calls are given now.
#[derive(Serialize)]
struct AtHandTold {
    class: &'static str,
    lease: String,
    age_s: u64,
    remaining_s: u64,
    expires: String,
}

/// All of them, by name, as one line of JSON.
pub(super) fn of(snapshot: &Snapshot) -> String {
    let mut credentials: Vec<_> = snapshot.credentials.iter().map(|its| told(its)).collect();
    credentials.sort_by_key(|credential| (credential.name, credential.role));
    let told = Told {
        schema: SCHEMA,
        snapshot: &snapshot.version,
        credentials,
    };
    serde_json::to_string(&told).expect("texts and numbers can be written") + "\n"
}

fn told(credential: &Credential) -> CredentialTold<'_> {
    let its = credential.entry.condition();
    CredentialTold {
        name: &credential.name,
        role: credential.role.as_deref(),
        at_hand: its.at_hand.map(|lease| AtHandTold {
            class: lease.class.as_str(),
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
