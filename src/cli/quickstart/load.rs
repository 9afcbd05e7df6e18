//! A rotation under load: the store replaces its token while the agent calls, and no call notices.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::Method;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{agent::Agent, checks::Check, page::Page, stage::Stage, store::ROTATION};
use crate::cli::Failure;

/// How many callers call at the same time, and how often each.
const CALLERS: usize = 4;
const CALL_PACE: Duration = Duration::from_millis(25);

/// The load goes on until the API has seen so many tokens ...
const TOKENS_WANTED: usize = 4;
/// ... or for so long.
const LOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The path that is called; the list of events leaves these calls out.
pub(super) const PATH: &str = "/v1/status";

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    calls: usize,
    failed: usize,
    tokens: BTreeSet<String>,
    took: Duration,
}

impl Load {
    /// Calls until the token has been replaced several times.
    pub(super) async fn watch(stage: &Stage) -> Result<Load, Failure> {
        let (load, begun) = (Arc::<Mutex<Load>>::default(), Instant::now());
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let url = stage.places.url("https", PATH);
            callers.spawn(call(stage.agent.clone(), url, load.clone()));
        }
        // One that ends by itself is one that has nothing more to do.
        let _in_time = tokio::time::timeout(LOAD_TIMEOUT, callers.join_all()).await;
        let mut load = load.lock().unwrap_or_else(PoisonError::into_inner).clone();
        load.took = begun.elapsed();
        Ok(load)
    }

    /// Nothing failed, and the token was replaced meanwhile.
    pub(super) fn checks(&self) -> Vec<Check> {
        vec![
            Check::equal("calls that failed", self.failed, 0),
            Check::at_least(
                "different tokens that the API saw",
                self.tokens.len(),
                TOKENS_WANTED,
            ),
        ]
    }

    /// Prints what is about to be seen.
    pub(super) fn announce(page: &mut Page) {
        page.part("A rotation under load");
        let every = ROTATION.as_secs();
        let text = format!(
            "the store replaces its token every {every} s; {CALLERS} callers call until the API saw \
             {TOKENS_WANTED} of them"
        );
        page.pair("going on", &text);
    }

    /// Prints what was seen.
    pub(super) fn show(&self, page: &mut Page) {
        let (calls, seconds) = (self.calls, self.took.as_secs_f64());
        page.pair("made", &format!("{calls} calls in {seconds:.1} s"));
        page.checks(&self.checks());
    }
}

/// One caller: a call at each tick, until enough tokens were seen.
async fn call(agent: Agent, url: String, load: Arc<Mutex<Load>>) {
    let mut ticks = interval(CALL_PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = agent.call(Method::GET, &url).await;
        let mut load = load.lock().unwrap_or_else(PoisonError::into_inner);
        load.calls += 1;
        match answer {
            Ok(answer) if answer.status == 200 => {
                load.tokens.insert(answer.text("/token_sha256"));
            }
            Ok(_) | Err(_) => load.failed += 1,
        }
        if load.tokens.len() >= TOKENS_WANTED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_or_a_missing_rotation_is_a_difference() {
        let load = |failed, tokens: &[&str]| Load {
            calls: 100,
            failed,
            tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
            took: Duration::from_secs(6),
        };
        let differences = |load: Load| {
            let checks = load.checks();
            checks.iter().filter(|check| !check.holds()).count()
        };
        assert_eq!(differences(load(0, &["a", "b", "c", "d"])), 0);
        assert_eq!(differences(load(1, &["a", "b", "c", "d"])), 1);
        assert_eq!(differences(load(1, &["a"])), 2);
    }
}
