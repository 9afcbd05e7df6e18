//! A server with Vault's API that keeps its tokens honestly and makes any fault it is told to.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use super::*;

pub(super) const LOGIN: &str = "/v1/auth/approle/login";
pub(super) const LOOKUP: &str = "/v1/auth/token/lookup-self";
pub(super) const RENEW: &str = "/v1/auth/token/renew-self";
pub(super) const REVOKE: &str = "/v1/auth/token/revoke-self";
pub(super) const REVOKE_ACCESSOR: &str = "/v1/auth/token/revoke-accessor";
pub(super) const SECRET: &str = "/v1/secret/data/a";

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn token(&self) -> &str {
        self.headers.get("x-vault-token").map_or("", String::as_str)
    }
}

/// What the server does with a request.
pub(super) enum Reply {
    /// An answer: status, further header lines each with its line break, body.
    Answer(u16, &'static str, String),
    /// A body of so many bytes that announces no length.
    Flood(usize),
    /// Nothing, for ever.
    Silence,
    /// The end of the connection.
    Hangup,
}

impl Reply {
    pub(super) fn errors(status: u16, error: &str) -> Reply {
        Reply::Answer(status, "", format!(r#"{{"errors":["{error}"]}}"#))
    }
}

/// The server; it ends with the runtime of its test.
pub(super) struct Double {
    pub(super) address: String,
    state: Arc<State>,
}

/// The faults: what is answered instead of what an honest server would.
type Script = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

struct State {
    script: Box<Script>,
    ttl: u64,
    renewable: bool,
    live: Mutex<HashSet<String>>,
    seen: watch::Sender<Vec<Seen>>,
}

impl Double {
    /// A server that behaves, with tokens of an hour.
    pub(super) async fn honest() -> Double {
        Double::scripted(|_| None).await
    }

    /// A server that behaves except where `script` has a reply.
    pub(super) async fn scripted(
        script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Double {
        Double::start(script, 3600, true).await
    }

    /// A server that behaves, with tokens of `ttl` seconds.
    pub(super) async fn with_tokens(ttl: u64, renewable: bool) -> Double {
        Double::start(|_| None, ttl, renewable).await
    }

    pub(super) async fn start(
        script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
        ttl: u64,
        renewable: bool,
    ) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            script: Box::new(script),
            ttl,
            renewable,
            live: Mutex::default(),
            seen: watch::Sender::default(),
        });
        let double = Double {
            address,
            state: Arc::clone(&state),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&state), stream));
            }
        });
        double
    }

    pub(super) fn client(&self) -> (Arc<Vault>, TempDir) {
        client(&self.address, Vec::new())
    }

    /// How many requests for `path` came so far.
    pub(super) fn count(&self, path: &str) -> usize {
        count(&self.state.seen.borrow(), path)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.borrow().clone()
    }

    /// Waits until `times` requests for `path` have come.
    pub(super) async fn until(&self, path: &str, times: usize) {
        let mut seen = self.state.seen.subscribe();
        let came = seen.wait_for(|seen| count(seen, path) >= times);
        let came = timeout(Duration::from_secs(10), came).await;
        assert!(came.is_ok(), "{path} was not asked {times} times");
    }

    /// Forgets all tokens.
    pub(super) fn revoke_all(&self) {
        self.state.live().clear();
    }
}

fn count(seen: &[Seen], path: &str) -> usize {
    seen.iter().filter(|seen| seen.path == path).count()
}

impl State {
    fn live(&self) -> MutexGuard<'_, HashSet<String>> {
        self.live.lock().unwrap()
    }

    fn behave(&self, seen: &Seen) -> Reply {
        let known = self.live().contains(seen.token());
        match seen.path.as_str() {
            LOGIN => {
                let token = format!("s.{}", count(&self.seen.borrow(), LOGIN));
                self.live().insert(token.clone());
                self.auth(&token)
            }
            _ if !known => Reply::errors(403, "permission denied"),
            RENEW => self.auth(seen.token()),
            REVOKE => {
                self.live().remove(seen.token());
                Reply::Answer(204, "", String::new())
            }
            REVOKE_ACCESSOR => Reply::Answer(204, "", String::new()),
            LOOKUP => Reply::Answer(200, "", r#"{"data":{}}"#.into()),
            _ => kv("s3cret", 1),
        }
    }

    fn auth(&self, token: &str) -> Reply {
        let (ttl, renewable) = (self.ttl, self.renewable);
        let accessor = token.replace("s.", "accessor-");
        let auth = format!(
            r#"{{"auth":{{"client_token":"{token}","accessor":"{accessor}","lease_duration":{ttl},"renewable":{renewable}}}}}"#
        );
        Reply::Answer(200, "", auth)
    }
}

/// The answer of the key-value engine.
pub(super) fn kv(token: &str, version: u64) -> Reply {
    let data = format!(r#"{{"data":{{"token":"{token}"}},"metadata":{{"version":{version}}}}}"#);
    Reply::Answer(200, "", format!(r#"{{"request_id":"r-1","data":{data}}}"#))
}

async fn serve(state: Arc<State>, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let Some(seen) = read(&mut stream).await else {
        return;
    };
    state.seen.send_modify(|all| all.push(seen.clone()));
    let reply = (state.script)(&seen).unwrap_or_else(|| state.behave(&seen));
    let text = match reply {
        Reply::Answer(status, head, body) => {
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
            )
        }
        Reply::Flood(bytes) => {
            let body = " ".repeat(bytes);
            format!("HTTP/1.1 200 X\r\nConnection: close\r\n\r\n{body}")
        }
        Reply::Silence => std::future::pending().await,
        Reply::Hangup => String::new(),
    };
    // The client may be gone already, which is what some tests are about.
    let _ = stream.write_all(text.as_bytes()).await;
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: HashMap<String, String> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen {
        path: lines.first()?.split(' ').nth(1)?.to_owned(),
        headers,
        body: String::from_utf8(body).ok()?,
    })
}
