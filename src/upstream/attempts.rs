//! The addresses of one route, tried in their order, each a little after the one before it (RFC 8305 section 5).
//!
//! An address that refuses or cannot be reached makes way for the next at once; one that keeps silent gets company.
//! Whoever answers first is used, and the others are given up.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, task::JoinSet, time::sleep};

/// How long an address may keep silent before the next one is tried beside it.
const COMPANY_DELAY: Duration = Duration::from_millis(250);

/// A TCP connection, and the address that was dialled for it.
pub(super) type Open = (TcpStream, SocketAddr);

/// Addresses that are being tried or may still be.
#[derive(Debug)]
pub(super) struct Attempts {
    waiting: VecDeque<SocketAddr>,
    running: JoinSet<io::Result<Open>>,
}

impl Attempts {
    /// None of `addresses` tried yet; the first comes first.
    pub(super) fn of(addresses: impl Iterator<Item = SocketAddr>) -> Attempts {
        Attempts {
            waiting: addresses.collect(),
            running: JoinSet::new(),
        }
    }

    /// Whether there is an address left that has neither answered nor failed.
    pub(super) fn any_left(&self) -> bool {
        !(self.waiting.is_empty() && self.running.is_empty())
    }

    /// The next address that answers; none if no more do.
    pub(super) async fn next(&mut self) -> Option<Open> {
        loop {
            if self.running.is_empty() && !self.start() {
                return None;
            }
            tokio::select! {
                Some(tried) = self.running.join_next() => match tried {
                    Ok(Ok(open)) => return Some(open),
                    Ok(Err(_)) | Err(_) => drop(self.start()),
                },
                () = sleep(COMPANY_DELAY), if !self.waiting.is_empty() => drop(self.start()),
            }
        }
    }

    fn start(&mut self) -> bool {
        let Some(address) = self.waiting.pop_front() else {
            return false;
        };
        self.running.spawn(dial(address));
        true
    }
}

async fn dial(address: SocketAddr) -> io::Result<Open> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // What was checked is what was dialled, whatever stands between.
    if stream.peer_addr()? != address {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok((stream, address))
}
