//! A gate with everything around it, built in one sentence:
//! `World::new().role("reader", "GET api.a.test/v1/**").start().await`.
//!
//! Every host of a rule gets an upstream of its own on a loopback address of its own (all on one port), a
//! name in a scripted DNS and a certificate of a test CA; `evil.test` and `denied.test` are always there and
//! must never be reached. A test ends with [`World::finish`], which checks what must hold after all of them.

pub(crate) mod admin;
pub(crate) mod agent;
pub(crate) mod blackhole;
pub(crate) mod builder;
pub(crate) mod canary;
pub(crate) mod der;
pub(crate) mod dns;
pub(crate) mod engines;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod hello;
pub(crate) mod http1;
pub(crate) mod nginx;
pub(crate) mod openssl;
pub(crate) mod patience;
pub(crate) mod pki;
pub(crate) mod programs;
pub(crate) mod proxy;
pub(crate) mod recorder;
pub(crate) mod script;
mod self_test;
pub(crate) mod settings;
pub(crate) mod tape;
pub(crate) mod vault;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use serde_json::Value;
use tempfile::TempDir;
use tollgate::refusal::Reason;

use agent::{Agent, Answer, Sockets};
use builder::Builder;
use canary::Canaries;
use dns::Dns;
use events::Events;
use gate::{Gate, Launch};
use patience::until;
use pki::{Identity, Pki};
use recorder::Recorder;
use settings::{CATALOGUE, Places};
use tape::Tapes;
use vault::Vault;

/// Hosts that no rule of any test allows; a connection to one of them fails the test.
const FORBIDDEN: [&str; 2] = ["denied.test", "evil.test"];

/// A gate and everything around it.
pub(crate) struct World {
    pub(crate) gate: Gate,
    pub(crate) events: Events,
    pub(crate) dns: Dns,
    pub(crate) pki: Arc<Pki>,
    pub(crate) canaries: Canaries,
    /// The port of every upstream.
    pub(crate) port: u16,
    places: Places,
    dir: TempDir,
    listen: SocketAddr,
    upstreams: BTreeMap<String, Recorder>,
    vault: Option<Vault>,
    secrets: BTreeMap<String, String>,
    received: Tapes,
    sockets: Sockets,
    quiet_descriptors: usize,
    finished: bool,
}

