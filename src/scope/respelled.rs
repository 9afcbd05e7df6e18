//! However a call is spelled, it gets the verdict of its one spelling, or none at all.

use http::{HeaderValue, Request, header, request::Parts};
use proptest::{collection::vec, prelude::*, sample::select};
use time::macros::date;

use super::*;
use crate::target::{
    Host, Method, Path,
    asked::{self, Ingress},
};

const WORDS: [&str; 7] = [
    "v1", "public", "admin", "Admin", "x:purge", "a%20b", "%C3%A9",
];
const HOST: &str = "api.a.test";

/// What some servers drop, resolve, decode once more or take for a slash; none of it may stand in a path.
const SECOND_READINGS: [&str; 18] = [
    "//", "/./", "/../", "/x/../", "/%2e/", "/%2E%2E/", "/.%2e/", ";v=1/", "/;/", "%3bx/", "\\",
    "%5C", "%00/", "/%252e/", "%252F", "/..%2F", "/%2F../", "%c0%af",
];

fn role(rules: Vec<(bool, String)>, encoded_slash: bool) -> Role {
    let rules = rules.into_iter().map(|(denies, path)| Rule {
        name: path.as_str().into(),
        effect: match denies {
            true => Effect::Deny,
            false => Effect::Allow(Grant {
                verb: Verb::Read,
                credential: None,
                cookies: false,
                headers: None,
                query: None,
                limit: None,
            }),
        },
        hosts: vec![HostPattern {
            name: NamePattern::Exact(Host::parse(HOST).unwrap()),
            port: 443,
        }],
        methods: Method::ALL.into_iter().collect(),
        paths: vec![PathPattern::parse(&path).unwrap()],
        encoded_slash,
        written: Written {
            file: "role.yaml".into(),
            line: 1,
        },
    });
    let rate = Rate {
        calls: 1,
        per: std::time::Duration::from_secs(1),
    };
    Role::new("role".into(), date!(2030 - 01 - 01), rate).with_rules(rules.collect())
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => select(&WORDS[..]), 1 => Just("*")];
    (vec(segment, 1..4), select(vec!["", "/", "/**"]))
        .prop_map(|(segments, end)| format!("/{}{end}", segments.join("/")))
}

fn rules() -> impl Strategy<Value = Vec<(bool, String)>> {
    vec((prop::bool::weighted(0.3), pattern()), 1..5)
}

/// A request inside a tunnel.
fn parts(authority: &str, path: &str) -> Option<Parts> {
    let mut request = Request::new(());
    *request.uri_mut() = path.parse().ok()?;
    let authority = HeaderValue::try_from(authority).unwrap();
    request.headers_mut().insert(header::HOST, authority);
    Some(request.into_parts().0)
}

/// Where a request goes that a tunnel carries, if it is one that can be read.
fn target(connect: &str, authority: &str, path: &str) -> Option<Target> {
    let (host, port) = asked::parse_authority(connect).ok()?.into_parts();
    let ingress = Ingress::Tunnel {
        host,
        port: port.unwrap_or(443),
        clear: false,
    };
    asked::target(&parts(authority, path)?, &ingress, |_, _| false).ok()
}

/// `path` with some unreserved characters escaped, and with the digits of escapes in either case.
fn respelled(path: &str, choices: &[bool]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut spelled = String::new();
    let mut digits = 0;
    for byte in path.bytes() {
        let chosen = choices.next() == Some(true);
        match byte {
            _ if digits > 0 => {
                digits -= 1;
                let lower = byte.to_ascii_lowercase();
                spelled.push(char::from(if chosen { lower } else { byte }));
            }
            b'%' => {
                digits = 2;
                spelled.push('%');
            }
            _ if chosen && byte.is_ascii_alphanumeric() => spelled += &format!("%{byte:02x}"),
            _ => spelled.push(char::from(byte)),
        }
    }
    spelled
}

fn host(choices: &[bool], dot: bool) -> String {
    let letters = HOST.chars().zip(choices.iter().cycle());
    let spelled = letters.map(|(letter, upper)| {
        if *upper {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    });
    spelled.chain(dot.then_some('.')).collect()
}

/// What servers make of a path: decoded once or twice, before it is split or after, and with what they drop dropped.
fn readings(path: &str) -> Vec<Vec<String>> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let split = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let once = split(path).iter().map(|segment| decode(segment)).collect();
    let whole = split(&decode(path));
    let twice = split(&decode(&decode(path)));
    [once, whole, twice].into_iter().map(resolved).collect()
}

