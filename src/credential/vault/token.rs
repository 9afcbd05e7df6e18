//! The gate's own token: which ones are acceptable, and how long one is good.
//!
//! Not here: how a token is got, renewed or given back (that is `session`).

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderValue;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    super::flight::Flight,
    envelope::{Auth, Envelope},
    error::VaultError,
    ledger::{self, Accessor, Entry},
    parent::Parent,
    warnings::{self, Warnings},
};
use crate::secret::{Secret, Term};

/// Vault's word for a token that can be neither renewed nor revoked.
const BATCH: &str = "batch";

/// The policy that allows everything.
const ROOT: &str = "root";

/// A token that Vault gave to the gate.
pub(super) struct Token {
    header: HeaderValue,
    accessor: Option<Accessor>,
    renewable: bool,
    batch: bool,
    born: Instant,
    /// What the server gave last, from then on.
    granted: Mutex<Duration>,
    capped: AtomicBool,
    term: Mutex<Term>,
    parent: Arc<Parent>,
    proven: AtomicBool,
    /// Whether the server still knows the token, asked once for all who doubt it.
    pub(super) doubts: Flight<Result<bool, VaultError>>,
}

impl Token {
    /// The token of a login that was asked for at `asked`.
    ///
    /// # Errors
    ///
    /// [`VaultError::Malformed`] without a token; [`VaultError::TokenUnfit`] for one that never ends, that ends
    /// after a number of uses, that waits for a second factor, or that may do everything.
    pub(super) fn new(grant: Grant, asked: Instant) -> Result<Token, VaultError> {
        let mut auth = grant.auth.ok_or(NO_TOKEN)?;
        refuse_unfit(&auth)?;
        let text = auth.client_token.take().ok_or(NO_TOKEN)?;
        let text = Secret::from_outside(text.0).map_err(|_| NO_TOKEN)?;
        let token = Token::made(header(&text)?, (&auth, grant.under), asked);
        token.capped.store(grant.capped, Ordering::Release);
        Ok(token)
    }

