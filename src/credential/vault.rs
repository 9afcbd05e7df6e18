//! Vault and OpenBao as a source of credentials; the only part of the gate that knows vaultrs.
//!
//! Asks the secrets engines, makes their leases longer and ends them. Each call has a deadline, a bound on its answer
//! and a place to say what went wrong without repeating what the server sent. Values are not kept here (that is
//! `cache`), and when to ask is not decided here.

mod engine;
mod envelope;
mod error;
mod leases;
mod ledger;
mod line;
mod login;
mod parent;
mod path;
mod rest;
mod roles;
mod session;
mod settings;
mod token;
mod upkeep;
mod warnings;
mod wire;

pub(crate) use engine::{
    Algorithm, AwsRole, CertificateRole, Claims, Engine, GcpAccount, Need, SigningKey, Stored,
};
pub(crate) use error::VaultError;
pub(crate) use ledger::{Ledger, LedgerFault};
pub(crate) use login::{AppRole, Certificate, Jwt, Login, PerRole, SecretId};
pub(crate) use parent::Parent;
/// For those who read settings: what an [`Engine`] takes for a mount, a path and a role.
pub(crate) use path::plain as plain_path;
pub(crate) use settings::{ClientCertificate, VaultSettings};

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustify::endpoint::Endpoint;
use tokio::time::{Instant, sleep, timeout};

