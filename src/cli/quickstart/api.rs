//! The API of the tour: HTTPS with a certificate of its own, a few paths, and a bearer token that it demands.
//!
//! It takes the current token and the one before it, as APIs with overlapping rotation do, and knows both by their
//! SHA-256 only. Its answers name the first 16 hex digits of that hash, so that a reader sees which token came.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{cli::Failure, secret::Secret, tls};

/// The host of the API; the gate finds it by a pin.
pub(super) const HOST: &str = "api.demo.test";

/// Hex digits of a token's SHA-256 that an answer names.
const FINGERPRINT_DIGITS: usize = 16;

/// How long a handshake and the head of a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tokens that the API takes: the current one and the one before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<Mutex<VecDeque<String>>>);

impl Taken {
    /// Takes `token` from now on, and the one before the last no more.
    pub(super) fn take(&self, token: &Secret) {
        let mut taken = self.hashes();
        taken.push_front(sha256(token.expose()));
        taken.truncate(2);
    }

    /// Whether the API takes `token`.
    pub(super) fn takes(&self, token: &str) -> bool {
        self.hashes().contains(&sha256(token))
    }

    fn hashes(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The API, ready to serve.
pub(super) struct Api {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    taken: Taken,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The certificate that vouches for it (PEM).
    pub(super) certificate: String,
}

impl Api {
    /// An API on a free port of this machine, with a new certificate.
    pub(super) async fn bind(taken: Taken) -> Result<Api, Failure> {
        let failed = |what: &str| Failure::Run(format!("the API of the tour: {what}"));
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()])
            .map_err(|error| failed(&error.to_string()))?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config
                    .with_no_client_auth()
                    .with_single_cert(vec![made.cert.der().clone()], key)
            })
            .map_err(|error| failed(&error.to_string()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| failed(&error.to_string()))?;
        let address = listener
            .local_addr()
            .map_err(|error| failed(&error.to_string()))?;
        Ok(Api {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            taken,
            address,
            certificate: made.cert.pem(),
        })
    }

    /// Serves until it is dropped.
    pub(super) async fn serve(self) {
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            if let Ok((stream, _)) = self.listener.accept().await {
                open.spawn(converse(stream, self.acceptor.clone(), self.taken.clone()));
            }
        }
    }
}

/// One connection, until it ends.
async fn converse(stream: TcpStream, acceptor: TlsAcceptor, taken: Taken) {
    let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let answer = async |request| Ok::<_, Infallible>(answer(&request, &taken));
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    // A client that goes away is none of the API's business.
    let _gone = conversation.await;
}

/// The answer to one request; its body is not looked at.
fn answer(request: &Request<Incoming>, taken: &Taken) -> Response<Full<Bytes>> {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let token = authorization
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .filter(|token| taken.takes(token));
    let (status, mut content) = match token {
        None => (
            StatusCode::UNAUTHORIZED,
            json!({"error": "a valid token is needed"}),
        ),
        Some(_) => content(request.method(), request.uri().path()),
    };
    if let (Some(token), Some(content)) = (token, content.as_object_mut()) {
        let fingerprint = sha256(token).chars().take(FINGERPRINT_DIGITS).collect();
        content.insert("token_sha256".to_owned(), Value::String(fingerprint));
    }
    let mut answer = Response::new(Full::from(format!("{content}\n")));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

fn content(method: &Method, path: &str) -> (StatusCode, Value) {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "status"]) => (StatusCode::OK, json!({"status": "up"})),
        ("GET", ["v1", "tickets"]) => (StatusCode::OK, json!({"tickets": [7, 8]})),
        ("GET", ["v1", "tickets", id]) => (
            StatusCode::OK,
            json!({"ticket": id, "title": "It does not open"}),
        ),
        ("GET", ["v1", "search"]) => (StatusCode::OK, json!({"found": [8]})),
        ("POST", ["v1", "tickets", id, "labels"]) => {
            (StatusCode::CREATED, json!({"ticket": id, "labelled": true}))
        }
        _ => (
            StatusCode::NOT_FOUND,
            json!({"error": "there is no such thing"}),
        ),
    }
}

fn sha256(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