    /// The token that `header` shows, which the server described at `asked`.
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnfit`] as in [`Token::new`].
    pub(super) fn held(
        header: HeaderValue,
        auth: &Auth,
        asked: Instant,
    ) -> Result<Token, VaultError> {
        refuse_unfit(auth)?;
        Ok(Token::made(header, (auth, None), asked))
    }

    /// Of an `auth` that was found fit.
    fn made(
        header: HeaderValue,
        (auth, under): (&Auth, Option<Arc<Parent>>),
        asked: Instant,
    ) -> Token {
        let term = Term::new(asked, SystemTime::now(), duration(auth));
        let length = term.remaining(asked);
        let batch = auth.token_type.as_deref() == Some(BATCH);
        Token {
            renewable: auth.renewable.unwrap_or_default() && !batch,
            batch,
            accessor: auth.accessor.as_deref().and_then(Accessor::parse),
            header,
            born: asked,
            granted: Mutex::new(length),
            capped: AtomicBool::new(false),
            parent: Arc::new(Parent::new(asked, asked + length).under(under)),
            term: Mutex::new(term),
            proven: AtomicBool::new(false),
            doubts: Flight::new(),
        }
    }

    /// The header value that shows the token; marked sensitive.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// What it is ended by, if the server said so.
    pub(super) fn accessor(&self) -> Option<&Accessor> {
        self.accessor.as_ref()
    }

    /// What the ledger says of it: that it is `whose`.
    pub(super) fn entry(&self, whose: String) -> Option<Entry> {
        let end = SystemTime::now() + self.remaining(Instant::now());
        Some(Entry {
            accessor: self.accessor.clone()?,
            whose,
            end_s: ledger::seconds(end),
        })
    }

    /// Whether both are the same at the server.
    pub(super) fn is(&self, other: &Token) -> bool {
        self.header == other.header
    }

    /// Whether it can be renewed at all.
    pub(super) fn renewable(&self) -> bool {
        self.renewable
    }

    /// Whether it can be given back; if not, what was made with it is ended one by one.
    pub(super) fn revocable(&self) -> bool {
        !self.batch
    }

    /// Whether a call may begin with it now.
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.parent.lives(now) && self.term().covers(now)
    }

    /// Whether another token took the place of the one that it was made with.
    pub(super) fn outdated(&self) -> bool {
        self.parent.outdated()
    }

    /// What is left until its end.
    pub(super) fn remaining(&self, now: Instant) -> Duration {
        self.term().remaining(now)
    }

    /// Takes over the new end that a renewal asked for at `asked` gave.
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnfit`] when the renewal gave no time: it is never taken for "without end".
    pub(super) fn extend(&self, grant: &Grant, asked: Instant) -> Result<(), VaultError> {
        let length = grant.auth.as_ref().map(duration).unwrap_or_default();
        if length.is_zero() {
            return Err(VaultError::TokenUnfit("was renewed for no time"));
        }
        let term = Term::new(asked, SystemTime::now(), length);
        self.parent.moves_to(asked + term.remaining(asked));
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = term;
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        if grant.capped || length < *granted {
            self.capped.store(true, Ordering::Release);
        }
        *granted = length;
        Ok(())
    }

    /// Whether the server gives it no more time than it has: another token must take its place.
    pub(super) fn capped(&self) -> bool {
        self.capped.load(Ordering::Acquire)
    }

    /// How long ago it was asked for.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }

    /// Whether leases are held that end with it.
    pub(super) fn leased(&self, now: Instant) -> bool {
        Arc::strong_count(&self.parent) > 1 && self.parent.lives(now)
    }

    /// Whether the server was seen to refuse it.
    pub(super) fn dead(&self) -> bool {
        self.parent.ended()
    }

    /// Notes that the server does not know it any more; `true` for the first who says so.
    pub(super) fn bury(&self) -> bool {
        self.parent.end()
    }

    /// What those who hold leases of it must know of it.
    pub(super) fn parent(&self) -> Arc<Parent> {
        Arc::clone(&self.parent)
    }

    /// Notes that another one took its place.
    pub(super) fn supersede(&self) {
        self.parent.supersede();
    }

    /// Whether the server has accepted it at least once.
    pub(super) fn proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// Notes that the server accepted it; `true` for the first who says so.
    pub(super) fn prove(&self) -> bool {
        !self.proven() && !self.proven.swap(true, Ordering::AcqRel)
    }

    fn term(&self) -> Term {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What the server gave at a login or a renewal.
pub(super) struct Grant {
    auth: Option<Auth>,
    /// The token with which it was asked for, if that is the one that it ends with.
    under: Option<Arc<Parent>>,
    /// Whether it says that it would not give more.
    capped: bool,
}

impl Grant {
    /// What an answer gave; what it warns of is told.
    pub(super) fn of(envelope: Envelope<IgnoredAny>, told: &Warnings) -> Grant {
        let warned = envelope.warnings.unwrap_or_default();
        told.tell(&warned);
        Grant {
            auth: envelope.auth,
            under: None,
            capped: warnings::capped(&warned),
        }
    }

    /// What shows the token, whatever it is good for.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let text = self.auth.as_ref()?.client_token.as_ref()?;
        let text = Secret::from_outside(text.0.clone()).ok()?;
        header(&text).ok()
    }

    /// The same, made with the token of `parent`.
    pub(super) fn under(self, parent: Arc<Parent>) -> Grant {
        Grant {
            under: Some(parent),
            ..self
        }
    }
}

const NO_TOKEN: VaultError = VaultError::Malformed("the login gave no token");

fn refuse_unfit(auth: &Auth) -> Result<(), VaultError> {
    let policies = auth.policies.as_deref().unwrap_or_default();
    Err(VaultError::TokenUnfit(if auth.mfa_requirement.is_some() {
        "waits for a second factor"
    } else if policies.iter().any(|policy| policy == ROOT) {
        "has the root policy"
    } else if duration(auth).is_zero() {
        "never ends"
    } else if auth.num_uses.unwrap_or_default() > 0 {
        "ends after a number of uses"
    } else {
        return Ok(());
    }))
}

fn duration(auth: &Auth) -> Duration {
    Duration::from_secs(auth.lease_duration.unwrap_or_default())
}

