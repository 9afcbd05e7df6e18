use std::time::Duration;

use proptest::{prelude::*, sample::select};
use time::macros::date;

use super::{
    super::{Denial, Grant, Match, Rate, Spoiled, Verb, Written},
    *,
};
use crate::target::{Authority, Method, Path, Scheme};

/// `METHOD host[:port] path`, as in a manifest; a host with `*.` is a wildcard.
fn rule(name: &str, effect: Effect, text: &str) -> Rule {
    let [methods, host, path] = text.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{text}: three words");
    };
    let methods = methods.split(',').map(method).collect();
    let (wild, host) = (host.starts_with("*."), host.trim_start_matches("*."));
    let (host, port) = Authority::parse(host).unwrap().into_parts();
    let name_pattern = match wild {
        true => NamePattern::OneLabel(host.as_str().into()),
        false => NamePattern::Exact(host),
    };
    Rule {
        name: name.into(),
        effect,
        hosts: vec![HostPattern {
            name: name_pattern,
            port: port.unwrap_or(443),
        }],
        methods,
        paths: vec![PathPattern::parse(path).unwrap()],
        encoded_slash: false,
        written: Written {
            file: "role.yaml".into(),
            line: 1,
        },
    }
}

fn allow(name: &str, text: &str) -> Rule {
    let grant = Grant {
        cookies: false,
        verb: Verb::Read,
        credential: None,
        headers: None,
        query: None,
        limit: None,
    };
    rule(name, Effect::Allow(grant), text)
}

fn method(text: &str) -> Method {
    Method::parse(&text.parse().unwrap()).unwrap()
}

fn role(rules: Vec<Rule>) -> Role {
    let rate = Rate {
        calls: 1,
        per: Duration::from_secs(1),
    };
    Role::new("role".into(), date!(2030 - 01 - 01), rate).with_rules(rules)
}

fn target(text: &str) -> Target {
    let [method_text, authority, path] = text.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{text}: three words");
    };
    let (host, port) = Authority::parse(authority).unwrap().into_parts();
    let path = Path::parse(path).unwrap();
    let port = port.unwrap_or(443);
    Target::new(method(method_text), Scheme::Https, host, port, path, None)
}

/// The nearest of these rules, numbered from 0, and what it says.
fn told(rules: &[&str], asked: &str) -> String {
    let rules = rules.iter().enumerate();
    let role = role(rules.map(|(n, text)| allow(&n.to_string(), text)).collect());
    let target = target(asked);
    let nearest = role.nearest(&target).unwrap();
    let said = nearest.unmatched.iter();
    let said: Vec<String> = said
        .map(|unmatched| format!("{}: {unmatched}", unmatched.part.as_str()))
        .collect();
    format!("{} | {}", nearest.rule.name, said.join(" | "))
}

#[test]
fn the_host_comes_before_the_port_and_both_before_all_else() {
    let rules = [
        "GET other.test /v1/x",
        "GET a.test:8443 /v1/x",
        "POST a.test /v2/**",
    ];
    insta::assert_snapshot!(told(&rules, "GET a.test /v1/x"), @"2 | method: GET is asked, the rule takes POST | path: `v1` is asked, `v2` stands in segment 1 of /v2/**");
    insta::assert_snapshot!(told(&rules[..2], "GET a.test /v1/x"), @"1 | port: 443 is asked, the rule names 8443");
    insta::assert_snapshot!(told(&rules[..1], "GET a.test /v1/x"), @"0 | host: a.test is asked, the rule names other.test");
    insta::assert_snapshot!(told(&["GET b.example /x", "GET *.a.test /y"], "GET x.y.a.test /x"), @"1 | host: x.y.a.test is asked, the rule names *.a.test | path: `x` is asked, `y` stands in segment 1 of /y");
}

#[test]
fn the_path_that_goes_along_furthest_is_nearest() {
    let rules = [
        "GET a.test /repos/acme/*/pulls",
        "GET a.test /repos/other/*/issues",
        "POST a.test /repos/acme/*/issues/**",
    ];
    insta::assert_snapshot!(told(&rules, "GET a.test /repos/acme/site/issues/7"), @"2 | method: GET is asked, the rule takes POST");
    insta::assert_snapshot!(told(&rules[..2], "GET a.test /repos/acme/site/issues/7"), @"0 | path: `issues` is asked, `pulls` stands in segment 4 of /repos/acme/*/pulls");
}

