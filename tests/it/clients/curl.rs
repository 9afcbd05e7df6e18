//! curl: the client that shows its user the whole answer.

use super::{HELLO, REFUSED, Stage, stdout};

#[tokio::test]
async fn curl_calls_posts_and_prints_what_it_is_refused_for() {
    let stage = Stage::set().await;
    let url = |scheme, path| format!("{scheme}://{}{path}", stage.api());
    let curl = async |args: &[&str]| {
        let common = ["--silent", "--show-error", "--max-time", "10"];
        stage.client("curl", &[&common, args].concat()).await
    };
    for scheme in ["http", "https"] {
        let output = curl(&[&url(scheme, "/v1/hello"), "-u", "placeholder:"]).await;
        assert_eq!(stdout(&output), HELLO, "{output:?}");
    }
    let output = curl(&["--json", r#"{"title":"Grüße"}"#, &url("https", "/v1/echo")]).await;
    assert_eq!(stdout(&output), r#"{"title":"Grüße"}"#, "{output:?}");
    let output = curl(&["-X", "DELETE", &url("https", "/v1/hello")]).await;
    assert!(stdout(&output).contains(REFUSED), "{output:?}");
    stage
        .saw(&["GET /v1/hello", "GET /v1/hello", "POST /v1/echo"])
        .await;
}
