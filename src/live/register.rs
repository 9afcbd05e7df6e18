//! The places for connections, and who has them.
//!
//! While places are free each connection gets one. When none is, an identity that has less than an equal part of them
//! gets the place of one that has more: however many identities hold on to connections, together or by themselves, none
//! can shut another out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Live, Look};
use crate::{
    event::Log,
    identity::SpiffeId,
    outcome::Outcome,
    refusal::{Reason, Refusal},
    snapshot::Snapshot,
};

/// The connections that are open.
#[derive(Debug)]
pub(crate) struct Register {
    places_max: usize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// By number: the lower, the older.
    open: HashMap<u64, Arc<Live>>,
    /// How many each has; those without a role are one.
    count_of: HashMap<Holder, usize>,
    next: u64,
}

/// Who has places: an identity of the settings, or all others together.
type Holder = Option<SpiffeId>;

/// A connection's place, given back when dropped.
#[derive(Debug)]
#[must_use = "a connection is listed as long as this is held"]
pub(crate) struct Listed {
    register: Arc<Register>,
    holder: Holder,
    number: u64,
}

impl Register {
    /// A register of so many connections at a time.
    pub(crate) fn new(places_max: usize) -> Register {
        Register {
            places_max,
            places: Mutex::default(),
        }
    }

    /// Connections that are open.
    pub(crate) fn open_now(&self) -> usize {
        self.places().open.len()
    }

    /// Connections that may be open at a time.
    pub(crate) fn places_max(&self) -> usize {
        self.places_max
    }

    /// Lists a connection for as long as the answer is held. If no place is free, one of an identity that has more than
    /// its part ends for it.
    ///
    /// # Errors
    /// No place is free, and none will be made: the identity has its part.
    pub(crate) fn list(
        self: &Arc<Register>,
        live: &Arc<Live>,
        (snapshot, log): (&Snapshot, &Log),
    ) -> Result<Listed, Refusal> {
        let mut places = self.places();
        let holder = live.holder().clone();
        let makes_way = match places.open.len() < self.places_max {
            true => None,
            false => Some(places.who_makes_way(&holder, self.places_max)?),
        };
        let number = places.take(holder.clone(), live.clone());
        drop(places);
        if let Some(other) = makes_way {
            other.end((snapshot, log), Outcome::MadeWay, &made_way());
        }
        Ok(Listed {
            register: self.clone(),
            holder,
            number,
        })
    }

    /// Ends every connection that `snapshot` no longer allows, each with an event; the answer is how many.
    pub(crate) fn review(&self, snapshot: &Snapshot, look: Look, log: &Log) -> usize {
        let open: Vec<Arc<Live>> = self.places().open.values().cloned().collect();
        let ended = open.iter().filter(|live| live.review(snapshot, look, log));
        ended.count()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.register.places().give_back(&self.holder, self.number);
    }
}

impl Places {
    fn take(&mut self, holder: Holder, live: Arc<Live>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, live);
        *self.count_of.entry(holder).or_default() += 1;
        number
    }

    fn give_back(&mut self, holder: &Holder, number: u64) {
        self.open.remove(&number);
        if let Some(count) = self.count_of.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                self.count_of.remove(holder);
            }
        }
    }

    /// Whose connection ends for one of `newcomer`: of those who have most, and more than an equal part, the oldest that
    /// rests, or else the oldest.
    fn who_makes_way(&self, newcomer: &Holder, places_max: usize) -> Result<Arc<Live>, Refusal> {
        let count = |holder: &Holder| self.count_of.get(holder).copied().unwrap_or_default();
        let holders = self.count_of.len() + usize::from(count(newcomer) == 0);
        let part = (places_max / holders).max(1);
        let most = self.count_of.values().copied().max().unwrap_or_default();
        let theirs = self.open.iter().filter(|(_, live)| {
            count(newcomer) < part && most > part && count(live.holder()) == most
        });
        let oldest = theirs
            .filter_map(|(number, live)| Some((live.busy()?, number, live)))
            .min_by_key(|(busy, number, _)| (*busy, **number));
        oldest.map(|(_, _, live)| live.clone()).ok_or_else(|| {
            Refusal::because(
                Reason::TooManyInFlight,
                "no place is free for another connection",
            )
        })
    }
}

fn made_way() -> Refusal {
    Refusal::because(
        Reason::TooManyInFlight,
        "the connection made way for one of an identity that has fewer",
    )
}
