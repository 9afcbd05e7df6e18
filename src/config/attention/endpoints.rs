//! Paths behind which more happens than their method and path say, or which show what they were called with.
//!
//! A batch endpoint takes calls in its body, which no rule sees. GraphQL is one path for reads and changes. An endpoint
//! made for debugging answers with the headers of the call, and the credential among them.

use super::{
    super::{
        agreement::Files,
        mistake::{Place, quoted},
        roles,
    },
    covers_hosts,
};
use crate::{
    scope::{Effect, Grant, PathPattern, Role, Rule, Verb},
    target::Method,
};

/// Last segments of paths that take calls in their body, in lower case.
const BATCH: [&str; 5] = ["batch", "$batch", "%24batch", "batches", ":batch"];

/// Last segments of paths for every operation of GraphQL.
const GRAPHQL: [&str; 2] = ["graphql", "gql"];

/// Last segments of paths that answer with what they were called with.
const ECHO: [&str; 7] = [
    "anything",
    "debug",
    "dump",
    "echo",
    "headers",
    "httpbin",
    "request-headers",
];

/// How many segments before `**` are so few that a batch endpoint of the whole API may be below.
const ROOT_SEGMENTS_MAX: usize = 2;

impl Files<'_> {
    /// Notes each rule for a path behind which more happens than it says.
    pub(super) fn remark_on_endpoints(&self, manifest: &roles::Written) {
        let rules = manifest.role.as_ref().map(Role::rules).unwrap_or_default();
        for (rule, at) in rules.iter().zip(&manifest.rule_places) {
            let Effect::Allow(grant) = &rule.effect else {
                continue;
            };
            self.remark_on_batches(rule, rules, at);
            self.remark_on_graphql(rule, grant, at);
            self.remark_on_echoes(rule, grant, at);
        }
    }

    fn remark_on_batches(&self, rule: &Rule, rules: &[Rule], at: &Place) {
        if !rule.methods.contains(Method::Post) {
            return;
        }
        let named = rule.paths.iter().find(|path| is_last(path, &BATCH));
        let named = named.map(PathPattern::to_string);
        let below = || {
            rule.paths
                .iter()
                .find_map(|path| batch_below(path, rule, rules))
        };
        if let Some(place) = named.or_else(below) {
            let what = format!(
                "by the rule {} a batch endpoint may be reached, at {place}: no rule sees the calls in its body",
                quoted(&rule.name)
            );
            self.warning(at, what, "name the paths of single calls, or deny that one");
        }
    }

    fn remark_on_graphql(&self, rule: &Rule, grant: &Grant, at: &Place) {
        let named = rule.paths.iter().find(|path| is_last(path, &GRAPHQL));
        if let (Some(path), Verb::Read, true) =
            (named, grant.verb, rule.methods.contains(Method::Post))
        {
            let what = format!(
                "the rule {} calls every operation at {path} a read, and a mutation is one",
                quoted(&rule.name)
            );
            let instead =
                "write verb: execute; what the role may do there is what its credential may";
            self.warning(at, what, instead);
        }
    }

    fn remark_on_echoes(&self, rule: &Rule, grant: &Grant, at: &Place) {
        let named = rule.paths.iter().find(|path| is_last(path, &ECHO));
        if let (Some(path), Some(credential)) = (named, &grant.credential) {
            let what = format!(
                "by the rule {} an answer may show the credential {}: {path} looks made for debugging",
                quoted(&rule.name),
                quoted(credential)
            );
            self.warning(at, what, "take the path away, or write credential: none");
        }
    }
}

fn is_last(path: &PathPattern, names: &[&str]) -> bool {
    let text = path.to_string().to_ascii_lowercase();
    let last = text.rsplit('/').next().unwrap_or_default();
    names
        .iter()
        .any(|name| last == *name || name.starts_with(':') && last.ends_with(name))
}

/// Where a batch endpoint of the API would be that a wide path of `rule` lets through and no deny rule forbids.
fn batch_below(path: &PathPattern, rule: &Rule, rules: &[Rule]) -> Option<String> {
    let text = path.to_string();
    let before = text.strip_suffix("/**")?;
    // One for every path is warned of as such.
    if path.names_every_path() || before.matches('/').count() > ROOT_SEGMENTS_MAX {
        return None;
    }
    let places = ["batch", "$batch"].map(|name| format!("{before}/{name}"));
    let denied = |place: &String| {
        let place = PathPattern::parse(place);
        place.is_ok_and(|place| rules.iter().any(|other| denies(other, rule, &place)))
    };
    places.into_iter().find(|place| !denied(place))
}

/// Whether `other` denies all calls of `rule` that POST to `place`.
fn denies(other: &Rule, rule: &Rule, place: &PathPattern) -> bool {
    matches!(other.effect, Effect::Deny)
        && other.methods.contains(Method::Post)
        && other.paths.iter().any(|own| own.denies_all_of(place))
        && covers_hosts(other, rule)
}
