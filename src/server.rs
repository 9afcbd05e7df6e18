//! Accepts connections until told to stop. How many there may be is for `session` to say: of handshakes, and of agents.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    outcome::Outcome,
    proxy::Gate,
    session::{self, handshakes::Handshakes},
    shutdown::Ending,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How long the listener rests when the process is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the calls that were open at the end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Each by itself.
    Complete,
    /// The rest were cut off at the deadline.
    Deadline,
    /// The rest were cut off because a second signal said so.
    AtOnce,
    /// All were cut off, since a defect ended a part that the gate cannot be without.
    Defect,
}

impl Drained {
    /// The word of the event `stopped`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Drained::Complete => "drained",
            Drained::Deadline => "deadline",
            Drained::AtOnce => "at_once",
            Drained::Defect => "defect",
        }
    }

    /// How the calls ended that were cut off, if any were.
    pub(crate) fn cut(self) -> Option<Outcome> {
        match self {
            Drained::Complete => None,
            Drained::Deadline => Some(Outcome::DrainDeadline),
            Drained::AtOnce => Some(Outcome::DrainAtOnce),
            Drained::Defect => Some(Outcome::Defect),
        }
    }
}

/// The agents' listener.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) gate: Arc<Gate>,
    /// The handshakes that have not ended.
    pub(crate) handshakes: Arc<Handshakes>,
    /// How long calls may take to end once the end was announced.
    pub(crate) drain: Duration,
}

impl Server {
    /// Serves until `ending`, then lets open calls finish within the drain time, unless they are to end at once.
    pub(crate) async fn run(self, mut ending: Ending) -> Drained {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = ending.wait() => break,
                Some(_) = sessions.join_next() => {}
                accepted = accept(&self.listener) => match accepted {
                    Ok((stream, peer)) => {
                        let unfinished = self.handshakes.begin(peer.ip());
                        let gate = self.gate.clone();
                        sessions.spawn(session::serve(gate, stream, unfinished, ending.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        self.handshakes.make_way();
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        let drained = tokio::select! {
            biased;
            () = ending.at_once() => Drained::AtOnce,
            () = async { while sessions.join_next().await.is_some() {} } => Drained::Complete,
            () = tokio::time::sleep(self.drain) => Drained::Deadline,
        };
        if let Some(outcome) = drained.cut() {
            self.gate.log.cut().tell(outcome);
        }
        // What is cut off here still writes its final event, when it is dropped.
        sessions.shutdown().await;
        drained
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer))
}
