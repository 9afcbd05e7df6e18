//! No name that a WHATWG reader finds in a query is one that the gate would refuse by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::target::Query;
use url::form_urlencoded::{byte_serialize, parse};

fuzz_target!(|text: &str| {
    let Ok(query) = Query::parse(text) else {
        return;
    };
    assert_eq!(query.as_str(), text);
    assert!(!text.contains(['#', ' ', '\r', '\n']) && text.is_ascii());
    for (name, _) in parse(text.as_bytes()) {
        // a name that holds the other readers' separator is none to them, and is asked for by nobody
        if name.contains([';', '&']) {
            continue;
        }
        let alone: String = byte_serialize(name.as_bytes()).collect();
        assert!(Query::parse(&alone).is_ok(), "{name:?} in {text:?}");
        assert!(query.may_name(&name), "{name:?} in {text:?}");
    }
    for name in query.names() {
        assert!(!name.contains(char::is_control), "{name:?}");
    }
});
