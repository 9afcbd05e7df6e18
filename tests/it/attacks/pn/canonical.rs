//! One form: what the rules judged is what the log shows and what is sent.

use super::super::arena;
use crate::{attacks::checked::checked, world::agent::Agent};

/// What may be asked in more than one spelling, and the one that is judged.
const SPELLINGS: [(&str, &str); 14] = [
    ("/v1/public/x", "/v1/public/x"),
    ("/v1/publi%63/x", "/v1/public/x"),
    ("/%76%31/%70ublic/x", "/v1/public/x"),
    ("/v1/public/%7Euser%2d1%5f", "/v1/public/~user-1_"),
    ("/v1/public/a%20b", "/v1/public/a%20b"),
    ("/v1/public/%c3%a9", "/v1/public/%C3%A9"),
    ("/v1/public/%3a%40", "/v1/public/%3A%40"),
    ("/v1/public/...", "/v1/public/..."),
    ("/v1/public/x/", "/v1/public/x/"),
    ("/v1/public/*", "/v1/public/*"),
    ("/v1/public/a=b&c,d'(e)!$+", "/v1/public/a=b&c,d'(e)!$+"),
    ("/v1/public/100%25", "/v1/public/100%25"),
    ("/v1/public/%ef%bc%8f", "/v1/public/%EF%BC%8F"),
    ("/v1/public/%23%3f", "/v1/public/%23%3F"),
];

/// Asks for `path` in a tunnel and on the listener itself.
async fn ask(agent: &Agent, path: &str) {
    let mut tunnel = agent.tunnel("api.a.test").await;
    let inside = tunnel.call(&format!("GET {path}"), "api.a.test").await;
    let outside = agent.call(&format!("GET http://api.a.test{path}")).await;
    assert_eq!((inside.status, outside.status), (200, 200), "{path}");
}

#[tokio::test]
async fn pn_22_what_is_judged_is_told_and_sent() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    for (path, _) in SPELLINGS {
        ask(&agent, &format!("{path}?a=%41;b&%63=+")).await;
    }
    let allowed = world.events.of_kind("allowed");
    let sent = world.upstream("api.a.test").requests();
    let judged = SPELLINGS.iter().flat_map(|(_, judged)| [*judged; 2]);
    for ((judged, event), seen) in judged.zip(&allowed).zip(&sent) {
        assert_eq!(event["request"]["path"], judged);
        assert_eq!(event["decision"]["rule"]["name"], "r1-1");
        assert_eq!(seen.target(), format!("{judged}?a=%41;b&%63=+"));
    }
    assert_eq!(sent.len(), 2 * SPELLINGS.len());
    world.finish().await;
}

#[test]
fn pn_24_no_credential_goes_into_a_path() {
    for place in [
        r#"place: {path: "/bot{token}/sendMessage"}"#,
        r#"place: {path: {template: "/bot{token}"}}"#,
        r#"place: {url: "https://api.github.com/bot{token}"}"#,
    ] {
        let said = checked(
            "credentials.yaml",
            r#"place: {header: Authorization, value: "Bearer {token}"}"#,
            place,
        );
        assert!(said.contains("unknown key"), "{place}: {said}");
    }
}
