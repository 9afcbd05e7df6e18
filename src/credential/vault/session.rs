//! The gate's standing with Vault: logs in when a token is needed, once for all who need one, keeps the token
//! alive, replaces it before it ends or when the server forgot it.
//!
//! A login is a question that costs the server work and can lock an account, so it is asked once, never repeated
//! at once, and failures are spaced out. What is read with the token is not known here.

mod ending;
mod keeper;
mod noted;
mod sweep;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;
use vaultrs::api::token::requests::LookupTokenSelfRequest;

use super::{
    super::{
        backoff::Backoff,
        flight::{Flight, Seat},
    },
    envelope::Answer,
    error::VaultError,
    ledger::Ledger,
    login::{Login, Memory},
    token::Token,
    wire::Wire,
};
use crate::metrics::VaultErrors;

/// The longest wait between two logins that fail for a reason that somebody must remove.
const BAD_LOGIN_WAIT_MAX: Duration = Duration::from_secs(300);

/// The longest wait between two logins while the server is away: how late its return may be noticed.
const AWAY_WAIT_MAX: Duration = Duration::from_secs(30);

/// A token that dies younger than this died before its time.
const TOKEN_AGE_MIN: Duration = Duration::from_secs(60);

/// So many tokens in a row may die before their time until the next login waits as after one that failed.
const EARLY_DEATHS_MAX: u32 = 2;

/// One identity at one Vault: at most one token is in use, and at most one login under way.
pub(super) struct Session(Arc<Shared>);

/// A token, or why there is none.
type Had = Result<Arc<Token>, VaultError>;

struct Shared {
    /// In the namespace of the login.
    wire: Wire,
    way: Login,
    ledger: Option<Arc<Ledger>>,
    memory: Arc<Memory>,
    token: ArcSwapOption<Token>,
    login: Flight<Had>,
    rest: Mutex<Rest>,
    /// Another session took the place of this one.
    retired: AtomicBool,
    closed: AtomicBool,
    errors: Arc<VaultErrors>,
}

/// The waits after logins that failed, and what the last one said.
#[derive(Default)]
struct Rest {
    backoff: Backoff,
    early_deaths: u32,
    /// The wait after tokens that died before their time; a token that works is no reason to forget it.
    mourning: Backoff,
    last: Option<VaultError>,
}

impl Session {
    /// A session that has not begun, by logins of this `way` over a wire in their namespace.
    pub(super) fn new(
        (wire, way): (Wire, Login),
        ledger: Option<Arc<Ledger>>,
        memory: Arc<Memory>,
        errors: Arc<VaultErrors>,
    ) -> Session {
        Session(Arc::new(Shared {
            wire,
            way,
            ledger,
            memory,
            token: ArcSwapOption::empty(),
            login: Flight::new(),
            rest: Mutex::default(),
            retired: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            errors,
        }))
    }

    /// A token that can be used now; logs in if there is none.
    ///
    /// # Errors
    ///
    /// Why the login failed, at once while the wait after a failed one lasts.
    pub(super) async fn token(&self) -> Had {
        match self.0.usable() {
            Some(token) if token.outdated() => {
                let another = wait_for(self.0.board(Shared::renewed_meanwhile)).await;
                another.or(Ok(token))
            }
            Some(token) => Ok(token),
            None => wait_for(self.0.board(|shared| shared.known())).await,
        }
    }

    /// The token in use, if it can be used now.
    pub(super) fn at_hand(&self) -> Option<Arc<Token>> {
        self.0.usable()
    }

    /// Notes that the server accepted `token`: only now the login that gave it has succeeded.
    pub(super) fn accepted(&self, token: &Token) {
        self.0.accepted(token);
    }

    /// What to go on with after the server answered 403 to a call with `token`: another token if that one is dead.
    ///
    /// # Errors
    ///
    /// [`VaultError::Denied`] when the token lives, so that it is the policy that says no.
    pub(super) async fn doubt(&self, token: &Arc<Token>, refusal: &Answer) -> Had {
        if names_the_token(refusal) {
            self.0.bury(token);
        } else if self.lives(token).await? {
            self.accepted(token);
            return Err(VaultError::Denied);
        }
        self.token().await
    }