fn resolved(segments: Vec<String>) -> Vec<String> {
    let mut resolved = Vec::new();
    for segment in segments {
        let bare = segment.split(';').next().unwrap_or_default();
        let bare = bare.trim_end_matches(' ');
        match bare {
            "" | "." => {}
            ".." => drop(resolved.pop()),
            _ => resolved.push(bare.trim_end_matches(['.', ' ']).to_lowercase()),
        }
    }
    resolved
}

/// Whether the reading is `denied`, or lies below it.
fn is_denied(reading: &[String], denied: &[&str]) -> bool {
    let same = |(own, its): (&&str, &String)| {
        *own == "*"
            || resolved(vec![own.replace("%20", " ").replace("%C3%A9", "é")]) == [its.clone()]
    };
    reading.len() >= denied.len() && denied.iter().zip(reading).all(same)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn another_spelling_of_a_call_gets_the_same_verdict_or_is_none(
        rules in rules(),
        segments in vec(select(&WORDS[..]), 0..4),
        choices in vec(any::<bool>(), 16),
        dot in any::<bool>(),
        port in select(vec!["", ":443"]),
        insertion in prop::option::of((any::<prop::sample::Index>(), select(&SECOND_READINGS[..]))),
    ) {
        let role = role(rules, false);
        let plain = format!("/{}", segments.join("/"));
        let canonical = target("api.a.test:443", HOST, &plain).unwrap();
        let authority = format!("{}{port}", host(&choices, dot));
        let mut path = respelled(&plain, &choices);
        if let Some((index, second)) = insertion {
            // where a segment begins: what is inserted must not complete an escape that was broken before
            let places: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
            path.insert_str(*index.get(&places), second);
        }
        let respelled = target(&format!("{}:443", host(&choices, !dot)), &authority, &path);
        match respelled {
            None => {}
            Some(other) => {
                prop_assert!(insertion.is_none(), "{} is read as {}", path, other.url());
                prop_assert_eq!(&other, &canonical);
                let today = date!(2026 - 11 - 25);
                let number = |target| role.verdict(target, today).map(|allowed| allowed.number).ok();
                prop_assert_eq!(number(&other), number(&canonical));
            }
        }
        prop_assert!(insertion.is_some() || target("api.a.test:443", HOST, &path).is_some(), "{}", path);
    }

    #[test]
    fn what_is_denied_is_denied_in_every_way_in_which_a_server_may_read_it(
        denied in vec(prop_oneof![6 => select(&WORDS[..]), 1 => Just("*")], 1..3),
        pieces in vec(
            prop_oneof![
                4 => select(&WORDS[..]),
                2 => select(vec!["/", "%2F", "%2f"]),
                2 => select(vec![".", "..", "..%20", ".%20", "%20", "%3A", ":", "%61dmin", "ADMIN", "%25", "25", "%252F", ";", "x%3apurge"]),
            ],
            1..8,
        ),
        choices in vec(any::<bool>(), 16),
    ) {
        let path = respelled(&format!("/{}", pieces.join("/").replace("///", "/").replace("/%2F/", "%2F").replace("/%2f/", "%2f")), &choices);
        let rules = vec![(false, "/**".to_owned()), (true, format!("/{}", denied.join("/")))];
        let role = role(rules, true);
        let Some(target) = target("api.a.test:443", HOST, &path) else { return Ok(()) };
        if role.verdict(&target, date!(2026 - 11 - 25)).is_ok() {
            for reading in readings(target.path().as_str()) {
                prop_assert!(!is_denied(&reading, &denied), "{} is read as {:?}", target.path(), reading);
            }
        }
    }
}

#[test]
fn the_cases_are_not_all_refused() {
    let path = respelled("/v1/x:purge", &[true, false]);
    assert_eq!(Path::parse(&path).unwrap().as_str(), "/v1/x:purge");
    let role = role(vec![(false, "/v1/**".to_owned())], false);
    let target = target("API.a.test.:443", "api.A.test", &path).unwrap();
    assert!(role.verdict(&target, date!(2026 - 11 - 25)).is_ok());
    assert!(is_denied(&readings("/v1%2FADMIN.")[1], &["v1", "admin"]));
}
