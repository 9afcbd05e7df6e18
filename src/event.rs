//! What is written for a call: one JSON object a line, schema `tollgate.event/1` (`config/event.schema.json`).
//!
//! A [`Record`] is opened before anything else happens to a call and closed by exactly one final event, `refused`
//! or `ended`, however the call ends: if nobody closes it, its drop does. Room for its lines is reserved when it
//! is opened. Nothing here holds a secret, and what an agent wrote appears only escaped and cut to a length.
//! What the gate says of itself goes through `tracing` and shares nothing with this.

mod counted;
mod line;
mod log;
mod shape;
mod sink;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use self::{counted::Window, shape::CallerFields};
pub(crate) use self::{
    line::Fields,
    log::{Log, Room, Unavailable, Writer},
    shape::{Kind, printable},
    sink::Sink,
};
use crate::{
    identity::certificate::Caller,
    limit::Admission,
    metrics::{Metrics, OpenCall, RoleCounts, StatusClass},
    outcome::{Cut, Outcome},
    refusal::{Reason, Refusal},
    scope::{Permit, Verb, Written},
    snapshot::Passage,
    target::{Destination, Host, Target, asked::Seen},
};

/// The schema of every line.
pub(crate) const SCHEMA: &str = "tollgate.event/1";

/// What must be on record before the first byte goes upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Calls of verb write or execute, and everything that upgrades or tunnels.
    Writes,
    /// Every call.
    All,
}

impl Intent {
    /// Whether a call that a rule of this verb allows is on record before it leaves.
    pub(crate) fn covers(self, verb: Option<Verb>) -> bool {
        match self {
            Intent::All => true,
            Intent::Writes => verb != Some(Verb::Read),
        }
    }
}

/// A call's open record; see the module.
#[derive(Debug)]
pub(crate) struct Record(Box<Open>);

#[derive(Debug)]
struct Open {
    room: Room,
    id: String,
    begun: Instant,
    closed: bool,
    /// Whether the call is on record as allowed, so that its end must be too.
    announced: bool,
    window: Arc<Window>,
    cut: Cut,
    snapshot: Arc<str>,
    caller: Option<CallerFields>,
    role: Option<Fields>,
    /// The call among those of its role.
    counted: Option<OpenCall>,
    asked: Option<AskedFor>,
    rule: Option<Fields>,
    /// Of the rule that allows the call.
    verb: Option<Verb>,
    credential: Option<CredentialUsed>,
    remaining: Option<u32>,
    upstream: Upstream,
    spent: Spent,
}

/// What was asked for, canonical if it could be read.
#[derive(Debug)]
enum AskedFor {
    Read(Arc<Target>),
    /// A tunnel, but nothing inside it.
    Tunnel(Host, u16),
    Seen(Seen),
}

/// Whom records are about: a caller, or connections that proved no identity.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    caller: Option<CallerFields>,
    window: Arc<Window>,
    cut: Cut,
}

impl Source {
    /// The source of a caller's records.
    pub(crate) fn of(log: &Log, caller: &Caller) -> Source {
        Source {
            caller: Some(CallerFields::of(caller)),
            window: log.window(caller.id.as_str()),
            cut: log.cut().part(),
        }
    }

    /// The source of records about connections without an identity.
    pub(crate) fn nobody(log: &Log) -> Source {
        Source {
            caller: None,
            window: log.window(""),
            cut: log.cut().part(),
        }
    }

    /// Where the end of the source's connection is told.
    pub(crate) fn cut(&self) -> &Cut {
        &self.cut
    }
}

/// A connection about which something is written that is about no call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection<'a> {
    /// Whose it is.
    pub(crate) source: &'a Source,
    /// What is told of the role in which its caller acts, and where that role's calls are counted.
    pub(crate) role: Option<(&'a Fields, &'a Arc<RoleCounts>)>,
    /// Where the tunnel goes that it has become.
    pub(crate) tunnel: Option<(&'a Host, u16)>,
}

/// Which credential a call was made with; never its value.
#[derive(Debug, Clone)]
pub(crate) struct CredentialUsed {
    /// The name in the catalogue.
    pub(crate) name: Arc<str>,
    /// Where it comes from: `vault` or `file`.
    pub(crate) source: &'static str,
    /// What is told of the lease.
    pub(crate) lease: Fields,
}

#[derive(Debug, Default)]
struct Upstream {
    address: Option<SocketAddr>,
    via: Option<SocketAddr>,
    tls: Option<&'static str>,
    status: Option<u16>,
    sent_bytes: u64,
    answer_bytes: u64,
}

