//! Vault and OpenBao as a source of credentials; the only part of the gate that knows vaultrs.
//!
//! Asks the secrets engines, makes their leases longer and ends them. Each call has a deadline, a bound on its answer
//! and a place to say what went wrong without repeating what the server sent. Values are not kept here (that is
//! `cache`), and when to ask is not decided here.

mod engine;
mod envelope;
mod error;
mod leases;
mod parent;
mod path;
mod rest;
mod session;
mod token;
mod upkeep;
mod wire;

pub(crate) use engine::{Engine, Stored};
pub(crate) use error::VaultError;
pub(crate) use parent::Parent;
/// For those who read settings: what an [`Engine`] takes for a mount, a path and a role.
pub(crate) use path::plain as plain_path;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Uri;
use rustify::endpoint::Endpoint;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, sleep};

use self::{
    envelope::Answer, leases::Leases, rest::Rest, session::Session, token::Token, wire::Wire,
};
use super::{End, Fetched};
use crate::metrics::VaultErrors;

/// How long a path that the policy does not allow is not asked for again.
const DENIED_FOR: Duration = Duration::from_secs(30);

/// How long a line lives on after another took its place: longer than any fetch.
const REPLACED_FOR: Duration = Duration::from_secs(30);

/// A password that changes so soon is not taken: the next one is waited for.
const ROTATES_SOON: Duration = Duration::from_secs(3);

/// So long after its time a password is asked for again, and so often while it has not changed.
const ROTATION_LAG: Duration = Duration::from_secs(1);
const ROTATION_LOOKS_MAX: u32 = 4;

/// So many denied paths are remembered; the catalogue has far fewer.
const DENIED_MAX: usize = 1024;

/// Where Vault is and how the gate logs in there.
#[derive(Debug, Clone)]
pub(crate) struct VaultSettings {
    /// `https://host:port`; http for loopback addresses only.
    pub(crate) address: Uri,
    /// The only roots that the server's certificate may come from.
    pub(crate) ca: Vec<CertificateDer<'static>>,
    /// The namespace of the login and of all secrets.
    pub(crate) namespace: Option<String>,
    /// The login.
    pub(crate) approle: AppRole,
}

/// The login with a role id and a secret id, each in a file that is read at each login.
#[derive(Debug, Clone)]
pub(crate) struct AppRole {
    /// Where the auth method is mounted; `approle` by default.
    pub(crate) mount: String,
    /// Names the role; no secret by itself.
    pub(crate) role_id: PathBuf,
    /// Proves the role; only the gate's user may read it.
    pub(crate) secret_id: PathBuf,
}

/// A client of one Vault with one identity. Does nothing until it is asked; share it in an [`Arc`].
pub(crate) struct Vault {
    line: ArcSwap<Line>,
    /// Lines that others took the place of and that are not closed yet.
    replaced: Mutex<Vec<Arc<Line>>>,
    denied: Mutex<HashMap<String, Instant>>,
    leases: Leases,
    rest: Rest,
    errors: Arc<VaultErrors>,
}

/// A way to Vault and a standing there.
struct Line {
    settings: VaultSettings,
    wire: Arc<Wire>,
    session: Session,
}

impl Vault {
    /// A client that has not logged in; what goes wrong is counted in `errors`.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] says which setting cannot be used.
    pub(crate) fn new(
        settings: VaultSettings,
        errors: Arc<VaultErrors>,
    ) -> Result<Vault, VaultError> {
        Ok(Vault {
            line: ArcSwap::from_pointee(Line::new(settings, &errors)?),
            replaced: Mutex::default(),
            denied: Mutex::default(),
            leases: Leases::default(),
            rest: Rest::default(),
            errors,
        })
    }

