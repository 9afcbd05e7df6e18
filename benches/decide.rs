//! One decision, against more and more rules and roles that do not concern it: it must stay flat, and must not
//! allocate. `cargo bench --bench decide`; the columns to compare are rows of one run, never two runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use divan::{AllocProfiler, Bencher, black_box};
use time::macros::date;
use tollgate::{
    identity::SpiffeId,
    scope::{
        Effect, Grant, HostPattern, NamePattern, PathPattern, Rate, Role, Rule, Verb, Written,
    },
    target::{Host, Method, Methods, Path, Scheme, Target},
};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// The decision of a role with `rules` rules, all but one for other hosts.
#[divan::bench(args = [1, 100, 10_000])]
fn rules_in_a_role(bencher: Bencher<'_, '_>, rules: usize) {
    let role = role(rules);
    let target = target();
    bencher.bench(|| {
        black_box(&role)
            .verdict(black_box(&target), date!(2026 - 01 - 01))
            .is_ok()
    });
}

/// The same for the role of one identity among `roles`.
#[divan::bench(args = [1, 1_000])]
fn roles(bencher: Bencher<'_, '_>, roles: usize) {
    let by_identity: HashMap<SpiffeId, Arc<Role>> = (0..roles)
        .map(|n| (identity(n), Arc::new(role(10))))
        .collect();
    let caller = identity(roles / 2);
    let target = target();
    bencher.bench(|| {
        let role = by_identity
            .get(black_box(&caller))
            .expect("the identity was put in");
        role.verdict(black_box(&target), date!(2026 - 01 - 01))
            .is_ok()
    });
}

/// A refusal: no rule names the host.
#[divan::bench(args = [1, 100, 10_000])]
fn refusal(bencher: Bencher<'_, '_>, rules: usize) {
    let role = role(rules);
    let path = Path::parse("/v1/issues").expect("canonical");
    let host = Host::parse("nowhere.test").expect("canonical");
    let target = Target::new(Method::Get, Scheme::Https, host, 443, path, None);
    bencher.bench(|| {
        black_box(&role)
            .verdict(black_box(&target), date!(2026 - 01 - 01))
            .is_err()
    });
}

fn identity(n: usize) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://bench.test/agent/{n}")).expect("canonical")
}

fn target() -> Target {
    let path = Path::parse("/repos/acme/site/issues/7").expect("canonical");
    Target::new(
        Method::Get,
        Scheme::Https,
        Host::parse("api.a.test").expect("canonical"),
        443,
        path,
        None,
    )
}

fn role(rules: usize) -> Role {
    let limit = Rate {
        calls: 600,
        per: Duration::from_secs(60),
    };
    let others = (1..rules).map(|n| rule(&format!("host-{n}.test")));
    Role::new("bench".into(), date!(2099 - 01 - 01), limit)
        .with_rules(others.chain([rule("api.a.test")]).collect())
}

fn rule(host: &str) -> Rule {
    Rule {
        name: host.into(),
        effect: Effect::Allow(Grant {
            cookies: false,
            verb: Verb::Read,
            credential: None,
            headers: None,
            query: None,
            limit: None,
        }),
        hosts: vec![HostPattern {
            name: NamePattern::Exact(Host::parse(host).expect("canonical")),
            port: 443,
        }],
        methods: Methods::from_iter([Method::Get]),
        paths: vec![PathPattern::parse("/repos/acme/*/issues/**").expect("canonical")],
        encoded_slash: false,
        written: Written {
            file: "bench".into(),
            line: 1,
        },
    }
}
