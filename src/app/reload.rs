//! Settings that change while the gate runs: read again on SIGHUP, and whenever any file that they are made of holds
//! something else.
//!
//! They are taken over whole or not at all. With a mistake anywhere the last good ones stay, and only the files that
//! those name are read again: so a mistake in one team's manifest holds up neither a certificate that was renewed nor
//! an authority or a revocation list that was changed. The revoked list is not followed here but by itself.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use time::OffsetDateTime;
use tokio::{
    signal::unix::Signal,
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    assembly,
    parts::{Failed, Parts},
    settle_credentials,
};
use crate::{
    config::{self, Digest, Inputs, Mistakes, RevokedFile, Settings},
    live::Look,
    metrics::Reload,
    proxy::Gate,
    shutdown::Ending,
    snapshot::Snapshot,
};

/// How often the files are looked at; what changed must look the same twice, so that nothing half written is read.
/// Not more often, because there may be ten thousand manifests to look at.
const LOOK_TIME: Duration = Duration::from_secs(2);
/// At how many looks in a row files may change and change again until they are read all the same: a file that never
/// comes to rest must not keep a revocation in another one from being seen.
const LOOKS_MAX: u32 = 3;
/// How often the files are read before one that is named by another is waited for no longer.
const READINGS_MAX: usize = 3;
/// The most mistakes that are told one by one.
const MISTAKES_TOLD_MAX: usize = 50;

/// What is in force, and what it takes to change it.
pub(super) struct Reloader {
    gate: Arc<Gate>,
    hangups: Signal,
    path: PathBuf,
    /// The last good settings.
    settings: Settings,
    /// What of the settings of the start holds until the next one.
    started: Started,
    parts: Parts,
    revoked: watch::Sender<RevokedFile>,
    /// What the settings in force are made of, and those that were refused last.
    inputs: Inputs,
    /// What the inputs held when they were read last; nothing before the first reading.
    seen: Option<Digest>,
}

/// Why the settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Signal,
    Content,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Changed,
    Unchanged,
    Refused,
}

/// Files that hold something else than when they were read.
#[derive(Debug, Default)]
struct Moving {
    held: Option<Digest>,
    looks: u32,
}

impl Moving {
    /// Whether files that hold `now` have come to rest, or are waited for no longer.
    fn rests(&mut self, now: Digest) -> bool {
        self.looks += 1;
        self.held.replace(now) == Some(now) || self.looks >= LOOKS_MAX
    }
}

impl Reloader {
    /// Follows the settings that are in force with `parts`; where the revoked list is, is told to `revoked`.
    pub(super) fn new(
        gate: Arc<Gate>,
        (settings, parts): (Settings, Parts),
        revoked: watch::Sender<RevokedFile>,
        hangups: Signal,
    ) -> Reloader {
        Reloader {
            gate,
            hangups,
            path: settings.path.clone(),
            started: Started::of(&settings.gate),
            settings,
            parts,
            revoked,
            inputs: Inputs::default(),
            seen: None,
        }
    }

