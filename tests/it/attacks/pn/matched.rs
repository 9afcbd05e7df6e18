//! What a rule names: whole segments, byte for byte where it allows, and in every spelling where it denies.

use tollgate::refusal::Reason;

use super::super::{arena, outcome::refused};
use crate::world::{World, agent::request};

/// `rules` say of each of `paths` that `reason` stands against it, or nothing does.
async fn says(rules: &str, paths: &[(&str, Option<Reason>)]) {
    let world = World::new().role("r1", rules).start().await;
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    for (path, reason) in paths {
        let answer = tunnel.call(&format!("GET {path}"), "api.a.test").await;
        match reason {
            Some(reason) => assert_eq!(answer.code(), reason.code(), "{path}"),
            None => assert_eq!(answer.status, 200, "{path}: {answer:?}"),
        }
    }
    let allowed = paths.iter().filter(|(_, reason)| reason.is_none());
    let sent = world.upstream("api.a.test").requests();
    let sent: Vec<&str> = sent.iter().map(|seen| seen.target()).collect();
    assert_eq!(sent, allowed.map(|(path, _)| *path).collect::<Vec<_>>());
    world.finish().await;
}

const NOT_NAMED: Option<Reason> = Some(Reason::NoRule);
const DENIED: Option<Reason> = Some(Reason::DeniedByRule);
const AMBIGUOUS: Option<Reason> = Some(Reason::PathAmbiguous);

#[tokio::test]
async fn pn_10_folds_no_fullwidth_forms() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    for path in ["/v1/public/%u002e%u002e/admin", "/v1/public/%U002e"] {
        refused(&world, &[400], request("GET", path, &host, "", "")).await;
    }
    world.finish().await;
    let fullwidth = "/v1/public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin";
    says(
        "GET api.a.test/v1/public/**; GET api.a.test/v2/x",
        &[
            (fullwidth, None),
            ("/v1/%EF%BC%8E%EF%BC%8E/admin", NOT_NAMED),
            ("/v1/%EF%BD%90ublic/x", NOT_NAMED),
            ("/%EF%BD%96%EF%BC%92/x", NOT_NAMED),
        ],
    )
    .await;
}

#[tokio::test]
async fn pn_14_an_allow_counts_case_and_a_deny_does_not() {
    says(
        "GET api.a.test/v1/public/**; GET api.a.test/v1/*; deny GET api.a.test/v1/admin",
        &[
            ("/V1/Public/x", NOT_NAMED),
            ("/v1/PUBLIC/x", NOT_NAMED),
            ("/v1/ADMIN", DENIED),
            ("/V1/aDMIN", DENIED),
            ("/v1/other", None),
        ],
    )
    .await;
}

#[tokio::test]
async fn pn_15_trailing_characters_make_another_path() {
    let paths = [
        ("/v1/admin/", NOT_NAMED),
        ("/v1/admin.", NOT_NAMED),
        ("/v1/admin%20", NOT_NAMED),
        ("/v1/admin..", NOT_NAMED),
        ("/v1/admin;", AMBIGUOUS),
        ("/v1/admin%3f", NOT_NAMED),
        ("/v1/admin.json", NOT_NAMED),
        ("/v1/admin~", NOT_NAMED),
    ];
    says("GET api.a.test/v1/public/**", &paths).await;
    says("GET api.a.test/v1/admin", &paths).await;
}

/// A deny holds for what any upstream may take its path for: other escapes, `%2F` for a slash, and dots and spaces at
/// the end, which some file systems drop.
#[tokio::test]
async fn a_deny_holds_for_every_spelling_of_its_path() {
    says(
        "GET api.a.test/v1/**; deny GET api.a.test/v1/admin; deny GET api.a.test/v1/*/items:purge",
        &[
            ("/v1/admin/", DENIED),
            ("/v1/admin.", DENIED),
            ("/v1/admin%20", DENIED),
            ("/v1/admin..", DENIED),
            ("/v1/%61dmin", DENIED),
            ("/v1/admin/keys", DENIED),
            ("/v1/x/items:purge", DENIED),
            ("/v1/x/items%3Apurge", DENIED),
            ("/v1/x/ITEMS%3apurge/now", DENIED),
            ("/v1%2Fadmin", DENIED),
            ("/v1/admin%2Fkeys", DENIED),
            ("/v1/x%2Fitems:purge", DENIED),
            ("/v1/administrator", None),
            ("/v1/x/items", None),
        ],
    )
    .await;
}

