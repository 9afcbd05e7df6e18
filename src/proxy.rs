//! One request from start to end: open this file first.
//!
//! Every form in which a request comes in ends in [`exchange`], and takes the steps of [`pass`] in their order:
//! what is refused early resolves no name, fetches no lease and opens no connection.

pub(crate) mod opaque;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::{
    credential::Loan,
    event::{self, CredentialUsed, Fields, Log, Record},
    identity::certificate::Caller,
    inject::Outbound,
    limit::{Bucket, Limits, Slot},
    live::{Call, Listed, Live, Register, Underway, What},
    refusal::{Reason, Refusal},
    refuse::{self, Called},
    relay::{self, Body},
    scope::{Permit, RuleLimit},
    snapshot::Snapshot,
    target::{
        Host,
        asked::{Asked, Ingress},
    },
    upstream::Answer,
};

/// What every call needs: the settings of the moment, and what outlives them.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) log: Log,
    pub(crate) limits: Limits,
    /// The connections that are open.
    pub(crate) register: Arc<Register>,
}

impl Gate {
    /// The agent that a connection's caller is, by the certificates of `chain`, and what resolves when its connection
    /// is to end.
    pub(crate) fn agent(
        &self,
        caller: Caller,
        chain: &[CertificateDer<'_>],
    ) -> (Agent, oneshot::Receiver<()>) {
        let snapshot = self.snapshot.load();
        let caller = Arc::new(caller);
        let attempts = self.attempts_of(&caller, &snapshot);
        let source = event::Source::of(&self.log, &caller);
        let (live, ended) = Live::new(caller.clone(), chain, source.clone(), &snapshot);
        let agent = Agent {
            caller,
            attempts,
            source,
            live: Arc::new(live),
            turned_away: None,
        };
        (agent, ended)
    }

    /// What counts the attempts of `caller` by the settings of `snapshot`.
    fn attempts_of(&self, caller: &Caller, snapshot: &Snapshot) -> Arc<Bucket> {
        self.limits.bucket(
            format!("attempts of {}", holder(caller, snapshot)),
            snapshot.attempts,
        )
    }
}

/// Who asks, on one connection.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) caller: Arc<Caller>,
    /// Counts its attempts by the settings in which it came, and its connections.
    attempts: Arc<Bucket>,
    /// Whom its records are about.
    pub(crate) source: event::Source,
    /// What of it ends with a change of the settings.
    pub(crate) live: Arc<Live>,
    /// Why each of its requests is refused, if the connection should not be.
    pub(crate) turned_away: Option<Refusal>,
}

/// Connections of one identity that may be there at a time only to be told why they should not.
const TURNED_AWAY_OF_ONE: RuleLimit = at_once(16);
/// The same of all identities.
pub(crate) const TURNED_AWAY_MAX: u32 = 64;

/// A connection's places: among those of its identity and among all.
#[derive(Debug)]
#[must_use = "a connection has its place as long as this is held"]
pub(crate) struct Place {
    _of_one: Slot,
    _of_all: OfAll,
}

#[derive(Debug)]
enum OfAll {
    Served { _place: Listed },
    TurnedAway { _place: Slot },
}

/// Answers one request: with the upstream's answer, or with the reason why there is none.
pub(crate) async fn exchange(
    gate: &Gate,
    agent: &Agent,
    ingress: &Ingress,
    request: Request<Incoming>,
) -> Response<Body> {
    let snapshot = gate.snapshot.load_full();
    let Ok(mut record) = Record::open(&gate.log, &agent.source, &snapshot.version) else {
        return refuse::unrecorded();
    };
    let mut called = Called::with(request.headers());
    let answered = pass(
        gate,
        &snapshot,
        (agent, ingress, request),
        (&mut record, &mut called),
    )
    .await;
    let relayed = match answered {
        Ok(answer) => relay::answer(answer, record),
        Err(refusal) => Err((refusal, record)),
    };
    relayed.unwrap_or_else(|(refusal, record)| refuse::answer(&refusal, &called, record))
}

