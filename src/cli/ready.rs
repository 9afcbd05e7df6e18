//! `tollgate ready`: whether the gate on this machine would take a call.
//!
//! It asks the admin listener for `/readyz`, for the health check of a container that has no other program in it.

use std::io::{self, Write};

use clap::Args;

use super::{Failure, admin};
use crate::config::Admin;

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// The admin listener, as in the setting `admin`: an address with its port, or unix:PATH.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901", value_parser = admin::place)]
    admin: Admin,
}

/// Prints what the gate says of its readiness; the exit code says whether it is.
pub(crate) fn run(ready: &Ready) -> Result<(), Failure> {
    let told = admin::ask(&ready.admin, "/readyz")
        .map_err(|error| Failure::Run(format!("the admin listener does not answer: {error}")))?;
    // The exit code is the answer; the words are for who looks.
    let _nobody_reads_them = io::stdout().write_all(told.body.as_bytes());
    match told.status {
        Some(200) => Ok(()),
        Some(503) => Err(Failure::Run("the gate is not ready".to_owned())),
        Some(_) | None => Err(Failure::Run("what answers is no admin listener".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::admin::tests::asking, *};

    #[test]
    fn a_gate_is_ready_if_it_says_200() {
        let told = |answer| asking("/readyz", answer, |admin| run(&Ready { admin }));
        assert_eq!(told("HTTP/1.1 200 OK\r\n\r\nlistening: yes\n"), Ok(()));
        let failure = |text: &str| Err(Failure::Run(text.to_owned()));
        let no = told("HTTP/1.1 503 Service Unavailable\r\n\r\nlistening: no\n");
        assert_eq!(no, failure("the gate is not ready"));
        let other = told("HTTP/1.1 404 Not Found\r\n\r\n");
        assert_eq!(other, failure("what answers is no admin listener"));
    }

    #[test]
    fn nobody_who_answers_is_not_ready() {
        let admin = Admin::Unix("/nowhere/admin".into());
        let failure = run(&Ready { admin }).unwrap_err();
        assert!(failure.to_string().contains("does not answer"), "{failure}");
    }
}