#[tokio::test]
async fn pn_16_a_pattern_ends_at_a_segment() {
    says(
        "GET api.a.test/v1/public",
        &[
            ("/v1/public", None),
            ("/v1/publicity", NOT_NAMED),
            ("/v1/public-admin", NOT_NAMED),
            ("/v1/public/x", NOT_NAMED),
        ],
    )
    .await;
    for rule in ["GET api.a.test/v1/public/*", "GET api.a.test/v1/public/**"] {
        says(
            rule,
            &[
                ("/v1/public/x", None),
                ("/v1/publicity", NOT_NAMED),
                ("/v1/public-admin", NOT_NAMED),
                ("/v1/public", NOT_NAMED),
                ("/v1/public/", NOT_NAMED),
                ("/v1/publicity/x", NOT_NAMED),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn pn_17_a_star_is_one_segment() {
    says(
        "GET api.a.test/repos/*/issues",
        &[
            ("/repos/a/issues", None),
            ("/repos/.../issues", None),
            ("/repos/a/b/issues", NOT_NAMED),
            ("/repos/../../admin/issues", AMBIGUOUS),
            ("/repos//issues", AMBIGUOUS),
            ("/repos/a%2fb/issues", AMBIGUOUS),
            ("/repos/./issues", AMBIGUOUS),
            ("/repos/issues", NOT_NAMED),
            ("/repos/a/issues/", NOT_NAMED),
            ("/repos/a/issues.json", NOT_NAMED),
            ("/repos/a/issues/1", NOT_NAMED),
        ],
    )
    .await;
}

#[tokio::test]
async fn pn_20_names_of_dots_are_names() {
    says(
        "GET api.a.test/v1/public/**",
        &[
            ("/v1/public/...", None),
            ("/v1/public/.well-known", None),
            ("/v1/public/..foo", None),
            ("/v1/public/foo..", None),
            ("/v1/public/..../x", None),
        ],
    )
    .await;
}

#[tokio::test]
async fn pn_25_decides_about_many_segments_under_many_stars() {
    let stars = "/*".repeat(1000);
    let rules = format!(
        "GET api.a.test{stars}/end; deny GET api.a.test{stars}/no; GET api.a.test/v1/**; GET api.a.test/r/(a+)+$"
    );
    let long = "/a".repeat(4000);
    let exact = format!("{}/end", "/a".repeat(1000));
    let denied = format!("{}/no{}", "/a".repeat(1000), "/a".repeat(2900));
    let below = format!("/v1{}", "/a".repeat(3900));
    says(
        &rules,
        &[
            (&long, NOT_NAMED),
            (&exact, None),
            (&denied, DENIED),
            (&below, None),
            // no pattern is a regular expression
            ("/r/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", NOT_NAMED),
            ("/r/(a+)+$", None),
        ],
    )
    .await;
}

#[tokio::test]
async fn pn_26_compares_bytes_only() {
    says(
        "GET api.a.test/v1/public/**; GET api.a.test/v1/i; GET api.a.test/v2/*; deny GET api.a.test/v2/i",
        &[
            ("/v1/publi%63%cc%a7", NOT_NAMED),
            ("/v1/publi%63%cc%a7/x", NOT_NAMED),
            ("/v1/%c4%b0", NOT_NAMED),
            ("/v1/%c4%b1", NOT_NAMED),
            ("/v2/%C4%B0", None),
            ("/v2/I", DENIED),
        ],
    )
    .await;
}
