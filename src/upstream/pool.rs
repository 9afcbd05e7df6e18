//! Idle upstream connections, each for one role, one credential value and one place.
//!
//! The last one in is the first one out. A connection comes back only when its answer and its request have both
//! ended; one that was aborted, answered early or said more than it was asked is dropped by its absence.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use super::{Route, grammar::Exchanges, sending::Sending};
use crate::target::{Host, Scheme};

/// Idle connections to one place.
const IDLE_PER_PLACE_MAX: usize = 128;
/// Idle connections in all.
const IDLE_MAX: usize = 4096;
/// How long a connection may stay idle: shorter than servers commonly wait, so that they do not close it first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a connection may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) role: Arc<str>,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) scheme: Scheme,
    /// The credential's name and the generation of its value.
    pub(crate) credential: Option<(Arc<str>, u64)>,
}

impl Hash for Key {
    /// Host, port and credential tell nearly all keys apart; what they do not is compared.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let generation = self.credential.as_ref().map_or(0, |(_, number)| *number);
        state.write(self.host.as_str().as_bytes());
        state.write_u64(generation << u16::BITS ^ u64::from(self.port));
    }
}

/// What a connection was opened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// The address that was checked; none where the proxy resolves the name.
    pub(super) address: Option<SocketAddr>,
    /// The proxy's address, if it goes through one.
    pub(super) via: Option<SocketAddr>,
}

impl Way {
    /// Without a proxy.
    pub(super) fn straight_to(address: SocketAddr) -> Way {
        Way {
            address: Some(address),
            via: None,
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Sending>,
    pub(super) exchanges: Exchanges,
    pub(super) way: Way,
    pub(super) tls: Option<&'static str>,
    pub(super) _driver: Driver,
}

/// The task that drives a connection; dropping it closes the connection, whatever is still under way on it.
#[derive(Debug)]
pub(super) struct Driver(pub(super) AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Resting {
    connection: Connection,
    since: Instant,
}

/// Connections that rest between calls.
#[derive(Debug)]
pub(crate) struct Pool {
    idle_max: usize,
    resting: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    by_key: HashMap<Key, Vec<Resting>>,
    count: usize,
    /// Whether none may rest any more.
    closed: bool,
}

impl Pool {
    /// A pool for a gate that has so many calls at a time: no more connections rest.
    pub(crate) fn of(calls_max: usize) -> Pool {
        Pool {
            idle_max: calls_max.min(IDLE_MAX),
            resting: Mutex::default(),
        }
    }

    /// A connection for `key` to an address of `route`, if one rests.
    pub(super) fn take(&self, key: &Key, route: &Route) -> Option<Connection> {
        let mut places = self.places();
        let resting = places.by_key.get_mut(key)?;
        let before = resting.len();
        let mut found = None;
        while let Some(last) = resting.pop() {
            let usable = last.since.elapsed() < IDLE_TIMEOUT && !last.connection.sender.is_closed();
            if usable && route.leads_to(last.connection.way.address) {
                found = Some(last.connection);
                break;
            }
        }
        let taken = before - resting.len();
        places.count -= taken;
        found
    }

    /// Lets a connection rest.
    pub(super) fn put(&self, key: Key, connection: Connection) {
        let mut places = self.places();
        if places.closed || places.count >= self.idle_max {
            return;
        }
        let resting = places.by_key.entry(key).or_default();
        if resting.len() < IDLE_PER_PLACE_MAX {
            resting.push(Resting {
                connection,
                since: Instant::now(),
            });
            places.count += 1;
        }
    }

    /// Drops connections that rested too long or were closed from the other side.
    pub(super) fn sweep(&self) {
        let mut places = self.places();
        for resting in places.by_key.values_mut() {
            resting.retain(|one| {
                one.since.elapsed() < IDLE_TIMEOUT && !one.connection.sender.is_closed()
            });
        }
        places.by_key.retain(|_, resting| !resting.is_empty());
        places.count = places.by_key.values().map(Vec::len).sum();
    }

    /// Connections that rest.
    pub(super) fn resting(&self) -> usize {
        self.places().count
    }

    /// Drops every resting connection; those in use are dropped too when they are given back.
    pub(super) fn close(&self) {
        *self.places() = Places {
            closed: true,
            ..Places::default()
        };
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
