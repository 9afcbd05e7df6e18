//! The gate's standing with Vault: logs in when a token is needed, once for all who need one, keeps the token
//! alive, replaces it before it ends or when the server forgot it.
//!
//! A login is a question that costs the server work and can lock an account, so it is asked once, never repeated
//! at once, and failures are spaced out. What is read with the token is not known here.

mod keeper;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout};
use vaultrs::api::{
    auth::approle::requests::LoginWithApproleRequest,
    token::requests::{LookupTokenSelfRequest, RevokeTokenSelfRequest},
};
use zeroize::Zeroize;

use super::{
    super::{
        backoff::Backoff,
        file,
        flight::{Flight, Seat},
    },
    AppRole,
    envelope::Answer,
    error::VaultError,
    token::Token,
    wire::Wire,
};
use crate::metrics::VaultErrors;

/// The longest wait between two logins that fail for a reason that somebody must remove.
const BAD_LOGIN_WAIT_MAX: Duration = Duration::from_secs(300);

/// The longest wait between two logins while the server is away: how late its return may be noticed.
const AWAY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Giving the token back at the end takes no longer.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(5);

/// One identity at one Vault: at most one token is in use, and at most one login under way.
pub(super) struct Session(Arc<Shared>);

type Login = Result<Arc<Token>, VaultError>;

struct Shared {
    wire: Arc<Wire>,
    approle: AppRole,
    token: ArcSwapOption<Token>,
    login: Flight<Login>,
    rest: Mutex<Rest>,
    closed: AtomicBool,
    errors: Arc<VaultErrors>,
}

/// The wait after logins that failed, and what the last one said.
#[derive(Default)]
struct Rest {
    backoff: Backoff,
    last: Option<VaultError>,
}

impl Session {
    /// A session that has not begun.
    pub(super) fn new(wire: Arc<Wire>, approle: AppRole, errors: Arc<VaultErrors>) -> Session {
        Session(Arc::new(Shared {
            wire,
            approle,
            token: ArcSwapOption::empty(),
            login: Flight::new(),
            rest: Mutex::default(),
            closed: AtomicBool::new(false),
            errors,
        }))
    }

    /// A token that can be used now; logs in if there is none.
    ///
    /// # Errors
    ///
    /// Why the login failed, at once while the wait after a failed one lasts.
    pub(super) async fn token(&self) -> Login {
        match self.0.usable() {
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
    pub(super) async fn doubt(&self, token: &Arc<Token>, refusal: &Answer) -> Login {
        if names_the_token(refusal) {
            self.0.bury(token);
        } else if self.lives(token).await? {
            self.accepted(token);
            return Err(VaultError::Denied);
        }
        self.token().await
    }

    /// Gives the token back, which ends its leases too. The session gives none after this. Takes at most 5 s.
    pub(super) async fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        let Some(token) = self.0.token.swap(None) else {
            return;
        };
        token.bury();
        let request = RevokeTokenSelfRequest {};
        let revoke = self.0.wire.ask(&request, Some(token.header()));
        match timeout(REVOKE_TIMEOUT, revoke).await {
            Ok(Ok(answer)) => tracing::info!(status = answer.status, "vault token given back"),
            Ok(Err(error)) => tracing::warn!(%error, "vault token not given back"),
            Err(_) => tracing::warn!("vault token not given back in time"),
        }
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

async fn wait_for(seat: Seat<Login>) -> Login {
    seat.outcome().await.unwrap_or(Err(VaultError::TimedOut))
}

/// Whether a refusal says by itself that the token is the reason. Vault does so, OpenBao does not.
fn names_the_token(refusal: &Answer) -> bool {
    refusal
        .errors()
        .iter()
        .any(|error| error.contains("invalid token"))
}

impl Shared {
    fn usable(&self) -> Option<Arc<Token>> {
        self.token
            .load_full()
            .filter(|token| token.usable(Instant::now()))
    }

    /// What needs no login to be known.
    fn known(&self) -> Option<Login> {
        match self.usable() {
            Some(token) => Some(Ok(token)),
            None => self.resting(),
        }
    }

    /// The reason why no login is tried now.
    fn resting(&self) -> Option<Login> {
        if self.closed.load(Ordering::SeqCst) {
            return Some(Err(VaultError::Closed));
        }
        let rest = self.rest();
        rest.backoff.remaining(Instant::now())?;
        rest.last.clone().map(Err)
    }

    fn board(self: &Arc<Self>, ready: impl FnOnce(&Shared) -> Option<Login>) -> Seat<Login> {
        self.login
            .board(|| ready(self), || Arc::clone(self).log_in())
    }

    async fn log_in(self: Arc<Self>) -> Login {
        match self.try_log_in().await {
            Ok(token) => self.begin(token),
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    /// Asks once. The files are read each time, because whoever rotates them tells nobody.
    async fn try_log_in(&self) -> Result<Token, VaultError> {
        let role_id = file::read_shared(&self.approle.role_id).await?;
        let secret_id = file::read(&self.approle.secret_id).await?;
        let mut request = LoginWithApproleRequest {
            mount: self.approle.mount.clone(),
            role_id: role_id.expose().to_owned(),
            secret_id: secret_id.expose().to_owned(),
        };
        let asked = Instant::now();
        let answer = self.wire.ask(&request, None).await;
        request.secret_id.zeroize();
        let answer = answer?;
        match answer.status {
            200 => Token::new(answer.envelope::<IgnoredAny>()?.auth, asked),
            400 | 401 | 403 | 404 => Err(VaultError::BadLogin),
            0..=199 | 201..=399 | 402 | 405.. => Err(answer.fault()),
        }
    }

    fn begin(self: &Arc<Self>, token: Token) -> Login {
        let token = Arc::new(token);
        if let Some(last) = self.token.swap(Some(Arc::clone(&token))) {
            last.supersede();
        }
        // Looked at after the token is there, so that either this or `close` sees the other.
        if self.closed.load(Ordering::SeqCst) {
            self.token.store(None);
            return Err(VaultError::Closed);
        }
        self.errors.well.login.count();
        tokio::spawn(keeper::keep(Arc::downgrade(self), Arc::clone(&token)));
        tracing::info!(
            ttl_s = token.remaining(Instant::now()).as_secs(),
            renewable = token.renewable(),
            "logged in to vault"
        );
        Ok(token)
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
        let retry_in = rest.backoff.remaining(now).unwrap_or_default();
        drop(rest);
        tracing::warn!(%error, retry_in_s = retry_in.as_secs_f32(), "login to vault failed");
    }

    /// Marks `token` as one that the server does not know. A token that never worked counts as a failed login, so
    /// that a server that refuses what it gives is not asked for tokens without a pause.
    fn bury(&self, token: &Token) {
        if !token.bury() {
            return;
        }
        tracing::warn!("vault does not know the gate's token any more");
        if !token.proven() {
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
