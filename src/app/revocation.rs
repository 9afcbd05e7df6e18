//! The revoked list is followed by its content: a line that is added takes effect within a second, without a signal,
//! whatever state the other settings are in.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::{Mistakes, Revoked, RevokedFile},
    live::Look,
    proxy::Gate,
    snapshot::Snapshot,
};

/// How often the list is read.
const READ_TIME: Duration = Duration::from_millis(500);

/// Applies every change of the list, wherever the settings say it is; a list that cannot be read leaves in force what
/// was revoked before.
pub(super) async fn follow(gate: Arc<Gate>, file: watch::Receiver<RevokedFile>) {
    let mut ticks = interval(READ_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        ticks.tick().await;
        let reading = file.borrow().clone();
        let read = tokio::task::spawn_blocking(move || reading.read()).await;
        let mistakes = match read {
            Ok(Ok((revoked, mistakes))) => {
                apply(&gate, revoked);
                mistakes
            }
            Ok(Err(mistakes)) => Some(mistakes),
            // The task was cancelled, as this one is about to be.
            Err(_cancelled) => None,
        };
        tell(&mut told, mistakes);
    }
}

fn apply(gate: &Gate, revoked: Revoked) {
    let before = gate.snapshot.load();
    if *before.revoked == revoked.entries {
        return;
    }
    tracing::warn!(
        before = before.revoked.len(),
        now = revoked.entries.len(),
        "the revoked list changed"
    );
    drop(before);
    let entries = Arc::new(revoked.entries);
    gate.snapshot.rcu(|snapshot| Snapshot {
        revoked: entries.clone(),
        ..Snapshot::clone(snapshot)
    });
    let ended = gate
        .register
        .review(&gate.snapshot.load(), Look::Clock, &gate.log);
    if ended > 0 {
        tracing::warn!(ended, "open connections were revoked");
    }
}

/// Says what is wrong with the list, once for as long as it stays the same.
fn tell(told: &mut String, mistakes: Option<Mistakes>) {
    let mistakes = mistakes
        .map(|mistakes| mistakes.to_string())
        .unwrap_or_default();
    if !mistakes.is_empty() && mistakes != *told {
        tracing::error!("revoked list: {mistakes}");
    }
    *told = mistakes;
}