impl World {
    #[allow(
        clippy::new_ret_no_self,
        reason = "a sentence about a world begins with it"
    )]
    pub(crate) fn new() -> Builder {
        Builder::new()
    }

    /// The agent that plays `role`.
    pub(crate) fn agent(&self, role: &str) -> Agent {
        self.agent_showing(Some(self.pki.agent(role)))
    }

    /// An agent with this certificate, or with none.
    pub(crate) fn agent_showing(&self, identity: Option<Identity>) -> Agent {
        Agent {
            gate: self.listen,
            identity: identity.map(Arc::new),
            pki: self.pki.clone(),
            port: self.port,
            received: self.received.clone(),
            sockets: self.sockets.clone(),
        }
    }

    pub(crate) fn upstream(&self, host: &str) -> &Recorder {
        &self.upstreams[host]
    }

    pub(crate) fn vault(&self) -> &Vault {
        self.vault
            .as_ref()
            .expect("the world was built with a vault")
    }

    /// `host` with the port of the upstreams.
    pub(crate) fn at(&self, host: &str) -> String {
        format!("{host}:{}", self.port)
    }

    /// The secret of a catalogue entry, as it is now.
    pub(crate) fn secret(&self, name: &str) -> &str {
        &self.secrets[name]
    }

    /// Gives a catalogue entry a new secret; the old one stays a secret.
    pub(crate) fn rotate(&mut self, name: &str) {
        let (_, host, _) = CATALOGUE.iter().find(|(its, ..)| *its == name).unwrap();
        let value = self.canaries.add(Some(host));
        builder::hand_out(self.dir.path(), self.vault.as_ref(), name, &value);
        self.secrets.insert(name.to_owned(), value);
    }

    /// Writes other settings over those of the gate, and tells nobody.
    pub(crate) fn becomes(&self, other: Builder) {
        other.write_over(self.dir.path(), &self.places);
    }

    /// Has the gate read its settings again; returns what it says of that.
    pub(crate) async fn reload(&self) -> String {
        let told = self.reloads().len();
        self.gate.signal("HUP");
        until("the end of a reload", || self.reloads().get(told).cloned()).await
    }

    /// What the gate said of each reload.
    pub(crate) fn reloads(&self) -> Vec<String> {
        let speech = self.gate.stderr();
        let told = speech.lines().filter(|line| line.contains("reloaded: "));
        told.map(str::to_owned).collect()
    }

    /// The directory of the settings.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the gate listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Waits for an event.
    pub(crate) async fn event_where(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.events.first(what, wanted).await
    }

    /// Waits for so many events that refuse for `reason`; returns the last.
    pub(crate) async fn refusals(&self, reason: Reason, count: usize) -> Value {
        let what = format!("{count} events that refuse with {}", reason.code());
        until(&what, || {
            let mut events = self.events.of_kind("refused");
            events.retain(|event| event["decision"]["reason"] == reason.code());
            (events.len() >= count).then(|| events.pop()).flatten()
        })
        .await
    }

    /// `answer` says no for `reason` and in the documented shape.
    pub(crate) fn says_no(answer: &Answer, reason: Reason) {
        let problem = answer.problem();
        assert_eq!(problem["code"], reason.code(), "{problem}");
        assert_eq!(answer.status, reason.status());
        assert_eq!(problem["status"], reason.status());
        assert_eq!(problem["retryable"], reason.retryable());
        assert_eq!(problem["error"]["request_id"], problem["event"]);
        assert_eq!(answer.header("tollgate-event"), problem["event"].as_str());
        assert_eq!(answer.header("x-request-id"), problem["event"].as_str());
        assert_eq!(answer.header("tollgate-reason"), Some(reason.code()));
        assert_eq!(problem["error"]["type"], reason.code());
        let message = problem["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason.sentence()), "{message}");
        if matches!(reason.status(), 429 | 503) {
            let seconds = answer.header("retry-after").expect("when to try again");
            assert!(seconds.parse::<u32>().unwrap() > 0, "{seconds}");
        }
    }

    /// `answer` says no for `reason`, and its event says the same; returns the event. More than ten a second are
    /// not written one by one.
    pub(crate) async fn refused(&self, answer: &Answer, reason: Reason) -> Value {
        World::says_no(answer, reason);
        let problem = answer.problem();
        let what = format!("the event {} of a refusal", problem["event"]);
        let event = self.event_where(&what, |event| {
            event["kind"] == "refused" && event["id"] == problem["event"]
        });
        let event = event.await;
        assert_eq!(event["decision"]["reason"], reason.code(), "{event}");
        event
    }

    /// Waits until the gate takes no new connection.
    pub(crate) async fn no_longer_listens(&self) {
        until("the end of the listener", || {
            std::net::TcpStream::connect(self.listen)
                .is_err()
                .then_some(())
        })
        .await;
    }

    /// Ends the gate as a power cut would, and starts another one with the same settings, whose events alone are those
    /// of the world.
    pub(crate) async fn starts_again(&mut self) {
        self.gate.kill();
        self.events.begin_anew();
        self.gate = Gate::start(self.dir.path(), Launch::default());
        self.listen = self.gate.listening(&self.events).await;
        self.quiet_descriptors = self.gate.descriptors();
    }

    /// Notes bytes that another program received as an agent.
    pub(crate) fn agent_received(&self, bytes: &[u8]) {
        self.received.start().record(bytes);
    }

    /// Nothing came out of the gate: no name was asked, no upstream reached, no secret read.
    pub(crate) fn nothing_left_the_gate(&self) {
        assert_eq!(self.dns.queries_in_all(), 0, "names were resolved");
        for upstream in self.upstreams.values() {
            assert_eq!(
                upstream.connections().len(),
                0,
                "{} was reached",
                upstream.host()
            );
        }
        if let Some(vault) = &self.vault {
            assert_eq!(vault.reads_in_all(), 0, "secrets were read");
        }
    }

    /// Ends the gate as a service manager would and checks what must hold after every test.
    pub(crate) async fn finish(self) {
        self.sockets.close();
        for upstream in self.upstreams.values() {
            upstream.close();
        }
        if let Some(vault) = &self.vault {
            vault.close();
        }
        self.gate
            .descriptors_return_to(self.quiet_descriptors)
            .await;
        self.gate.signal("TERM");
        self.finish_ended(0).await;
    }

    /// The same for a gate that a test has told to end already, with the exit code that is due.
    pub(crate) async fn finish_ended(mut self, code: i32) {
        let status = self.gate.ended().await;
        assert_eq!(status.code(), Some(code), "the gate's exit");
        self.event_where("the event `stopped`", |event| event["kind"] == "stopped")
            .await;
        self.events.check();
        self.no_secret_strayed();
        self.every_call_was_announced();
        for host in FORBIDDEN {
            assert_eq!(
                self.upstream(host).connections().len(),
                0,
                "{host} was reached"
            );
        }
        self.finished = true;
    }

    /// No secret is where it may not be, in any form.
    fn no_secret_strayed(&self) {
        let nowhere = self.canaries.forbidden_to(None);
        for tape in self.received.all() {
            let bytes = tape.bytes();
            assert_eq!(
                nowhere.find(&bytes),
                None,
                "an agent received {}",
                text(&bytes)
            );
        }
        assert_eq!(nowhere.find(&self.events.bytes()), None, "in the events");
        assert_eq!(
            nowhere.find(self.gate.stderr().as_bytes()),
            None,
            "on stderr"
        );
        for upstream in self.upstreams.values() {
            let others = self.canaries.forbidden_to(Some(upstream.host()));
            for connection in upstream.connections() {
                let bytes = connection.received.bytes();
                assert_eq!(
                    others.find(&bytes),
                    None,
                    "{} received {}",
                    upstream.host(),
                    text(&bytes)
                );
            }
        }
    }

    /// Whatever reached an upstream had its permit written before.
    fn every_call_was_announced(&self) {
        for upstream in self.upstreams.values() {
            let unannounced = upstream.unannounced();
            assert!(
                unannounced.is_empty(),
                "no permit before {unannounced:?} at {}",
                upstream.host()
            );
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.gate.kill();
        if std::thread::panicking() {
            let events = self.events.bytes();
            eprintln!(
                "--- events\n{}--- stderr, its end\n{}",
                text(&events),
                tail(&self.gate.stderr())
            );
        } else if !self.finished {
            panic!("a test ends with `world.finish().await`");
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(20_000)]).into_owned()
}

fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(6_000);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
