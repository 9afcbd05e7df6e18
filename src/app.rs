//! Settings become a running gate.
//!
//! Everything that can be wrong with a setting is found here, before the first connection: files are opened, keys
//! matched, listeners bound. Nothing is fetched from a credential store until a call needs it.

mod assembly;
mod revocation;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinSet, time::MissedTickBehavior};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{RevokedFile, Settings},
    credential::vault::Vault,
    event::{self, Writer},
    proxy::Gate,
    server::{Drained, Server},
    shutdown::Ending,
};

/// How often resting connections are looked after.
const SWEEP_TIME: Duration = Duration::from_secs(5);

/// A gate that listens and is ready to serve.
pub(crate) struct App {
    server: Server,
    gate: Arc<Gate>,
    writer: Writer,
    vault: Option<Arc<Vault>>,
    revoked: RevokedFile,
    address: SocketAddr,
}

/// Why a gate cannot start.
#[derive(Debug)]
pub(crate) struct StartError(String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl StartError {
    fn because(what: &str, error: impl std::fmt::Display) -> StartError {
        StartError(format!("{what}: {error}"))
    }
}

impl App {
    /// Builds a gate from `settings` and binds its listener.
    pub(crate) async fn start(settings: &Settings) -> Result<App, StartError> {
        let gate_settings = &settings.gate;
        let acceptor = assembly::agents(gate_settings)?;
        let listener = TcpListener::bind(gate_settings.listen)
            .await
            .map_err(|error| {
                StartError::because(&format!("cannot listen on {}", gate_settings.listen), error)
            })?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::because("cannot listen", error))?;
        let (log, writer) = assembly::log(gate_settings)?;
        let (gate, vault) = assembly::gate(settings, log, address)?;
        event::started(&gate.log, address, &settings.version)
            .map_err(|_| StartError("the log cannot take the event `started`".to_owned()))?;
        let server = Server {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(acceptor)),
            gate: gate.clone(),
            connections_max: gate_settings.connections_max as usize,
            drain: gate_settings.drain,
        };
        let revoked = gate_settings.revoked.clone();
        Ok(App {
            server,
            gate,
            writer,
            vault,
            revoked,
            address,
        })
    }

    /// Where agents connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `ending`; then open calls may finish within the drain time, unless they are to end `at_once`.
    pub(crate) async fn serve(self, ending: Ending, at_once: Ending) -> Drained {
        let mut beside = JoinSet::new();
        beside.spawn(sweep(self.gate.clone()));
        beside.spawn(revocation::follow(self.gate.clone(), self.revoked));
        let drained = self.server.run(ending, at_once).await;
        beside.shutdown().await;
        self.gate.upstream.clear();
        if let Some(vault) = &self.vault {
            vault.close().await;
        }
        event::stopped(&self.gate.log, drained.as_str());
        let writer = self.writer;
        // The writer may wait for a slow sink, which must not hold up what else still runs.
        let _finished = tokio::task::spawn_blocking(move || writer.finish()).await;
        drained
    }
}

async fn sweep(gate: Arc<Gate>) {
    let mut ticks = tokio::time::interval(SWEEP_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        gate.upstream.sweep();
        gate.limits.forget_unused();
    }
}
