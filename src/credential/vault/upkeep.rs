//! When to renew a token, and when to get another instead: a plan, without a clock or a wire of its own.

use std::time::Duration;

use super::super::backoff::between;

/// The plan for one token.
///
/// The rule is the one of Vault's own client library: each token gets a grace of 10 to 20 % of its time, drawn anew only
/// when a renewal gave more than there was; renewed at two thirds of what remains plus a third of the grace; and
/// replaced once another renewal would come too late.
#[derive(Debug)]
pub(super) struct Upkeep {
    grace: Duration,
    longest: Duration,
    failures: u32,
}

/// What to do next for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Renew it after this time.
    Renew(Duration),
    /// Log in again after this time.
    Replace(Duration),
}

/// How much more time a token may be expected to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// As much as it has, again and again.
    AsOften,
    /// It came to the longest time that the server gives.
    NoLonger,
    /// It cannot be renewed at all.
    Never,
}

impl Upkeep {
    /// For a token that was not looked after before.
    pub(super) fn new() -> Upkeep {
        Upkeep {
            grace: Duration::ZERO,
            longest: Duration::ZERO,
            failures: 0,
        }
    }

    /// What to do for a token that has `remaining` left after a login or a renewal that went well, and of which this
    /// may be expected.
    pub(super) fn granted(&mut self, remaining: Duration, expected: More) -> Step {
        self.failures = 0;
        if expected == More::Never {
            return Step::Replace(remaining.mul_f64(between(0.75, 0.8)));
        }
        if remaining > self.longest {
            self.longest = remaining;
            self.grace = remaining.mul_f64(between(0.1, 0.2));
        }
        let pause = remaining.mul_f64(2.0 / 3.0) + self.grace.mul_f64(1.0 / 3.0);
        if remaining.saturating_sub(pause) <= self.grace {
            return Step::Replace(Duration::ZERO);
        }
        match expected {
            More::AsOften => Step::Renew(pause),
            More::NoLonger | More::Never => Step::Replace(pause),
        }
    }

    /// What to do for a token that has `remaining` left after a renewal that failed: again after 10 s, doubled up to
    /// 5 min, give or take a half, as long as that is before the grace.
    pub(super) fn failed(&mut self, remaining: Duration) -> Step {
        let doubled = 10u64.saturating_mul(1 << self.failures.min(5));
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(doubled.min(300)).mul_f64(between(0.5, 1.5));
        let left = remaining.saturating_sub(self.grace);
        match pause < left {
            true => Step::Renew(pause),
            false => Step::Replace(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn v12_a_token_of_an_hour_is_renewed_between_42_and_44_minutes() {
        for _ in 0..100 {
            let Step::Renew(pause) = Upkeep::new().granted(HOUR, More::AsOften) else {
                panic!("an hour is long enough to be renewed");
            };
            assert!(
                (2520.0..=2640.0).contains(&pause.as_secs_f64()),
                "{pause:?}"
            );
        }
    }

    #[test]
    fn v13_a_token_that_came_to_its_longest_time_is_replaced() {
        let mut upkeep = Upkeep::new();
        assert!(matches!(
            upkeep.granted(HOUR, More::AsOften),
            Step::Renew(_)
        ));
        assert!(matches!(
            upkeep.granted(HOUR, More::AsOften),
            Step::Renew(_)
        ));
        let step = upkeep.granted(HOUR / 3, More::AsOften);
        assert_eq!(step, Step::Replace(Duration::ZERO));
    }

    #[test]
    fn v15_a_token_that_gets_no_more_time_is_replaced_when_it_would_have_been_renewed() {
        let mut upkeep = Upkeep::new();
        let Step::Replace(pause) = upkeep.granted(HOUR, More::NoLonger) else {
            panic!("a renewal would give nothing");
        };
        assert!((2520.0..=2640.0).contains(&pause.as_secs_f64()));
    }

    #[test]
    fn v12_the_grace_is_drawn_anew_only_when_there_is_more_time() {
        let mut upkeep = Upkeep::new();
        upkeep.granted(HOUR, More::AsOften);
        let grace = upkeep.grace;
        upkeep.granted(HOUR, More::AsOften);
        assert_eq!(upkeep.grace, grace);
        upkeep.granted(10 * HOUR, More::AsOften);
        assert!(upkeep.grace >= HOUR);
    }

    #[test]
    fn v16_a_token_that_cannot_be_renewed_is_replaced_at_about_four_fifths() {
        let Step::Replace(pause) = Upkeep::new().granted(HOUR, More::Never) else {
            panic!("it cannot be renewed");
        };
        assert!((0.75..=0.8).contains(&(pause.as_secs_f64() / 3600.0)));
    }

    #[test]
    fn v14_failed_renewals_are_spaced_out_and_end_in_a_login_before_the_end() {
        let mut upkeep = Upkeep::new();
        upkeep.granted(HOUR, More::AsOften);
        let (mut left, mut tries) = (HOUR / 3, 0);
        let last = loop {
            match upkeep.failed(left) {
                Step::Renew(pause) => {
                    assert!(pause >= Duration::from_secs(5), "{pause:?}");
                    (left, tries) = (left - pause, tries + 1);
                }
                Step::Replace(pause) => break left - pause,
            }
        };
        assert!((360.0..=720.0).contains(&last.as_secs_f64()), "{last:?}");
        assert!(tries <= 12, "{tries}");
    }
}
