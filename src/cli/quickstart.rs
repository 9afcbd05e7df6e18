//! `tollgate quickstart`: the product in one process, shown to the three who use it.
//!
//! It starts an API, a credential store, the real gate with real settings, a connector and an agent, on loopback and
//! in one temporary directory, makes the calls that each reader would want to see, and holds what happened against
//! what should have. Nothing of it is reached by `serve`; nothing is left behind.

mod agent;
mod analyst;
mod api;
mod author;
mod checks;
mod handover;
mod journal;
mod leaks;
mod load;
mod outage;
mod page;
mod platform;
mod refused;
mod secrecy;
mod settings;
mod speech;
mod stage;
mod store;
mod stranger;

use std::io;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{
    analyst::Analyst,
    author::Author,
    checks::Check,
    load::Load,
    outage::Outage,
    page::{Ink, Page},
    platform::Platform,
    secrecy::Secrecy,
    speech::Speech,
    stage::{Places, Stage},
    stranger::Stranger,
};
use super::Failure;

/// A tour on loopback, with nothing to install and nothing left behind.
#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// End after the tour, with exit code 1 if anything differed from what it should show.
    #[arg(long)]
    once: bool,
}

/// Gives the tour, and stays up after it unless told otherwise.
pub(crate) fn run(quickstart: &Quickstart) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Run(format!("cannot start: {error}"));
    let speech = Speech::listen();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let mut ends = Ends::listen().map_err(failed)?;
        let mut stage = Stage::set(speech).await?;
        let shown = tokio::select! {
            shown = show(&mut stage, quickstart.once) => shown,
            () = ends.wait() => interrupted(quickstart.once),
        };
        // What was started ends and is removed, whatever the tour came to.
        let cleared = stage.clear().await;
        shown.and(cleared)
    })
}

/// Ctrl-C is how a tour ends that stays up; one that was to be seen to its end was not.
fn interrupted(once: bool) -> Result<(), Failure> {
    match once {
        true => Err(Failure::Run("the tour was interrupted".to_owned())),
        false => Ok(()),
    }
}

/// The tour, and then whatever a reader tries.
async fn show(stage: &mut Stage, once: bool) -> Result<(), Failure> {
    let mut page = Page::on_stdout();
    let checks = tour(stage, &mut page).await?;
    let outcome = checks::outcome(&checks);
    page.gap();
    match &outcome {
        Ok(()) => page.line(&[(Ink::Good, " Everything was as it should be.")]),
        Err(failure) => {
            for line in failure.to_string().lines() {
                page.line(&[(Ink::Bad, &format!(" {line}"))]);
            }
        }
    }
    if !once {
        handover::show(&stage.places, &mut page);
        handover::follow(stage, &mut page).await?;
    }
    page.readable().and(outcome)
}

/// What each reader wants to see, in turn; the answer is everything that was checked.
async fn tour(stage: &mut Stage, page: &mut Page) -> Result<Vec<Check>, Failure> {
    opening(&stage.places, page);

    page.chapter(1, "What the agent's author sees");
    let author = Author::watch(stage).await?;
    author.show(page);
    page.readable()?;

    page.chapter(2, "What the platform engineer sees");
    let platform = Platform::watch(stage).await?;
    platform.show(page);
    page.readable()?;
    Load::announce(page);
    let load = Load::watch(stage).await?;
    load.show(page);
    let outage = Outage::watch(stage).await?;
    outage.show(page);
    page.readable()?;

    page.chapter(3, "What the SOC analyst sees");
    let analyst = Analyst::watch(stage).await?;
    analyst.show(page);
    let stranger = Stranger::watch(stage).await?;
    stranger.show(page);
    let secrecy = Secrecy::watch(stage, page)?;
    secrecy.show(page);

    Ok([
        author.checks().concat(),
        platform.checks(),
        load.checks(),
        outage.checks(),
        analyst.checks().concat(),
        stranger.checks(),
        secrecy.checks(),
    ]
    .concat())
}

fn opening(places: &Places, page: &mut Page) {
    page.line(&[
        (Ink::Strong, "tollgate quickstart"),
        (
            Ink::Plain,
            ": an agent, the gate, a credential store and an API, on loopback only",
        ),
    ]);
    page.gap();
    page.pair(
        "agent",
        "knows a proxy and an authority to trust, and no secret",
    );
    page.pair(
        "connector",
        &format!("{}, adds the agent's certificate (mTLS)", places.door),
    );
    page.pair(
        "gate",
        &format!(
            "{}, decides, limits, puts the token in, writes it down",
            places.gate
        ),
    );
    page.pair("store", "a file with a token that works for a few seconds");
    page.pair(
        "API",
        &format!("{} at {}, demands the token", api::HOST, places.api),
    );
    page.pair(
        "files",
        &format!("{}, removed at the end", places.dir.display()),
    );
}

/// What ends the process from outside: Ctrl-C, SIGTERM, and the terminal that closes.
struct Ends([Signal; 3]);

impl Ends {
    fn listen() -> io::Result<Ends> {
        let [interrupt, terminate, hangup] = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        Ok(Ends([interrupt, terminate, hangup]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
