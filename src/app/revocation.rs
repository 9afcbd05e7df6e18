//! The revoked list is followed by its content: a line that is added takes effect within a second, without a signal,
//! whatever state the other settings are in.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::settle_credentials;
use crate::{
    config::{Mistakes, Revoked, RevokedFile},
    live::Look,
    proxy::Gate,
    snapshot::Snapshot,
};

/// How often the list is read.
const READ_TIME: Duration = Duration::from_millis(500);

/// Applies every change of the list, wherever the settings say it is; a list that cannot be read leaves in force what
/// was revoked before. A new entry holds at once; one that is gone only when two readings agree, for a list that is
/// being written anew is short or empty for a moment.
pub(super) async fn follow(gate: Arc<Gate>, file: watch::Receiver<RevokedFile>) {
    let mut ticks = interval(READ_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut before) = (String::new(), None);
    loop {
        ticks.tick().await;
        let reading = file.borrow().clone();
        let read = tokio::task::spawn_blocking(move || reading.read()).await;
        let mistakes = match read {
            Ok(Ok((revoked, mistakes))) => {
                apply(&gate, &revoked, before.as_ref() == Some(&revoked));
                before = Some(revoked);
                mistakes
            }
            Ok(Err(mistakes)) => Some(mistakes),
            // The reading was cancelled, as this task is about to be, or a fault of the gate's own ended it.
            Err(_unread) => None,
        };
        tell(&mut told, mistakes);
    }
}

fn apply(gate: &Gate, read: &Revoked, rests: bool) {
    let before = gate.snapshot.load();
    let entries = in_force(&before.revoked, &read.entries, rests);
    if *before.revoked == entries {
        return;
    }
    tracing::warn!(
        before = before.revoked.len(),
        now = entries.len(),
        "the revoked list changed"
    );
    drop(before);
    let entries = Arc::new(entries);
    gate.snapshot.rcu(|snapshot| Snapshot {
        revoked: entries.clone(),
        ..Snapshot::clone(snapshot)
    });
    let ended = gate
        .register
        .review(&gate.snapshot.load(), Look::Clock, &gate.log);
    settle_credentials(gate, &gate.snapshot.load());
    if ended > 0 {
        tracing::warn!(ended, "open connections were revoked");
    }
}

/// What is revoked after `read` was read and `before` was in force.
fn in_force(
    before: &HashSet<Box<str>>,
    read: &HashSet<Box<str>>,
    rests: bool,
) -> HashSet<Box<str>> {
    match rests {
        true => read.clone(),
        false => before.union(read).cloned().collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_gone_holds_until_the_list_rests() {
        let set = |entries: &[&str]| entries.iter().map(|entry| (*entry).into()).collect();
        let (one, both, none) = (set(&["a"]), set(&["a", "b"]), set(&[]));
        assert_eq!(in_force(&one, &set(&["b"]), false), both);
        assert_eq!(in_force(&both, &none, false), both);
        assert_eq!(in_force(&both, &none, true), none);
    }
}
