//! An upstream's answer begins and ends where llhttp reads it too, and brings nothing back that is the connection's.
#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use tollgate::fuzzed;
use tollgate_fuzz::{Expected, llhttp};

const NEVER: [&str; 11] = [
    "alt-svc",
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "te",
    "tollgate-event",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let (method, expected) = match first % 2 {
        0 => (Method::GET, Expected::Answers),
        _ => (Method::HEAD, Expected::BodilessAnswers),
    };
    let Some(answer) = fuzzed::answer(method, bytes) else {
        return;
    };
    for name in answer.headers.keys() {
        assert!(!NEVER.contains(&name.as_str()), "{name} crosses");
    }
    let messages = llhttp(expected, bytes);
    let Some(message) = messages.iter().find(|message| message.status / 100 != 1) else {
        return;
    };
    assert_eq!(answer.status, message.status);
    if let Some(body) = &answer.body {
        assert_eq!(body, &message.body, "{answer:?}");
    }
});
