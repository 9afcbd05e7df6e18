//! `tollgate serve`: the gate, until SIGTERM or SIGINT.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use time::OffsetDateTime;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::Failure;
use crate::{
    app::{App, StartError},
    config,
    server::Drained,
    shutdown::{self, Announce, Phase, Signals},
};

/// Where the settings are, and how the gate speaks of itself.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings; the other files are named in it, or stand beside it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// How the gate speaks of itself on stderr.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    speech: Speech,
    /// How much it says: error, warn, info or debug.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    level: LevelFilter,
}

/// The form of what the gate says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Speech {
    /// Lines for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Serves until told to end, then lets open calls finish.
pub(crate) fn run(serve: &Serve) -> Result<(), Failure> {
    speak(serve);
    let settings = config::load(&serve.config, OffsetDateTime::now_utc().date())
        .map_err(|mistakes| Failure::Usage(format!("settings:\n{mistakes}")))?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("the runtime cannot start: {error}")))?;
    match runtime.block_on(serve_settings(settings))? {
        Drained::Complete => Ok(()),
        Drained::Deadline => Err(Failure::Deadline),
        Drained::AtOnce => Err(Failure::AtOnce),
        Drained::Defect => Err(Failure::Run(
            "a defect ended a part that the gate cannot be without".to_owned(),
        )),
    }
}

async fn serve_settings(settings: config::Settings) -> Result<Drained, Failure> {
    let mut signals = Signals::listen()
        .map_err(|error| Failure::Run(format!("signals cannot be listened to: {error}")))?;
    let (roles, credentials) = (settings.roles.len(), settings.credentials.len());
    let (snapshot, delay) = (settings.version.clone(), settings.gate.drain_delay);
    let app = App::start(settings).await.map_err(|error| match error {
        StartError::Settings(why) => Failure::Usage(why),
        StartError::Address(why) => Failure::Run(why),
    })?;
    tracing::info!(address = %app.address(), snapshot, roles, credentials, "listening");
    let (end, ending) = shutdown::announcement();
    let mut serving = tokio::spawn(app.serve(ending));
    let served = tokio::select! {
        served = &mut serving => served,
        () = wind_down(&mut signals, &end, delay) => serving.await,
    };
    served.map_err(|error| Failure::Run(format!("the server ended by itself: {error}")))
}

/// Ends the gate phase by phase as signals tell it; done when there is no further phase to announce.
async fn wind_down(signals: &mut Signals, end: &Announce, delay: Duration) {
    signals.next().await;
    end.now(Phase::Draining);
    tracing::info!(
        delay_s = delay.as_secs(),
        "ending: not ready any more; calls are taken until the delay is over, a second signal ends at once"
    );
    tokio::select! {
        () = tokio::time::sleep(delay) => end.now(Phase::Closing),
        () = signals.next() => return end.now(Phase::AtOnce),
    }
    tracing::info!("ending: no new connections, open calls may finish");
    signals.next().await;
    end.now(Phase::AtOnce);
}

/// Sets up what the gate says of itself: to stderr, never a call's data.
fn speak(serve: &Serve) {
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        // Told on stderr, they would panic whenever stderr cannot be written to.
        .log_internal_errors(false)
        .with_ansi(false)
        .with_target(false);
    let listening = tracing_subscriber::registry().with(own_words(serve.level));
    match serve.speech {
        Speech::Text => listening.with(lines).init(),
        Speech::Json => listening.with(lines.json()).init(),
    }
}

/// The gate's own words up to `level`, and nobody else's at any: what a library says of itself may be what it carries,
/// and whatever of it matters comes back as an error.
pub(crate) fn own_words(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target(env!("CARGO_CRATE_NAME"), level)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn no_library_is_heard_at_any_level() {
        let words = own_words(LevelFilter::TRACE);
        assert!(words.would_enable("tollgate::proxy", &Level::TRACE));
        for library in [
            "hyper",
            "hyper_util",
            "h2",
            "rustls",
            "reqwest",
            "rustify",
            "vaultrs",
            "hickory_resolver",
        ] {
            assert!(!words.would_enable(library, &Level::ERROR), "{library}");
        }
    }
}
