//! `tollgate credential`: the catalogue as it is, as a running gate has it, and as its sources are when somebody asks.
//!
//! No command prints a value, or a part of one, or tells how long it is.

mod advice;
mod list;
mod policy;
mod test;

use std::time::Duration;

use clap::Subcommand;

use super::Failure;
use crate::config;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say where each credential comes from, who answers for it, and how it stands in the gate that runs.
    List(list::List),
    /// Print the policy that the gate needs at Vault for this catalogue.
    Policy(policy::Policy),
    /// Fetch one credential, say what a call would carry, masked, and give back what was fetched.
    Test(test::Test),
}

/// Does what was asked for.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(list) => list::run(list),
        Command::Policy(policy) => policy::run(policy),
        Command::Test(test) => test::run(test),
    }
}

/// Whether the values of a credential end by themselves, in the word that events have for it.
fn class(credential: &config::Credential) -> &'static str {
    match credential.allow_static {
        Some(_) => "static",
        None => "dynamic",
    }
}

/// A time in its two largest units: `45s`, `17m`, `3h 20m`, `2d 4h`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        86_400.. => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_two_largest_units() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(said(0), "0s");
        assert_eq!(said(59), "59s");
        assert_eq!(said(60), "1m");
        assert_eq!(said(3_599), "59m 59s");
        assert_eq!(said(3_600 * 3 + 60 * 20 + 5), "3h 20m");
        assert_eq!(said(86_400 * 32), "32d");
    }
}
