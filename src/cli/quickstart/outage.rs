//! The store is gone: calls go on with the lease at hand until its end, then they are refused, and never made
//! without a credential.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep};

use super::{agent::Answer, checks::Check, load::PATH, page::Page, refused, stage::Stage};
use crate::{cli::Failure, refusal::Reason};

/// How often the agent calls while it waits for the end of the lease.
const CALL_PACE: Duration = Duration::from_millis(100);

/// How long the end of the lease, and the return of the store, may take to show.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// What came of it.
pub(super) struct Outage {
    served: usize,
    refused: Answer,
    attempts: usize,
    after: Answer,
}

impl Outage {
    /// Takes the token away, waits until a call is refused, brings it back and waits until one is answered.
    pub(super) async fn watch(stage: &Stage) -> Result<Outage, Failure> {
        let url = stage.places.url("https", PATH);
        stage.agent.call(Method::GET, &url).await?;
        stage.store.take_away()?;
        let (refused, calls) = until(stage, &url, |answer| answer.status != 200).await?;
        stage.store.bring_back()?;
        let (after, attempts) = until(stage, &url, |answer| answer.status == 200).await?;
        Ok(Outage {
            served: calls - 1,
            refused,
            attempts,
            after,
        })
    }

    /// Refused with a reason and a time to wait, and made again once there is a token again.
    pub(super) fn checks(&self) -> Vec<Check> {
        let (reason, wait) = (Reason::CredentialUnavailable, self.refused.retry_after);
        vec![
            refused::check("after the lease's end", &self.refused, reason),
            Check::at_least("seconds to wait", wait.unwrap_or_default() as usize, 1),
            Check::equal("after the token's return", self.after.status, 200),
        ]
    }

    /// Prints all of it.
    pub(super) fn show(&self, page: &mut Page) {
        page.part("The store is gone, and comes back");
        let served = format!(
            "{} more calls were made, with the lease at hand and until its end; then",
            self.served
        );
        page.pair("token gone", &served);
        refused::show(&self.refused, page);
        let after = format!("{} at attempt {}", self.after.status, self.attempts);
        page.pair("token back", &after);
        page.checks(&self.checks());
    }
}

/// Calls until the answer is `wanted`, waiting as long as an answer asks for; the answer, and how many calls it took.
async fn until(
    stage: &Stage,
    url: &str,
    wanted: impl Fn(&Answer) -> bool,
) -> Result<(Answer, usize), Failure> {
    let patience = Instant::now() + CHANGE_TIMEOUT;
    let mut calls = 1;
    loop {
        let answer = stage.agent.call(Method::GET, url).await?;
        if wanted(&answer) || Instant::now() > patience {
            return Ok((answer, calls));
        }
        let wait = answer.retry_after.map(Duration::from_secs);
        sleep(wait.unwrap_or(CALL_PACE)).await;
        calls += 1;
    }
}
