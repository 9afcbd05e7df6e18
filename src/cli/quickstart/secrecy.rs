//! The last question of the tour: whether any token ever issued is to be found anywhere.

use std::fs;

use super::{checks::Check, page::Page, settings::TOKEN, stage::Stage};
use crate::cli::Failure;

/// Where tokens were looked for, and in how many places they were.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrecy {
    tokens: usize,
    lines: usize,
    answers: usize,
    speech_bytes: usize,
    places: usize,
    in_the_store: usize,
}

impl Secrecy {
    /// Searches everything that was put out so far, and the store's own file to see that the search finds what is there.
    pub(super) fn watch(stage: &mut Stage, page: &Page) -> Result<Secrecy, Failure> {
        stage.journal.read()?;
        let path = stage.places.file(TOKEN);
        let stored = fs::read(&path)
            .map_err(|error| Failure::Run(format!("{}: {error}", path.display())))?;
        let search = stage.store.search();
        let (heard, speech) = (stage.agent.heard(), stage.speech.said());
        let events = &stage.journal.events;
        let lines = events.iter().map(|event| event.line.as_bytes());
        let texts = [&*heard.bytes, &*speech, page.printed().as_bytes()];
        Ok(Secrecy {
            tokens: stage.store.issued(),
            lines: events.len(),
            answers: heard.answers,
            speech_bytes: speech.len(),
            places: lines.chain(texts).map(|text| search.places(text)).sum(),
            in_the_store: search.places(&stored),
        })
    }

    /// Nowhere but where it belongs.
    pub(super) fn checks(&self) -> Vec<Check> {
        let own = "places in the store's own file, as a control";
        vec![
            Check::equal("places in which a token was found", self.places, 0),
            Check::equal(own, self.in_the_store, 1),
        ]
    }

    /// Prints where it was looked for.
    pub(super) fn show(&self, page: &mut Page) {
        let Secrecy {
            tokens,
            lines,
            answers,
            speech_bytes,
            ..
        } = self;
        page.part("Is a token to be found anywhere?");
        let of = format!(
            "{lines} lines of the log, {answers} answers to the agent, {speech_bytes} bytes that the gate said of \
             itself, and this page"
        );
        page.pair("searched", &of);
        let what = format!(
            "{tokens} tokens, all that were issued, and both ends of each: plain, in hex, base64, percent encoding \
             and JSON escapes"
        );
        page.pair("looked for", &what);
        page.checks(&self.checks());
    }
}
