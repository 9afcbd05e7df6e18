//! What the SOC analyst sees: a line for each call, and that no call reaches a cloud's metadata service.

use http::Method;

use super::{
    agent::Answer,
    checks::Check,
    journal::Event,
    load,
    page::{COLUMNS_MAX, Ink, Page},
    refused,
    stage::Stage,
};
use crate::{cli::Failure, refusal::Reason};

/// Where clouds hand their credentials to whoever asks.
const METADATA: &str = "http://169.254.169.254/latest/meta-data/";

/// What the log holds.
pub(super) struct Analyst {
    metadata: Answer,
    written: Event,
    listed: Vec<Event>,
    left_out: usize,
    answers: usize,
}

impl Analyst {
    /// Asks for the metadata service, and reads the whole log.
    pub(super) async fn watch(stage: &mut Stage) -> Result<Analyst, Failure> {
        let metadata = stage.agent.call(Method::GET, METADATA).await?;
        let journal = &mut stage.journal;
        let by_id = |event: &Event| event.text("/id") == metadata.event;
        journal.wait_for(by_id).await?;
        let wrote =
            |event: &Event| event.kind() == "ended" && event.text("/request/method") == "POST";
        let written = journal.wait_for(wrote).await?;
        let of_the_load =
            |event: &Event| event.kind() == "ended" && event.is_about("GET", load::PATH);
        let decided = journal.events.iter().filter(|event| event.is_a_decision());
        let (left_out, listed): (Vec<_>, Vec<_>) = decided.cloned().partition(of_the_load);
        Ok(Analyst {
            metadata,
            written,
            listed,
            left_out: left_out.len(),
            answers: stage.agent.heard().answers,
        })
    }

    /// Each call has its one last line, and the one that was to be refused was.
    pub(super) fn checks(&self) -> [Vec<Check>; 2] {
        let listed = self.listed.iter().filter(|event| event.ends_a_call());
        let last_lines = listed.count() + self.left_out;
        let what = "last lines of calls, one for each answer that the agent got";
        let metadata = refused::check("refused", &self.metadata, Reason::AddressForbidden);
        [
            vec![Check::equal(what, last_lines, self.answers)],
            vec![metadata],
        ]
    }

    /// Prints all of it.
    pub(super) fn show(&self, page: &mut Page) {
        let [lines, metadata] = self.checks();
        page.part("Each call, in a line; one that writes has a line before it leaves as well");
        for event in &self.listed {
            page.line(&event.columns().spans());
        }
        let left_out = format!(
            "   and {} calls to /v1/status, left out here",
            self.left_out
        );
        page.line(&[(Ink::Faint, &left_out)]);
        page.checks(&lines);

        page.part("One of them as it stands in the log: a single line of JSON, folded here");
        for line in folded(&self.written.line, COLUMNS_MAX - 6) {
            page.line(&[(Ink::Plain, &format!("   {line}"))]);
        }

        page.part("The metadata service of a cloud, which hands out credentials");
        page.pair("sent", &format!("GET {METADATA}"));
        refused::show(&self.metadata, page);
        page.checks(&metadata);
    }
}

/// `json` in lines of at most `columns`, broken after commas where there are some.
fn folded(json: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in json.split_inclusive(',') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + piece.chars().count() <= columns => {
                line.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_line_is_the_line() {
        let json = r#"{"a":"1","b":{"c":2,"d":3},"e":"four"}"#;
        let lines = folded(json, 16);
        assert_eq!(lines.concat(), json);
        assert!(lines.iter().all(|line| line.len() <= 16), "{lines:?}");
    }
}
