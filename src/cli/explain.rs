//! `tollgate explain`: what the gate would say to one call, and why.
//!
//! The explanation goes to stdout, for a person or as one JSON object. Settings with mistakes are answered as by
//! `check`, since they decide nothing.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use time::{Date, OffsetDateTime};

use super::{Failure, check};
use crate::{
    config::{self, Settings},
    explain::{Call, Explanation},
    identity::SpiffeId,
    target::spelled::{self, Spelled},
};

/// What `explain` is told.
#[derive(Args)]
pub(crate) struct Explain {
    /// The main settings file; the others are found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// Who would call: a SPIFFE ID.
    #[arg(long = "as", value_name = "ID", value_parser = SpiffeId::parse)]
    caller: SpiffeId,
    /// The day of the call, like 2027-04-30; today if it is not said.
    #[arg(long, value_name = "DATE", value_parser = config::date)]
    on: Option<Date>,
    /// Explain in JSON.
    #[arg(long)]
    json: bool,
    /// The method, like GET.
    #[arg(value_parser = spelled::method)]
    method: http::Method,
    /// The URL as the agent writes it: http:// comes in clear, https:// through a tunnel.
    #[arg(value_parser = spelled::url)]
    url: String,
}

/// Prints the explanation.
///
/// # Errors
/// [`Failure::Run`] if the call is refused, [`Failure::Usage`] if the settings have a mistake.
pub(crate) fn run(explain: &Explain) -> Result<(), Failure> {
    let today = OffsetDateTime::now_utc().date();
    let settings = settings(&explain.config, today)?;
    let call = Call {
        caller: explain.caller.clone(),
        spelled: Spelled {
            method: explain.method.clone(),
            url: explain.url.clone(),
        },
    };
    let explanation = Explanation::of(&settings, &call, explain.on.unwrap_or(today));
    let text = if explain.json {
        explanation.to_json() + "\n"
    } else {
        explanation.to_string()
    };
    print(&text)?;
    match explanation.reason() {
        None => Ok(()),
        Some(reason) => Err(Failure::Run(format!("refused: {}", reason.code()))),
    }
}

/// The settings, or all that is wrong with them, said as `check` says it.
pub(super) fn settings(path: &Path, today: Date) -> Result<Settings, Failure> {
    config::load(path, today).map_err(check::report)
}

/// Writes `text` to stdout.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let printed = io::stdout().lock().write_all(text.as_bytes());
    printed.map_err(|error| Failure::Run(format!("cannot write to stdout: {error}")))
}
