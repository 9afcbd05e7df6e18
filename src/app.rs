//! Settings become a running gate.
//!
//! Everything that can be wrong with a setting is found here, before the first connection: files are opened, keys
//! matched, listeners bound. Nothing is fetched from a credential store until a call needs it.

mod assembly;
mod descriptors;
mod parts;
mod reload;
mod revocation;
mod rotation;
mod unheeded;

pub(crate) use parts::Alone;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use self::{
    descriptors::Fitting, parts::Parts, reload::Reloader, rotation::Rotation, unheeded::Unheeded,
};
use crate::{
    admin::{self, Admin, View},
    config::{self, RevokedFile, Settings},
    event::{self, Log, Writer},
    limit::Limits,
    live::{Look, Register},
    proxy::Gate,
    server::{Drained, Server},
    session::handshakes::Handshakes,
    shutdown::{self, Ending, Phase},
    snapshot::Snapshot,
};

/// How often what rests or has ended is looked after.
const SWEEP_TIME: Duration = Duration::from_secs(5);

/// A gate that listens and is ready to serve.
pub(crate) struct App {
    server: Server,
    admin: Option<Admin>,
    gate: Arc<Gate>,
    writer: Writer,
    reloader: Reloader,
    revoked: watch::Receiver<RevokedFile>,
    rotation: Rotation,
    _unheeded: Unheeded,
    address: SocketAddr,
}

/// Why a gate cannot start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// Something that only a change of the settings, or of what they name, mends.
    Settings(String),
    /// An address, or a file, that cannot be had now, and may be free later.
    Address(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Settings(why) | StartError::Address(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    fn because(what: &str, error: impl std::fmt::Display) -> StartError {
        StartError::Settings(format!("{what}: {error}"))
    }

    fn not_bound(listen: impl std::fmt::Display, error: &std::io::Error) -> StartError {
        StartError::Address(format!("cannot listen on {listen}: {error}"))
    }
}

impl App {
    /// Builds a gate from `settings` and binds its listener.
    pub(crate) async fn start(settings: Settings) -> Result<App, StartError> {
        // First of all: unlistened to, each of these signals would end the process.
        let unheeded = Unheeded::listen()
            .map_err(|error| StartError::because("signals cannot be listened to", error))?;
        let rotation = Rotation::listen()
            .map_err(|error| StartError::because("SIGUSR1 cannot be listened to", error))?;
        let hangups = signal(SignalKind::hangup())
            .map_err(|error| StartError::because("SIGHUP cannot be listened to", error))?;
        let listen = settings.gate.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| StartError::not_bound(listen, &error))?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::not_bound(listen, &error))?;
        let admin = admin(settings.gate.admin.as_ref()).await?;
        let own = admin.as_ref().and_then(admin::Listener::address);
        let own = [address].into_iter().chain(own).collect();
        let fitting = Fitting::into_the_process(settings.gate.connections_max);
        let connections_max = fitting.connections_max;
        let (log, writer) = assembly::log(&settings.gate, connections_max)?;
        let vault_errors = log.metrics().vault.clone();
        let parts = Parts::first(&settings, (own, connections_max), vault_errors)?;
        let limits = Limits::default();
        let gate = Arc::new(Gate {
            snapshot: ArcSwap::from_pointee(assembly::snapshot(
                &settings,
                &parts,
                (&limits, log.metrics()),
            )),
            log,
            limits,
            register: Arc::new(Register::new(connections_max as usize)),
        });
        let told = admin.as_ref().map(ToString::to_string);
        event::started(&gate.log, address, told, &settings.version).map_err(|_| {
            StartError::Settings("the log cannot take the event `started`".to_owned())
        })?;
        let handshakes = Arc::new(Handshakes::new(fitting.handshakes_max));
        let view = View {
            gate: gate.clone(),
            handshakes: handshakes.clone(),
        };
        let server = Server {
            listener,
            gate: gate.clone(),
            handshakes,
            drain: settings.gate.drain,
        };
        let (tell_revoked, revoked) = watch::channel(settings.gate.revoked.clone());
        Ok(App {
            server,
            admin: admin.map(|listener| Admin { listener, view }),
            reloader: Reloader::new(gate.clone(), (settings, parts), tell_revoked, hangups),
            gate,
            writer,
            revoked,
            rotation,
            _unheeded: unheeded,
            address,
        })
    }

    /// Where agents connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `ending`; then open calls may finish within the drain time, unless they are to end at once.
    pub(crate) async fn serve(self, ending: Ending) -> Drained {
        let mut beside = JoinSet::new();
        beside.spawn(sweep(self.gate.clone()));
        beside.spawn(revocation::follow(self.gate.clone(), self.revoked));
        beside.spawn(self.rotation.follow(self.gate.log.clone()));
        let (stop, stopped) = shutdown::announcement();
        let reloading = tokio::spawn(self.reloader.follow(stopped));
        if let Some(admin) = self.admin {
            beside.spawn(admin.serve(ending.clone()));
        }
        let drained = tokio::select! {
            biased;
            drained = self.server.run(ending) => drained,
            () = broken(&mut beside, &self.gate.log) => Drained::Defect,
        };
        beside.shutdown().await;
        self.gate.snapshot.load().upstream.close();
        stop.now(Phase::Closing);
        if let Ok(reloader) = reloading.await {
            reloader.close().await;
        }
        event::stopped(&self.gate.log, drained.as_str());
        let writer = self.writer;
        // The writer may wait for a slow sink, which must not hold up what else still runs.
        let _finished = tokio::task::spawn_blocking(move || writer.finish()).await;
        drained
    }
}