    /// Whether giving back the token in use ends all leases that were made with it: it is the gate's own, and of a kind
    /// that can be given back.
    pub(super) fn ends_leases(&self) -> bool {
        let token = self.0.token.load();
        let revocable = token.as_ref().is_none_or(|token| token.revocable());
        self.0.way.gives_own_tokens() && revocable
    }

    /// Counts what came of a question that was to end something, and tells what went wrong.
    pub(super) fn revoked(&self, outcome: &Result<(), VaultError>) {
        self.0.revoked(outcome);
    }

    /// Notes that another session takes the place of this one: what was got with its token should be got anew, and
    /// nobody looks after it any more.
    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::SeqCst);
        if let Some(token) = &*self.0.token.load() {
            token.supersede();
        }
    }

    /// Whether leases are held that end with its token.
    pub(super) fn leased(&self) -> bool {
        let token = self.0.token.load();
        token
            .as_ref()
            .is_some_and(|token| token.leased(Instant::now()))
    }

    /// Gives the token back if it is the gate's own, which ends its leases too. The session gives none after this.
    /// Takes at most 5 s.
    ///
    /// # Errors
    ///
    /// Why the token is not known to have ended.
    pub(super) async fn close(&self) -> Result<(), VaultError> {
        let gives_back = self.0.way.gives_own_tokens();
        match self.end() {
            Some(token) if gives_back && token.revocable() => self.0.give_back(&token).await,
            Some(_) | None => Ok(()),
        }
    }

    /// The session gives no token after this; the last one is left to lapse, by the next run too.
    pub(super) async fn leave(&self) {
        if let Some(token) = self.end() {
            self.0.forget(&token).await;
        }
    }

    fn end(&self) -> Option<Arc<Token>> {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.token.swap(None)
    }

    async fn lives(&self, token: &Arc<Token>) -> Result<bool, VaultError> {
        let (shared, asked) = (Arc::clone(&self.0), Arc::clone(token));
        let seat = token.doubts.board(
            || token.dead().then_some(Ok(false)),
            || async move { shared.look_up(&asked).await },
        );
        seat.outcome().await.unwrap_or(Err(VaultError::TimedOut))
    }
}

async fn wait_for(seat: Seat<Had>) -> Had {
    seat.outcome().await.unwrap_or(Err(VaultError::TimedOut))
}

/// Whether a refusal says by itself that the token is the reason. Vault does so, OpenBao does not.
fn names_the_token(refusal: &Answer) -> bool {
    refusal
        .errors()
        .iter()
        .any(|error| error.contains("invalid token"))
}

impl Rest {
    /// What is left of the longest wait.
    fn remaining(&self, now: Instant) -> Option<Duration> {
        self.backoff
            .remaining(now)
            .max(self.mourning.remaining(now))
    }

    /// Counts a token that the server ended; whether there were too many that died early.
    fn mourns(&mut self, early: bool, now: Instant) -> bool {
        if !early {
            (self.early_deaths, self.mourning) = (0, Backoff::default());
            return false;
        }
        self.early_deaths = self.early_deaths.saturating_add(1);
        let often = self.early_deaths > EARLY_DEATHS_MAX;
        if often {
            self.mourning.fail(now, AWAY_WAIT_MAX, None);
        }
        often
    }
}

impl Shared {
    fn usable(&self) -> Option<Arc<Token>> {
        self.token
            .load_full()
            .filter(|token| token.usable(Instant::now()))
    }

    /// What needs no login to be known.
    fn known(&self) -> Option<Had> {
        match self.usable() {
            Some(token) => Some(Ok(token)),
            None => self.resting(),
        }
    }