    /// Follows the files and SIGHUP until `stopped`.
    pub(super) async fn follow(mut self, mut stopped: Ending) -> Reloader {
        let mut ticks = interval(LOOK_TIME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moving = Moving::default();
        loop {
            let cause = tokio::select! {
                biased;
                () = stopped.wait() => return self,
                _ = self.hangups.recv() => Some(Cause::Signal),
                _ = ticks.tick() => self.settled(&mut moving).await,
            };
            if let Some(cause) = cause {
                moving = Moving::default();
                self = self.reload(cause).await;
            }
        }
    }

    /// Gives back what the gate has elsewhere.
    pub(super) async fn close(&self) {
        if let Some(vault) = &self.parts.vault {
            // Said already; the process ends, and what is left ends by itself.
            let _lapses = vault.value.close().await;
        }
    }

    /// Whether the files hold something else than when they were read, and have come to rest.
    async fn settled(&self, moving: &mut Moving) -> Option<Cause> {
        let inputs = self.inputs.clone();
        let now = spawn_blocking(move || inputs.digest()).await.ok()?;
        if self.seen == Some(now) {
            *moving = Moving::default();
            return None;
        }
        let first = self.seen.is_none();
        (first || moving.rests(now)).then_some(Cause::Content)
    }

    /// Reads everything again and takes it over if it is good.
    async fn reload(self, cause: Cause) -> Reloader {
        let reloading = spawn_blocking(move || {
            let mut this = self;
            // A fault of the gate's own that some file brings out is no reason to follow none of them any more.
            let outcome = catch_unwind(AssertUnwindSafe(|| this.attempt()));
            let outcome = outcome.unwrap_or_else(|_told| this.refresh());
            this.tell(cause, outcome);
            this
        });
        match reloading.await {
            Ok(reloader) => reloader,
            // The state is gone with the task; to go on without it would be to follow nothing in silence.
            Err(error) => {
                tracing::error!("settings are followed no more: start the gate anew");
                std::panic::resume_unwind(error.into_panic())
            }
        }
    }

    fn attempt(&mut self) -> Outcome {
        let taken = self.read().and_then(|settings| {
            for warning in settings
                .warnings
                .iter()
                .filter(|_| settings.version != self.settings.version)
            {
                tracing::warn!("{warning}");
            }
            let parts = self.parts.again(&settings, Failed::Refuses);
            let parts = parts.map_err(|error| tracing::error!("settings: {error}"))?;
            Ok((settings, parts))
        });
        match taken {
            Ok((settings, parts)) => self.take(settings, parts),
            Err(()) => self.refresh(),
        }
    }

    /// The settings as the files have them now; the mistakes in them are told.
    fn read(&mut self) -> Result<Settings, ()> {
        let mut loaded = self.read_once();
        for _ in 1..READINGS_MAX {
            if self.seen.is_some() {
                break;
            }
            // A file that was not looked at before may have changed before it was.
            loaded = self.read_once();
        }
        loaded.map_err(|mistakes| tell_mistakes(&mistakes))
    }

    /// Reads once. What was seen is known only if no further file turned out to count.
    fn read_once(&mut self) -> Result<Settings, Mistakes> {
        let held = self.inputs.digest();
        let today = OffsetDateTime::now_utc().date();
        let (loaded, inputs) = config::read(&self.path, today);
        let inputs = match &loaded {
            Ok(_) => inputs,
            Err(_) => inputs.and(&self.inputs),
        };
        self.seen = Some(held).filter(|_| inputs == self.inputs);
        self.inputs = inputs;
        loaded
    }

    fn take(&mut self, settings: Settings, parts: Parts) -> Outcome {
        if settings.version == self.settings.version && parts.same(&self.parts) {
            return Outcome::Unchanged;
        }
        self.started.tell_what_waits(&settings.gate);
        self.revoked.send_if_modified(|file| {
            let other = *file != settings.gate.revoked;
            file.clone_from(&settings.gate.revoked);
            other
        });
        self.settings = settings;
        self.swap(parts);
        Outcome::Changed
    }

    /// The settings were refused: reads again what those in force name, each by itself.
    fn refresh(&mut self) -> Outcome {
        match self.parts.again(&self.settings, Failed::KeepsLast) {
            Ok(parts) if parts.same(&self.parts) => {}
            Ok(parts) => {
                self.swap(parts);
                tracing::info!("files that the settings in force name were read again");
            }
            Err(error) => {
                tracing::error!(%error, "the settings in force cannot be put together anew")
            }
        }
        Outcome::Refused
    }

    /// Puts `parts` in force with the last good settings, and ends what these no longer allow.
    fn swap(&mut self, parts: Parts) {
        let before = std::mem::replace(&mut self.parts, parts);
        let fresh = assembly::snapshot(
            &self.settings,
            &self.parts,
            (&self.gate.limits, self.gate.log.metrics()),
        );
        // Who is revoked is followed by itself, and may be newer than what was read here.
        let replaced = self.gate.snapshot.rcu(|current| Snapshot {
            revoked: current.revoked.clone(),
            ..fresh.clone()
        });
        let look = match Arc::ptr_eq(&before.agents.value, &self.parts.agents.value) {
            true => Look::Rules,
            false => Look::Certificates,
        };
        let snapshot = self.gate.snapshot.load_full();
        let ended = self.gate.register.review(&snapshot, look, &self.gate.log);
        if ended > 0 {
            tracing::info!(
                ended,
                "open connections ended with the settings that allowed them"
            );
        }
        settle_credentials(&self.gate, &replaced);
        if !Arc::ptr_eq(&before.upstream.value, &self.parts.upstream.value) {
            before.upstream.value.close();
        }
        if let (Some(vault), None) = (before.vault, &self.parts.vault) {
            tokio::spawn(async move { vault.value.close().await });
        }
    }

    fn tell(&self, cause: Cause, outcome: Outcome) {
        // Mistakes that were taken back leave everything as it was, and that is worth a word.
        let mended = !self.gate.log.metrics().last_reload().applied;
        let snapshot = self.settings.version.as_str();
        let (roles, credentials) = (self.settings.roles.len(), self.settings.credentials.len());
        match (outcome, cause) {
            (Outcome::Changed, _) => {
                self.count(Reload::Applied);
                tracing::info!(
                    snapshot,
                    roles,
                    credentials,
                    "reloaded: the settings are in force"
                );
            }
            (Outcome::Unchanged, Cause::Content) if !mended => {}
            (Outcome::Unchanged, _) => {
                self.count(Reload::Applied);
                tracing::info!(snapshot, "reloaded: nothing has changed");
            }
            (Outcome::Refused, _) => {
                self.count(Reload::Refused);
                tracing::error!(
                    snapshot,
                    "not reloaded: the last good settings stay in force"
                );
            }
        }
    }

    fn count(&self, reload: Reload) {
        self.gate.log.metrics().reloaded(reload);
    }
}

/// Settings that are taken at the start only, by what they are called, each as it was written then.
#[derive(Debug)]
struct Started(Vec<(&'static str, String)>);

impl Started {
    fn of(gate: &config::Gate) -> Started {
        let events = &gate.events;
        Started(vec![
            ("listen", format!("{:?}", gate.listen)),
            ("connections", format!("{:?}", gate.connections_max)),
            ("admin", format!("{:?}", gate.admin)),
            (
                "drain and drain_delay",
                format!("{:?}", (gate.drain, gate.drain_delay)),
            ),
            (
                "events.stdout and events.file",
                format!("{:?}", (events.stdout, &events.file)),
            ),
        ])
    }

    /// Says which settings of `gate` wait for the next start.
    fn tell_what_waits(&self, gate: &config::Gate) {
        let now = Started::of(gate).0;
        for ((setting, then), (_, now)) in self.0.iter().zip(now) {
            if *then != now {
                tracing::warn!("{setting}: the change is in force after the next start");
            }
        }
    }
}

fn tell_mistakes(Mistakes { mistakes, .. }: &Mistakes) {
    for mistake in mistakes.iter().take(MISTAKES_TOLD_MAX) {
        tracing::error!("settings: {mistake}");
    }
    if let Some(more) = mistakes.len().checked_sub(MISTAKES_TOLD_MAX + 1) {
        tracing::error!(
            "settings: and {} more mistakes; `tollgate check` says them all",
            more + 1
        );
    }
}
