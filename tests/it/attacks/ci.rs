//! Credentials that the agent sends, and the one that the gate puts in their place.

use base64::{Engine, engine::general_purpose::STANDARD};
use tollgate::refusal::Reason;

use crate::world::{World, settings::Role};

use super::{
    arena,
    checked::checked,
    outcome::{arrives, bearer, decides_nothing, refused, stripped},
};

/// The bytes of a call of `GET /v1/public/x` with this query, in a tunnel to `host`.
fn get(world: &World, host: &str, query: &str) -> String {
    let host = world.at(host);
    format!("GET /v1/public/x?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn ci_02_no_other_carrier_of_a_credential_goes_on() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "Authorization: Bearer agents-own",
            "Authorization: Basic agents-own",
            "Proxy-Authorization: agents-own",
            "Cookie: session=agents-own",
            "X-Api-Key: agents-own",
            "Api-Key: agents-own",
            "X-Goog-Api-Key: agents-own",
            "X-Auth-Token: agents-own",
            "Private-Token: agents-own",
            "Job-Token: agents-own",
            "X-Amz-Security-Token: agents-own",
            "X-Shopify-Access-Token: agents-own",
            "DD-API-KEY: agents-own",
            "Ocp-Apim-Subscription-Key: agents-own",
            "Signature: sig1=:agents-own:",
            "DPoP: agents-own",
            "X-Hub-Signature: sha1=agents-own",
        ],
    )
    .await;
    stripped(&world, &CARRIERS_OF_VENDORS).await;
    world.finish().await;
}

/// What vendors read that stands in no row.
const CARRIERS_OF_VENDORS: [&str; 24] = [
    "X-Vault-Token: agents-own",
    "X-Consul-Token: agents-own",
    "X-Functions-Key: agents-own",
    "X-Auth-Key: agents-own",
    "X-Auth-Email: agents-own",
    "X-JFrog-Art-Api: agents-own",
    "X-Honeycomb-Team: agents-own",
    "X-Appwrite-Key: agents-own",
    "X-Hasura-Admin-Secret: agents-own",
    "X-Registry-Auth: agents-own",
    "X-GitHub-OTP: agents-own",
    "Fastly-Key: agents-own",
    "APCA-API-KEY-ID: agents-own",
    "CB-ACCESS-SIGN: agents-own",
    "X-Serverless-Authorization: agents-own",
    "X-MS-Authorization-Auxiliary: agents-own",
    "X-Vercel-Protection-Bypass: agents-own",
    "vmware-api-session-id: agents-own",
    "PayPal-Auth-Assertion: agents-own",
    "Grpc-Metadata-Macaroon: agents-own",
    "X-Api-Key-Bin: agents-own",
    "APIKEY: agents-own",
    "X-JWT: agents-own",
    "Txn-Token: agents-own",
];

#[tokio::test]
async fn ci_03_no_query_carries_a_credential() {
    let world = arena().start().await;
    for query in [
        "access_token=x",
        "api_key=x",
        "key=x",
        "token=x",
        "sig=x",
        "X-Amz-Signature=x&X-Amz-Credential=y",
        "code=x",
        "jwt=x",
        "page=1&oauth_token=x",
        "user%5Bpassword%5D=x",
        "SAMLResponse=x",
        "%EF%BD%8B%EF%BD%85%EF%BD%99=x",
    ] {
        let answer = refused(&world, &[403], get(&world, "api.a.test", query)).await;
        assert_eq!(answer.code(), Reason::QueryCredential.code(), "{query}");
    }
    world.finish().await;
}

#[tokio::test]
async fn ci_04_no_alias_of_the_injected_parameter_stands_beside_it() {
    let world = arena().vault().start().await;
    let agent = world.agent("r1");
    for query in [
        "key=attacker&key=x",
        "k%65y=attacker",
        "Key=attacker",
        "key[]=a",
        "a=1;key=attacker",
        "key=%26",
        "%00key=",
        "app_id=attacker&app_id=x",
        "%61pp_id=attacker",
        "App_Id=attacker",
        "app_id[]=a",
        "a=1;app_id=attacker",
        "app_id=%26",
        "%00app_id=",
        "app%2Did~=a",
        "%5Bapp%5Did=a",
    ] {
        let answer = agent
            .call(&format!("GET http://weather.test/v1/x?{query}"))
            .await;
        let codes = [Reason::QueryCredential, Reason::TargetMalformed];
        assert!(
            codes.map(Reason::code).contains(&&*answer.code()),
            "{query}: {answer:?}"
        );
    }
    assert_eq!(world.upstream("weather.test").connections().len(), 0);
    assert_eq!(world.vault().reads_in_all(), 0);
    world.finish().await;
}

/// A body is the agent's own word to the API: no rule reads it, and it changes neither the decision nor the credential.
#[tokio::test]
async fn ci_05_a_body_changes_no_decision_and_no_credential() {
    let world = arena().start().await;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "access_token=attacker"),
        ("application/json", "{\"api_key\":\"attacker\"}"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nattacker\r\n--b--\r\n",
        ),
    ] {
        let lines = format!("Content-Type: {kind}");
        let seen = decides_nothing(&world, &lines, body, "/v1/admin").await;
        assert_eq!(seen.head.values("content-type"), [kind]);
        assert_eq!(seen.head.values("authorization"), [bearer(&world)]);
    }
    world.finish().await;
}

