//! Node: `fetch` and the module `https`, both of which heed the variables once NODE_USE_ENV_PROXY is set.

use super::{REFUSED, Stage, stderr, stdout};

const PROGRAM: &str = r#"
import https from "node:https";
const api = process.argv[1];
const headers = { authorization: "Bearer placeholder" };
for (const scheme of ["http", "https"]) {
  const answer = await fetch(`${scheme}://${api}/v1/hello`, { headers });
  process.stdout.write(`${answer.status} ${await answer.text()}`);
}
const body = JSON.stringify({ title: "Grüße" });
const posted = await fetch(`https://${api}/v1/echo`, { method: "POST", body, headers });
console.log(posted.status, (await posted.json()).title);
const refused = await fetch(`https://${api}/v1/hello`, { method: "DELETE" });
console.log(refused.status, (await refused.json()).error.message);
console.log(refused.status, refused.statusText);
https.get(`https://${api}/v1/hello`, { headers }, (answer) => {
  process.stdout.write(`${answer.statusCode} `);
  answer.pipe(process.stdout);
});
"#;

#[tokio::test]
async fn node_calls_posts_and_reads_what_it_is_refused_for() {
    let stage = Stage::set().await;
    let program = ["--input-type=module", "-e", PROGRAM, &stage.api()];
    let output = stage.client("node", &program).await;
    assert_eq!(stderr(&output), "");
    let said: Vec<_> = stdout(&output).lines().collect();
    let hello = "200 hello from nginx";
    let refused = format!("403 {REFUSED} (DELETE api.a.test)");
    let phrase = format!("403 no_rule: {REFUSED}");
    assert_eq!(said, [hello, hello, "200 Grüße", &refused, &phrase, hello]);
    let hello = "GET /v1/hello";
    stage.saw(&[hello, hello, "POST /v1/echo", hello]).await;
}