#[test]
fn between_equals_the_first_in_the_file_is_taken() {
    let rules = ["GET a.test /a", "GET a.test /b", "PUT a.test /b"];
    insta::assert_snapshot!(told(&rules, "GET a.test /c"), @"0 | path: `c` is asked, `a` stands in segment 1 of /a");
}

#[test]
fn an_encoded_slash_is_a_part_of_its_own() {
    insta::assert_snapshot!(told(&["GET a.test /p/*"], "GET a.test /p/a%2Fb"), @"0 | encoded slash: %2F is asked, which the rule takes only with encoded_slash: allow");
}

#[test]
fn a_rule_that_names_nothing_is_near_to_nothing() {
    let mut empty = allow("empty", "GET a.test /a");
    empty.hosts.clear();
    empty.paths.clear();
    let role = role(vec![empty]);
    let target = target("GET a.test /a");
    let nearest = role.nearest(&target).unwrap();
    let said: Vec<String> = nearest.unmatched.iter().map(Unmatched::to_string).collect();
    assert_eq!(
        said,
        [
            "the rule names no host",
            "the rule names no host",
            "the rule names no path"
        ]
    );
}

#[test]
fn a_deny_rule_is_never_the_nearest() {
    let denies = rule("deny", Effect::Deny, "GET a.test /a");
    let role = role(vec![denies]);
    assert!(role.nearest(&target("GET a.test /b")).is_none());
}

fn texts() -> impl Strategy<Value = String> {
    let methods = select(vec!["GET", "POST", "GET,HEAD"]);
    let hosts = select(vec!["a.test", "b.a.test", "*.a.test", "a.test:8443"]);
    let paths = select(vec!["/**", "/a", "/a/*", "/a/b/**", "/a/b/", "/c"]);
    (methods, hosts, paths).prop_map(|(m, h, p)| format!("{m} {h} {p}"))
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let one = (texts(), any::<bool>()).prop_map(|(text, slash)| Rule {
        encoded_slash: slash,
        ..allow("r", &text)
    });
    prop::collection::vec(one, 1..6)
}

fn targets() -> impl Strategy<Value = Target> {
    let methods = select(vec!["GET", "POST", "HEAD"]);
    let hosts = select(vec!["a.test", "b.a.test", "c.test", "a.test:8443"]);
    let paths = select(vec![
        "/", "/a", "/a/", "/a/b", "/a/b/c", "/a/x%2Fy", "/A", "/c/d",
    ]);
    (methods, hosts, paths).prop_map(|(m, h, p)| target(&format!("{m} {h} {p}")))
}

fn numbered(rules: Vec<Rule>) -> Vec<Rule> {
    let rules = rules.into_iter().enumerate();
    rules
        .map(|(n, rule)| Rule {
            name: n.to_string().into(),
            ..rule
        })
        .collect()
}

proptest! {
    #[test]
    fn nothing_is_unmatched_exactly_where_the_rule_names_the_call(rules in rules(), target in targets()) {
        for rule in &rules {
            let nothing = Nearest::of(rule, &target).unmatched.is_empty();
            prop_assert_eq!(nothing, matches!(rule.names(&target), Match::Yes));
        }
    }

    #[test]
    fn the_nearest_rule_has_nothing_unmatched_exactly_if_the_call_is_allowed(
        rules in rules(),
        target in targets(),
    ) {
        let role = role(numbered(rules));
        let verdict = role.verdict(&target, date!(2026 - 01 - 01));
        let nearest = role.nearest(&target).expect("there are rules");
        match verdict {
            Ok(allowed) => {
                prop_assert!(nearest.unmatched.is_empty());
                prop_assert_eq!(&nearest.rule.name, &allowed.rule.name);
            }
            Err(denial) => {
                prop_assert!(!nearest.unmatched.is_empty());
                let only_slash = nearest.unmatched.iter().all(|one| one.part == Part::EncodedSlash);
                prop_assert_eq!(only_slash, matches!(denial, Denial::Spoiled(Spoiled::EncodedSlash)));
            }
        }
    }

    #[test]
    fn a_further_rule_becomes_the_nearest_or_changes_nothing(
        rules in rules(),
        further in texts(),
        at in any::<prop::sample::Index>(),
        target in targets(),
    ) {
        let before = role(numbered(rules.clone()));
        let mut more = numbered(rules);
        more.insert(at.index(more.len() + 1), allow("further", &further));
        let after = role(more);
        let (before, after) = (before.nearest(&target).unwrap(), after.nearest(&target).unwrap());
        if &*after.rule.name == "further" {
            prop_assert!(after.nearness >= before.nearness);
        } else {
            prop_assert_eq!(&after.rule.name, &before.rule.name);
        }
    }
}
