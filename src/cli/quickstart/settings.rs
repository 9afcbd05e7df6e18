//! The settings of the tour's gate, as a platform team would write them: real files, read by the real loader.

use std::{fs, path::Path};

use time::{Date, Duration};

use super::api;
use crate::cli::Failure;

/// The one agent, and so the one role, of the tour.
pub(super) const AGENT: &str = "spiffe://quickstart.test/agent/triage";
/// Its trust domain.
pub(super) const TRUST_DOMAIN: &str = "quickstart.test";

/// Where things are, below the directory of the tour.
pub(super) const SETTINGS: &str = "tollgate.yaml";
pub(super) const MANIFEST: &str = "roles/triage.yaml";
pub(super) const PKI: &str = "pki";
pub(super) const API_CA: &str = "api/ca.crt";
pub(super) const TOKEN: &str = "store/demo-token";
pub(super) const EVENTS: &str = "events.jsonl";

/// The most calls of the rule `search` that may be made at once.
pub(super) const SEARCH_BURST: usize = 2;

/// Writes all settings into `dir`, for an API on `port` of this machine, as of `today`.
pub(super) fn write(dir: &Path, port: u16, today: Date) -> Result<(), Failure> {
    let review_by = today + Duration::days(90);
    let place = format!("{}:{port}", api::HOST);
    for (name, text) in [
        (SETTINGS, gate(port, today + Duration::days(1))),
        ("credentials.yaml", catalogue(&place, review_by)),
        (MANIFEST, manifest(&place, review_by)),
    ] {
        let path = dir.join(name);
        fs::write(&path, text)
            .map_err(|error| Failure::Run(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn gate(port: u16, until: Date) -> String {
    let host = api::HOST;
    format!(
        "\
listen: 127.0.0.1:0
certificate: {{chain: pki/gate.crt, key: pki/gate.key}}
trust_domains: {{{TRUST_DOMAIN}: {{bundle: pki/agents-ca.crt}}}}
interception: {{ca: pki/interception-ca.crt, key: pki/interception-ca.key}}
upstream: {{roots: [{API_CA}], pins: {{{host}: 127.0.0.1}}}}
events: {{stdout: false, file: {EVENTS}}}
drain: 1s
exceptions:
  - role: triage
    host: {host}
    port: {port}
    addresses: [127.0.0.1/32]
    reason: the API of the tour is on this machine
    until: {until}
"
    )
}

fn catalogue(place: &str, rotate_by: Date) -> String {
    format!(
        "\
demo-api:
  roles: [triage]
  hosts: [{place}]
  file: {TOKEN}
  place: {{header: Authorization, value: \"Bearer {{token}}\"}}
  max_ttl: 2s     # no longer than the API takes a token that was replaced
  allow_static: {{owner: platform@quickstart.test, rotate_by: {rotate_by}}}
"
    )
}

fn manifest(place: &str, review_by: Date) -> String {
    format!(
        "\
purpose: Read new tickets and label them
owner: platform@quickstart.test
sponsor: support@quickstart.test
review_by: {review_by}
identities: [{AGENT}]
limit: {{rate: 60000/min}}
rules:
  - name: read-tickets
    verb: read
    hosts: [{place}]
    methods: [GET]
    paths: [/v1/status, /v1/tickets, /v1/tickets/**]
    credential: demo-api
  - name: search
    verb: read
    hosts: [{place}]
    methods: [GET]
    paths: [/v1/search]
    credential: demo-api
    limit: {{rate: 6/min, burst: {SEARCH_BURST}}}
  - name: label-tickets
    verb: write
    hosts: [{place}]
    methods: [POST]
    paths: [/v1/tickets/*/labels]
    credential: demo-api
  - name: no-billing
    effect: deny
    hosts: [{place}]
    paths: [/v1/billing]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_settings_of_the_tour_load_without_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("roles")).unwrap();
        let today = Date::from_ordinal_date(2026, 100).unwrap();
        write(dir.path(), 40_443, today).unwrap();
        let settings = config::load(&dir.path().join(SETTINGS), today).unwrap();
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }
}
