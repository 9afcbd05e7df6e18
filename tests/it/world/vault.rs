//! A Vault (over TLS, as the settings demand) that keeps to the documented envelope and can be told to fail in every way a real one will not.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;

use super::canary::Canaries;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// As documented.
    #[default]
    Well,
    /// 403 `permission denied` on every read; tokens stay valid.
    Denying,
    /// 403 `invalid token` on everything but a login.
    Forgetful,
    /// 429 on everything.
    Busy,
    /// 503 `Vault is sealed` on everything.
    Sealed,
    /// Takes requests and never answers.
    Hanging,
    /// 200 with a body that is not JSON.
    Garbled,
    /// This status on everything but a login, with an error that repeats the token.
    Saying(u16),
    /// 307 to another place on everything but a login.
    Redirecting,
    /// 307 to another place on everything.
    RedirectingAll,
    /// Takes requests and keeps them until it is in another mood.
    Holding,
}

#[derive(Default)]
struct State {
    /// Methods and targets, as they came.
    asked: Vec<String>,
    /// Where a redirect leads.
    elsewhere: String,
    logins: usize,
    reads: HashMap<String, usize>,
    renewals: usize,
    revocations: usize,
    tokens: Vec<String>,
    kv2: HashMap<String, (usize, Value)>,
    unauthenticated: usize,
}

/// The double, on loopback.
#[derive(Clone)]
pub(crate) struct Vault {
    pub(crate) address: SocketAddr,
    /// What an AppRole login must show.
    pub(crate) role_id: String,
    pub(crate) secret_id: String,
    canaries: Canaries,
    tls: Arc<Mutex<Arc<ServerConfig>>>,
    mood: watch::Sender<Mood>,
    state: Arc<Mutex<State>>,
    closing: watch::Sender<u64>,
}

impl Vault {
    pub(crate) async fn start(canaries: Canaries, tls: ServerConfig) -> Vault {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vault = Vault {
            address: listener.local_addr().unwrap(),
            role_id: "0b7b5f0a-tollgate".into(),
            secret_id: canaries.add(None),
            canaries,
            tls: Arc::new(Mutex::new(Arc::new(tls))),
            mood: watch::Sender::new(Mood::Well),
            state: Arc::default(),
            closing: watch::Sender::new(0),
        };
        tokio::spawn(vault.clone().accept(listener));
        vault
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Redirects lead to this URL.
    pub(crate) fn sends_elsewhere(&self, url: &str) {
        self.state.lock().unwrap().elsewhere = url.to_owned();
    }

    /// New connections are shown the certificate of `tls`.
    pub(crate) fn presents(&self, tls: ServerConfig) {
        *self.tls.lock().unwrap() = Arc::new(tls);
    }

    /// Stores `field` of the KV v2 secret at `path`, as its next version.
    pub(crate) fn stores(&self, path: &str, field: &str, value: &str) {
        self.stores_all(path, json!({ field: value }));
    }

    /// Stores all fields of the KV v2 secret at `path`, as its next version.
    pub(crate) fn stores_all(&self, path: &str, fields: Value) {
        let mut state = self.state.lock().unwrap();
        let version = state.kv2.get(path).map_or(0, |(version, _)| *version) + 1;
        state.kv2.insert(path.to_owned(), (version, fields));
    }

    /// Method and target of every request that came, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(crate) fn logins(&self) -> usize {
        self.state.lock().unwrap().logins
    }

    /// How often the secret at `path` was read, with success or without.
    pub(crate) fn reads(&self, path: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.reads.get(path).copied().unwrap_or(0)
    }

    pub(crate) fn reads_in_all(&self) -> usize {
        self.state.lock().unwrap().reads.values().sum()
    }

    pub(crate) fn revocations(&self) -> usize {
        self.state.lock().unwrap().revocations
    }

    /// No token given out so far is valid any more.
    pub(crate) fn forget_tokens(&self) {
        self.state.lock().unwrap().tokens.clear();
    }

    /// Calls without a valid token where one was due.
    pub(crate) fn unauthenticated(&self) -> usize {
        self.state.lock().unwrap().unauthenticated
    }

    /// Ends every connection.
    pub(crate) fn close(&self) {
        self.closing.send_modify(|round| *round += 1);
    }

