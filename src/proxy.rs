//! One request from start to end: open this file first.
//!
//! Every form in which a request comes in ends in [`exchange`], and takes the steps of [`pass`] in their order:
//! what is refused early resolves no name, fetches no lease and opens no connection.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use time::OffsetDateTime;

use crate::{
    credential::Loan,
    event::{self, CredentialUsed, Log, Record},
    identity::certificate::Caller,
    inject::Outbound,
    limit::{Bucket, Limits, Slot},
    refusal::{Reason, Refusal},
    refuse::{self, Called},
    relay::{self, Body},
    scope::{Permit, RuleLimit},
    secret::Class,
    snapshot::Snapshot,
    target::{
        Host,
        asked::{Asked, Ingress},
    },
    upstream::{Answer, Upstream},
};

/// What every call needs: the settings of the moment and the edges.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) log: Log,
    pub(crate) limits: Limits,
    pub(crate) upstream: Upstream,
    /// How many attempts each identity has, and how many connections at a time.
    pub(crate) attempts: RuleLimit,
}

impl Gate {
    /// The agent that a connection's caller is.
    pub(crate) fn agent(&self, caller: Caller) -> Agent {
        let caller = Arc::new(caller);
        let attempts = self
            .limits
            .bucket(format!("attempts of {}", caller.id), self.attempts);
        let source = event::Source::of(&self.log, &caller);
        Agent {
            caller,
            attempts,
            source,
        }
    }
}

/// Who asks, and what counts its attempts.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) caller: Arc<Caller>,
    pub(crate) attempts: Arc<Bucket>,
    pub(crate) source: event::Source,
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
) -> Result<Answer, Refusal> {
    // how many attempts, whoever it is
    agent.attempt()?;

    // who
    let now = OffsetDateTime::now_utc();
    let today = now.date();
    let standing = snapshot.standing(&agent.caller, now)?;
    record.role(&standing.role, &standing.counts);

    // where
    let cleartext = |host: &Host, port| standing.is_cleartext(host, port, today);
    let asked = Asked::read(request, ingress, cleartext).map_err(|misread| {
        record.seen(misread.seen);
        misread.refusal
    })?;
    record.target(asked.target());
    called.names(asked.target());

    // may they
    let permit = Permit::judge(&standing.role, asked, today).map_err(|not| {
        if let Some((name, written)) = not.rule {
            record.denied(name, written);
        }
        not.refusal
    })?;
    record.permitted(&permit);

    // how often
    let admission = standing.admit(permit)?;
    record.admitted(&admission);

    // which address
    let (host, port) = (
        admission.permit().target().host(),
        admission.permit().target().port(),
    );
    let excepted = |ip| standing.may_have(host, port, ip, today);
    let route = gate
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

    // put it in, on record, send it
    let outbound = Outbound::build(admission, route, loan, gate.upstream.request_timeout())?;
    record
        .allowed(snapshot.intent)
        .await
        .map_err(|_| Reason::AuditUnavailable)?;
    gate.upstream.send(outbound, record).await
}

impl Agent {
    /// Takes one of the connections that the identity may have at a time.
    pub(crate) fn connection(&self) -> Result<Slot, Refusal> {
        self.attempts.enter().ok_or_else(|| {
            Refusal::because(
                Reason::TooManyInFlight,
                "too many connections of this identity",
            )
        })
    }

    /// Counts an attempt: a connection, a `CONNECT` or a request, refused ones included.
    pub(crate) fn attempt(&self) -> Result<(), Refusal> {
        let counted = self.attempts.count();
        counted
            .map(drop)
            .map_err(|wait| Refusal::from(Reason::AttemptsExhausted).retry_after(wait))
    }
}

fn used(loan: &Loan) -> CredentialUsed {
    CredentialUsed {
        name: loan.credential.name.clone(),
        source: loan.credential.source,
        class: match loan.lease.class() {
            Class::Static => "static",
            Class::Dynamic => "dynamic",
        },
        lease: loan.lease.id().into(),
        expires: loan.lease.expires().into(),
    }
}
