//! What the platform engineer sees: the manifest, and for each decision the rule, its file and its line.

use std::fs;

use http::Method;

use super::{
    checks::Check,
    journal::Event,
    page::{Ink, Page},
    settings::MANIFEST,
    stage::{Places, Stage},
};
use crate::cli::Failure;

/// The manifest, and which of its rules decided which call.
pub(super) struct Platform {
    manifest: String,
    decided: Vec<Decided>,
}

/// What decided a call, as its event tells.
struct Decided {
    call: String,
    effect: String,
    reason: String,
    rule: String,
    file: String,
    line: u64,
}

impl Platform {
    /// Makes the calls that the agent's author did not, and reads the events of all.
    pub(super) async fn watch(stage: &mut Stage) -> Result<Platform, Failure> {
        let path = stage.places.file(MANIFEST);
        let manifest = fs::read_to_string(&path)
            .map_err(|error| Failure::Run(format!("{}: {error}", path.display())))?;
        for (method, path) in [
            (Method::POST, "/v1/tickets/7/labels"),
            (Method::GET, "/v1/billing/invoices"),
        ] {
            let url = stage.places.url("https", path);
            stage.agent.call(method, &url).await?;
        }
        let mut decided = Vec::new();
        for (method, path) in [
            ("GET", "/v1/tickets"),
            ("POST", "/v1/tickets/7/labels"),
            ("GET", "/v1/billing/invoices"),
            ("DELETE", "/v1/tickets/7"),
        ] {
            let about = |event: &Event| event.ends_a_call() && event.is_about(method, path);
            let event = stage.journal.wait_for(about).await?;
            decided.push(Decided::of(&event, &stage.places));
        }
        Ok(Platform { manifest, decided })
    }

    /// Each call was decided as the manifest says, by a rule that stands where its event says.
    pub(super) fn checks(&self) -> Vec<Check> {
        let effects: Vec<&str> = self.decided.iter().map(|one| &*one.effect).collect();
        let by_a_rule = self.decided.iter().filter(|one| !one.rule.is_empty());
        let there = by_a_rule.clone().filter(|one| self.has(one)).count();
        vec![
            Check::equal(
                "decisions",
                effects.join(", "),
                "allow, allow, refuse, refuse".to_owned(),
            ),
            Check::equal("rules named by events", by_a_rule.count(), 3),
            Check::equal("rules that stand in the line that is named", there, 3),
        ]
    }

    /// Prints all of it.
    pub(super) fn show(&self, page: &mut Page) {
        self.show_manifest(page);
        page.part("Which rule decided, as the events tell");
        for one in &self.decided {
            let rule = match one.line {
                0 => one.reason.clone(),
                line => format!("{:<15}{}:{line}", one.rule, one.file),
            };
            page.line(&[
                (Ink::Plain, &format!("   {:<29}", one.call)),
                (one.ink(), &format!("{:<9}", one.effect)),
                (Ink::Plain, &rule),
            ]);
        }
        page.checks(&self.checks());
    }

    fn show_manifest(&self, page: &mut Page) {
        page.part(&format!("The manifest: {MANIFEST}"));
        for (line, number) in self.manifest.lines().zip(1..) {
            let decided = self.decided.iter().find(|one| one.line == number);
            let (ink, mark) = match decided {
                Some(one) => (one.ink(), format!("◀ {}", one.call)),
                None => (Ink::Plain, String::new()),
            };
            page.line(&[
                (Ink::Faint, &format!("   {number:>3}  ")),
                (Ink::Plain, &format!("{line:<30}")),
                (ink, &mark),
            ]);
        }
    }

    fn has(&self, one: &Decided) -> bool {
        let lines = self.manifest.lines().zip(1..);
        let mut there = lines.filter(|(_, number)| *number == one.line);
        one.file == MANIFEST
            && there.any(|(line, _)| line.ends_with(&format!("name: {}", one.rule)))
    }
}

impl Decided {
    fn of(event: &Event, places: &Places) -> Decided {
        let text = |pointer| event.text(pointer).to_owned();
        Decided {
            call: format!(
                "{} {}",
                event.text("/request/method"),
                event.text("/request/path")
            ),
            effect: text("/decision/effect"),
            reason: text("/decision/reason"),
            rule: text("/decision/rule/name"),
            file: places.short(event.text("/decision/rule/file")).to_owned(),
            line: event.number("/decision/rule/line"),
        }
    }

    fn ink(&self) -> Ink {
        match self.effect.as_str() {
            "allow" => Ink::Good,
            _ => Ink::Bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_stands_elsewhere_is_a_difference() {
        let decided = |line| Decided {
            call: "GET /".to_owned(),
            effect: "allow".to_owned(),
            reason: String::new(),
            rule: "read".to_owned(),
            file: MANIFEST.to_owned(),
            line,
        };
        let platform = |line| Platform {
            manifest: "rules:\n  - name: read\n".to_owned(),
            decided: vec![decided(line)],
        };
        assert!(platform(2).has(&decided(2)));
        assert!(!platform(1).has(&decided(1)));
        assert!(platform(1).checks().iter().any(|check| !check.holds()));
    }
}