    /// Goes on with other settings: the next call logs in anew. Whoever shares the client keeps it, and questions under
    /// way may still end: the old token is given back a while later, once the new settings gave one in its place; until
    /// then it stands in. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`Vault::new`]; nothing has changed then.
    pub(crate) fn adopt(self: &Arc<Vault>, settings: VaultSettings) -> Result<(), VaultError> {
        let old = self.line.swap(Arc::new(Line::new(settings, &self.errors)?));
        self.denied().clear();
        self.rest.end();
        self.replaced().push(Arc::clone(&old));
        let vault = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(REPLACED_FOR).await;
            while stands_in(&old, &vault) && !logs_in(&vault).await {
                sleep(REPLACED_FOR).await;
            }
            if let Some(vault) = vault.upgrade() {
                vault.replaced().retain(|line| !Arc::ptr_eq(line, &old));
            }
            old.session.close().await;
        });
        Ok(())
    }

    /// The present value of what `engine` describes; what it is leased by is known here until it is given up or ends.
    ///
    /// Logs in if need be. May be called any number of times at once; must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`VaultError`] says whose fault it is. A path that the policy does not allow is not asked for again for 30 s.
    pub(crate) async fn fetch(&self, engine: &Engine) -> Result<Fetched, VaultError> {
        let fetched = self.settled(engine).await;
        if let Ok(Fetched {
            end: End::Lease(lease),
            ..
        }) = &fetched
        {
            self.leases.note(lease);
        }
        fetched.inspect_err(|error| self.errors.read.count(error.trouble()))
    }

    /// A value that does not change in the next moment. At the end of its time a static role shows the old password for
    /// a while, with the time of the next one: only another time of change says that it is the new one.
    async fn settled(&self, engine: &Engine) -> Result<Fetched, VaultError> {
        let fetched = self.read(engine).await?;
        let left = match fetched.end {
            End::Rotation(left) if left < ROTATES_SOON => left,
            End::Rotation(_) | End::Lease(_) | End::Open => return Ok(fetched),
        };
        sleep(left).await;
        for _ in 0..ROTATION_LOOKS_MAX {
            sleep(ROTATION_LAG).await;
            let next = self.read(engine).await?;
            if next.version != fetched.version {
                return Ok(next);
            }
        }
        Err(VaultError::NotRotated)
    }

    async fn read(&self, engine: &Engine) -> Result<Fetched, VaultError> {
        let question = engine.question()?;
        let place = question.path();
        if self.is_denied(&place) {
            return Err(VaultError::Denied);
        }
        let answer = self.ask(&question).await;
        if let Err(VaultError::Denied) = &answer {
            tracing::warn!(path = place, "vault's policy denies the gate a path");
            self.note_denied(place);
        }
        let (answer, parent) = answer?;
        let mut fetched = engine.fetched(&answer)?;
        // What somebody stored, or what has an end of its own, outlives the token.
        fetched.parent = matches!(fetched.end, End::Lease(_)).then_some(parent);
        Ok(fetched)
    }

    /// Gives the gate's token back, which ends all leases made with it. Best effort, at most 5 s; no call works after it.
    pub(crate) async fn close(&self) {
        let replaced = std::mem::take(&mut *self.replaced());
        for line in replaced {
            line.session.close().await;
        }
        self.line.load_full().session.close().await;
    }

    /// Asks, unless the server is known not to serve anybody.
    async fn ask(&self, request: &impl Endpoint) -> Result<(Answer, Arc<Parent>), VaultError> {
        if let Some(reason) = self.rest.reason() {
            return Err(reason);
        }
        let asked = self.ask_now(request).await;
        self.rest.note(asked.as_ref().map(|(answer, _)| answer));
        asked
    }

    /// The answer, and the token with which it was got as far as others need to know of it.
    async fn ask_now(&self, request: &impl Endpoint) -> Result<(Answer, Arc<Parent>), VaultError> {
        let line = self.line.load_full();
        match line.session.token().await {
            Ok(token) => line.ask(token, request).await,
            Err(error) => match self.stand_in_for(&line) {
                Some((old, token)) => old.ask(token, request).await,
                None => Err(error),
            },
        }
    }

    /// The last line that was replaced and can be asked in place of `line`.
    fn stand_in_for(&self, line: &Line) -> Option<(Arc<Line>, Arc<Token>)> {
        let replaced = self.replaced();
        let mut able = replaced
            .iter()
            .filter_map(|old| Some((Arc::clone(old), old.stands_in_for(line)?)));
        able.next_back()
    }

    fn is_denied(&self, place: &str) -> bool {
        let now = Instant::now();
        self.denied().get(place).is_some_and(|until| now < *until)
    }

    fn note_denied(&self, place: String) {
        let now = Instant::now();
        let mut denied = self.denied();
        denied.retain(|_, until| now < *until);
        if denied.len() < DENIED_MAX {
            denied.insert(place, now + DENIED_FOR);
        }
    }

    fn denied(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replaced(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn new(settings: VaultSettings, errors: &Arc<VaultErrors>) -> Result<Line, VaultError> {
        if !path::plain(&settings.approle.mount) {
            return Err(VaultError::Settings("the auth mount is not a plain path"));
        }
        let wire = Wire::new(&settings.address, &settings.ca, settings.namespace.clone())?;
        let wire = Arc::new(wire);
        let approle = settings.approle.clone();
        Ok(Line {
            session: Session::new(Arc::clone(&wire), approle, Arc::clone(errors)),
            wire,
            settings,
        })
    }

    /// The token with which this line can be asked in place of `line`: of the same server, so that no other's values
    /// take the place of its own.
    fn stands_in_for(&self, line: &Line) -> Option<Arc<Token>> {
        let server = |line: &Line| {
            let VaultSettings {
                address,
                ca,
                namespace,
                approle: _,
            } = line.settings.clone();
            (address, ca, namespace)
        };
        let token = self.session.at_hand();
        token.filter(|_| server(self) == server(line))
    }

    /// Asks with `token`, and once more with a new one if the server does not know it any more.
    async fn ask(
        &self,
        token: Arc<Token>,
        request: &impl Endpoint,
    ) -> Result<(Answer, Arc<Parent>), VaultError> {
        let answer = self.wire.ask_twice(request, token.header()).await?;
        if answer.status != 403 {
            return Ok(self.accepted(&token, answer));
        }
        let token = self.session.doubt(&token, &answer).await?;
        let answer = self.wire.ask_twice(request, token.header()).await?;
        if answer.status == 403 {
            return Err(VaultError::Denied);
        }
        Ok(self.accepted(&token, answer))
    }

    /// Passes an answer on; one to the question itself shows that the token is good.
    fn accepted(&self, token: &Token, answer: Answer) -> (Answer, Arc<Parent>) {
        if matches!(answer.status, 200 | 204 | 404) {
            self.session.accepted(token);
        }
        (answer, token.parent())
    }
}

/// Whether `old` may be asked in place of the line in force.
fn stands_in(old: &Line, vault: &Weak<Vault>) -> bool {
    let vault = vault.upgrade();
    vault.is_some_and(|vault| old.stands_in_for(&vault.line.load()).is_some())
}

/// Whether a token can be had by the settings in force.
async fn logs_in(vault: &Weak<Vault>) -> bool {
    let line = vault.upgrade().map(|vault| vault.line.load_full());
    match line {
        Some(line) => line.session.token().await.is_ok(),
        None => false,
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

#[cfg(test)]
mod tests;
