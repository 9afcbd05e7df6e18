//! What the gate tells those who run it: whether it lives, whether it is ready, what it has counted, and how its
//! credentials stand.
//!
//! It answers on a loopback address or a Unix socket of this machine, and no agent reaches it through the gate: its address
//! is one of the gate's own, which nothing may dial. It answers GET and HEAD in plain HTTP/1.1, one request a connection,
//! and changes nothing. It tells no secret; role and credential names are the only words of the settings in it.

pub(crate) mod credentials;
mod exposition;
mod listener;
mod ready;

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
    uri::Authority,
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};

pub(crate) use self::listener::Listener;
use self::{listener::Stream, ready::Readiness};
use crate::{proxy::Gate, session::handshakes::Handshakes, shutdown::Ending};

/// Connections at a time; the next one waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may take, from its first byte to the last of its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long the listener rests when the process is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The admin listener.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) listener: Listener,
    pub(crate) view: View,
}

/// What is looked at when somebody asks.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) gate: Arc<Gate>,
    /// The handshakes that have not ended.
    pub(crate) handshakes: Arc<Handshakes>,
}

/// What a request is answered from.
#[derive(Debug)]
struct Asked {
    view: View,
    ending: Ending,
}

/// How a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// From any program of this machine, a browser among them.
    Loopback,
    /// From a program that may open the socket's file.
    Socket,
}

impl Admin {
    /// Answers until it is dropped; `ending` tells how far the gate's end has come.
    pub(crate) async fn serve(self, ending: Ending) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let asked = Arc::new(Asked {
            view: self.view,
            ending,
        });
        let mut connections = JoinSet::new();
        while let Ok(place) = places.clone().acquire_owned().await {
            match self.listener.accept().await {
                Ok(Stream::Tcp(stream)) => {
                    connections.spawn(converse(stream, asked.clone(), Over::Loopback, place));
                }
                Ok(Stream::Unix(stream)) => {
                    connections.spawn(converse(stream, asked.clone(), Over::Socket, place));
                }
                Err(error) => {
                    tracing::warn!(%error, "an admin connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

/// One request and its answer.
async fn converse<S>(stream: S, asked: Arc<Asked>, over: Over, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = async |request: Request<Incoming>| {
        Ok::<_, Infallible>(asked.answer(request.method(), &request, over))
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    // Whoever breaks off or takes too long gets no answer, and nothing is lost by it.
    let _ended = timeout(CONNECTION_TIMEOUT, connection).await;
}

impl Asked {
    fn answer<B>(
        &self,
        method: &Method,
        request: &Request<B>,
        over: Over,
    ) -> Response<Full<Bytes>> {
        // A web page can make the browser of this machine ask, but only under a name of its own.
        if over == Over::Loopback && !names_this_machine(request) {
            let what = "ask for localhost or a loopback address: no other Host is answered\n";
            return text(StatusCode::FORBIDDEN, what);
        }
        if over == Over::Loopback && comes_from_a_page(request.headers()) {
            let what = "a page may not ask: write the address into the browser yourself\n";
            return text(StatusCode::FORBIDDEN, what);
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(header::ALLOW, allowed);
            return answer;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(request.headers()),
            "/credentials" => self.credentials(),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /livez, /readyz, /metrics and /credentials\n",
            ),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let readiness = Readiness::of(&self.view.gate, self.ending.phase());
        let status = match readiness.is_ready() {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        text(status, readiness.to_string())
    }

    fn metrics(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let ready = Readiness::of(&self.view.gate, self.ending.phase()).is_ready();
        match exposition::of(&self.view, ready, exposition::Format::asked_for(headers)) {
            Ok((kind, page)) => typed(kind, page),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be written\n",
            ),
        }
    }

    fn credentials(&self) -> Response<Full<Bytes>> {
        let snapshot = self.view.gate.snapshot.load();
        typed(JSON, credentials::of(&snapshot))
    }
}

fn typed(kind: HeaderValue, page: String) -> Response<Full<Bytes>> {
    let mut answer = text(StatusCode::OK, page);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_TYPE, PLAIN);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let options = HeaderName::from_static("x-content-type-options");
    fields.insert(options, HeaderValue::from_static("nosniff"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    fields.insert(policy, HeaderValue::from_static("same-origin"));
    answer
}

/// Whether a page made a browser ask, which says so (Fetch Metadata, section 2.3): only what a person typed in comes from
/// no site, and nobody but a browser names one.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    let typed_in = |site: &HeaderValue| site == "none";
    let mut sites = headers.get_all("sec-fetch-site").iter();
    headers.contains_key(header::ORIGIN) || !sites.all(typed_in)
}

/// Whether the one `Host` of a request, and the target if it names a host, are this machine by a name that no other
/// machine can have.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = Authority::try_from(host.as_bytes());
    host.is_ok_and(|host| is_local(&host)) && request.uri().authority().is_none_or(is_local)
}

fn is_local(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let address = bare.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        names_this_machine(&request.body(()).unwrap())
    }

    #[test]
    fn names_that_only_this_machine_can_have_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:9901",
            "127.0.0.1:9901",
            "127.9.9.9",
            "[::1]:9901",
            "[::ffff:127.0.0.1]:9901",
        ] {
            assert!(asked("/metrics", &[host]), "{host}");
        }
    }

    #[test]
    fn names_that_another_can_point_at_this_machine_are_not() {
        for hosts in [
            &[][..],
            &["rebinding.example:9901"],
            &["localhost.rebinding.example"],
            &["127.0.0.1.nip.io:9901"],
            &["localhost."],
            &["0.0.0.0:9901"],
            &["192.168.0.1"],
            &[""],
            &["localhost", "rebinding.example"],
        ] {
            assert!(!asked("/metrics", hosts), "{hosts:?}");
        }
        assert!(!asked("http://rebinding.example/metrics", &["localhost"]));
    }
}
