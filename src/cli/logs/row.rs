//! An event as one row of a terminal, never wider than it.
//!
//! Whatever stands in the file, a row has printable ASCII and the few signs written here: nothing in it moves a cursor,
//! turns the direction of the text or takes more than one column a character.

use super::{
    cut,
    event::{Event, Kind, Request},
};
use crate::{cli::ink::Ink, refusal::Reason};

/// Below, a row is time, outcome and call, without columns.
const COLUMNS_FOR_WHO: usize = 72;
/// From here on there is room for the credential and the cause.
const COLUMNS_FOR_ALL: usize = 100;
const CLOCK_COLUMNS: usize = 8;
/// Time, sign and status with the spaces between them.
const HEAD_COLUMNS: usize = 14;
const METHOD_COLUMNS: usize = 7;
const TOOK_COLUMNS: usize = 6;
/// The longest reason in a row without columns.
const REASON_COLUMNS_MAX: usize = 16;

/// A part of a row.
pub(super) type Span = (Ink, String);

/// The row of `event` on a terminal of so many `columns`.
pub(super) fn row(event: &Event, columns: usize) -> Vec<Span> {
    let time = format!("{} ", cut::cell(clock(event), CLOCK_COLUMNS));
    let mut spans = vec![(Ink::Faint, time)];
    match &event.kind {
        Kind::Allowed | Kind::Refused | Kind::Ended if columns < COLUMNS_FOR_WHO => {
            narrow(event, columns, &mut spans);
        }
        Kind::Allowed | Kind::Refused | Kind::Ended => wide(event, columns, &mut spans),
        Kind::Counted | Kind::Started | Kind::Stopped | Kind::Other(_) => {
            let (ink, sign) = sign(event);
            let left = columns.saturating_sub(CLOCK_COLUMNS + 3);
            let sentence = cut::middle(&sentence(event), left);
            spans.extend([(ink, format!("{sign} ")), (Ink::Plain, sentence)]);
        }
    }
    fit(spans, columns)
}

/// The day of `event` in UTC, as in `2026-11-25`.
pub(super) fn day(event: &Event) -> String {
    cut::end(event.time.get(..10).unwrap_or_default(), 10)
}

fn clock(event: &Event) -> &str {
    event.time.get(11..19).unwrap_or_default()
}

fn narrow(event: &Event, columns: usize, spans: &mut Vec<Span>) {
    let (ink, sign) = sign(event);
    let word = match (reason(event), &event.kind) {
        (Some(reason), _) => cut::end(reason, REASON_COLUMNS_MAX) + " ",
        (None, Kind::Allowed) => String::new(),
        (None, _) => status(event) + " ",
    };
    let request = event.request.as_ref();
    let call = request.map_or_else(String::new, |asked| {
        format!("{} {}", asked.method, place(asked))
    });
    let head = format!("{sign} {word}");
    let left = columns.saturating_sub(CLOCK_COLUMNS + 1 + cut::width(&head));
    spans.extend([(ink, head), (Ink::Plain, cut::middle(&call, left))]);
}

/// The columns, each with a space before it.
fn wide(event: &Event, columns: usize, spans: &mut Vec<Span>) {
    let all = columns >= COLUMNS_FOR_ALL;
    let (who_columns, why_columns, which_columns) = if all { (16, 18, 16) } else { (10, 16, 0) };
    let tail = why_columns + which_columns + usize::from(all) + 1 + TOOK_COLUMNS;
    let fixed = HEAD_COLUMNS + 1 + METHOD_COLUMNS + 1 + 1 + who_columns + 1 + tail;
    let (ink, sign) = sign(event);
    spans.push((ink, format!("{sign} {}", cut::cell(&status(event), 3))));
    let request = event.request.as_ref();
    let method = request.map_or("", |request| &request.method);
    let asked = request.map(place).unwrap_or_default();
    let asked_columns = columns.saturating_sub(fixed);
    spans.push((
        Ink::Plain,
        format!(" {}", cut::cell(method, METHOD_COLUMNS)),
    ));
    spans.push((
        Ink::Plain,
        format!(" {}", cut::middle_cell(&asked, asked_columns)),
    ));
    spans.push((Ink::Plain, format!(" {}", who(event, who_columns))));
    if let Some(reason) = reason(event) {
        // What was refused took no time and no credential that is worth a column.
        let why = because(event, reason, all);
        spans.push((Ink::Bad, format!(" {}", cut::end(&why, tail))));
        return;
    }
    let (why_ink, why) = match broken(event) {
        Some(outcome) => (Ink::Odd, outcome),
        None => (Ink::Plain, event.rule().unwrap_or_default()),
    };
    spans.push((why_ink, format!(" {}", cut::cell(why, why_columns))));
    if all {
        let credential = event.credential.as_ref();
        let name = credential.map_or("", |credential| &credential.name);
        spans.push((Ink::Faint, format!(" {}", cut::cell(name, which_columns))));
    }
    spans.push((Ink::Faint, format!(" {:>TOOK_COLUMNS$}", took(event))));
}