/// Microseconds from the start of the call to the end of each step.
#[derive(Debug, Default)]
struct Spent {
    decide: Option<u64>,
    credential: Option<u64>,
    connect: Option<u64>,
    first_byte: Option<u64>,
}

impl Record {
    /// Opens the record of a call, with room for its two lines.
    pub(crate) fn open(
        log: &Log,
        source: &Source,
        snapshot: &Arc<str>,
    ) -> Result<Record, Unavailable> {
        let room = log
            .reserve(log::LINES_PER_CALL, &source.window)
            .inspect_err(|_| {
                let metrics = log.metrics();
                metrics.refusals_unrecorded.count();
                metrics.nobody.refusals.count(Reason::AuditUnavailable);
            })?;
        Ok(Record(Box::new(Open {
            window: source.window.clone(),
            cut: source.cut.clone(),
            room,
            id: new_id(),
            begun: Instant::now(),
            closed: false,
            announced: false,
            snapshot: snapshot.clone(),
            caller: source.caller.clone(),
            role: None,
            counted: None,
            asked: None,
            rule: None,
            verb: None,
            credential: None,
            remaining: None,
            upstream: Upstream::default(),
            spent: Spent::default(),
        })))
    }

    /// The id of the call's events, which answers of the gate name.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// Notes what is told of the role in which the caller acts, and where its calls are counted.
    pub(crate) fn role(&mut self, role: &Fields, counts: &Arc<RoleCounts>) {
        self.0.role = Some(role.clone());
        self.0.counted = Some(counts.open());
    }

    /// Notes what the agent wrote, if it could not be read.
    pub(crate) fn seen(&mut self, seen: Seen) {
        let Seen {
            method,
            authority,
            path,
        } = seen;
        let [method, authority, path] = [method, authority, path].map(|text| shape::words(&text));
        self.0.asked = Some(AskedFor::Seen(Seen {
            method,
            authority,
            path,
        }));
    }

    /// Notes where the call goes.
    pub(crate) fn target(&mut self, target: &Arc<Target>) {
        self.0.asked = Some(AskedFor::Read(target.clone()));
    }

    /// Notes the place of a tunnel.
    fn tunnel(&mut self, host: &Host, port: u16) {
        self.0.asked = Some(AskedFor::Tunnel(host.clone(), port));
    }

    /// Notes the opaque tunnel that an exception allows, and the exception where events name a rule.
    pub(crate) fn passes(&mut self, passage: &Passage) {
        self.tunnel(passage.host(), passage.port());
        self.0.rule = Some(Fields::of_rule(
            "exception: tunnel",
            passage.written(),
            None,
        ));
        self.0.spent.decide = Some(self.elapsed());
    }

    /// Notes the rule that allows the call, of which `rule` is told.
    pub(crate) fn permitted(&mut self, permit: &Permit, rule: Fields) {
        self.0.rule = Some(rule);
        self.0.verb = Some(permit.grant().verb);
        self.0.spent.decide = Some(self.elapsed());
    }

    /// Notes the rule that denied the call.
    pub(crate) fn denied(&mut self, name: &str, written: &Written) {
        self.0.rule = Some(Fields::of_rule(name, written, None));
    }

    /// Notes what the limits left.
    pub(crate) fn admitted<P>(&mut self, admission: &Admission<P>) {
        self.0.remaining = Some(admission.remaining());
    }

    /// Notes the credential that goes with the call.
    pub(crate) fn credential(&mut self, used: CredentialUsed) {
        self.0.credential = Some(used);
        self.0.spent.credential = Some(self.elapsed());
    }

    /// Notes the connection on which the call leaves: the address that was checked, and that of the proxy.
    pub(crate) fn connected(
        &mut self,
        address: Option<SocketAddr>,
        via: Option<SocketAddr>,
        tls: Option<&'static str>,
    ) {
        self.0.upstream.address = address;
        self.0.upstream.via = via;
        self.0.upstream.tls = tls;
        self.0.spent.connect = Some(self.elapsed());
    }

    /// Notes that the upstream's answer began.
    pub(crate) fn answered(&mut self, status: u16) {
        self.0.upstream.status = Some(status);
        self.0.spent.first_byte = Some(self.elapsed());
    }

    /// Counts bytes of the answer's body.
    pub(crate) fn answer_bytes(&mut self, bytes: u64) {
        self.0.upstream.answer_bytes += bytes;
    }

