//! Counts by the members of a closed set.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// Counts so many.
    pub(crate) fn add(&self, so_many: u64) {
        self.0.fetch_add(so_many, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A closed set: what it has to say about its members so that they can be counted.
pub(crate) trait Closed: Copy + 'static {
    /// Every member, each at its place.
    const ALL: &'static [Self];

    /// The place among [`Closed::ALL`].
    fn place(self) -> usize;

    /// The member's word in metrics.
    fn word(self) -> &'static str;
}

/// One count for each member of `K`.
#[derive(Debug)]
pub(crate) struct Tally<K> {
    counts: Box<[Counter]>,
    of: PhantomData<K>,
}

impl<K: Closed> Default for Tally<K> {
    fn default() -> Tally<K> {
        Tally {
            counts: K::ALL.iter().map(|_| Counter::default()).collect(),
            of: PhantomData,
        }
    }
}

impl<K: Closed> Tally<K> {
    /// Counts one for `member`.
    pub(crate) fn count(&self, member: K) {
        if let Some(count) = self.counts.get(member.place()) {
            count.count();
        }
    }

    /// What was counted so far of all members.
    pub(crate) fn sum(&self) -> u64 {
        self.counts.iter().map(Counter::so_far).sum()
    }

    /// Every member's word and what was counted for it so far.
    pub(crate) fn so_far(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = K::ALL.iter().map(|member| member.word());
        words.zip(self.counts.iter().map(Counter::so_far))
    }
}
