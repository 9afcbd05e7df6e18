//! What is injected is a subset of what is enforced, for whatever rules, catalogues and requests there are.
//!
//! Each case takes the gate's own way from the bytes of a request to what would leave. What should happen is worked out
//! a second time from the words of the case, by other means. Cases are made of few words, so that they often meet.

use std::{
    cell::Cell, convert::Infallible, fs::Permissions, net::IpAddr, os::unix::fs::PermissionsExt,
    sync::Mutex,
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use tempfile::TempDir;
use time::{Date, macros::date};
use tokio::{io::AsyncWriteExt, sync::oneshot};

use super::{binding::Binding, header::HeaderTemplate, placement::Placement, query::Parameter, *};
use crate::{
    credential::{Credential, Entry, LeaseNames, Source},
    limit::{Bucket, Limits},
    scope::{
        Effect, Grant, HostPattern, NamePattern, PathPattern, Rate, Role, Rule, RuleLimit, Verb,
        Written,
    },
    target::{
        Method,
        asked::{Asked, Ingress},
    },
    upstream::{Resolver, resolve::Pins},
};

const TODAY: Date = date!(2026 - 11 - 25);
const HOSTS: [&str; 3] = ["a.test", "x.a.test", "y.x.a.test"];
/// What is usual comes more often.
const PORTS: [u16; 5] = [443, 443, 443, 80, 8443];
const METHODS: [Method; 3] = [Method::Get, Method::Post, Method::Delete];
const SEGMENTS: [&str; 4] = ["v1", "public", "admin", "Admin"];
const SECRETS: [&str; 2] = ["s3cret-of-the-first", "s3cret-of-the-second"];
const NAMES: [&str; 2] = ["first", "second"];

/// A host of a rule or of the catalogue; wild is one more label.
#[derive(Debug, Clone)]
struct Named {
    wild: bool,
    host: &'static str,
    port: u16,
}

#[derive(Debug, Clone)]
struct Words {
    denies: bool,
    hosts: Vec<Named>,
    methods: Vec<Method>,
    /// `*` is any segment.
    segments: Vec<&'static str>,
    open: bool,
    credential: Option<usize>,
}

#[derive(Debug, Clone)]
struct Call {
    method: Method,
    /// Whether it comes through a tunnel, and not in clear.
    tunnel: bool,
    host: &'static str,
    port: Option<u16>,
    segments: Vec<&'static str>,
    /// Which letters are escaped, over and over.
    escaped: Vec<bool>,
    /// Whether the place is listed as one that is spoken to in clear.
    cleartext: bool,
}

#[derive(Debug, Clone)]
struct Case {
    rules: Vec<Words>,
    /// Of each credential: whether it is for the role, and for which hosts.
    bindings: Vec<(bool, Vec<Named>)>,
    call: Call,
    /// What the rule is linked with, if not with what it names.
    mislinked: Option<Option<usize>>,
}

fn named() -> impl Strategy<Value = Named> {
    let words = (any::<bool>(), select(&HOSTS[..]), select(&PORTS[..]));
    words.prop_map(|(wild, host, port)| Named { wild, host, port })
}

fn words() -> impl Strategy<Value = Words> {
    let any_segment = prop_oneof![3 => select(&SEGMENTS[..]), 1 => Just("*")];
    let words = (
        prop::bool::weighted(0.2),
        vec(named(), 1..4),
        vec(select(&METHODS[..]), 1..4),
        vec(any_segment, 0..2),
        any::<bool>(),
        prop_oneof![1 => Just(None), 4 => (0..NAMES.len()).prop_map(Some)],
    );
    words.prop_map(
        |(denies, hosts, methods, segments, open, credential)| Words {
            denies,
            hosts,
            methods,
            segments,
            open,
            credential,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let words = (
        (select(&METHODS[..]), any::<bool>(), select(&HOSTS[..])),
        prop::option::of(select(&PORTS[..])),
        vec(select(&SEGMENTS[..]), 0..4),
        vec(any::<bool>(), 8),
        prop::bool::weighted(0.1),
    );
    words.prop_map(
        |((method, tunnel, host), port, segments, escaped, cleartext)| Call {
            method,
            tunnel,
            host,
            port,
            segments,
            escaped,
            cleartext,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let binding = (prop::bool::weighted(0.8), vec(named(), 1..6));
    let words = (
        vec(words(), 1..6),
        vec(binding, NAMES.len()),
        call(),
        prop::option::weighted(0.4, prop::option::of(0..NAMES.len())),
    );
    words.prop_map(|(rules, bindings, call, mislinked)| Case {
        rules,
        bindings,
        call,
        mislinked,
    })
}

impl Named {
    fn is(&self, (host, port): (&str, u16)) -> bool {
        let same = match self.wild {
            true => host
                .split_once('.')
                .is_some_and(|(_, rest)| rest == self.host),
            false => host == self.host,
        };
        same && port == self.port
    }

    fn pattern(&self) -> HostPattern {
        let name = match self.wild {
            true => NamePattern::OneLabel(self.host.into()),
            false => NamePattern::Exact(Host::parse(self.host).unwrap()),
        };
        HostPattern {
            name,
            port: self.port,
        }
    }
}

impl Words {
    fn names(&self, call: &Call) -> bool {
        let begins = |same: fn(&str, &str) -> bool| {
            let pairs = self.segments.iter().zip(&call.segments);
            call.segments.len() >= self.segments.len()
                && pairs
                    .into_iter()
                    .all(|(own, its)| *own == "*" || same(own, its))
        };
        let (own, its) = (self.segments.len(), call.segments.len());
        let path = match (self.denies, self.open) {
            (true, true) => begins(str::eq_ignore_ascii_case) && its > own,
            (true, false) => begins(str::eq_ignore_ascii_case),
            (false, true) => begins(|own, its| own == its) && its > own,
            (false, false) => begins(|own, its| own == its) && its == own,
        };
        path && self.methods.contains(&call.method)
            && self.hosts.iter().any(|host| host.is(call.place()))
    }

    fn rule(&self) -> Rule {
        let mut path = self
            .segments
            .iter()
            .map(|segment| format!("/{segment}"))
            .collect::<String>();
        path += match (self.open, path.is_empty()) {
            (true, _) => "/**",
            (false, true) => "/",
            (false, false) => "",
        };
        let grant = Grant {
            verb: Verb::Write,
            credential: self.credential.map(|number| NAMES[number].into()),
            cookies: false,
            headers: None,
            query: None,
            limit: None,
        };
        Rule {
            name: "rule".into(),
            effect: if self.denies {
                Effect::Deny
            } else {
                Effect::Allow(grant)
            },
            hosts: self.hosts.iter().map(Named::pattern).collect(),
            methods: self.methods.iter().copied().collect(),
            paths: vec![PathPattern::parse(&path).unwrap()],
            encoded_slash: false,
            written: Written {
                file: "role.yaml".into(),
                line: 1,
            },
        }
    }
}

impl Call {
    /// In clear, no port and 80 stand for 443, unless the place is spoken to in clear.
    fn place(&self) -> (&'static str, u16) {
        let port = match (self.tunnel, self.port, self.cleartext) {
            (true, port, _) => port.unwrap_or(443),
            (false, port, true) => port.unwrap_or(80),
            (false, None | Some(80), false) => 443,
            (false, Some(port), false) => port,
        };
        (self.host, port)
    }

    fn in_clear(&self) -> bool {
        self.cleartext && !self.tunnel
    }

    fn text(&self) -> String {
        let mut escaped = self.escaped.iter().copied().cycle();
        let mut path = String::new();
        for byte in format!("/{}", self.segments.join("/")).bytes() {
            match byte.is_ascii_alphanumeric() && escaped.next() == Some(true) {
                true => path += &format!("%{byte:02x}"),
                false => path.push(char::from(byte)),
            }
        }
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        let authority = format!("{}{port}", self.host);
        let scheme = if self.tunnel {
            String::new()
        } else {
            format!("http://{authority}")
        };
        format!(
            "{} {scheme}{path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer agents-own\r\n\r\n",
            self.method
        )
    }

    fn ingress(&self) -> Ingress {
        match self.tunnel {
            true => Ingress::Tunnel {
                host: Host::parse(self.host).unwrap(),
                port: self.place().1,
                clear: false,
            },
            false => Ingress::Open,
        }
    }
}

impl Case {
    /// What the rules say: nothing, or the credential that goes along, if one does.
    fn allowed(&self) -> Option<Option<usize>> {
        let mut naming = self.rules.iter().filter(|rule| rule.names(&self.call));
        if naming.clone().any(|rule| rule.denies) {
            return None;
        }
        naming.next().map(|rule| rule.credential)
    }

    /// Whether the catalogue lets this credential go along.
    fn binds(&self, number: usize) -> bool {
        let (for_role, hosts) = &self.bindings[number];
        let there = hosts.iter().any(|host| host.is(self.call.place()));
        *for_role && there && !self.call.in_clear()
    }

    fn role(&self) -> Arc<Role> {
        let rate = Rate {
            calls: 1,
            per: Duration::from_secs(1),
        };
        let rules = self.rules.iter().map(Words::rule).collect();
        Arc::new(Role::new("r1".into(), TODAY, rate).with_rules(rules))
    }
}

/// What outlives a case.
struct Gate {
    bucket: Arc<Bucket>,
    resolver: Resolver,
    pins: Pins,
    entries: Vec<Entry>,
    _dir: TempDir,
}

impl Gate {
    fn new() -> Gate {
        let unlimited = RuleLimit {
            rate: None,
            burst: None,
            in_flight: None,
        };
        let public: Arc<[IpAddr]> = Arc::from(["93.184.216.34".parse().unwrap()]);
        let pins = HOSTS.map(|host| (Host::parse(host).unwrap(), public.clone()));
        let header = Placement::Header {
            name: names::AUTHORIZATION,
            template: HeaderTemplate::parse("Bearer {token}").unwrap(),
        };
        let places = [
            header,
            Placement::Query(Parameter::parse("app_id").unwrap()),
        ];
        let dir = TempDir::new().unwrap();
        let day = Duration::from_secs(24 * 3600);
        let lease_names = LeaseNames::random().unwrap();
        let secrets = SECRETS.iter().enumerate().zip(places);
        let entries = secrets.map(|((number, secret), place)| {
            let path = dir.path().join(number.to_string());
            std::fs::write(&path, secret).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            Entry::new(Source::File { path }, place, day, lease_names.clone())
        });
        Gate {
            bucket: Limits::default().bucket("role".to_owned(), unlimited),
            resolver: Resolver::new(&[], Arc::from([])).unwrap(),
            pins: pins.into(),
            entries: entries.collect(),
            _dir: dir,
        }
    }

    fn credential(&self, case: &Case, number: usize) -> Arc<Credential> {
        let (for_role, hosts) = &case.bindings[number];
        let role = if *for_role { "r1" } else { "r2" };
        Arc::new(Credential {
            name: NAMES[number].into(),
            role: None,
            binding: Binding {
                roles: vec![role.into()],
                hosts: hosts.iter().map(Named::pattern).collect(),
            },
            source: "file",
            entry: self.entries[number].clone(),
        })
    }

    /// What leaves for the case, if anything does.
    async fn outbound(&self, case: &Case) -> Option<Outbound> {
        let request = received(case.call.text()).await;
        let cleartext = |_: &Host, _| case.call.cleartext;
        let asked = Asked::read(request, &case.call.ingress(), cleartext).unwrap();
        let permit = Permit::judge(&case.role(), asked, TODAY).ok()?;
        let named = permit.grant().credential.as_deref();
        let named = named.and_then(|name| NAMES.iter().position(|known| *known == name));
        let admission = Admission::admit(permit, None, &self.bucket).unwrap();
        let route = self.resolver.resolve(&admission, &self.pins, |_| false);
        let route = route.await.unwrap();
        let loan = match case.mislinked.unwrap_or(named) {
            Some(number) => Some(
                self.credential(case, number)
                    .lend(&admission)
                    .await
                    .unwrap(),
            ),
            None => None,
        };
        Outbound::build(admission, route, loan, Duration::from_secs(1)).ok()
    }
}

/// The request that hyper makes of `text`.
async fn received(text: String) -> Request<Incoming> {
    let (mut agent, gate) = tokio::io::duplex(4096);
    agent.write_all(text.as_bytes()).await.unwrap();
    let (tell, told) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let service = service_fn(move |request| {
        let tell = tell.lock().unwrap().take();
        async move {
            let _ = tell.unwrap().send(request);
            std::future::pending::<Result<http::Response<String>, Infallible>>().await
        }
    });
    let serving = tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(gate), service));
    let request = told.await.unwrap();
    serving.abort();
    request
}

/// Which secrets the request holds.
fn held(outbound: &Outbound) -> Vec<usize> {
    let request = &outbound.request;
    let values = request.headers().values().map(HeaderValue::as_bytes);
    let whole: Vec<u8> = values
        .chain([request.uri().to_string().as_bytes()])
        .collect::<Vec<_>>()
        .join(&b'\n');
    let whole = String::from_utf8_lossy(&whole);
    let held = |number: &usize| whole.contains(SECRETS[*number]);
    (0..SECRETS.len()).filter(held).collect()
}

#[test]
fn a_credential_goes_along_where_a_rule_names_it_and_the_catalogue_binds_it_and_nowhere_else() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let gate = Gate::new();
    let (injected, tempted) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&case(), |case| {
        let sent = runtime.block_on(gate.outbound(&case));
        let held = sent.as_ref().map(held);
        let allowed = case.allowed();
        let linked = case.mislinked.is_none_or(|linked| Some(linked) == allowed);
        let expected = match allowed {
            Some(Some(number)) if linked && case.binds(number) => Some(vec![number]),
            Some(None) if linked => Some(Vec::new()),
            Some(_) | None => None,
        };
        injected
            .set(injected.get() + usize::from(expected.as_ref().is_some_and(|e| !e.is_empty())));
        let strange = case
            .mislinked
            .flatten()
            .filter(|_| allowed.is_some() && !linked);
        tempted.set(tempted.get() + usize::from(strange.is_some_and(|other| case.binds(other))));
        prop_assert_eq!(held, expected, "{}", case.call.text());
        Ok(())
    });
    outcome.unwrap();
    // Of each kind there were so many that a gate without a check would have been found out.
    let (injected, tempted) = (injected.get(), tempted.get());
    assert!(injected > 50, "only {injected} cases injected");
    assert!(tempted > 5, "only {tempted} cases offered another's");
}
