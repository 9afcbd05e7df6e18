//! A request to an engine, for which vaultrs has none that keeps the lease.

use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use serde_json::Value;

use super::{VaultError, path};

/// What an engine, or `sys/leases`, is asked.
pub(in super::super) struct Question {
    method: RequestMethod,
    path: String,
    body: Option<Value>,
}

impl Question {
    /// Reads what is at `segments`.
    ///
    /// # Errors
    ///
    /// [`VaultError::PathUnsafe`] when the path has more than one reading.
    pub(super) fn read(segments: &[&str]) -> Result<Question, VaultError> {
        Question::new(RequestMethod::GET, segments, None)
    }

    /// Writes `body` to what is at `segments`.
    ///
    /// # Errors
    ///
    /// As [`Question::read`].
    pub(in super::super) fn write(segments: &[&str], body: Value) -> Result<Question, VaultError> {
        Question::new(RequestMethod::PUT, segments, Some(body))
    }

    fn new(
        method: RequestMethod,
        segments: &[&str],
        body: Option<Value>,
    ) -> Result<Question, VaultError> {
        if !segments.iter().all(|segment| path::plain(segment)) {
            return Err(VaultError::PathUnsafe);
        }
        Ok(Question {
            method,
            path: segments.join("/"),
            body,
        })
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
        self.method.clone()
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let body = self.body.as_ref().map(serde_json::to_vec).transpose();
        body.map_err(|error| ClientError::DataParseError {
            source: error.into(),
        })
    }
}