    /// What needs no login to be known of a token in place of one that is outdated.
    fn renewed_meanwhile(&self) -> Option<Had> {
        match self.usable().filter(|token| !token.outdated()) {
            Some(token) => Some(Ok(token)),
            None => self.resting(),
        }
    }

    /// The reason why no login is tried now.
    fn resting(&self) -> Option<Had> {
        if self.closed.load(Ordering::SeqCst) {
            return Some(Err(VaultError::Closed));
        }
        let rest = self.rest();
        rest.remaining(Instant::now())?;
        rest.last.clone().map(Err)
    }

    fn board(self: &Arc<Self>, ready: impl FnOnce(&Shared) -> Option<Had>) -> Seat<Had> {
        self.login
            .board(|| ready(self), || Arc::clone(self).log_in())
    }

    async fn log_in(self: Arc<Self>) -> Had {
        let asked = self.way.ask(&self.wire, &self.memory).await;
        let noted = match asked {
            Ok(token) => self.noted(token).await,
            Err(error) => Err(error),
        };
        match noted {
            Ok(token) => self.begin(token),
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    fn begin(self: &Arc<Self>, token: Token) -> Had {
        if let Some(current) = self.usable().filter(|current| current.is(&token)) {
            // A file that was not renewed yet.
            return Ok(current);
        }
        let token = Arc::new(token);
        if let Some(last) = self.token.swap(Some(Arc::clone(&token))) {
            last.supersede();
        }
        // Looked at after the token is there, so that either this or `close` sees the other.
        if self.closed.load(Ordering::SeqCst) {
            self.token.store(None);
            self.send_back(token);
            return Err(VaultError::Closed);
        }
        self.errors.well.login.count();
        tokio::spawn(keeper::keep(Arc::downgrade(self), Arc::clone(&token)));
        self.sweep();
        tracing::info!(
            ttl_s = token.remaining(Instant::now()).as_secs(),
            renewable = token.renewable(),
            "logged in to vault"
        );
        Ok(token)
    }

    /// Gives a token back that came when nobody wanted it any more, in a task of its own.
    fn send_back(self: &Arc<Self>, token: Arc<Token>) {
        if self.way.gives_own_tokens() {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.give_back(&token).await });
        }
    }

    fn accepted(&self, token: &Token) {
        self.errors.well.heard();
        if token.prove() {
            self.rest().backoff.succeed();
        }
    }

    fn fail(&self, error: &VaultError) {
        self.errors.login.count(error.trouble());
        let now = Instant::now();
        let longest = match error.retryable() || matches!(error, VaultError::LoginFile(_)) {
            true => AWAY_WAIT_MAX,
            false => BAD_LOGIN_WAIT_MAX,
        };
        let mut rest = self.rest();
        rest.backoff.fail(now, longest, error.retry_after());
        rest.last = Some(error.clone());
        let retry_in = rest.remaining(now).unwrap_or_default();
        drop(rest);
        tracing::warn!(%error, retry_in_s = retry_in.as_secs_f32(), "login to vault failed");
    }

    /// Marks `token` as one that the server does not know. A token that never worked counts as a failed login, and so
    /// does one of several that died soon: a server that ends what it gives is not asked for tokens without a pause.
    fn bury(&self, token: &Token) {
        if !token.bury() {
            return;
        }
        tracing::warn!("vault does not know the gate's token any more");
        self.forget_soon(token);
        let now = Instant::now();
        let early = token.age(now) < TOKEN_AGE_MIN;
        let often = self.rest().mourns(early, now);
        if !token.proven() || often {
            self.fail(&VaultError::TokenRefused);
        }
    }

    /// Whether the server still knows the token; one that it does not know is buried.
    async fn look_up(&self, token: &Token) -> Result<bool, VaultError> {
        let request = LookupTokenSelfRequest {};
        let answer = self.wire.ask_twice(&request, token.header()).await?;
        match answer.status {
            200 => Ok(true),
            403 => {
                self.bury(token);
                Ok(false)
            }
            0..=199 | 201..=402 | 404.. => Err(answer.fault()),
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