#[tokio::test]
async fn ci_07_no_agent_chooses_the_credential() {
    let world = arena().start().await;
    for lines in [
        "Authorization: Bearer placeholder:GITHUB",
        "X-Credential: A",
        "X-Credential: api-a",
        "X-Api-Key: {{api-a}}",
        "Tollgate-Credential: api-a",
    ] {
        let seen = arrives(&world, "api.b.test", "GET /x", lines, "").await;
        assert_eq!(seen.head.values("x-api-key"), [world.secret("api-b")]);
        for name in ["authorization", "x-credential", "tollgate-credential"] {
            assert_eq!(seen.head.values(name), Vec::<&str>::new(), "{name}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn ci_08_the_credential_is_there_whatever_stood_in_its_place() {
    let role = Role::from("GET api.a.test/v1/public/**; GET api.c.test/**");
    let world = World::new().role("r1", role).start().await;
    for lines in [
        "X-Nothing: 1",
        "Authorization: Basic attacker",
        "Authorization: ",
        "Authorization: Bearer x\r\nauthorization: Basic attacker",
    ] {
        let seen = arrives(&world, "api.a.test", "GET /v1/public/x", lines, "").await;
        assert_eq!(
            seen.head.values("authorization"),
            [bearer(&world)],
            "{lines}"
        );
    }
    // No list knows this name: the agent's own makes way because it stands in the place.
    for lines in [
        "X-Nothing: 1",
        "X-Vendor-Pass: attacker",
        "x-vendor-pass: a\r\nX-VENDOR-PASS: b",
    ] {
        let seen = arrives(&world, "api.c.test", "GET /x", lines, "").await;
        assert_eq!(
            seen.head.values("x-vendor-pass"),
            [world.secret("api-c")],
            "{lines}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn ci_09_of_two_rules_the_first_alone_decides_on_the_credential() {
    let with_first = "GET api.a.test/v1/public/**; GET api.a.test/v1/** with none";
    let without_first = "GET api.a.test/v1/** with none; GET api.a.test/v1/public/**";
    let world = World::new()
        .role("with", with_first)
        .role("without", without_first)
        .start()
        .await;
    for (role, expected) in [("with", vec![bearer(&world)]), ("without", vec![])] {
        for _ in 0..3 {
            let agent = world.agent(role);
            let answer = agent.call("GET http://api.a.test/v1/public/x").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let seen = world.upstream("api.a.test").requests().pop().unwrap();
            assert_eq!(seen.head.values("authorization"), expected, "{role}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn ci_10_no_secret_is_read_for_a_call_that_is_refused() {
    let rules = "GET api.a.test/v1/public/**; POST api.a.test/v1/items; GET open.test/** with none";
    let world = World::new()
        .role("r1", rules)
        .role("slow", Role::from(rules).rate("1/h"))
        .vault()
        .start()
        .await;
    let host = world.at("api.a.test");
    let post = format!("POST /v1/items HTTP/1.1\r\nHost: {host}\r\n");
    refused(
        &world,
        &[403],
        format!("GET /v1/admin HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
    .await;
    refused(
        &world,
        &[400],
        format!("{post}Content-Length: 5x\r\n\r\nhello"),
    )
    .await;
    refused(
        &world,
        &[400],
        format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    )
    .await;
    let slow = world.agent("slow");
    assert_eq!(slow.call("GET http://open.test/x").await.status, 200);
    let answer = slow.call("GET http://api.a.test/v1/public/x").await;
    World::says_no(&answer, Reason::RateLimited);
    assert_eq!(world.vault().reads_in_all(), 0);
    world.finish().await;
}

/// No credential is placed by signing: the agent's own signature does not survive, and nothing is signed in its place.
#[tokio::test]
async fn ci_12_no_half_of_a_signature_goes_on() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu/s3/aws4_request",
            "X-Amz-Date: 20260101T000000Z",
            "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD",
            "X-Amz-Security-Token: agents-own",
            "X-Amz-Signature: agents-own",
            "X-Amz-Credential: agents-own",
            "X-Amz-Algorithm: AWS4-HMAC-SHA256",
            "X-Amz-SignedHeaders: host",
        ],
    )
    .await;
    world.finish().await;
}

#[tokio::test]
async fn ci_13_basic_credentials_have_one_reading() {
    for (user, why) in [
        ("a:b", "a user may have no colon"),
        ("\u{e4}", "printable ASCII only"),
        ("a\\n", "printable ASCII only"),
    ] {
        let basic = format!("place: {{basic: {{user: \"{user}\", password: \"{{token}}\"}}}}");
        let header = "place: {header: Authorization, value: \"Bearer {token}\"}";
        let said = checked("credentials.yaml", header, &basic);
        assert!(said.contains(why), "{said}");
    }
    let world = World::new().role("r1", "GET git.test/**").start().await;
    let seen = arrives(
        &world,
        "git.test",
        "GET /x",
        "Authorization: Basic YTpi",
        "",
    )
    .await;
    let pair = format!("x-access-token:{}", world.secret("git"));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    assert_eq!(seen.head.values("authorization"), [basic]);
    world.finish().await;
}

#[tokio::test]
async fn ci_14_no_other_protocols_slot_carries_a_credential() {
    let world = arena().start().await;
    stripped(
        &world,
        &[
            "Sec-WebSocket-Protocol: bearer.agents-own",
            "authorization-bin: agents-own",
            "grpc-metadata-authorization: agents-own",
            "Grpc-Metadata-X-Api-Key-Bin: agents-own",
        ],
    )
    .await;
    world.finish().await;
}
