//! The small values of the settings: durations, dates, rates and names, each with one spelling.
//!
//! Provides functions from text to a type, for [`super::value::Value::parse`]. It deliberately does not know
//! hosts, paths, identities or addresses: those belong to `target`, `scope`, `identity` and `network`.

use std::{num::NonZeroU32, time::Duration};

use time::{Date, macros::format_description};

use super::mistake::{Wrong, quoted};
use crate::scope::Rate;

/// The longest duration that can be written.
const DURATION_HOURS_MAX: u64 = 366 * 24;
/// The longest name of a role, a rule or a credential.
const NAME_CHARS_MAX: usize = 64;

/// `30s`, `10m` or `1h`: above zero, at most a year.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("{} is no duration", quoted(text)),
            "write it like 30s, 10m or 1h, up to 8784h",
        )
    };
    let (digits, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let unit_seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = positive(digits).and_then(|n| u64::from(n.get()).checked_mul(unit_seconds));
    seconds
        .filter(|seconds| *seconds <= DURATION_HOURS_MAX * 3600)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// A duration, or `0s` for none at all.
pub(crate) fn duration_or_none(text: &str) -> Result<Duration, Wrong> {
    if text == "0s" {
        return Ok(Duration::ZERO);
    }
    duration(text)
}

/// `2027-04-30`: a day that exists.
pub(crate) fn date(text: &str) -> Result<Date, Wrong> {
    let parsed = Date::parse(text, format_description!("[year]-[month]-[day]"));
    match parsed {
        Ok(date) if date.to_string() == text => Ok(date),
        Ok(_) | Err(_) => Err(Wrong::new(
            format!("{} is no date", quoted(text)),
            "write a day that exists as year-month-day, like 2027-04-30",
        )),
    }
}

/// `5/s`, `600/min` or `1000/h`: above zero.
pub(crate) fn rate(text: &str) -> Result<Rate, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("{} is no rate", quoted(text)),
            "write it like 5/s, 600/min or 1000/h",
        )
    };
    let (digits, unit) = text.split_once('/').ok_or_else(wrong)?;
    let per = match unit {
        "s" => Duration::from_secs(1),
        "min" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(wrong()),
    };
    let calls = positive(digits).ok_or_else(wrong)?;
    Ok(Rate {
        calls: calls.get(),
        per,
    })
}

/// A name of a role, a rule or a credential: lower-case letters, digits and inner hyphens.
pub(crate) fn name(text: &str) -> Result<String, Wrong> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = !text.is_empty()
        && text.len() <= NAME_CHARS_MAX
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if good {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{} is no name", quoted(text)),
        "a name has up to 64 of a-z, 0-9 and inner hyphens",
    ))
}

/// A number above zero in decimal digits without leading zeros.
fn positive(digits: &str) -> Option<NonZeroU32> {
    let number: NonZeroU32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}
