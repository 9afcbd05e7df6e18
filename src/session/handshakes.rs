//! Handshakes that have not ended yet, which have places of their own: however many are begun by nobody knows whom, they
//! take none from agents that are served.
//!
//! When every place is taken the oldest handshake of the address that has the most makes way for the newest. An honest
//! one needs its place for a moment only, so what a flood pushes out is itself.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::metrics::Counter;

/// Bits of an IPv6 address that tell its network; whoever has one address of it commonly has all.
const NETWORK_BITS: u32 = 64;

/// All handshakes that have not ended.
#[derive(Debug)]
pub(crate) struct Handshakes {
    max: usize,
    places: Mutex<Places>,
    made_way: Counter,
}

#[derive(Debug, Default)]
struct Places {
    /// By where they come from, each by its number: the lower, the older. Dropping one tells it to end.
    of: HashMap<IpAddr, BTreeMap<u64, oneshot::Sender<()>>>,
    count: usize,
    next: u64,
}

/// A handshake's place, given back when dropped.
#[derive(Debug)]
#[must_use = "a handshake has its place as long as this is held"]
pub(crate) struct Unfinished {
    handshakes: Arc<Handshakes>,
    from: IpAddr,
    number: u64,
    told: oneshot::Receiver<()>,
}

impl Handshakes {
    /// So many at a time, at least one.
    pub(crate) fn new(max: usize) -> Handshakes {
        Handshakes {
            max: max.max(1),
            places: Mutex::default(),
            made_way: Counter::default(),
        }
    }

    /// A place for a handshake with `peer`, which there always is: if need be, another makes way.
    pub(crate) fn begin(self: &Arc<Handshakes>, peer: IpAddr) -> Unfinished {
        let from = network(peer);
        let mut places = self.places();
        if places.count >= self.max {
            places.make_way();
            self.made_way.count();
        }
        let (tell, told) = oneshot::channel();
        let number = places.take(from, tell);
        Unfinished {
            handshakes: self.clone(),
            from,
            number,
            told,
        }
    }

    /// Ends the one that would make way next, since there is no descriptor left for a new one.
    pub(crate) fn make_way(&self) {
        self.places().make_way();
        self.made_way.count();
    }

    /// How many there are.
    pub(crate) fn now(&self) -> usize {
        self.places().count
    }

    /// How many made way so far.
    pub(crate) fn made_way(&self) -> u64 {
        self.made_way.so_far()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn take(&mut self, from: IpAddr, tell: oneshot::Sender<()>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.of.entry(from).or_default().insert(number, tell);
        number
    }

    fn give_back(&mut self, from: IpAddr, number: u64) {
        let Some(theirs) = self.of.get_mut(&from) else {
            return;
        };
        self.count -= usize::from(theirs.remove(&number).is_some());
        if theirs.is_empty() {
            self.of.remove(&from);
        }
    }

    fn make_way(&mut self) {
        let oldest = |theirs: &BTreeMap<u64, _>| theirs.keys().next().copied().unwrap_or(u64::MAX);
        let greedy = self
            .of
            .iter()
            .max_by_key(|(_, theirs)| (theirs.len(), std::cmp::Reverse(oldest(theirs))));
        if let Some((from, number)) = greedy.map(|(from, theirs)| (*from, oldest(theirs))) {
            self.give_back(from, number);
        }
    }
}

impl Unfinished {
    /// Ready when the handshake is to make way for another.
    pub(crate) async fn makes_way(&mut self) {
        let _dropped = (&mut self.told).await;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.handshakes.places().give_back(self.from, self.number);
    }
}

/// Whose handshakes count together.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - NETWORK_BITS);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(unfinished: &mut Unfinished) -> bool {
        unfinished.told.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_of_the_address_that_has_the_most_makes_way() {
        let handshakes = Arc::new(Handshakes::new(3));
        let [flood, honest] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let mut one = handshakes.begin(honest);
        let mut many: Vec<_> = (0..5).map(|_| handshakes.begin(flood)).collect();
        let gone: Vec<bool> = many.iter_mut().map(ended).collect();
        assert_eq!(gone, [true, true, true, false, false]);
        assert!(!ended(&mut one));
        assert_eq!((handshakes.now(), handshakes.made_way()), (3, 3));
        drop((one, many));
        assert_eq!(handshakes.now(), 0);
    }

    #[test]
    fn the_addresses_of_one_network_count_together() {
        let same = ["2001:db8::1", "2001:db8::2:3"].map(|ip| network(ip.parse().unwrap()));
        assert_eq!(same[0], same[1]);
        assert_ne!(same[0], network("2001:db8:0:1::1".parse().unwrap()));
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(network(mapped), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
