//! Paths at which APIs are known to give out credentials: what an agent is given there it holds itself, and uses where
//! no rule looks.
//!
//! Known by name only: a wildcard that covers such a path is as wide as it says, which `breadth` looks at.

use super::super::{agreement::Files, mistake::quoted, roles};
use crate::scope::{Effect, HostPattern, PathPattern, Role};

/// Last segments of such paths, in lower case.
const MINTING: [&str; 21] = [
    "token",
    "tokens",
    "access_token",
    "access_tokens",
    "access-token",
    "access-tokens",
    "api_key",
    "api_keys",
    "api-key",
    "api-keys",
    "apikey",
    "apikeys",
    "client_secret",
    "client_secrets",
    "client-secret",
    "client-secrets",
    "registration-token",
    "remove-token",
    "presign",
    "presigned-url",
    "presigned-urls",
];

/// How custom methods end that do (Google's IAM Credentials).
const MINTING_METHODS: [&str; 4] = [
    ":generateaccesstoken",
    ":generateidtoken",
    ":signjwt",
    ":signblob",
];

/// How hosts begin whose every call does (AWS STS).
const MINTING_HOST: &str = "sts.";

impl Files<'_> {
    /// Notes each rule by which an agent may be given a credential.
    pub(super) fn remark_on_minting(&self, manifest: &roles::Written) {
        let rules = manifest.role.as_ref().map(Role::rules).unwrap_or_default();
        for (rule, at) in rules.iter().zip(&manifest.rule_places) {
            if matches!(rule.effect, Effect::Deny) {
                continue;
            }
            let place = rule
                .paths
                .iter()
                .find(|path| mints(path))
                .map(PathPattern::to_string);
            let host = rule.hosts.iter().map(HostPattern::to_string);
            let mut hosts = host.filter(|host| host.starts_with(MINTING_HOST));
            if let Some(place) = place.or_else(|| hosts.next()) {
                let what = format!(
                    "by the rule {} the agent may be given a credential of its own, at {place}",
                    quoted(&rule.name)
                );
                let instead = "take it away, or have the credential in the catalogue: what the agent holds is used \
                    where no rule looks";
                self.warning(at, what, instead);
            }
        }
    }
}

fn mints(path: &PathPattern) -> bool {
    let text = path.to_string().to_ascii_lowercase();
    let last = text.rsplit('/').next().unwrap_or_default();
    MINTING.contains(&last) || MINTING_METHODS.iter().any(|end| last.ends_with(end))
}
