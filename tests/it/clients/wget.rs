//! wget: reads the variables in lower case, wants its authority as an option, and of a refusal shows the first line.

use super::{HELLO, REFUSED, Stage, stderr, stdout};

#[tokio::test]
async fn wget_calls_posts_and_prints_what_it_is_refused_for() {
    let stage = Stage::set().await;
    let url = |scheme, path| format!("{scheme}://{}{path}", stage.api());
    let wget = async |args: &[&str]| {
        let common = ["--no-verbose", "--timeout=10", "--tries=1", "-O", "-"];
        let trust = "--ca-certificate=pki/interception-ca.crt";
        stage
            .client("wget", &[&common, [trust].as_slice(), args].concat())
            .await
    };
    for scheme in ["http", "https"] {
        let output = wget(&[&url(scheme, "/v1/hello")]).await;
        assert_eq!(stdout(&output), HELLO, "{output:?}");
    }
    let output = wget(&["--post-data=title=Grüße", &url("https", "/v1/echo")]).await;
    assert_eq!(stdout(&output), "title=Grüße", "{output:?}");
    let output = wget(&["--method=DELETE", &url("https", "/v1/hello")]).await;
    assert!(
        stderr(&output).contains(&format!("ERROR 403: no_rule: {REFUSED}")),
        "{output:?}"
    );
    stage
        .saw(&["GET /v1/hello", "GET /v1/hello", "POST /v1/echo"])
        .await;
}
