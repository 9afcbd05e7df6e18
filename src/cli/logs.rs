//! `tollgate logs`: what happened, in rows for a person or in the lines of the log for a program.
//!
//! On a terminal each event is one row; anywhere else, and with `--json`, the lines go on as they stand in the file.
//! Only events are printed: whatever else stands there is named on stderr by the number of its line. The file is read
//! as if an agent had written it, so that nothing of it reaches a terminal but printable characters.

mod cut;
mod event;
mod filter;
mod follow;
mod lines;
mod output;
mod reading;
mod row;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use self::{
    filter::Filter,
    follow::Following,
    output::Output,
    reading::{Fault, Reading},
};
use super::Failure;
use crate::{config, identity::SpiffeId, shutdown};

/// The file that is none but standard input.
const STDIN: &str = "-";
/// How many events stand before what is added, as with `tail -f`.
const EVENTS_BEFORE: usize = 10;

/// What is read, and which of it is printed.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The event file, or `-` for standard input; without it the one that the settings name.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The settings that name the event file.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// Go on with what is added, also when the file is moved or emptied, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Begin with the last N events of those wanted; all of them unless told otherwise, with --follow 10.
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Only what callers in this role did.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Only what this caller did.
    #[arg(long, value_name = "SPIFFE-ID", value_parser = spiffe_id)]
    caller: Option<SpiffeId>,
    /// Only what was refused.
    #[arg(long)]
    refused: bool,
    /// The lines as they stand in the file, also on a terminal.
    #[arg(long)]
    json: bool,
}

/// Prints the events that are wanted.
///
/// # Errors
/// [`Failure::Usage`] if no file is named or the settings cannot be read; [`Failure::Run`] if the file cannot be.
pub(crate) fn run(logs: &Logs) -> Result<(), Failure> {
    let path = logs.path()?;
    let name = path.display().to_string();
    let output = Output::stdout(logs.json)
        .map_err(|error| Failure::Run(format!("cannot write to stdout: {error}")))?;
    let (follow, streams) = (logs.follow, is_stream(&path));
    let reading = Reading::new(name.clone(), logs.filter(), logs.before(streams), output);
    let work = move || {
        let outcome = if path == Path::new(STDIN) {
            reading.through(io::stdin().lock())
        } else if follow && !streams {
            reading.and_on(Following::new(&path))
        } else {
            let file = File::open(&path).map_err(Fault::Reading);
            file.and_then(|file| reading.through(file))
        };
        outcome.or_else(|fault| failure(&name, fault))
    };
    match follow {
        true => until_told(work),
        false => work(),
    }
}

/// Whether what is read there is gone once it was read: standard input, or a pipe.
fn is_stream(path: &Path) -> bool {
    path == Path::new(STDIN) || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// Whoever stops reading has seen enough, which is no failure.
fn failure(name: &str, fault: Fault) -> Result<(), Failure> {
    match fault {
        Fault::Printing(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Fault::Printing(error) => Err(Failure::Run(format!("cannot write to stdout: {error}"))),
        Fault::Reading(error) => Err(Failure::Run(format!("cannot read {name}: {error}"))),
    }
}

/// Does `work` until it ends by itself or is told to, which is how it is meant to end.
fn until_told(work: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Run(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let outcome = runtime.block_on(async {
        let work = tokio::task::spawn_blocking(work);
        tokio::select! {
            told = shutdown::signalled() => told.map_err(failed),
            done = work => done.unwrap_or_else(|error| Err(Failure::Run(error.to_string()))),
        }
    });
    // The work may wait for whoever reads, which must not hold up the end.
    runtime.shutdown_background();
    outcome
}

impl Logs {
    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let named = config::event_file(&self.config)
            .map_err(|mistakes| Failure::Usage(format!("settings:\n{mistakes}")))?;
        named.ok_or_else(|| {
            let config = self.config.display();
            Failure::Usage(format!(
                "{config} names no file under `events`: name one here, or pipe the gate's output into `tollgate logs -`"
            ))
        })
    }

    fn filter(&self) -> Filter {
        let caller = self.caller.as_ref().map(SpiffeId::as_str);
        Filter::new(self.role.as_deref(), caller, self.refused)
    }

    /// With how many events to begin. Those of a stream come as they are made, unless told otherwise.
    fn before(&self, streams: bool) -> Option<usize> {
        let usual = (self.follow && !streams).then_some(EVENTS_BEFORE);
        self.lines.or(usual)
    }
}

fn spiffe_id(text: &str) -> Result<SpiffeId, String> {
    SpiffeId::parse(text).map_err(|fault| fault.to_string())
}
