//! Looks after the token in use, in a task of its own that ends with the token or the session.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use vaultrs::api::token::requests::RenewTokenSelfRequest;

use super::{
    super::{
        error::VaultError,
        token::{Grant, Token},
        upkeep::{More, Step, Upkeep},
    },
    Shared, wait_for,
};

/// Between two tries to replace a token, where nothing else says how long.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);

/// Between two steps for one token, whatever times the server gives.
const STEP_PAUSE_MIN: Duration = Duration::from_millis(500);

/// How long a file that still holds the token that is to be replaced is left alone.
const SAME_TOKEN_PAUSE: Duration = Duration::from_secs(30);

/// Looks after one token until another takes its place, the server forgets it or it ends. The token that is
/// replaced is left to lapse, because its leases end with it.
pub(super) async fn keep(session: Weak<Shared>, token: Arc<Token>) {
    let mut upkeep = Upkeep::new();
    let mut step = upkeep.granted(token.remaining(Instant::now()), expected(&token));
    loop {
        let (Step::Renew(pause) | Step::Replace(pause)) = step;
        sleep(pause.max(STEP_PAUSE_MIN)).await;
        let Some(session) = session.upgrade().filter(|session| session.uses(&token)) else {
            return;
        };
        step = match step {
            Step::Renew(_) => session.renewed(&token, &mut upkeep).await,
            Step::Replace(_) => match session.replaced(&token).await {
                Some(again) => again,
                None => return,
            },
        };
    }
}

fn expected(token: &Token) -> More {
    match (token.renewable(), token.capped()) {
        (false, _) => More::Never,
        (true, true) => More::NoLonger,
        (true, false) => More::AsOften,
    }
}

impl Shared {
    /// Whether `token` is still the one in use.
    fn uses(&self, token: &Arc<Token>) -> bool {
        let current = self.token.load();
        !token.dead()
            && !self.retired.load(Ordering::SeqCst)
            && current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, token))
    }

    async fn renewed(&self, token: &Token, upkeep: &mut Upkeep) -> Step {
        let outcome = self.renew(token).await;
        if let Err(error) = &outcome {
            self.errors.renew.count(error.trouble());
        }
        let remaining = token.remaining(Instant::now());
        match outcome {
            Ok(()) => {
                self.errors.well.renew.count();
                self.accepted(token);
                self.note_end(token).await;
                upkeep.granted(remaining, expected(token))
            }
            Err(VaultError::Denied | VaultError::Rejected(_) | VaultError::TokenUnfit(_)) => {
                Step::Replace(Duration::ZERO)
            }
            Err(error) => {
                tracing::warn!(%error, "vault token not renewed");
                upkeep.failed(remaining)
            }
        }
    }

    /// Asks the server for more time; what it grants counts, not what was asked for.
    async fn renew(&self, token: &Token) -> Result<(), VaultError> {
        let asked = Instant::now();
        let request = RenewTokenSelfRequest { increment: None };
        let answer = self.wire.ask(&request, Some(token.header())).await?;
        match answer.status {
            200 => {
                let grant = Grant::of(answer.envelope()?, &self.memory.warnings);
                token.extend(&grant, asked)
            }
            0..=199 | 201.. => Err(answer.fault()),
        }
    }

    /// Logs in beside `token`. When that fails: the next try, as long as the token is good for waiting.
    async fn replaced(self: &Arc<Self>, token: &Token) -> Option<Step> {
        match wait_for(self.board(Shared::resting)).await {
            Ok(other) if other.is(token) => Some(Step::Replace(SAME_TOKEN_PAUSE)),
            Ok(_) | Err(VaultError::Closed) => None,
            Err(_) => {
                let now = Instant::now();
                let pause = self.rest().remaining(now).unwrap_or(REPLACE_PAUSE);
                (pause < token.remaining(now)).then_some(Step::Replace(pause))
            }
        }
    }
}
