//! Headers of one connection, and headers that speak of who forwarded for whom or ask for another URL.

use crate::world::World;

use super::{
    arena,
    outcome::{arrives, bearer, refused, stripped},
};

/// The bytes of `GET /v1/public/x` in a tunnel, with these header lines.
fn get(world: &World, lines: &str) -> String {
    let host = world.at("api.a.test");
    format!("GET /v1/public/x HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n\r\n")
}

#[tokio::test]
async fn hb_01_connection_cannot_take_the_injected_header_away() {
    let world = arena().start().await;
    for lines in [
        "Connection: keep-alive, Authorization",
        "Connection: X-Api-Key",
        "connection: AUTHORIZATION",
        "Connection: keep-alive\r\nConnection: authorization",
        "Connection: authorization\t",
        "Connection: Authorization, Authorization, TE\r\nTE: trailers",
        "Connection: close, Authorization",
    ] {
        let lines = format!("{lines}\r\nAuthorization: Bearer agents-own");
        let seen = arrives(&world, "api.a.test", "GET /v1/public/x", &lines, "").await;
        assert_eq!(seen.head.values("authorization"), [bearer(&world)]);
        let seen = arrives(&world, "api.b.test", "GET /x", &lines, "").await;
        assert_eq!(seen.head.values("x-api-key"), [world.secret("api-b")]);
        assert_eq!(seen.head.values("authorization"), Vec::<&str>::new());
    }
    world.finish().await;
}

#[tokio::test]
async fn hb_03_no_header_of_the_agents_connection_goes_on() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "Proxy-Authorization: Basic x",
            "Proxy-Connection: keep-alive",
            "Keep-Alive: timeout=1",
            "TE: gzip",
            "Trailer: x",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMA",
            "Proxy-Authenticate: Basic",
            "Proxy-Status: x",
            "Connection: keep-alive, X-Of-This-Leg",
            "X-Of-This-Leg: 1",
        ],
    )
    .await;
    world.finish().await;
}

#[tokio::test]
async fn hb_04_connection_names_no_header_of_the_message() {
    let world = arena().start().await;
    for lines in [
        "Connection: host",
        "Connection: content-length",
        "Connection: cookie",
        "Connection: :authority",
        "Connection: transfer-encoding",
        "Connection: close\r\nConnection: Host",
        "Connection: keep-alive, cOoKiE",
        "Connection: x y",
        "Connection: close, \u{e9}",
    ] {
        let answer = refused(&world, &[400], get(&world, lines)).await;
        assert_eq!(answer.code(), "request_malformed", "{lines}");
    }
    world.finish().await;
}

#[tokio::test]
async fn hb_05_no_word_of_the_agent_on_who_it_is_goes_on() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "X-Forwarded-For: 127.0.0.1",
            "Forwarded: for=127.0.0.1",
            "X-Real-IP: 127.0.0.1",
            "Via: 1.1 x",
            "X-Forwarded-Client-Cert: URI=spiffe://td.test/admin",
            "X-SSL-Client-S-DN: CN=admin",
            "X-Client-Verify: SUCCESS",
            "True-Client-IP: 127.0.0.1",
        ],
    )
    .await;
    stripped(&world, &WHO_THE_AGENT_SAYS_IT_IS).await;
    world.finish().await;
}

