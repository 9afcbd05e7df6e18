//! When a question is put a second time: a rule, without a clock or a wire of its own.

use std::time::Duration;

use super::{super::super::backoff::between, super::envelope::Answer, Failed};

/// Before a question is put again, less up to a half by chance, where the server does not say how long.
const PAUSE: Duration = Duration::from_millis(400);

/// What kind of question it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Repeat {
    /// It changes nothing: it may be put again whatever became of the first.
    Freely,
    /// It makes something: it may be put again only when it is sure that nothing was made.
    IfUndone,
}

impl Repeat {
    /// After which pause the question is put again, if at all, with `left` of the time for both.
    pub(super) fn pause(
        self,
        outcome: &Result<Answer, Failed>,
        left: Duration,
    ) -> Option<Duration> {
        let asked_for = match outcome {
            Ok(answer) if self.another_moment(answer) => answer.retry_after,
            Err(failed) if self.lost(failed) => None,
            Ok(_) | Err(_) => return None,
        };
        let pause = PAUSE.mul_f64(between(0.5, 1.0));
        let pause = pause.max(asked_for.unwrap_or_default());
        (pause < left).then_some(pause)
    }

    /// Whether the answer says that another moment is better, and that this one was for nothing.
    fn another_moment(self, answer: &Answer) -> bool {
        match answer.status {
            // A quota says when: without it, asking again at once would be one more call over it.
            429 => answer.retry_after.is_some(),
            // Whatever stands before the server says 503 too, when a connection broke after the question was sent.
            412 | 472 | 473 | 503 => self == Repeat::Freely || !answer.errors().is_empty(),
            501 => false,
            500.. => self == Repeat::Freely,
            0..=499 => false,
        }
    }

    fn lost(self, failed: &Failed) -> bool {
        match self {
            Repeat::Freely => failed.broken,
            Repeat::IfUndone => failed.broken && !failed.sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{super::super::error::VaultError, *};

    const LEFT: Duration = Duration::from_secs(4);

    /// What Vault says of itself.
    const OWN: &str = r#"{"errors":["Vault is sealed"]}"#;

    fn answered(repeat: Repeat, status: u16, retry_after: Option<u64>) -> Option<Duration> {
        said(repeat, (status, OWN), retry_after)
    }

    fn said(
        repeat: Repeat,
        (status, body): (u16, &str),
        retry_after: Option<u64>,
    ) -> Option<Duration> {
        let answer = Answer {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            body: Zeroizing::new(body.into()),
        };
        repeat.pause(&Ok(answer), LEFT)
    }

    fn failed(repeat: Repeat, (broken, sent): (bool, bool)) -> bool {
        let failed = Failed {
            error: VaultError::Unreachable,
            broken,
            sent,
        };
        repeat.pause(&Err(failed), LEFT).is_some()
    }

    #[test]
    fn v03_what_another_moment_may_mend_is_asked_again_after_a_pause_by_chance() {
        for status in [412, 472, 473, 500, 502, 503, 504] {
            let pause = answered(Repeat::Freely, status, None).unwrap();
            assert!((0.2..=0.4).contains(&pause.as_secs_f64()), "{pause:?}");
        }
        for status in [200, 204, 307, 400, 403, 404, 405, 429, 501] {
            assert_eq!(answered(Repeat::Freely, status, None), None, "{status}");
        }
    }

    #[test]
    fn v03_a_rest_that_the_server_asks_for_is_kept_if_the_time_is_enough() {
        let two = Some(Duration::from_secs(2));
        assert_eq!(answered(Repeat::Freely, 429, Some(2)), two);
        assert_eq!(answered(Repeat::IfUndone, 503, Some(2)), two);
        assert!(answered(Repeat::Freely, 429, Some(0)) >= Some(PAUSE / 2));
        assert_eq!(answered(Repeat::Freely, 429, Some(5)), None);
    }

    #[test]
    fn v04_a_question_that_makes_something_is_repeated_only_when_nothing_was_made() {
        for status in [412, 472, 473, 503] {
            assert!(answered(Repeat::IfUndone, status, None).is_some());
        }
        for status in [500, 502, 504] {
            assert_eq!(answered(Repeat::IfUndone, status, None), None, "{status}");
        }
        // something that stands before the server says this of a connection that broke, whenever it broke
        let page = (503, "upstream connect error or disconnect");
        assert_eq!(said(Repeat::IfUndone, page, None), None);
        assert!(said(Repeat::Freely, page, None).is_some());
        assert!(failed(Repeat::IfUndone, (true, false)));
        assert!(!failed(Repeat::IfUndone, (true, true)));
        assert!(failed(Repeat::Freely, (true, true)));
        assert!(!failed(Repeat::Freely, (false, true)));
    }
}
