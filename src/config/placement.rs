//! Where in a request a credential goes: `place` of a catalogue entry.
//!
//! Mistakes do not repeat the texts in which a secret may stand by mistake.

use http::HeaderName;

use super::{
    fields::Fields,
    mistake::{Wrong, quoted},
    value::Value,
};
use crate::{
    headers,
    inject::{basic::Basic, header::HeaderTemplate, placement::Placement, query::Parameter},
};

/// Lowers `place`: `{header, value}`, `{basic: {user, password}}`, `{query: {name}}` or the word `client_certificate`.
pub(super) fn lower(value: Value<'_>) -> Option<Placement> {
    if value.is_scalar() {
        return value.parse(word);
    }
    value.mapping(|fields| {
        let header = fields.optional("header", |v| v.parse(header));
        let template = fields.optional("value", |v| v.parse(template));
        let basic = fields.optional("basic", |v| v.mapping(basic));
        let query = fields.optional("query", |v| v.mapping(query));
        match (header?, template?, basic?, query?) {
            (Some(name), Some(template), None, None) => Some(Placement::Header { name, template }),
            (None, None, Some(basic), None) => Some(Placement::Basic(basic)),
            (None, None, None, Some(parameter)) => Some(Placement::Query(parameter)),
            (Some(_), None, None, None) | (None, Some(_), None, None) => fields.wrong(Wrong::new(
                "a header and its value are written together",
                "write header: Authorization, value: \"Bearer {token}\"",
            )),
            (None, None, None, None) => fields.wrong(Wrong::new(
                "the credential goes nowhere",
                "write header and value, basic: {user, password}, query: {name}, or client_certificate in place of it all",
            )),
            _more_than_one => fields.wrong(Wrong::new(
                "the credential goes to two places",
                "keep header and value, basic or query",
            )),
        }
    })
}

/// What is not said is the text: it may be a secret in the wrong place.
fn word(text: &str) -> Result<Placement, Wrong> {
    match text {
        "client_certificate" => Ok(Placement::ClientCertificate),
        _ => Err(Wrong::new(
            "this is no place for a credential",
            "write client_certificate, or a mapping like {header: Authorization, value: \"Bearer {token}\"}",
        )),
    }
}

fn header(text: &str) -> Result<HeaderName, Wrong> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if headers::may_be_injected(&name) => Ok(name),
        Ok(_) => Err(Wrong::new(
            format!("the header {} belongs to the connection", quoted(text)),
            "a credential goes into a header of the request, like Authorization",
        )),
        Err(_) => Err(Wrong::new(
            format!("{} is no name of a header", quoted(text)),
            "write one like Authorization",
        )),
    }
}

fn template(text: &str) -> Result<HeaderTemplate, Wrong> {
    HeaderTemplate::parse(text)
        .map_err(|fault| Wrong::fault("this header value cannot be filled in".into(), fault))
}

/// A half that is not written is empty: a key with no password, or a password with no user.
fn basic(fields: &mut Fields<'_>) -> Option<Basic> {
    let user = fields.or("user", String::new(), half);
    let password = fields.or("password", String::new(), half);
    match Basic::parse(&user?, &password?) {
        Ok(basic) => Some(basic),
        Err(fault) => fields.wrong(Wrong::fault(
            "these Basic credentials cannot be filled in".into(),
            fault,
        )),
    }
}

fn half(value: Value<'_>) -> Option<String> {
    if value.is_empty_text() {
        return Some(String::new());
    }
    value.parse(|text| Ok(text.to_owned()))
}

fn query(fields: &mut Fields<'_>) -> Option<Parameter> {
    fields.required("name", |v| v.parse(parameter))
}

fn parameter(text: &str) -> Result<Parameter, Wrong> {
    Parameter::parse(text)
        .map_err(|fault| Wrong::fault(format!("{} is no name of a parameter", quoted(text)), fault))
}