/// What became of the call, in one sign.
fn sign(event: &Event) -> (Ink, &'static str) {
    let status = event.upstream.as_ref().and_then(|upstream| upstream.status);
    match &event.kind {
        Kind::Refused => (Ink::Bad, "✗"),
        Kind::Ended if broken(event).is_some() => (Ink::Odd, "!"),
        Kind::Ended if status.is_some_and(|status| status >= 400) => (Ink::Odd, "✓"),
        Kind::Ended => (Ink::Good, "✓"),
        Kind::Allowed => (Ink::Faint, "→"),
        Kind::Counted => (Ink::Bad, "✗"),
        Kind::Started => (Ink::Strong, "▲"),
        Kind::Stopped => (Ink::Strong, "▼"),
        Kind::Other(_) => (Ink::Faint, "·"),
    }
}

/// The status that the agent received; nothing before there is one.
fn status(event: &Event) -> String {
    let refused = reason(event).and_then(|code| {
        let known = Reason::ALL.iter().find(|reason| reason.code() == code);
        known.map(|reason| reason.status())
    });
    let answered = || event.upstream.as_ref()?.status;
    match (&event.kind, refused.or_else(answered)) {
        (Kind::Allowed, _) => String::new(),
        (_, Some(status)) => status.to_string(),
        (_, None) => "---".to_owned(),
    }
}

/// Why the call was refused.
fn reason(event: &Event) -> Option<&str> {
    let reason = || event.decision.as_ref()?.reason.as_deref();
    (event.kind == Kind::Refused).then(|| reason().unwrap_or("unknown"))
}

/// How the call ended that did not end whole.
fn broken(event: &Event) -> Option<&str> {
    let outcome = event.outcome.as_deref()?;
    (event.kind == Kind::Ended && outcome != "complete").then_some(outcome)
}

/// The reason with the rule that decided, and the cause if there is room for it.
fn because(event: &Event, reason: &str, all: bool) -> String {
    let mut why = reason.to_owned();
    if let Some(rule) = event.rule() {
        why.push(' ');
        why.push_str(rule);
    }
    let cause = event
        .decision
        .as_ref()
        .and_then(|decision| decision.cause.as_deref());
    if let Some(cause) = cause.filter(|_| all) {
        why.push_str(": ");
        why.push_str(cause);
    }
    why
}

/// The role, and which of its identities if that has another name; an identity without a role; or nobody.
fn who(event: &Event, columns: usize) -> String {
    let Some(id) = event.caller() else {
        return cut::cell("nobody", columns);
    };
    let name = id.rsplit('/').next().unwrap_or(id);
    match event.role() {
        Some(role) if role == name => cut::cell(role, columns),
        Some(role) => cut::cell(&format!("{role} {name}"), columns),
        None => cut::middle_cell(id.trim_start_matches("spiffe://"), columns),
    }
}

/// Host and path; scheme and port only where they are not the usual ones.
fn place(request: &Request) -> String {
    let scheme = match request.scheme.as_deref() {
        Some("http") => "http://",
        Some(_) | None => "",
    };
    let port = match request.port {
        Some(443) | None => String::new(),
        Some(port) => format!(":{port}"),
    };
    format!("{scheme}{}{port}{}", request.host, request.path)
}

/// How long the call took, in at most six columns.
fn took(event: &Event) -> String {
    let Some(micros) = event.time_us.as_ref().map(|time| time.total) else {
        return String::new();
    };
    match (&event.kind, micros) {
        (Kind::Allowed, _) => String::new(),
        (_, 0..1_000) => format!("{micros}us"),
        (_, 1_000..10_000) => format!("{}.{}ms", micros / 1_000, micros / 100 % 10),
        (_, 10_000..1_000_000) => format!("{}ms", micros / 1_000),
        (_, 1_000_000..100_000_000) => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
        (_, 100_000_000..6_000_000_000) => {
            format!("{}m{:02}s", micros / 60_000_000, micros / 1_000_000 % 60)
        }
        _ => format!("{}h", micros / 3_600_000_000),
    }
}

/// What an event says that is not about one call.
fn sentence(event: &Event) -> String {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    match &event.kind {
        Kind::Counted => {
            let count = event.count.unwrap_or_default();
            let of = event.caller().unwrap_or("connections without an identity");
            format!("{count} more refusals of {of}")
        }
        Kind::Started => {
            let [version, listen, snapshot] =
                [&event.version, &event.listen, &event.snapshot].map(or_unknown);
            format!("started {version} on {listen}, settings {snapshot}")
        }
        Kind::Stopped => format!("stopped: {}", or_unknown(&event.outcome)),
        Kind::Other(word) => word.clone(),
        Kind::Allowed | Kind::Refused | Kind::Ended => String::new(),
    }
}

/// The parts that fit, whatever they came to, without spaces at the end.
fn fit(spans: Vec<Span>, columns: usize) -> Vec<Span> {
    let mut left = columns;
    let mut fitting: Vec<Span> = Vec::with_capacity(spans.len());
    for (ink, text) in spans {
        let text: String = match cut::width(&text) <= left {
            true => text,
            false => text.chars().take(left).collect(),
        };
        left -= cut::width(&text);
        fitting.push((ink, text));
    }
    while let Some((_, last)) = fitting.last_mut() {
        last.truncate(last.trim_end().len());
        if !last.is_empty() {
            break;
        }
        fitting.pop();
    }
    fitting
}

#[cfg(test)]
mod tests;