/// The steps of a call, in the order that keeps a refused call from costing or telling anything.
async fn pass(
    gate: &Gate,
    snapshot: &Snapshot,
    (agent, ingress, request): (&Agent, &Ingress, Request<Incoming>),
    (record, called): (&mut Record, &mut Called),
) -> Result<(Answer, Underway), Refusal> {
    // how many attempts, whoever it is
    agent.attempt(gate, snapshot)?;

    // who
    let now = OffsetDateTime::now_utc();
    let today = now.date();
    let standing = snapshot.standing(&agent.caller, now)?;
    record.role(&standing.told, &standing.counts);

    // where
    let cleartext = |host: &Host, port| standing.exceptions.make_cleartext(host, port, today);
    let asked = Asked::read(request, ingress, cleartext).map_err(|misread| {
        record.seen(misread.seen);
        misread.refusal
    })?;
    record.target(asked.target());
    called.names(asked.target());

    // may they
    let permit = Permit::judge(&standing.role, asked, today).map_err(|not| {
        if let Some((name, written)) = not.rule {
            record.denied(&name, &written);
        }
        not.refusal
    })?;
    record.permitted(&permit, standing.told(&permit));

    // how often
    let admission = standing.admit(permit)?;
    record.admitted(&admission);

    // which address
    let (host, port) = (
        admission.permit().target().host(),
        admission.permit().target().port(),
    );
    let excepted = |ip| standing.exceptions.open(host, port, ip, today);
    let route = snapshot
        .upstream
        .resolver
        .resolve(&admission, &snapshot.pins, excepted)
        .await?;

    // with what
    let loan = match standing.credential(&admission)? {
        Some(credential) => Some(credential.lend(&admission).await?),
        None => None,
    };
    if let Some(loan) = &loan {
        record.credential(used(loan));
    }

    // put it in, under way, on record, send it
    let call = Call {
        what: What::Request {
            target: admission.permit().target().clone(),
            credential: loan.as_ref().map(|loan| loan.credential.name.clone()),
        },
        route: route.clone(),
    };
    let lent = loan.as_ref().map(Loan::lent);
    let outbound = Outbound::build(admission, route, loan, snapshot.upstream.request_timeout())?;
    let underway = agent.enter(call, gate, snapshot)?;
    record
        .allowed(snapshot.intent)
        .await
        .map_err(|_| Reason::AuditUnavailable)?;
    let answer = snapshot.upstream.send(outbound, record).await?;
    if let (Some((credential, generation)), true) = (lent, answer.refuses_the_caller()) {
        credential.entry.suspect(generation);
    }
    Ok((answer, underway))
}

impl Agent {
    /// Lists `call` as under way: from here on a change of the settings finds it. One that came since `snapshot` was
    /// loaded is asked here, so that what leaves is allowed by both.
    fn enter(&self, call: Call, gate: &Gate, snapshot: &Snapshot) -> Result<Underway, Refusal> {
        let underway = self.live.enter(call.clone());
        let current = gate.snapshot.load();
        if !std::ptr::eq(&**current, snapshot) {
            let now = OffsetDateTime::now_utc();
            let standing = current.standing(&self.caller, now)?;
            standing.still_allows(&call, now.date())?;
        }
        Ok(underway)
    }

    /// Takes one of the connections that the identity may have at a time, and one of all.
    pub(crate) fn connection(&self, gate: &Gate, snapshot: &Snapshot) -> Result<Place, Refusal> {
        let of_one = self.attempts.enter().ok_or_else(|| {
            Refusal::because(
                Reason::TooManyInFlight,
                "too many connections of this identity",
            )
        })?;
        let listed = gate.register.list(&self.live, (snapshot, &gate.log))?;
        Ok(Place {
            _of_one: of_one,
            _of_all: OfAll::Served { _place: listed },
        })
    }

    /// Lets the connection be for one answer, which is `refusal`: a client that is only cut off comes back at once.
    /// Too many at a time of one identity are cut off all the same.
    pub(crate) fn turn_away(
        &mut self,
        refusal: Refusal,
        (gate, snapshot): (&Gate, &Snapshot),
    ) -> Result<Place, Refusal> {
        let enter = |whose: &str, limit| {
            let what = format!("turned away of {whose}");
            gate.limits.bucket(what, limit).enter()
        };
        let of_one = enter(holder(&self.caller, snapshot), TURNED_AWAY_OF_ONE);
        let of_all = enter("all", at_once(TURNED_AWAY_MAX));
        let (Some(of_one), Some(of_all)) = (of_one, of_all) else {
            return Err(refusal);
        };
        self.turned_away = Some(refusal);
        Ok(Place {
            _of_one: of_one,
            _of_all: OfAll::TurnedAway { _place: of_all },
        })
    }

    /// Counts an attempt: a connection, a `CONNECT` or a request, refused ones included.
    pub(crate) fn attempt(&self, gate: &Gate, snapshot: &Snapshot) -> Result<(), Refusal> {
        if let Some(refusal) = &self.turned_away {
            return Err(refusal.clone());
        }
        let counted = match self.attempts.is_of(snapshot.attempts) {
            true => self.attempts.count(),
            // The connection is older than the settings.
            false => gate.attempts_of(&self.caller, snapshot).count(),
        };
        counted
            .map(drop)
            .map_err(|wait| Refusal::from(Reason::AttemptsExhausted).retry_after(wait))
    }
}

/// Under which name something is kept for `caller`: no bucket is made for a name that the settings do not have.
fn holder<'s>(caller: &Caller, snapshot: &'s Snapshot) -> &'s str {
    let named = snapshot.names(caller);
    named.map_or("identities without a role", |id| id.as_str())
}

const fn at_once(in_flight: u32) -> RuleLimit {
    RuleLimit {
        rate: None,
        burst: None,
        in_flight: Some(in_flight),
    }
}

fn used(loan: &Loan) -> CredentialUsed {
    CredentialUsed {
        name: loan.credential.name.clone(),
        source: loan.credential.source,
        lease: Fields::kept(loan.lease.told(), || {
            let lease = &loan.lease;
            let name = (lease.class().as_str(), lease.id());
            Fields::of_lease(name, lease.expires().into(), lease.request_id())
        }),
    }
}
