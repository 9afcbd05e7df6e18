//! What every command does before anything else, since most of them come to hold a key or a secret: no core of this
//! process is written, no other process of its user can look into it, and a panic tells where it was, not what of.
//!
//! Root can still read the memory. Who runs the gate as root has given that away already.

use std::{
    io,
    panic::{self, Location},
};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::Failure;

/// Closes the process's memory and keeps its panics from telling.
///
/// # Errors
/// [`Failure::Run`] if the memory cannot be closed: no secret must be read then.
pub(super) fn seal() -> Result<(), Failure> {
    panic::set_hook(Box::new(|told| tell(told.location())));
    close_memory()
        .map_err(|error| Failure::Run(format!("memory dumps cannot be turned off: {error}")))
}

/// The limit alone would not do: a program that the kernel hands cores to (`|` in core(5)) is not bound by it. What is
/// not dumpable is not handed over, cannot be traced, and its environment and memory in /proc are root's.
fn close_memory() -> io::Result<()> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Says that there was a panic. Its message is left out: it is made of the values at hand, which may be a secret or an
/// agent's bytes.
fn tell(location: Option<&Location<'_>>) {
    let place = location.map_or_else(|| "a place unknown".to_owned(), ToString::to_string);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(place, "a defect of tollgate: please report it");
    } else {
        super::say(format_args!("has a defect at {place}: please report it"));
    }
}
