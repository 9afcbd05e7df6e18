//! Paths with a second reading: refused before any rule is asked.

use super::super::{arena, outcome::refused};
use crate::world::agent::request;

/// Each of `paths` is refused as malformed: by the path's type, or unread where not even hyper takes it.
async fn refuses(paths: &[&str]) {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    for path in paths {
        refused(&world, &[400], request("GET", path, &host, "", "")).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn pn_01_refuses_literal_dot_segments() {
    refuses(&[
        "/v1/public/../admin",
        "/v1/public/x/../../admin",
        "/v1/public/..",
        "/v1/public/.",
        "/v1/public/./x",
        "/v1/public/x/..?y",
    ])
    .await;
}

#[tokio::test]
async fn pn_02_refuses_encoded_dots() {
    refuses(&[
        "/v1/public/%2e%2e/admin",
        "/v1/public/%2E%2E/admin",
        "/v1/public/.%2e/admin",
        "/v1/public/%2e./admin",
        "/v1/public/%2e/x",
        "/v1/public/..%2fadmin",
        "/v1/public/%2e%2e%2fadmin",
        "/v1/public/x%2f..%2f..%2fadmin",
        "/v1/public/a%2ejson",
    ])
    .await;
}

#[tokio::test]
async fn pn_04_refuses_backslashes() {
    refuses(&[
        "/v1/public/..%5cadmin",
        "/v1/public/..\\admin",
        "/v1\\admin",
        "/v1/public/x%5C..%5C..%5Cadmin",
    ])
    .await;
}

#[tokio::test]
async fn pn_05_refuses_double_encoding() {
    refuses(&[
        "/v1/public/%252e%252e/admin",
        "/v1/public/%252e%252e%252fadmin",
        "/v1/public/%25252e",
        "/v1/public/%25%32%65",
        "/v1/public/%2%35%32%65",
        "/v1/public/%252F",
        "/v1/public/%255c",
        "/v1/public/%2500",
    ])
    .await;
}

#[tokio::test]
async fn pn_06_refuses_path_parameters() {
    refuses(&[
        "/v1/public/..;/admin",
        "/v1/public/..;x=1/admin",
        "/v1/public/..%3b/admin",
        "/v1/public;/../admin",
        "/;/v1/admin",
        "/v1/public/x;jsessionid=1",
        "/v1/public/x%3Bv=1",
    ])
    .await;
}

#[tokio::test]
async fn pn_07_refuses_empty_segments() {
    refuses(&[
        "//v1/admin",
        "/v1//admin",
        "/v1/public//../admin",
        "//v1/public/x",
        "/v1/public//",
        "/v1/public//x",
        "/v1/public/x%2F%2Fy",
    ])
    .await;
}

#[tokio::test]
async fn pn_09_refuses_what_is_not_shortest_utf_8() {
    refuses(&[
        "/v1/public/%c0%ae%c0%ae/",
        "/v1/public/%e0%80%ae",
        "/v1/public/%c0%af",
        "/v1/public/%f0%80%80%ae",
        "/v1/public/%ff",
        "/v1/public/%ed%a0%80",
        "/v1/public/%f8%80%80%80%ae",
        "/v1/public/%f4%90%80%80",
        "/v1/public/%c3",
        "/v1/public/%c3/%a9",
        "/v1/public/%c3x%a9",
        "/v1/public/%80",
    ])
    .await;
}

#[tokio::test]
async fn pn_11_refuses_controls() {
    refuses(&[
        "/v1/public/x%00",
        "/v1/admin%00/../public/x",
        "/v1/public/x%0d%0aX:1",
        "/v1/public/x%0a",
        "/v1/public/x%09",
        "/v1/public/x%7f",
        "/v1/public/x%1F",
        "/v1/public/x\0",
        "/v1/public/x\x0b",
    ])
    .await;
}

#[tokio::test]
async fn pn_12_refuses_broken_escapes() {
    refuses(&[
        "/v1/public/%",
        "/v1/public/%2",
        "/v1/public/%zz",
        "/v1/public/%%32e",
        "/v1/public/%2%65",
        "/v1/public/%+1",
        "/v1/public/%0x",
        "/v1/public/x?a=%",
        "/v1/public/x?%zz=1",
    ])
    .await;
}

#[tokio::test]
async fn pn_19_refuses_what_leads_above_the_root() {
    refuses(&[
        "/../v1/admin",
        "/../../etc",
        "/..",
        "/%2e%2e",
        "/.",
        "/.%2F..",
    ])
    .await;
}

#[tokio::test]
async fn pn_21_an_embedded_url_names_no_host() {
    refuses(&[
        "/v1/public/https://evil.test/x",
        "/v1/public/http:%2f%2fevil.test",
        "/https://evil.test/v1/public/x",
        "/v1/public/@evil.test//x",
    ])
    .await;
    let world = arena().start().await;
    let mut tunnel = world.agent("r1").tunnel("api.a.test").await;
    for path in ["/v1/public/http:evil.test", "/v1/public/@evil.test:443"] {
        let answer = tunnel.call(&format!("GET {path}"), "api.a.test").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    assert_eq!(world.upstream("api.a.test").requests().len(), 2);
    world.finish().await;
}