/// The header value that shows a token; marked sensitive, and wiped with its last clone.
///
/// # Errors
///
/// [`VaultError::Malformed`] when no header can carry it.
pub(super) fn header(token: &Secret) -> Result<HeaderValue, VaultError> {
    let bytes = Zeroizing::new(token.expose().as_bytes().to_vec());
    let header = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes));
    let mut header = header.map_err(|_| NO_TOKEN)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(json: &str) -> Grant {
        Grant {
            auth: Some(serde_json::from_str(json).unwrap()),
            under: None,
            capped: false,
        }
    }

    fn nothing() -> Grant {
        Grant {
            auth: None,
            under: None,
            capped: false,
        }
    }

    fn refused(json: &str) -> VaultError {
        Token::new(auth(json), Instant::now()).unwrap_err()
    }

    #[test]
    fn v10_a_token_without_an_end_or_with_a_count_is_refused() {
        for (json, why) in [
            (r#"{"client_token":"s.a","lease_duration":0}"#, "never ends"),
            (r#"{"client_token":"s.a"}"#, "never ends"),
            (
                r#"{"client_token":"s.a","lease_duration":60,"num_uses":3}"#,
                "ends after a number of uses",
            ),
            (
                r#"{"client_token":"","mfa_requirement":{"mfa_request_id":"m"}}"#,
                "waits for a second factor",
            ),
            (
                r#"{"client_token":"s.a","lease_duration":60,"policies":["root"]}"#,
                "has the root policy",
            ),
        ] {
            assert_eq!(refused(json), VaultError::TokenUnfit(why), "{json}");
        }
    }

    #[test]
    fn a_login_without_a_token_is_malformed() {
        let none = VaultError::Malformed("the login gave no token");
        assert_eq!(Token::new(nothing(), Instant::now()).unwrap_err(), none);
        assert_eq!(refused(r#"{"lease_duration":60}"#), none);
        assert_eq!(refused(r#"{"client_token":"","lease_duration":60}"#), none);
    }

    #[test]
    fn v05_a_token_with_bytes_that_are_not_printable_is_none() {
        let none = VaultError::Malformed("the login gave no token");
        for text in [r"s\nx: y", r"s\u0000", r"s\u007f", "s.\u{e9}", r"s\t.a"] {
            let json = format!(r#"{{"client_token":"{text}","lease_duration":60}}"#);
            assert_eq!(refused(&json), none, "{text:?}");
        }
    }

    #[test]
    fn members_that_servers_leave_out_are_not_needed() {
        let token = Token::new(
            auth(r#"{"client_token":"s.a","lease_duration":60}"#),
            Instant::now(),
        );
        let token = token.unwrap();
        assert!(token.usable(Instant::now()) && !token.renewable());
        assert!(token.header().is_sensitive());
    }

    #[test]
    fn v16_a_batch_token_is_never_renewed() {
        let json =
            r#"{"client_token":"b.a","lease_duration":60,"renewable":true,"token_type":"batch"}"#;
        let token = Token::new(auth(json), Instant::now()).unwrap();
        assert!(!token.renewable() && !token.revocable());
    }

    #[test]
    fn a_renewal_for_no_time_is_not_taken_for_endless() {
        let now = Instant::now();
        let token = Token::new(auth(r#"{"client_token":"s.a","lease_duration":60}"#), now).unwrap();
        let before = token.remaining(now);
        assert!(token.extend(&auth(r#"{"lease_duration":0}"#), now).is_err());
        assert!(token.extend(&nothing(), now).is_err());
        assert_eq!(token.remaining(now), before);
    }

    #[test]
    fn v15_a_token_that_gets_less_than_before_or_a_warning_is_to_be_replaced() {
        let now = Instant::now();
        let given = r#"{"client_token":"s.a","lease_duration":60}"#;
        let token = Token::new(auth(given), now).unwrap();
        token.extend(&auth(given), now).unwrap();
        assert!(!token.capped());
        token
            .extend(&auth(r#"{"lease_duration":59}"#), now)
            .unwrap();
        assert!(token.capped());
        let warned = Grant {
            capped: true,
            ..auth(given)
        };
        assert!(Token::new(warned, now).unwrap().capped());
    }
}
