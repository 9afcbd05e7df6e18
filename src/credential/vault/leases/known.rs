//! Which leases the gate has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::super::{super::LeaseInfo, Parent};

/// So many leases are known; one more ends by itself. The catalogue has far fewer.
const LEASES_MAX: usize = 16 * 1024;

/// No lease is longer, whatever a server says: the sum with a clock must not overflow.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// The leases that the gate has, by their names.
#[derive(Default)]
pub(in super::super) struct Leases(Mutex<HashMap<Arc<str>, Known>>);

struct Known {
    /// As far as it is known.
    end: Instant,
    /// The token that made it, with which it ends.
    parent: Weak<Parent>,
    /// Whether somebody is about to end it.
    ending: bool,
}

impl Leases {
    /// Notes that `lease` was made just now with the token of `parent`.
    pub(in super::super) fn note(&self, lease: &LeaseInfo, parent: Option<&Arc<Parent>>) {
        let now = Instant::now();
        let mut leases = self.all();
        leases.retain(|_, known| now < known.end);
        if leases.len() < LEASES_MAX {
            let known = Known {
                end: now + lease.duration.min(DURATION_MAX),
                parent: parent.map(Arc::downgrade).unwrap_or_default(),
                ending: false,
            };
            leases.insert(Arc::clone(&lease.id), known);
        }
    }

    /// Notes that `lease` lasts for `time` from now on.
    pub(super) fn extended(&self, lease: &LeaseInfo, time: Duration) {
        if let Some(known) = self.all().get_mut(&lease.id) {
            known.end = Instant::now() + time.min(DURATION_MAX);
        }
    }

    /// Whether it is there to be ended; the first who asks ends it, and it is known until that is done.
    pub(super) fn begin_to_end(&self, id: &str) -> bool {
        let mut leases = self.all();
        let known = leases.get_mut(id).filter(|known| !known.ending);
        known.map(|known| known.ending = true).is_some()
    }

    /// Forgets it: it has ended, or ends by itself.
    pub(super) fn forget(&self, id: &str) {
        self.all().remove(id);
    }

    /// Forgets all of them; gives those that do not end with the token of `parent`.
    pub(in super::super) fn take_all_but_those_of(
        &self,
        parent: Option<&Arc<Parent>>,
    ) -> Vec<Arc<str>> {
        let of_it = |known: &Known| {
            parent.is_some_and(|parent| std::ptr::eq(known.parent.as_ptr(), Arc::as_ptr(parent)))
        };
        let all = std::mem::take(&mut *self.all());
        let others = all.into_iter().filter(|(_, known)| !of_it(known));
        others.map(|(id, _)| id).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
