//! The command line: what is asked for, and with which exit code it ends.
//!
//! stdout is data, stderr is speech. Exit codes: 0 done; 1 the answer is no or the run failed; 2 wrong usage or
//! settings; 3 and 4 the gate was told to end, and calls were cut off at the deadline or at once. What a command does is in its own file; nothing here decides about a call.
#![allow(clippy::print_stderr, reason = "the command line speaks on stderr")]

mod admin;
pub(crate) mod check;
pub(crate) mod connect;
pub(crate) mod credential;
pub(crate) mod explain;
pub(crate) mod ink;
pub(crate) mod logs;
pub(crate) mod pki;
pub(crate) mod quickstart;
pub(crate) mod ready;
mod seal;
pub(crate) mod serve;
pub(crate) mod test;

use std::{ffi::OsString, fmt, io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

/// The gate that every call of an AI agent passes on its way out.
#[derive(Parser)]
#[command(name = "tollgate", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say everything that is wrong in the settings.
    Check(check::Check),
    /// Give clients that know no certificates a proxy on this machine, and carry what they say to the gate.
    Connect(connect::Connect),
    /// Look at the credentials of the catalogue, fetch one for a try, or say what the gate needs at Vault.
    #[command(subcommand)]
    Credential(credential::Command),
    /// Say what the gate would answer to a call, and why; nothing is called.
    Explain(explain::Explain),
    /// Show what happened: the events, as rows on a terminal and as JSON anywhere else.
    Logs(logs::Logs),
    /// Make certificates for development.
    #[command(subcommand)]
    Pki(pki::Command),
    /// See the gate at work, with everything it needs in one process.
    Quickstart(quickstart::Quickstart),
    /// Say whether the gate on this machine would take a call.
    Ready(ready::Ready),
    /// Run the gate.
    Serve(serve::Serve),
    /// Ask a table of calls, and say which answers are not as expected.
    Test(test::Test),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs the command that `args` name; the first of them is the program.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    if let Err(failure) = seal::seal() {
        eprintln!("tollgate: {failure}");
        return failure.code();
    }
    let line = match CommandLine::try_parse_from(args) {
        Ok(line) => line,
        Err(said) => {
            // Nobody is left to tell when stderr is gone.
            let _ = said.print();
            return ExitCode::from(if said.use_stderr() { Failure::USAGE } else { 0 });
        }
    };
    let outcome = match line.command {
        Command::Check(settings) => check::run(&settings),
        Command::Connect(settings) => connect::run(&settings),
        Command::Credential(command) => credential::run(&command),
        Command::Explain(call) => explain::run(&call),
        Command::Logs(settings) => logs::run(&settings),
        Command::Pki(command) => pki::run(&command),
        Command::Quickstart(quickstart) => quickstart::run(&quickstart),
        Command::Ready(settings) => ready::run(&settings),
        Command::Serve(settings) => serve::run(&settings),
        Command::Test(table) => test::run(&table),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tollgate: {failure}");
            failure.code()
        }
    }
}

/// Says a line on stderr; a stderr that is gone does not stop what is under way.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _nobody_is_left_to_tell = writeln!(std::io::stderr(), "tollgate {line}");
}

/// Why a command did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It could not be done, or the answer is no: exit code 1.
    Run(String),
    /// What was asked for, or the settings, cannot be right: exit code 2.
    Usage(String),
    /// The gate was told to end, and calls were cut off at the end of the drain time: exit code 3.
    Deadline,
    /// The gate was told to end twice, and ended at once: exit code 4.
    AtOnce,
}

impl Failure {
    const RUN: u8 = 1;
    const USAGE: u8 = 2;
    const DEADLINE: u8 = 3;
    const AT_ONCE: u8 = 4;

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Run(_) => Failure::RUN,
            Failure::Usage(_) => Failure::USAGE,
            Failure::Deadline => Failure::DEADLINE,
            Failure::AtOnce => Failure::AT_ONCE,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Run(text) | Failure::Usage(text) => f.write_str(text),
            Failure::Deadline => f.write_str("the drain time ended before every call had"),
            Failure::AtOnce => f.write_str("a second signal ended what was open"),
        }
    }
}
