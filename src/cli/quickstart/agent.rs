//! The agent of the tour: an HTTP client that knows a proxy, an authority to trust, and no secret.
//!
//! It is what an agent's SDK is: reqwest, told where its proxy is. Everything that it is answered is kept, to be
//! searched. Like many SDKs it does not start without a key, so it has one that opens nothing.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Client, Proxy, redirect::Policy};
use serde_json::Value;

use crate::{
    cli::Failure,
    headers,
    tls::{self, stores},
};

/// The key that the agent has: the gate takes it out.
pub(super) const PLACEHOLDER: &str = "placeholder";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of what was answered is kept.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The client; clones share their connections and what they heard.
#[derive(Clone)]
pub(super) struct Agent {
    client: Client,
    heard: Arc<Mutex<Heard>>,
}

/// What the agent was answered so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// How many answers.
    pub(super) answers: usize,
    /// Their statuses, headers and bodies.
    pub(super) bytes: Vec<u8>,
}

/// What the agent was answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The id of the event, on answers of the gate itself.
    pub(super) event: String,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u64>,
    /// The body.
    pub(super) body: String,
}

impl Agent {
    /// An agent whose proxy is at `door` and that trusts the interception authority in the file `ca`.
    pub(super) fn new(door: SocketAddr, ca: &Path) -> Result<Agent, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Run(format!("the agent: {error}"));
        let roots = stores::roots(ca).map_err(|error| failed(&error))?;
        let tls = tls::upstreams(roots).map_err(|error| failed(&error))?;
        let proxy = Proxy::all(format!("http://{door}")).map_err(|error| failed(&error))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .proxy(proxy)
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| failed(&error))?;
        let heard = Arc::default();
        Ok(Agent { client, heard })
    }

    /// Makes a call and waits for the whole answer.
    pub(super) async fn call(&self, method: Method, url: &str) -> Result<Answer, Failure> {
        let failed = |error| Failure::Run(format!("the agent's call to {url}: {error}"));
        let request = self.client.request(method, url).bearer_auth(PLACEHOLDER);
        let answer = request.send().await.map_err(failed)?;
        let (status, fields) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(failed)?;
        self.hear(status, &fields, &body);
        let text = |name| fields.get(name).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: status.as_u16(),
            event: text(headers::EVENT_ID).unwrap_or_default().to_owned(),
            retry_after: text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok()),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// What was answered so far.
    pub(super) fn heard(&self) -> Heard {
        self.hearing().clone()
    }

    fn hear(&self, status: StatusCode, fields: &HeaderMap, body: &[u8]) {
        let mut heard = self.hearing();
        heard.answers += 1;
        if heard.bytes.len() + body.len() > KEPT_BYTES_MAX {
            return;
        }
        heard.bytes.extend_from_slice(status.as_str().as_bytes());
        for (name, value) in fields {
            let field = [b"\n", name.as_str().as_bytes(), b": ", value.as_bytes()];
            heard.bytes.extend_from_slice(&field.concat());
        }
        heard
            .bytes
            .extend_from_slice(&[b"\n\n", body, b"\n"].concat());
    }

    fn hearing(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    /// The text at `pointer` of the body, if the body is JSON and has one there.
    pub(super) fn text(&self, pointer: &str) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let text = body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }
}
