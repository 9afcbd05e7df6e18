//! A table of calls and the answers that are expected to them: the tests of a manifest.
//!
//! Provides [`Case`] and [`cases`], which reads a table through the same door as settings: strictly, and with every
//! mistake at once. It deliberately answers no call.

use std::{path::Path, sync::Arc};

use time::Date;

use super::{
    fields::Fields,
    file,
    mistake::{Findings, Mistakes, Place, Wrong, quoted},
    name, scalar,
    value::Value,
};
use crate::{
    identity::SpiffeId,
    refusal::Reason,
    target::spelled::{self, Spelled},
};

/// The reasons that settings alone can give; all others depend on the moment of the call.
const DECIDED: [Reason; 15] = [
    Reason::CertificateInvalid,
    Reason::IdentityUnknown,
    Reason::Revoked,
    Reason::RequestMalformed,
    Reason::TargetMalformed,
    Reason::PathAmbiguous,
    Reason::QueryCredential,
    Reason::MethodRefused,
    Reason::ReviewOverdue,
    Reason::NoRule,
    Reason::DeniedByRule,
    Reason::QueryForbidden,
    Reason::PortForbidden,
    Reason::AddressForbidden,
    Reason::CredentialForbidden,
];

/// A call and what is expected of it.
#[derive(Debug)]
pub(crate) struct Case {
    /// Where it is written.
    pub(crate) at: Place,
    /// What it shows, if it says so.
    pub(crate) name: Option<String>,
    /// Who calls.
    pub(crate) caller: SpiffeId,
    /// Method and URL.
    pub(crate) spelled: Spelled,
    /// The day of the call; today if it is not said.
    pub(crate) on: Option<Date>,
    /// The answer.
    pub(crate) expected: Expected,
    /// The name of the rule that decides.
    pub(crate) rule: Option<String>,
    /// The name of the credential, or none by an explicit word.
    pub(crate) credential: Option<Option<String>>,
}

/// The answer that a case expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A yes.
    Allow,
    /// A no, whatever its reason.
    Deny,
    /// A no for this reason.
    Because(Reason),
}

impl Expected {
    /// The word of the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Expected::Allow => "allow",
            Expected::Deny => "deny",
            Expected::Because(reason) => reason.code(),
        }
    }
}

/// Reads the table at `path`.
///
/// # Errors
/// Every mistake in it, sorted by place.
pub(crate) fn cases(path: &Path) -> Result<Vec<Case>, Mistakes> {
    let findings = Findings::default();
    let file: Arc<str> = name(path);
    let text = file::read(path, &file, &findings);
    let tree = text.and_then(|text| file::parse(&file, &text, &findings));
    let cases = tree.as_ref().and_then(|tree| {
        let table = Value::new(tree, &findings);
        table.some_of(|value| value.mapping(case))
    });
    findings.finish(cases).map(|(cases, _)| cases)
}

fn case(fields: &mut Fields<'_>) -> Option<Case> {
    let name = fields.optional("name", Value::text);
    let caller = fields.required("as", |v| v.parse(identity));
    let method = fields.required("method", |v| v.parse(method));
    let url = fields.required("url", |v| v.parse(url));
    let on = fields.optional("on", |v| v.parse(scalar::date));
    let expected = fields.required("expect", expected);
    let rule = fields.optional("rule", |v| v.parse(scalar::name));
    let credential = fields.optional("credential", |v| credential(v, expected));
    Some(Case {
        at: fields.at().clone(),
        name: name?,
        caller: caller?,
        spelled: Spelled {
            method: method?,
            url: url?,
        },
        on: on?,
        expected: expected?,
        rule: rule?,
        credential: credential?,
    })
}

fn identity(text: &str) -> Result<SpiffeId, Wrong> {
    let what = || format!("{} is no identity of an agent", quoted(text));
    SpiffeId::parse(text).map_err(|fault| Wrong::fault(what(), fault))
}

fn method(text: &str) -> Result<http::Method, Wrong> {
    let what = || format!("{} is no method", quoted(text));
    spelled::method(text).map_err(|fault| Wrong::fault(what(), fault))
}

fn url(text: &str) -> Result<String, Wrong> {
    let what = || format!("{} is no URL", quoted(text));
    spelled::url(text).map_err(|fault| Wrong::fault(what(), fault))
}

fn expected(value: Value<'_>) -> Option<Expected> {
    let reasons = DECIDED.map(|reason| (reason.code(), Expected::Because(reason)));
    let words = [("allow", Expected::Allow), ("deny", Expected::Deny)];
    let words: Vec<(&str, Expected)> = words.into_iter().chain(reasons).collect();
    value.word(&words)
}

/// A name or `none`; a call that is refused has neither.
fn credential(value: Value<'_>, expected: Option<Expected>) -> Option<Option<String>> {
    let name = value.parse(scalar::name)?;
    match expected {
        Some(Expected::Deny | Expected::Because(_)) => value.wrong(Wrong::new(
            "a call that is refused has no credential",
            "take the key away, or expect allow",
        )),
        Some(Expected::Allow) | None => Some((name != "none").then_some(name)),
    }
}
