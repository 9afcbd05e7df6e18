//! `tollgate connect`: the front door for clients that cannot show a certificate to a proxy.
//!
//! A loopback port that carries bytes to the gate over TLS 1.3 with the agent's certificate, and carries them
//! back. It reads no request, decides about none and knows no rule: all of that is the gate's. The only HTTP it
//! ever speaks is the answer that says why there is no gate to talk to.
//!
//! Who may use the port may use the certificate, so it is loopback only and serves the processes of its own user.
#![allow(
    clippy::print_stderr,
    reason = "stderr is speech: when it is ready, and why it does not serve"
)]

mod answer;
mod link;
mod peer;
mod pipe;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use clap::Args;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::JoinSet,
};

use self::{answer::Unserved, link::Link, peer::Peers};
use super::Failure;
use crate::target::{Authority, Host};

/// How many connections are carried at the same time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;

/// How long to wait after the system refused to accept a connection, for want of file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What `connect` is told.
#[derive(Args, Clone)]
pub(crate) struct Connect {
    /// Where the gate listens.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) gate: Authority,
    /// The agent's certificate, followed by intermediate ones if there are any (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: PathBuf,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The authorities that may name the gate (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: PathBuf,
    /// The name that the gate's certificate must carry, if it is not the host of --gate.
    #[arg(long, value_name = "NAME", value_parser = Host::parse)]
    pub(crate) gate_name: Option<Host>,
    /// The loopback address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3128")]
    pub(crate) listen: SocketAddr,
    /// Serve processes of this user id as well; may be repeated.
    #[arg(long = "peer-uid", value_name = "UID")]
    pub(crate) peer_uids: Vec<u32>,
}

/// Listens and carries until SIGINT or SIGTERM; SIGHUP changes nothing.
pub(crate) fn run(settings: &Connect) -> Result<(), Failure> {
    let failed = |err: io::Error| Failure::Run(format!("cannot start: {err}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        // Meant for a gate of the same name. Unlistened to it would end this; the files are looked at anyway.
        let _unheeded = signal(SignalKind::hangup()).map_err(failed)?;
        let connector = Connector::bind(settings).await?;
        eprintln!("listening on {}", connector.address());
        connector
            .serve(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            })
            .await;
        Ok(())
    })
}

/// A bound port with a way to the gate behind it.
pub(crate) struct Connector {
    listener: TcpListener,
    address: SocketAddr,
    door: Arc<Door>,
}

/// What every connection shares.
struct Door {
    link: Link,
    peers: Peers,
    /// What was last said about not serving, so that a client in a loop does not fill the log.
    said: AtomicU8,
}

impl Connector {
    /// Reads the certificates and binds the port. The gate need not be there yet.
    pub(crate) async fn bind(settings: &Connect) -> Result<Connector, Failure> {
        let listen = settings.listen;
        if !listen.ip().to_canonical().is_loopback() {
            return Err(Failure::Usage(format!(
                "{listen} is not a loopback address: whoever reaches the port speaks as the agent"
            )));
        }
        let peers = Peers::of_this_user_and(&settings.peer_uids)
            .map_err(|err| Failure::Run(format!("cannot tell the own user id: {err}")))?;
        let link = Link::new(settings).map_err(Failure::Usage)?;
        let not_bound = |err: io::Error| Failure::Run(format!("cannot listen on {listen}: {err}"));
        let listener = TcpListener::bind(listen).await.map_err(not_bound)?;
        let address = listener.local_addr().map_err(not_bound)?;
        let door = Arc::new(Door {
            link,
            peers,
            said: AtomicU8::new(0),
        });
        Ok(Connector {
            listener,
            address,
            door,
        })
    }

    /// The address it listens on, with the port that was chosen if 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries connections until `stop` completes, and then ends those that are open.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut open = JoinSet::new();
        let accept = async {
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                while open.try_join_next().is_some() {}
                let Ok((client, peer)) = self.listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let door = Arc::clone(&self.door);
                open.spawn(async move {
                    door.carry(client, peer).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop => {}
        }
        open.shutdown().await;
    }
}

impl Door {
    /// One connection, from its first byte to its last.
    async fn carry(&self, mut client: TcpStream, peer: SocketAddr) {
        let gate = match self.open(&client, peer).await {
            Ok(gate) => gate,
            Err(unserved) => {
                self.say(&unserved);
                return answer::instead_of_the_gate(&mut client, &unserved).await;
            }
        };
        self.said.store(0, Ordering::Relaxed);
        if let Err(unserved) = pipe::both_ways(&mut client, gate).await {
            self.say(&unserved);
            answer::after_the_request(&mut client, &unserved).await;
        }
    }

    async fn open(&self, client: &TcpStream, peer: SocketAddr) -> Result<link::Gate, Unserved> {
        client.set_nodelay(true).map_err(Unserved::Unreachable)?;
        self.peers
            .check(client.local_addr().map_err(Unserved::Unreachable)?, peer)
            .await?;
        self.link.dial().await
    }

    fn say(&self, unserved: &Unserved) {
        if self.said.swap(unserved.kind(), Ordering::Relaxed) != unserved.kind() {
            super::say(format_args!("connect: {}", unserved.cause()));
        }
    }
}

fn host_and_port(text: &str) -> Result<Authority, String> {
    let authority = Authority::parse(text).map_err(|fault| fault.to_string())?;
    if authority.port().is_none() {
        return Err("The port is missing.".to_owned());
    }
    Ok(authority)
}

#[cfg(test)]
mod tests;
