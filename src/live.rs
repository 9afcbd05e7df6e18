//! The connections that are open and the calls that are under way, so that a change of the settings ends those that
//! it no longer allows.
//!
//! A connection is looked at again whenever the settings change, and every few seconds because days and certificates
//! end. Nothing here decides about a call that begins: that is `scope`'s, by the settings of its moment.

mod register;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use tokio::sync::oneshot;

pub(crate) use self::register::{Listed, Register};
use crate::{
    event::{self, Log},
    identity::{SpiffeId, certificate::Caller},
    outcome::Outcome,
    refusal::{Reason, Refusal},
    snapshot::Snapshot,
    target::{Host, Target},
    upstream::Route,
};

/// One open connection.
#[derive(Debug)]
pub(crate) struct Live {
    caller: Arc<Caller>,
    /// The identity, if a role was assigned to it when it came.
    holder: Option<SpiffeId>,
    /// The certificates that it showed, leaf first.
    chain: Box<[CertificateDer<'static>]>,
    source: event::Source,
    state: Mutex<State>,
}

/// What may end with a change of the settings.
#[derive(Debug)]
struct State {
    /// Whether the settings let the caller in; one that never was let in has nothing to lose and reads why.
    stands: bool,
    /// The host and port of the tunnel that it has become, if a rule named them then.
    tunnel: Option<(Host, u16)>,
    /// HTTP/1.1 has one call at a time.
    call: Option<Call>,
    /// Dropped to end the connection.
    end: Option<oneshot::Sender<()>>,
}

/// A call, or a tunnel that nobody looks into, that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What goes where.
    pub(crate) what: What,
    /// The addresses that were checked for it.
    pub(crate) route: Route,
}

/// What is under way.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A request, and the name of the credential that it left with.
    Request {
        target: Arc<Target>,
        credential: Option<Arc<str>>,
    },
    /// An opaque tunnel to this host and port.
    Tunnel(Host, u16),
}

/// A call's entry, taken back when dropped.
#[derive(Debug)]
#[must_use = "a call is under way as long as this is held"]
pub(crate) struct Underway(Arc<Live>);

/// How much of a connection is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Whether days and certificates have ended.
    Clock,
    /// That, and its tunnel, under other settings.
    Rules,
    /// That, and whether its certificates are still vouched for, which costs signatures.
    Certificates,
}

impl Live {
    /// A connection of `caller` that `snapshot` has let in, with what resolves when it is to end.
    pub(crate) fn new(
        caller: Arc<Caller>,
        chain: &[CertificateDer<'_>],
        source: event::Source,
        snapshot: &Snapshot,
    ) -> (Live, oneshot::Receiver<()>) {
        let (end, ended) = oneshot::channel();
        let stands = snapshot
            .standing(&caller, OffsetDateTime::now_utc())
            .is_ok();
        let state = State {
            stands,
            tunnel: None,
            call: None,
            end: Some(end),
        };
        let live = Live {
            holder: snapshot.names(&caller).cloned(),
            caller,
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            source,
            state: Mutex::new(state),
        };
        (live, ended)
    }

    /// Notes to which place the connection has become a tunnel, or that none of its rules names the place: such a
    /// tunnel has nothing to lose.
    pub(crate) fn tunnels_to(&self, place: Option<(Host, u16)>) {
        self.state().tunnel = place;
    }

    /// Notes that `call` is under way, for as long as the answer is held. Settings that change before this returns
    /// have not looked at it: whoever calls this asks them after it.
    pub(crate) fn enter(self: &Arc<Live>, call: Call) -> Underway {
        self.state().call = Some(call);
        Underway(self.clone())
    }

    /// Ends the connection if `snapshot` no longer allows it; the answer is whether it did.
    pub(crate) fn review(&self, snapshot: &Snapshot, look: Look, log: &Log) -> bool {
        let looked = self.look(&mut self.state(), snapshot, look);
        match looked {
            Ok(()) => false,
            Err(refusal) => self.end((snapshot, log), Outcome::AccessWithdrawn, &refusal),
        }
    }

    /// Whose place it has.
    fn holder(&self) -> &Option<SpiffeId> {
        &self.holder
    }

    /// Whether a call is under way on it; none if it is ending.
    fn busy(&self) -> Option<bool> {
        let state = self.state();
        state.end.as_ref()?;
        Some(state.call.is_some())
    }

    /// Ends the connection for the reason of `refusal`, with an event; the answer is whether it was not ending already.
    fn end(&self, (snapshot, log): (&Snapshot, &Log), outcome: Outcome, refusal: &Refusal) -> bool {
        let mut state = self.state();
        let Some(end) = state.end.take() else {
            return false;
        };
        self.source.cut().tell(outcome);
        drop(end);
        let tunnel = state.tunnel.clone();
        drop(state);
        let connection = event::Connection {
            source: &self.source,
            role: snapshot.role_of(&self.caller),
            tunnel: tunnel.as_ref().map(|(host, port)| (host, *port)),
        };
        event::connection_refused(log, connection, &snapshot.version, refusal);
        true
    }

    fn look(&self, state: &mut State, snapshot: &Snapshot, look: Look) -> Result<(), Refusal> {
        // Those too that were not let in: they may be later, and nobody would look at their certificates then.
        if look == Look::Certificates {
            self.verify_again(snapshot)?;
        }
        let now = OffsetDateTime::now_utc();
        let standing = snapshot.standing(&self.caller, now);
        if !state.stands {
            state.stands = standing.is_ok();
            return Ok(());
        }
        let standing = standing?;
        if let (Some((host, port)), true) = (&state.tunnel, look != Look::Clock)
            && !standing.names_tunnel(host, *port)
        {
            return Err(Refusal::because(
                Reason::NoRule,
                "no rule names the tunnel's host any more",
            ));
        }
        match &state.call {
            Some(call) => standing.still_allows(call, now.date()),
            None => Ok(()),
        }
    }

    fn verify_again(&self, snapshot: &Snapshot) -> Result<(), Refusal> {
        let verified = snapshot
            .agents
            .verifier
            .verify_again(&self.chain, UnixTime::now());
        verified.map_err(|error| Refusal::because(Reason::CertificateInvalid, error.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.state().call = None;
    }
}
