//! A login as it is asked: vaultrs' own requests print what they hold and leave it in memory.

use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use serde_json::Value;
use zeroize::Zeroizing;

/// Room for a body: one that grows leaves copies of what is in it behind. No login is larger in practice.
const BODY_BYTES: usize = 16 * 1024;

/// A POST with texts of which some are secret.
pub(super) struct Question {
    path: String,
    body: Zeroizing<Vec<u8>>,
}

impl Question {
    /// Sends the named texts to `path`, which must have one reading.
    pub(super) fn new(path: String, texts: &[(&str, &str)]) -> Question {
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_BYTES));
        for (place, (name, text)) in texts.iter().enumerate() {
            body.push(if place == 0 { b'{' } else { b',' });
            for (part, end) in [(name, b':'), (text, b' ')] {
                // Texts always have a form in JSON, and the buffer takes all that it is given.
                let _ = serde_json::to_writer(&mut *body, part);
                body.push(end);
            }
        }
        if !texts.is_empty() {
            body.push(b'}');
        }
        Question { path, body }
    }
}

impl Endpoint for Question {
    /// Never made: answers are read by `envelope`.
    type Response = Value;

    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    /// A copy, which the wire wipes.
    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok((!self.body.is_empty()).then(|| self.body.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(texts: &[(&str, &str)]) -> Option<String> {
        let body = Question::new("a".into(), texts).body().unwrap();
        body.map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn texts_are_quoted_as_json_wants_it() {
        let body = body(&[("role", "a\"b"), ("jwt", "e\\.f")]).unwrap();
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read, serde_json::json!({ "role": "a\"b", "jwt": "e\\.f" }));
    }

    #[test]
    fn without_texts_there_is_no_body() {
        assert_eq!(body(&[]), None);
    }
}
