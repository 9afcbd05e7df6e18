//! Python's requests and httpx: what they are refused stands in the exception that they raise.

use super::{REFUSED, Stage, stderr, stdout};

/// The same program for both, which differ in the name of their error.
const PROGRAM: &str = r#"
import sys
import requests, httpx
name, api = sys.argv[1:]
client, error = {"requests": (requests, requests.HTTPError), "httpx": (httpx, httpx.HTTPStatusError)}[name]
placeholder = {"Authorization": "Bearer placeholder"}
for scheme in "http", "https":
    answer = client.get(f"{scheme}://{api}/v1/hello", headers=placeholder, timeout=10)
    print(answer.status_code, answer.text, end="")
answer = client.post(f"https://{api}/v1/echo", json={"title": "Grüße"}, headers=placeholder, timeout=10)
print(answer.status_code, answer.json()["title"])
answer = client.delete(f"https://{api}/v1/hello", timeout=10)
print(answer.status_code, answer.json()["error"]["message"])
try:
    answer.raise_for_status()
except error as raised:
    print(raised)
"#;

async fn calls(library: &str) {
    let stage = Stage::set().await;
    let output = stage
        .client("python", &["-c", PROGRAM, library, &stage.api()])
        .await;
    assert_eq!(stderr(&output), "");
    let said: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(said[..2], ["200 hello from nginx"; 2]);
    assert_eq!(said[2], "200 Grüße");
    assert_eq!(said[3], format!("403 {REFUSED} (DELETE api.a.test)"));
    assert!(
        said[4].contains(&format!("no_rule: {REFUSED}")),
        "{}",
        said[4]
    );
    stage
        .saw(&["GET /v1/hello", "GET /v1/hello", "POST /v1/echo"])
        .await;
}

#[tokio::test]
async fn requests_calls_posts_and_raises_what_it_is_refused_for() {
    calls("requests").await;
}

#[tokio::test]
async fn httpx_calls_posts_and_raises_what_it_is_refused_for() {
    calls("httpx").await;
}