    /// Sets the count of bytes of the request's body that were sent.
    pub(crate) fn sent_bytes(&mut self, bytes: u64) {
        self.0.upstream.sent_bytes = bytes;
    }

    /// Puts the call on record as `allowed` before it leaves, if `intent` asks for it.
    pub(crate) async fn allowed(&mut self, intent: Intent) -> Result<(), Unavailable> {
        if !intent.covers(self.0.verb) {
            return Ok(());
        }
        let line = self.0.line(Kind::Allowed, None, None);
        self.0.announced = true;
        self.0.room.hand_over(&line).await
    }

    /// Closes the record: the call was refused. Above a rate the refusals of one identity are counted instead, but
    /// for calls that are on record as allowed.
    pub(crate) fn refused(mut self, refusal: &Refusal) {
        self.0.closed = true;
        self.0.counts().refusals.count(refusal.reason);
        if self.0.announced || self.0.window.admits() {
            let line = self.0.line(Kind::Refused, Some(refusal), None);
            self.0.room.append(&line);
        } else {
            self.0.metrics().refusals_counted.count();
        }
    }

    /// Closes the record: the call was made and its answer went back whole.
    pub(crate) fn ended(self) {
        self.end(Outcome::Complete);
    }

    /// Closes the record: the call was made and the upstream broke it off, for which `outcome` is the word.
    pub(crate) fn broken(self, outcome: Outcome) {
        self.end(outcome);
    }

    /// Closes the record: the call was made, and its connection is gone or is being ended.
    pub(crate) fn aborted(self) {
        drop(self);
    }

    fn end(mut self, outcome: Outcome) {
        self.0.end(outcome);
    }

    fn elapsed(&self) -> u64 {
        micros(self.0.begun.elapsed())
    }
}

impl Open {
    fn end(&mut self, outcome: Outcome) {
        self.closed = true;
        self.count(outcome);
        let line = self.line(Kind::Ended, None, Some(outcome));
        self.room.append(&line);
    }

    fn count(&self, outcome: Outcome) {
        let (counts, metrics) = (self.counts(), self.metrics());
        counts.calls.count(outcome);
        if let Some(status) = self.upstream.status {
            counts.answers.count(StatusClass::of(status));
        }
        metrics.call_time.observe(micros(self.begun.elapsed()));
        if let Some(decide) = self.spent.decide {
            metrics.decide_time.observe(decide);
        }
        if let Some(first_byte) = self.spent.first_byte {
            metrics.first_byte_time.observe(first_byte);
        }
    }

    fn counts(&self) -> &RoleCounts {
        let of_role = self.counted.as_ref().map(OpenCall::counts);
        of_role.unwrap_or(&self.metrics().nobody)
    }

    fn metrics(&self) -> &Metrics {
        self.room.log().metrics()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.closed {
            let outcome = match std::thread::panicking() {
                true => Outcome::Defect,
                false => self.cut.outcome(),
            };
            self.end(outcome);
        }
    }
}

/// Writes that a handshake failed or a connection's bytes were no request: there is no call to record.
pub(crate) fn connection_refused(
    log: &Log,
    connection: Connection<'_>,
    snapshot: &Arc<str>,
    refusal: &Refusal,
) {
    if let Ok(mut record) = Record::open(log, connection.source, snapshot) {
        if let Some((role, counts)) = connection.role {
            record.role(role, counts);
        }
        if let Some((host, port)) = connection.tunnel {
            record.tunnel(host, port);
        }
        record.refused(refusal);
    } else {
        tracing::warn!(
            reason = Reason::AuditUnavailable.code(),
            "a refused connection could not be recorded"
        );
    }
}

/// Writes that the gate started, with the addresses it listens on: for agents, and for those who run it.
pub(crate) fn started(
    log: &Log,
    listen: SocketAddr,
    admin: Option<String>,
    snapshot: &str,
) -> Result<(), Unavailable> {
    let mut room = log.reserve_own()?;
    room.append(&shape::started(listen, admin.as_deref(), snapshot));
    Ok(())
}

/// Writes that the gate stopped, and how the calls that were open ended.
pub(crate) fn stopped(log: &Log, outcome: &'static str) {
    if let Ok(mut room) = log.reserve_own() {
        room.append(&shape::stopped(outcome));
    }
}

fn new_id() -> String {
    ulid::Ulid::generate().to_string()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
