//! Waiting for a state, never for a time: each wait ends as soon as it is reached, and has one bound.

use std::time::{Duration, Instant};

/// How long anything in a test may take; a wait that reaches it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks at a state that cannot be subscribed to (another process, a file).
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Between two questions to another process.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` finds what it looks for.
pub(crate) async fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, look).await {
        Some(found) => found,
        None => panic!("not reached within {PATIENCE:?}: {what}"),
    }
}

/// The same for a state that somebody is asked for, who takes a while to answer.
pub(crate) async fn until_told<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    patiently(what, async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    })
    .await
}

/// What `look` finds within `bound`, if it does.
pub(crate) async fn within<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if start.elapsed() > bound {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The outcome of `future`, which must not take longer than anything in a test may.
pub(crate) async fn patiently<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("not done within {PATIENCE:?}: {what}"),
    }
}

/// The outcome of `future` if it is there already.
pub(crate) async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}
