//! A refusal as the agent gets it: held against its reason, and printed as an SDK prints it.

use super::{
    agent::Answer,
    checks::Check,
    page::{Ink, Page},
};
use crate::refusal::Reason;

/// Holds if `answer` has the status and the code of `reason`, and names its event in its body too.
pub(super) fn check(what: &'static str, answer: &Answer, reason: Reason) -> Check {
    let id = answer.text("/error/request_id");
    let unnamed = id.is_empty() || id != answer.event;
    let seen = format!(
        "{} {}{}",
        answer.status,
        answer.text("/code"),
        if unnamed { ", without its event" } else { "" }
    );
    Check::equal(what, seen, format!("{} {}", reason.status(), reason.code()))
}

/// Prints `answer` as the error that an SDK makes of it.
pub(super) fn show(answer: &Answer, page: &mut Page) {
    let [error, to_quote] = as_an_sdk_prints_it(answer);
    page.pair_in(Ink::Bad, "error", &error);
    page.pair("", &to_quote);
}

/// The class and the message, then what to quote when asking for help.
fn as_an_sdk_prints_it(answer: &Answer) -> [String; 2] {
    let class = match answer.status {
        400 => "BadRequestError",
        403 => "PermissionDeniedError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "APIStatusError",
    };
    let retry_after = match answer.retry_after {
        Some(seconds) => format!("  Retry-After: {seconds}"),
        None => String::new(),
    };
    let (kind, id) = (answer.text("/error/type"), answer.text("/error/request_id"));
    [
        format!(
            "{class}: {} {}",
            answer.status,
            answer.text("/error/message")
        ),
        format!("type: {kind}  request_id: {id}{retry_after}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            status: 429,
            event: "01K".to_owned(),
            retry_after: Some(10),
            body: r#"{"code":"rate_limited","error":{"type":"rate_limited","message":"Too many.","request_id":"01K"}}"#
                .to_owned(),
        }
    }

    #[test]
    fn an_sdk_prints_the_class_the_message_and_what_to_quote() {
        assert_eq!(
            as_an_sdk_prints_it(&answer()),
            [
                "RateLimitError: 429 Too many.",
                "type: rate_limited  request_id: 01K  Retry-After: 10"
            ]
        );
    }

    #[test]
    fn another_reason_or_another_event_is_a_difference() {
        let of = |answer: &Answer, reason| check("it", answer, reason).holds();
        assert!(of(&answer(), Reason::RateLimited));
        assert!(!of(&answer(), Reason::NoRule));
        let other = Answer {
            event: "01L".to_owned(),
            ..answer()
        };
        assert!(!of(&other, Reason::RateLimited));
    }
}
