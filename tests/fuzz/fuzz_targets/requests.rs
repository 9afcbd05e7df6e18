//! A connection's requests begin and end where llhttp reads them too, and nothing of the agent's own crosses that
//! would stand beside the credential.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::{fuzzed, target::Path};
use tollgate_fuzz::{Expected, llhttp};

const NEVER: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "expect",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-http-method-override",
];

fuzz_target!(|bytes: &[u8]| {
    let (requests, back) = fuzzed::requests("api.a.test", bytes);
    let messages = llhttp(Expected::Requests, bytes);
    for (request, message) in requests.iter().zip(&messages) {
        assert_eq!(request.method.as_bytes(), message.method);
        assert_eq!(request.target, canonical(&message.target), "{message:?}");
        assert_eq!(request.body.as_ref(), Some(&message.body), "{request:?}");
    }
    for request in &requests {
        for name in request.headers.keys() {
            assert!(!NEVER.contains(&name.as_str()), "{name} crosses");
            assert!(!name.as_str().contains('_'), "{name} crosses");
        }
        assert!(request.headers.get_all("content-type").iter().count() < 2);
    }
    // its own words are answers in one reading
    let answers = llhttp(Expected::Answers, &back);
    assert!(back.is_empty() || !answers.is_empty(), "{back:?}");
});

/// The target of a message as the gate writes it: in origin-form, its path canonical, without a fragment, which is the
/// agent's own.
fn canonical(target: &[u8]) -> String {
    let text = std::str::from_utf8(target).expect("what the gate took is ASCII");
    let text = text.split('#').next().unwrap_or_default();
    let origin = text.strip_prefix('/').map_or_else(
        || text.splitn(4, '/').nth(3).map(|rest| format!("/{rest}")),
        |_| Some(text.to_owned()),
    );
    let origin = origin.unwrap_or_else(|| "/".to_owned());
    let (path, query) = origin
        .split_once('?')
        .map_or((&*origin, None), |(p, q)| (p, Some(q)));
    let path = Path::parse(path).expect("what the gate took is a path");
    match query {
        Some(query) => format!("{}?{query}", path.as_str()),
        None => path.as_str().to_owned(),
    }
}
