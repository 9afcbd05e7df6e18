//! What a step saw, held against what it should have seen: values that can be tested, printed and counted.

use std::fmt;

use crate::cli::Failure;

/// One thing that was seen, and what should have been if that is something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    what: &'static str,
    seen: String,
    missed: Option<String>,
}

impl Check {
    /// Holds if `seen` is what was `expected`.
    pub(super) fn equal<T: PartialEq + fmt::Display>(
        what: &'static str,
        seen: T,
        expected: T,
    ) -> Check {
        let missed = (seen != expected).then(|| expected.to_string());
        let seen = seen.to_string();
        Check { what, seen, missed }
    }

    /// Holds if `seen` is `least` or more.
    pub(super) fn at_least(what: &'static str, seen: usize, least: usize) -> Check {
        Check {
            what,
            seen: seen.to_string(),
            missed: (seen < least).then(|| format!("{least} or more")),
        }
    }

    /// Holds if `seen` is something.
    pub(super) fn present(what: &'static str, seen: &str) -> Check {
        Check {
            what,
            seen: seen.to_owned(),
            missed: seen.is_empty().then(|| "something".to_owned()),
        }
    }

    /// Whether what was seen is what should have been.
    pub(super) fn holds(&self) -> bool {
        self.missed.is_none()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.seen)?;
        match &self.missed {
            None => Ok(()),
            Some(expected) => write!(f, " (should be {expected})"),
        }
    }
}

/// The outcome of a tour: a failure that names each difference, if there is one.
pub(super) fn outcome(checks: &[Check]) -> Result<(), Failure> {
    let differences: Vec<String> = checks
        .iter()
        .filter(|check| !check.holds())
        .map(|check| format!("\n  {check}"))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::Run(format!(
        "{} of {} things were not as they should be:{}",
        differences.len(),
        checks.len(),
        differences.concat()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tour_in_which_everything_holds_is_done() {
        let checks = [
            Check::equal("status", 403, 403),
            Check::at_least("tokens", 3, 3),
            Check::present("request id", "01K"),
        ];
        assert_eq!(outcome(&checks), Ok(()));
        assert_eq!(checks.map(|check| check.to_string())[0], "status: 403");
    }

    #[test]
    fn each_difference_is_named() {
        let checks = [
            Check::equal("status", 200, 403),
            Check::equal("calls that failed", 0, 0),
            Check::at_least("tokens", 1, 3),
            Check::present("request id", ""),
        ];
        let failure = outcome(&checks).unwrap_err().to_string();
        assert_eq!(
            failure,
            "3 of 4 things were not as they should be:\n  status: 200 (should be 403)\n  \
             tokens: 1 (should be 3 or more)\n  request id:  (should be something)"
        );
    }
}
