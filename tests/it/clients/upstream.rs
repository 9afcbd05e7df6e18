//! What a real server's answers are like, and that they come through as they left.

use std::fs;

use super::{stderr, stdout};
use crate::world::World;

/// Prints a line for each kind of answer.
const PROGRAM: &str = r#"
import hashlib, sys
import requests
session, url = requests.Session(), f"https://{sys.argv[1]}/v1/"
def get(path, **headers):
    headers = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = session.get(url + path, headers=headers, timeout=10)
    return answer, answer.headers
answer, headers = get("large")
print("large", answer.status_code, headers["Content-Length"], hashlib.sha256(answer.content).hexdigest())
etag = headers["ETag"]
answer, headers = get("large", If_None_Match=etag)
print("unchanged", answer.status_code, len(answer.content), headers["ETag"] == etag)
answer, headers = get("large", Range="bytes=10-19")
print("range", answer.status_code, headers["Content-Range"], answer.content.decode())
answer, headers = get("large", Range="bytes=99999999-")
print("no range", answer.status_code)
answer, headers = get("chunked/text")
print("chunked", answer.status_code, headers["Transfer-Encoding"], len(answer.content))
answer, headers = get("gzip/text", Accept_Encoding="gzip")
print("gzip", answer.status_code, headers["Content-Encoding"], len(answer.content))
answer = session.head(url + "large", headers={"Accept-Encoding": "identity"}, timeout=10)
print("head", answer.status_code, answer.headers["Content-Length"], len(answer.content))
answer, headers = get("missing")
print("missing", answer.status_code, "nginx" in answer.text)
print("unauthorized", session.get(f"https://{sys.argv[1]}/open/large", timeout=10).status_code)
"#;

const LARGE_BYTES: usize = 8 << 20;

#[tokio::test]
async fn every_kind_of_answer_of_nginx_comes_through() {
    let rules = "GET,HEAD api.a.test/v1/**; GET api.a.test/open/** with none";
    let world = World::new().role("coder", rules).start().await;
    let authorization = format!("Bearer {}", world.secret("api-a"));
    let nginx = world
        .nginx("api.a.test", &authorization, |_| {
            "location /v1/chunked/ { sub_filter_types *; sub_filter nothing anything; }
             location /v1/gzip/ { gzip on; gzip_types *; }"
                .to_owned()
        })
        .await;
    let large: Vec<u8> = (0..LARGE_BYTES).map(|at| b'a' + (at % 23) as u8).collect();
    for dir in ["v1/chunked", "v1/gzip"] {
        fs::create_dir_all(nginx.root().join(dir)).unwrap();
        fs::write(nginx.root().join(dir).join("text"), &large[..100_000]).unwrap();
    }
    fs::write(nginx.root().join("v1/large"), &large).unwrap();
    let door = world.connect("coder").await;
    let api = world.at("api.a.test");
    let output = world.client(&door, "python", &["-c", PROGRAM, &api]).await;

    assert_eq!(stderr(&output), "");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &large);
    let digest: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let wanted = format!(
        "large 200 {LARGE_BYTES} {digest}\nunchanged 304 0 True\nrange 206 bytes 10-19/{LARGE_BYTES} klmnopqrst\n\
         no range 416\nchunked 200 chunked 100000\ngzip 200 gzip 100000\nhead 200 {LARGE_BYTES} 0\n\
         missing 404 True\nunauthorized 401\n"
    );
    assert_eq!(stdout(&output), wanted);

    // what came one after the other took one connection
    let seen = nginx.has_seen(9).await;
    let authorized = seen.iter().filter(|call| call["authorized"] == true);
    let mut connections: Vec<_> = authorized.map(|call| call["connection"].as_u64()).collect();
    connections.dedup();
    assert_eq!(connections.len(), 1, "{seen:?}");
    drop(nginx);
    world.finish().await;
}
