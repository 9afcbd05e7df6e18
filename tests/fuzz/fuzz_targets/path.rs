//! A path is canonical once and for all, and is the path that a WHATWG client would send.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::target::Path;
use url::Url;

fuzz_target!(|text: &str| {
    let Ok(path) = Path::parse(text) else { return };
    let canonical = path.as_str();
    assert_eq!(Path::parse(canonical).unwrap().as_str(), canonical);
    assert!(canonical.is_ascii() && canonical.starts_with('/'));
    assert!(!canonical.split('/').any(|one| one == "." || one == ".."));
    assert!(!canonical.contains("//") && !canonical.contains([';', '\\', '?', '#']));

    // what was judged is what such a client sends of it
    let url = Url::parse(&format!("https://api.test{canonical}")).unwrap();
    assert_eq!((url.host_str(), url.path()), (Some("api.test"), canonical));
    assert_eq!((url.query(), url.fragment()), (None, None));
    // and the agent's own spelling means the same to it
    let spelled = Url::parse(&format!("https://api.test{text}")).unwrap();
    assert_eq!(Path::parse(spelled.path()).unwrap().as_str(), canonical);
});