/// What identity-aware proxies, gateways and API vendors read, which stand in no row.
const WHO_THE_AGENT_SAYS_IT_IS: [&str; 34] = [
    "Remote-User: admin",
    "X-Remote-User: admin",
    "X-Remote-Extra-Scopes: all",
    "X-WebAuth-User: admin",
    "X-Auth-Request-Email: admin@a.test",
    "X-Authenticated-Userid: 1",
    "X-Goog-Authenticated-User-Email: admin@a.test",
    "X-Goog-IAP-JWT-Assertion: ey",
    "X-MS-Client-Principal: ey",
    "X-MS-Token-AAD-Access-Token: ey",
    "CF-Access-Jwt-Assertion: ey",
    "CF-Connecting-IP: 127.0.0.1",
    "X-Amzn-Oidc-Identity: admin",
    "X-Consumer-Username: admin",
    "X-Credential-Identifier: admin",
    "X-Userinfo: ey",
    "X-Envoy-External-Address: 127.0.0.1",
    "l5d-client-id: admin",
    "Tailscale-User-Login: admin",
    "Impersonate-User: system:admin",
    "Impersonate-Extra-Scopes: all",
    "X-Appwrite-Impersonate-User-Id: 1",
    "Sudo: root",
    "X-Redmine-Switch-User: admin",
    "X-Act-As: admin",
    "On-Behalf-Of: admin",
    "Assume-User: admin",
    "As-User: 1",
    "Dropbox-API-Select-Admin: 1",
    "MSCRMCallerID: 1",
    "es-security-runas-user: admin",
    "X-Hasura-Role: admin",
    "Proxy: http://evil.test",
    "Client-Cert: :MIIB:",
];

#[tokio::test]
async fn hb_06_no_header_asks_for_another_url() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "X-Original-URL: /v1/admin",
            "X-Rewrite-URL: /v1/admin",
            "X-Forwarded-Path: /v1/admin",
            "X-Forwarded-Prefix: /v1/admin",
            "X-Envoy-Original-Path: /v1/admin",
            "X-Accel-Redirect: /v1/admin",
            "X-HTTP-Path-Override: /v1/admin",
            "X-HTTP-Host-Override: evil.test",
            "X-HTTP-DestinationURL: http://evil.test/",
            "X-Original-Host: evil.test",
            "X-Host: evil.test",
            "Base-Url: http://evil.test/",
            "X-Proxy-URL: http://evil.test/",
            "Request-Uri: /v1/admin",
            "X-WAWS-Unencoded-URL: /v1/admin",
            "X-Script-Name: /v1/admin",
            "X-Vault-Namespace: admin",
            "l5d-dst-override: evil.test",
            "X-Sendfile: /etc/passwd",
        ],
    )
    .await;
    world.finish().await;
}

#[tokio::test]
async fn hb_08_what_stands_alone_stands_once() {
    let world = arena().start().await;
    for lines in [
        "Content-Type: text/plain\r\nContent-Type: application/json",
        "Content-Type: text/plain\r\nContent-Type: text/plain",
        "Content-Type: text/plain, application/json",
        "Content-Encoding: gzip\r\nContent-Encoding: identity",
        "Range: bytes=0-1\r\nRange: bytes=2-3",
        "Expect: 100-continue\r\nExpect: 100-continue",
        "If-Range: \"a\"\r\nif-range: \"b\"",
        "Origin: https://a.test\r\nX-Env: prod\r\nOrigin: https://b.test",
    ] {
        let answer = refused(&world, &[400], get(&world, lines)).await;
        assert_eq!(answer.code(), "request_malformed", "{lines}");
    }
    // No rule is about the value of a header: what is a list goes on as one, in its order.
    let lines = "X-Env: prod\r\nX-Env: dev\r\nX-List: prod, dev";
    let seen = arrives(&world, "api.a.test", "GET /v1/public/x", lines, "").await;
    assert_eq!(seen.head.values("x-env"), ["prod", "dev"]);
    assert_eq!(seen.head.values("x-list"), ["prod, dev"]);
    world.finish().await;
}

#[tokio::test]
async fn hb_09_no_spelling_of_a_name_gets_a_credential_through() {
    let world = arena().start().await;
    for line in [
        "Authorization : Bearer agents-own",
        "authorization\0: Bearer agents-own",
        "\u{410}uthorization: Bearer agents-own",
        "Author ization: Bearer agents-own",
    ] {
        refused(&world, &[400], get(&world, line)).await;
    }
    stripped(
        &world,
        &[
            "AUTHORIZATION: Bearer agents-own",
            "Authorization.: Bearer agents-own",
            "Authorization_: Bearer agents-own",
            "X_Api_Key: agents-own",
            "X.Api.Key: agents-own",
            "X~Api!Key: agents-own",
            "x-API-key: agents-own",
        ],
    )
    .await;
    world.finish().await;
}
