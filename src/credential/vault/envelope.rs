//! The form that every answer of Vault has, read with tolerance for what is missing and none for what is wrong.
//!
//! vaultrs' own types refuse answers of servers in use, for members that those leave out or no longer send, and
//! print what they hold. Here each member may be missing or null, and texts that are secret are wiped.

use std::{collections::HashMap, fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

use super::error::VaultError;

/// An answer as it came: status, the wish for a rest, the body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The members of the body.
    ///
    /// # Errors
    ///
    /// [`VaultError::Malformed`] when the body is empty, no JSON, has a member of another type, or is wrapped: the
    /// token in such an answer is no secret that was asked for.
    pub(super) fn envelope<T: DeserializeOwned>(&self) -> Result<Envelope<T>, VaultError> {
        // The parser's error is not kept, because it may repeat what it read.
        let envelope: Envelope<T> = serde_json::from_slice(&self.body)
            .map_err(|_| VaultError::Malformed("its body is not an object of the API"))?;
        match envelope.wrap_info {
            Some(_) => Err(VaultError::Malformed("it is wrapped")),
            None => Ok(envelope),
        }
    }

    /// The members of a 200; nothing else is one.
    ///
    /// # Errors
    ///
    /// What the status means, or as [`Answer::envelope`].
    pub(super) fn success<T: DeserializeOwned>(&self) -> Result<Envelope<T>, VaultError> {
        match self.status {
            200 => self.envelope(),
            404 if !self.errors().is_empty() => Err(VaultError::NoEngine),
            0..=199 | 201.. => Err(self.fault()),
        }
    }

    /// What a status other than success means where nothing more is known of the call.
    pub(super) fn fault(&self) -> VaultError {
        match self.status {
            300..=399 | 472 | 473 => VaultError::Standby,
            403 => VaultError::Denied,
            404 => VaultError::NotFound,
            429 => VaultError::RateLimited {
                retry_after: self.retry_after,
            },
            501 => VaultError::Uninitialised,
            503 => VaultError::Sealed,
            412 | 500.. => VaultError::ServerFault(self.status),
            0..=299 => VaultError::Malformed("its status is not the one of this call"),
            400..=499 => VaultError::Rejected(self.status),
        }
    }

    /// Whether a server gives this answer too that does not know yet what another did a moment ago: a token it was not
    /// told of, a path that it does not have. What it says of a token or a secret by name, it knows.
    pub(super) fn may_lag(&self) -> bool {
        let says_nothing = || {
            let data = self.envelope::<IgnoredAny>().ok();
            data.is_none_or(|envelope| envelope.data.is_none())
        };
        matches!(self.status, 403 | 404) && says_nothing()
    }

    /// The texts of an error answer; none when it is no such answer.
    pub(super) fn errors(&self) -> Vec<String> {
        let envelope = self.envelope::<IgnoredAny>();
        envelope
            .ok()
            .and_then(|envelope| envelope.errors)
            .unwrap_or_default()
    }
}

/// The members of an answer; `T` is what the call finds in `data`.
#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) request_id: Option<String>,
    pub(super) lease_id: Option<String>,
    /// Seconds.
    pub(super) lease_duration: Option<u64>,
    pub(super) renewable: Option<bool>,
    #[serde(bound(deserialize = "T: Deserialize<'de>"))]
    pub(super) data: Option<T>,
    pub(super) auth: Option<Auth>,
    pub(super) warnings: Option<Vec<String>>,
    wrap_info: Option<IgnoredAny>,
    errors: Option<Vec<String>>,
}

/// What a login or a renewal gave.
#[derive(Deserialize)]
pub(super) struct Auth {
    pub(super) client_token: Option<Text>,
    pub(super) accessor: Option<String>,
    /// Seconds.
    pub(super) lease_duration: Option<u64>,
    pub(super) renewable: Option<bool>,
    pub(super) policies: Option<Vec<String>>,
    pub(super) token_type: Option<String>,
    /// 0 for any number of times.
    pub(super) num_uses: Option<u64>,
    pub(super) mfa_requirement: Option<IgnoredAny>,
}

/// A secret text of an answer.
pub(super) struct Text(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        String::deserialize(deserializer).map(|text| Text(Zeroizing::new(text)))
    }
}

/// The fields of a stored secret.
pub(super) type Fields = HashMap<String, Field>;

/// A field of a stored secret: texts are what credentials are made of, the rest is skipped.
pub(super) enum Field {
    Text(Text),
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(Text(Zeroizing::new(text.to_owned()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    #[test]
    fn members_may_be_missing_null_or_unknown() {
        for body in [
            "{}",
            r#"{"lease_id":null,"auth":null,"data":null,"warnings":["w"],"new":1}"#,
        ] {
            let envelope = answer(200, body).envelope::<Fields>().unwrap();
            assert!(envelope.data.is_none() && envelope.auth.is_none());
        }
    }

    #[test]
    fn members_of_another_type_are_malformed() {
        for body in [
            "",
            "[]",
            "null",
            "<html>",
            r#"{"lease_duration":-1}"#,
            r#"{"lease_duration":1.5}"#,
        ] {
            let refused = answer(200, body).envelope::<Fields>().err();
            assert!(matches!(refused, Some(VaultError::Malformed(_))), "{body}");
        }
    }

    #[test]
    fn v28_a_wrapped_answer_is_no_secret() {
        let body = r#"{"data":{"token":"s"},"wrap_info":{"token":"hvs.wrapped","ttl":60}}"#;
        let refused = answer(200, body).envelope::<Fields>().err();
        assert_eq!(refused, Some(VaultError::Malformed("it is wrapped")));
        let unwrapped = answer(200, r#"{"data":{"token":"s"},"wrap_info":null}"#);
        assert!(unwrapped.envelope::<Fields>().is_ok());
    }

    #[test]
    fn fields_that_are_no_text_are_skipped() {
        let body =
            r#"{"data":{"a":"s","b":1,"c":-1,"d":1.5,"e":null,"f":[1,{}],"g":{"h":"i"},"j":true}}"#;
        let fields = answer(200, body)
            .envelope::<Fields>()
            .unwrap()
            .data
            .unwrap();
        let texts = fields
            .values()
            .filter(|field| matches!(field, Field::Text(_)));
        assert_eq!((fields.len(), texts.count()), (8, 1));
    }

    #[test]
    fn each_status_has_its_fault() {
        for (status, fault) in [
            (307, VaultError::Standby),
            (403, VaultError::Denied),
            (405, VaultError::Rejected(405)),
            (429, VaultError::RateLimited { retry_after: None }),
            (473, VaultError::Standby),
            (500, VaultError::ServerFault(500)),
            (501, VaultError::Uninitialised),
            (503, VaultError::Sealed),
        ] {
            assert_eq!(answer(status, "").fault(), fault);
        }
    }
}
