//! A way to Vault and a standing there: asks with the token at hand, and finds out what a refusal means.

use std::{sync::Arc, time::Duration};

use rustify::endpoint::Endpoint;
use tokio::time::{Instant, sleep};

use super::{
    super::backoff::between,
    Parent, VaultSettings,
    envelope::Answer,
    error::VaultError,
    login::Memory,
    session::Session,
    token::Token,
    wire::{Repeat, Wire},
};
use crate::metrics::VaultErrors;

/// So long after a login a standby may not know yet what the server that gave the token knows.
const LAG_TIME: Duration = Duration::from_secs(10);

/// How long it is given before each further question, more or less by chance.
const LAG_PAUSES: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1100),
];

/// A way to Vault and a standing there.
pub(super) struct Line {
    pub(super) settings: VaultSettings,
    wire: Wire,
    /// The same in the namespace of the login.
    pub(super) of_login: Wire,
    pub(super) session: Session,
}

impl Line {
    /// A line by `settings` that has not been used; what a client knows of its logins stays in `memory`.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] says which setting cannot be used.
    pub(super) fn new(
        settings: VaultSettings,
        memory: &Arc<Memory>,
        errors: &Arc<VaultErrors>,
    ) -> Result<Line, VaultError> {
        settings.login.checked()?;
        let wire = Wire::new(&settings)?;
        let within = || wire.within(settings.login_namespace.as_deref());
        let way = (within()?, settings.login.clone());
        Ok(Line {
            session: Session::new(
                way,
                settings.ledger.clone(),
                Arc::clone(memory),
                Arc::clone(errors),
            ),
            of_login: within()?,
            wire,
            settings,
        })
    }

    /// The token with which this line can be asked in place of `line`: of the same server, so that no other's values
    /// take the place of its own.
    pub(super) fn stands_in_for(&self, line: &Line) -> Option<Arc<Token>> {
        let token = self.session.at_hand();
        token.filter(|_| self.settings.same_secrets(&line.settings))
    }

    /// Asks with `token`, and once more with a new one if the server does not know it any more; the answer comes with
    /// what others need to know of the token.
    ///
    /// # Errors
    ///
    /// [`VaultError::Denied`] when the policy says no; else why there is no answer, or no token.
    pub(super) async fn ask(
        &self,
        token: Arc<Token>,
        request: &impl Endpoint,
        repeat: Repeat,
    ) -> Result<(Answer, Arc<Parent>), VaultError> {
        self.ask_over(&self.wire, token, (request, repeat)).await
    }

    /// The same over another wire of the line.
    pub(super) async fn ask_over(
        &self,
        wire: &Wire,
        token: Arc<Token>,
        (request, repeat): (&impl Endpoint, Repeat),
    ) -> Result<(Answer, Arc<Parent>), VaultError> {
        let answer = settled(wire, &token, (request, repeat)).await?;
        if answer.status != 403 {
            return Ok(self.accepted(&token, answer));
        }
        let token = self.session.doubt(&token, &answer).await?;
        let answer = settled(wire, &token, (request, repeat)).await?;
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

    /// Gives back what it has, if the settings say so. Takes at most 5 s.
    ///
    /// # Errors
    ///
    /// Why the token is not known to have ended.
    pub(super) async fn close(&self) -> Result<(), VaultError> {
        if self.settings.revoke_on_exit {
            return self.session.close().await;
        }
        self.session.leave().await;
        Ok(())
    }
}

/// Asks until the answer is not one that a standby gives which is a little behind.
pub(super) async fn settled(
    wire: &Wire,
    token: &Token,
    (request, repeat): (&impl Endpoint, Repeat),
) -> Result<Answer, VaultError> {
    let mut pauses = LAG_PAUSES.iter();
    loop {
        let answer = wire.ask_again(request, token.header(), repeat).await?;
        let lags = answer.may_lag() && token.age(Instant::now()) < LAG_TIME;
        match pauses.next().filter(|_| lags) {
            None => return Ok(answer),
            Some(pause) => sleep(pause.mul_f64(between(0.8, 1.2))).await,
        }
    }
}