use self::{
    envelope::Answer, leases::Leases, line::Line, login::Memory, rest::Rest, roles::Roles,
    token::Token, wire::Repeat,
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

/// Giving everything back takes no longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Ending the tokens of roles takes no longer: they end with the gate's own.
const ROLES_TIMEOUT: Duration = Duration::from_secs(2);

/// Ending leases one by one takes no longer.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// So many denied paths are remembered; the catalogue has far fewer.
const DENIED_MAX: usize = 1024;

/// A client of one Vault with one identity. Does nothing until it is asked; share it in an [`Arc`].
pub(crate) struct Vault {
    line: ArcSwap<Line>,
    /// Lines that others took the place of and that are not closed yet.
    replaced: Mutex<Vec<Arc<Line>>>,
    denied: Mutex<HashMap<String, Instant>>,
    leases: Leases,
    rest: Arc<Rest>,
    memory: Arc<Memory>,
    roles: Roles,
    errors: Arc<VaultErrors>,
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
        let memory = Arc::default();
        Ok(Vault {
            line: ArcSwap::from_pointee(Line::new(settings, &memory, &errors)?),
            replaced: Mutex::default(),
            denied: Mutex::default(),
            leases: Leases::default(),
            rest: Arc::default(),
            memory,
            roles: Roles::default(),
            errors,
        })
    }

    /// Goes on with other settings, or with what the files that they name hold now: logs in anew, at once if there was
    /// a login before, else with the next call. Whoever shares the client keeps it, and questions under way may still
    /// end: the old token stands in until the new settings gave one in its place, and is given back once no lease is
    /// held that would end with it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`Vault::new`]; nothing has changed then.
    pub(crate) fn adopt(self: &Arc<Vault>, settings: VaultSettings) -> Result<(), VaultError> {
        let line = Arc::new(Line::new(settings, &self.memory, &self.errors)?);
        let old = self.line.swap(Arc::clone(&line));
        self.denied().clear();
        self.rest.end();
        self.replaced().push(Arc::clone(&old));
        tokio::spawn(retire(Arc::downgrade(self), old));
        self.adopt_for_roles(&line.settings)
    }

    /// The file in which its tokens are noted, if any.
    pub(crate) fn ledger(&self) -> Option<Arc<Ledger>> {
        self.line.load().settings.ledger.clone()
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
            parent,
            ..
        }) = &fetched
        {
            self.leases.note(lease, parent.as_ref());
        }
        fetched.inspect_err(|error| self.errors.read.count(error.trouble()))
    }

    /// A value that does not change in the next moment. At the end of its time a static role shows the old password for
    /// a while, with the time of the next one: only another time of change says that it is the new one.
    async fn settled(&self, engine: &Engine) -> Result<Fetched, VaultError> {
        let fetched = self.read(engine).await?;
        let left = match fetched.end {
            End::Rotation(left) if left < ROTATES_SOON => left,
            End::Rotation(_) | End::Lease(_) | End::After(_) | End::Open => return Ok(fetched),
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
        let ask = engine.ask()?;
        let place = ask.question.path();
        if self.is_denied(&place) {
            return Err(VaultError::Denied);
        }
        let repeat = match engine.creates() {
            true => Repeat::IfUndone,
            false => Repeat::Freely,
        };
        let answer = self.ask(&ask.question, repeat).await;
        if let Err(VaultError::Denied) = &answer {
            tracing::warn!(path = place, "vault's policy denies the gate a path");
            self.note_denied(place);
        }
        let (answer, parent) = answer?;
        let mut fetched = match ask.fetched(&answer) {
            Ok(fetched) => fetched,
            Err(error) => {
                self.end_unread(&answer).await;
                return Err(error);
            }
        };
        // What somebody stored, or what has an end of its own, outlives the token.
        fetched.parent = matches!(fetched.end, End::Lease(_)).then_some(parent);
        Ok(fetched)
    }

    /// Gives back what the gate has, if the settings say so: its token, which ends all leases made with it, or each lease
    /// by itself where the token is somebody else's, or of a kind that cannot be given back. Some seconds at most; no
    /// call works after it.
    ///
    /// # Errors
    ///
    /// Why something is not known to have ended; it ends by itself.
    pub(crate) async fn close(self: &Arc<Vault>) -> Result<(), VaultError> {
        let closed = timeout(CLOSE_TIMEOUT, async {
            // Before the gate's own, with which they end too.
            let _in_time = timeout(ROLES_TIMEOUT, self.end_roles()).await;
            self.close_itself().await
        });
        closed.await.unwrap_or_else(|_| {
            tracing::warn!("not everything was given back to vault in time");
            Err(VaultError::TimedOut)
        })
    }

    async fn close_itself(self: &Arc<Vault>) -> Result<(), VaultError> {
        let line = self.line.load_full();
        let mut given_back = Ok(());
        if line.settings.revoke_on_exit {
            // Those of the token in use end with it, where it is given back; those of an older one do not.
            let token = line
                .session
                .at_hand()
                .filter(|_| line.session.ends_leases());
            let parent = token.map(|token| token.parent());
            let ended = timeout(END_TIMEOUT, self.end_leases(parent.as_ref())).await;
            if ended.is_err() {
                tracing::warn!("leases not given back to vault in time");
                given_back = Err(VaultError::TimedOut);
            }
        }
        let replaced = std::mem::take(&mut *self.replaced());
        for line in replaced.into_iter().chain([line]) {
            given_back = line.close().await.and(given_back);
        }
        given_back
    }

    /// Asks, unless the server is known not to serve anybody; and again only as far as `repeat` allows it.
    async fn ask(
        &self,
        request: &impl Endpoint,
        repeat: Repeat,
    ) -> Result<(Answer, Arc<Parent>), VaultError> {
        if let Some(reason) = self.rest.reason() {
            return Err(reason);
        }
        let asked = self.ask_now(request, repeat).await;
        self.rest.note(asked.as_ref().map(|(answer, _)| answer));
        asked
    }

    /// The answer, and the token with which it was got as far as others need to know of it.
    async fn ask_now(
        &self,
        request: &impl Endpoint,
        repeat: Repeat,
    ) -> Result<(Answer, Arc<Parent>), VaultError> {
        let line = self.line.load_full();
        match line.session.token().await {
            Ok(token) => line.ask(token, request, repeat).await,
            Err(error) => match self.stand_in_for(&line) {
                Some((old, token)) => old.ask(token, request, repeat).await,
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

/// What becomes of a line that another took the place of.
async fn retire(vault: Weak<Vault>, old: Arc<Line>) {
    let was_used = old.session.at_hand().is_some();
    if !was_used || !logs_in(&vault).await {
        sleep(REPLACED_FOR).await;
        while stands_in(&old, &vault) && !logs_in(&vault).await {
            sleep(REPLACED_FOR).await;
        }
    }
    old.session.retire();
    sleep(REPLACED_FOR).await;
    while old.session.leased() {
        sleep(REPLACED_FOR).await;
    }
    if let Some(vault) = vault.upgrade() {
        vault.replaced().retain(|line| !Arc::ptr_eq(line, &old));
    }
    // Said already; nobody waits for it.
    let _lapses = old.close().await;
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