async fn admin(admin: Option<&config::Admin>) -> Result<Option<admin::Listener>, StartError> {
    let Some(admin) = admin else {
        return Ok(None);
    };
    let bound = admin::Listener::bind(admin).await;
    bound
        .map(Some)
        .map_err(|error| StartError::not_bound(admin, &error))
}

/// Waits until a task of `parts` panics, and tells the open calls so. A gate that went on without one would look whole
/// and follow no revocation, for example, so it ends, and whoever runs it starts another.
async fn broken(parts: &mut JoinSet<()>, log: &Log) {
    loop {
        match parts.join_next().await {
            Some(Err(error)) if error.is_panic() => break,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
    if let Some(outcome) = Drained::Defect.cut() {
        log.cut().tell(outcome);
    }
}

async fn sweep(gate: Arc<Gate>) {
    let mut ticks = interval(SWEEP_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let snapshot = gate.snapshot.load_full();
        snapshot.upstream.sweep();
        gate.limits.forget_unused();
        snapshot.sweep_credentials();
        gate.register.review(&snapshot, Look::Clock, &gate.log);
    }
}

/// Has credentials that nobody may use any more give up what they have, by the settings in force, of which `before` may
/// have had others. Whoever changes the settings calls it, and the last to do so is the one who sees the last change.
fn settle_credentials(gate: &Gate, before: &Snapshot) {
    loop {
        let snapshot = gate.snapshot.load_full();
        snapshot.settle_credentials(before);
        if Arc::ptr_eq(&snapshot, &gate.snapshot.load()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Sink, metrics::Metrics, outcome::Outcome};

    #[tokio::test]
    async fn a_part_that_panics_is_told_and_one_that_ends_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let sinks = vec![Sink::file(&directory.path().join("events")).unwrap()];
        let (log, writer) = Log::start(sinks, 1, Arc::new(Metrics::new())).unwrap();
        let mut parts = JoinSet::new();
        parts.spawn(async {});
        parts.spawn(std::future::pending());
        parts.spawn(async { panic!("a defect") });
        broken(&mut parts, &log).await;
        assert_eq!(parts.len(), 1);
        assert_eq!(log.cut().outcome(), Outcome::Defect);
        writer.finish();
    }
}