    /// The address as the settings name it.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.address.port())
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let vault = self.clone();
            let acceptor = TlsAcceptor::from(self.tls.lock().unwrap().clone());
            let mut closing = self.closing.subscribe();
            tokio::spawn(async move {
                let connection = async {
                    let stream = acceptor.accept(socket).await?;
                    let service = service_fn(|request| vault.serve(request));
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    connection.await.map_err(io::Error::other)
                };
                tokio::select! {
                    _ = connection => {}
                    _ = closing.changed() => {}
                }
            });
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let token = head
            .headers
            .get("x-vault-token")
            .and_then(|token| token.to_str().ok());
        let path = head.uri.path().trim_start_matches("/v1/");
        let asked = format!("{} {}", head.method, head.uri);
        self.state.lock().unwrap().asked.push(asked);
        let mut moods = self.mood.subscribe();
        let mood = moods.wait_for(|mood| *mood != Mood::Holding).await;
        let mood = *mood.expect("this vault has a mood");
        let answer = self.decide(mood, (&head.method, path), token.unwrap_or_default(), &body);
        if mood == Mood::Hanging {
            std::future::pending::<()>().await;
        }
        Ok(answer)
    }

    fn decide(
        &self,
        mood: Mood,
        (method, path): (&Method, &str),
        token: &str,
        body: &Value,
    ) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        if let Some(path) = path.strip_prefix("secret/data/") {
            *state.reads.entry(path.to_owned()).or_default() += 1;
        }
        let login = path == "auth/approle/login";
        match mood {
            Mood::Busy => errors(429, &["request path \"/\": rate limit quota exceeded"]),
            Mood::Sealed => errors(503, &["Vault is sealed"]),
            Mood::Garbled => reply(200, "<html>not what you hoped for"),
            Mood::RedirectingAll => redirect(&state.elsewhere, path),
            _ if login => self.login(&mut state, body),
            Mood::Redirecting => redirect(&state.elsewhere, path),
            Mood::Saying(status) => errors(status, &[&format!("X-Vault-Token: {token}")]),
            Mood::Forgetful => errors(403, &["permission denied", "invalid token"]),
            _ if !state.tokens.iter().any(|known| known == token) => {
                state.unauthenticated += 1;
                errors(403, &["permission denied", "invalid token"])
            }
            Mood::Denying if path.starts_with("secret/data/") => {
                errors(403, &["1 error occurred:\n\t* permission denied\n\n"])
            }
            _ => Vault::authenticated(&mut state, method, path, token),
        }
    }

    fn login(&self, state: &mut State, body: &Value) -> Response<Full<Bytes>> {
        state.logins += 1;
        if body["role_id"] != *self.role_id || body["secret_id"] != *self.secret_id {
            return errors(400, &["invalid role or secret ID"]);
        }
        let token = format!("hvs.{}", self.canaries.add(None));
        state.tokens.push(token.clone());
        envelope(json!({ "auth": auth(&token) }))
    }

    fn authenticated(
        state: &mut State,
        method: &Method,
        path: &str,
        token: &str,
    ) -> Response<Full<Bytes>> {
        match (method.as_str(), path) {
            ("GET", "auth/token/lookup-self") => envelope(json!({ "data": lookup(token) })),
            ("POST" | "PUT", "auth/token/renew-self") => {
                state.renewals += 1;
                envelope(json!({ "auth": auth(token) }))
            }
            ("POST" | "PUT", "auth/token/revoke-self") => {
                state.revocations += 1;
                state.tokens.retain(|known| known != token);
                reply(204, "")
            }
            ("GET", path) => match path.strip_prefix("secret/data/") {
                Some(secret) => read_kv2(state, secret),
                None => errors(404, &[]),
            },
            _ => errors(405, &["unsupported operation"]),
        }
    }
}

fn read_kv2(state: &State, path: &str) -> Response<Full<Bytes>> {
    let Some((version, data)) = state.kv2.get(path) else {
        return errors(404, &[]);
    };
    envelope(json!({ "data": { "data": data, "metadata": {
        "created_time": "2026-11-01T10:00:00.000000000Z",
        "custom_metadata": null,
        "deletion_time": "",
        "destroyed": false,
        "version": version,
    } } }))
}

fn auth(token: &str) -> Value {
    json!({
        "client_token": token,
        "accessor": "hmac-accessor",
        "policies": ["default", "tollgate"],
        "token_policies": ["default", "tollgate"],
        "metadata": { "role_name": "tollgate" },
        "lease_duration": 3600,
        "renewable": true,
        "entity_id": "3f1c1e2a-entity",
        "token_type": "service",
        "orphan": true,
        "mfa_requirement": null,
        "num_uses": 0,
    })
}

fn lookup(token: &str) -> Value {
    json!({
        "accessor": "hmac-accessor",
        "creation_time": 1_793_527_200,
        "creation_ttl": 3600,
        "display_name": "approle",
        "entity_id": "3f1c1e2a-entity",
        "expire_time": "2030-11-01T11:00:00.000000000Z",
        "explicit_max_ttl": 0,
        "id": token,
        "issue_time": "2026-11-01T10:00:00.000000000Z",
        "meta": { "role_name": "tollgate" },
        "num_uses": 0,
        "orphan": true,
        "path": "auth/approle/login",
        "policies": ["default", "tollgate"],
        "renewable": true,
        "ttl": 3600,
        "type": "service",
    })
}

/// The envelope of every answer with data; `part` fills what is null in it.
fn envelope(part: Value) -> Response<Full<Bytes>> {
    let mut whole = json!({
        "request_id": "f6a9c9d2-0000-4000-8000-000000000000",
        "lease_id": "",
        "renewable": false,
        "lease_duration": 0,
        "data": null,
        "wrap_info": null,
        "warnings": null,
        "auth": null,
    });
    for (key, value) in part.as_object().unwrap() {
        whole[key] = value.clone();
    }
    reply(200, &whole.to_string())
}

fn errors(status: u16, errors: &[&str]) -> Response<Full<Bytes>> {
    reply(status, &json!({ "errors": errors }).to_string())
}

/// To the same path below `elsewhere`; a client that follows keeps method, body and headers.
fn redirect(elsewhere: &str, path: &str) -> Response<Full<Bytes>> {
    let mut reply = reply(307, "");
    let location = format!("{elsewhere}/v1/{path}").try_into().unwrap();
    reply.headers_mut().insert(http::header::LOCATION, location);
    reply
}

fn reply(status: u16, body: &str) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::from(body.to_owned()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    if status == 429 {
        let seconds = http::HeaderValue::from_static("9");
        reply
            .headers_mut()
            .insert(http::header::RETRY_AFTER, seconds);
    }
    let json = http::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(http::header::CONTENT_TYPE, json);
    reply
}
