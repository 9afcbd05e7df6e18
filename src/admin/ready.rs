//! Whether the gate is ready to take calls, and why not.
//!
//! Ready means that this gate can serve what another one in its place could: a Vault that is away makes no difference
//! between them, and leases at hand go on being served, so it is told and does not count.

use std::fmt;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{proxy::Gate, shutdown::Phase};

/// Every condition with what there is to say of it.
#[derive(Debug)]
pub(super) struct Readiness(Vec<(State, String)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Told, but no reason to send calls elsewhere.
    Degraded,
    Bad,
}

impl State {
    fn good_if(good: bool) -> State {
        if good { State::Good } else { State::Bad }
    }
}

impl Readiness {
    /// How `gate` is, whose end has come as far as `phase`.
    pub(super) fn of(gate: &Gate, phase: Phase) -> Readiness {
        let snapshot = gate.snapshot.load();
        let mut conditions = vec![
            settings(&snapshot.version, gate.log.metrics().last_reload().applied),
            listening(phase),
            certificate(
                snapshot.agents.shown.covers(OffsetDateTime::now_utc()),
                snapshot.agents.shown.until,
            ),
            log(gate.log.queue_depth().failing),
        ];
        for (name, its) in snapshot.credentials_at_hand() {
            if let Some(failure) = its.failure {
                let left = its.at_hand.map_or(0, |lease| lease.remaining.as_secs());
                let what = format!("credential {name}: {failure}; {left} s left of its lease");
                conditions.push((State::Degraded, what));
            }
        }
        Readiness(conditions)
    }

    /// Whether calls should come here.
    pub(super) fn is_ready(&self) -> bool {
        self.0.iter().all(|(state, _)| *state != State::Bad)
    }
}

fn settings(version: &str, newest: bool) -> (State, String) {
    match newest {
        true => (State::Good, format!("settings: {version} in force")),
        false => (
            State::Degraded,
            format!("settings: {version} in force, for the files have mistakes"),
        ),
    }
}

fn listening(phase: Phase) -> (State, String) {
    let what = match phase {
        Phase::Serving => "listening: yes",
        Phase::Draining => "listening: yes, but about to end",
        Phase::Closing | Phase::AtOnce => "listening: no, open calls are ending",
    };
    (State::good_if(phase == Phase::Serving), what.to_owned())
}

fn certificate(valid: bool, until: OffsetDateTime) -> (State, String) {
    let until = until.format(&Rfc3339).unwrap_or_default();
    let what = match valid {
        true => format!("certificate: valid until {until}"),
        false => format!("certificate: not valid now, its end is {until}"),
    };
    (State::good_if(valid), what)
}

fn log(failing: bool) -> (State, String) {
    let what = match failing {
        true => "log: cannot be written to, so no call is made",
        false => "log: takes events",
    };
    (State::good_if(!failing), what.to_owned())
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (state, what) in &self.0 {
            let word = match state {
                State::Good => "ok",
                State::Degraded => "degraded",
                State::Bad => "failing",
            };
            writeln!(f, "{word:8} {what}")?;
        }
        f.write_str(if self.is_ready() {
            "ready\n"
        } else {
            "not ready\n"
        })
    }
}
