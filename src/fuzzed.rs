//! Where fuzzers enter: what reads the bytes of agents and upstreams, whole, without sockets and settings around it.
//!
//! Built for them alone (`--cfg fuzzing`); `tests/fuzz` holds what comes out against other readers of the same bytes.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::Acceptor;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::{Builder, Runtime},
};

use crate::{
    headers, relay, session,
    target::{
        Host,
        asked::{Asked, Ingress},
    },
    tls::mint,
    upstream,
};

/// Room between the two sides of a connection; more than any input.
const PIPE_BYTES: usize = 1 << 20;

/// A request as the gate read it inside a tunnel.
#[derive(Debug)]
pub struct Read {
    /// Its method.
    pub method: String,
    /// Its path and query, canonical.
    pub target: String,
    /// The headers that would cross.
    pub headers: HeaderMap,
    /// Its body; none if it broke off.
    pub body: Option<Vec<u8>>,
}

/// An upstream's answer as the gate read it.
#[derive(Debug)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// The headers that would cross back.
    pub headers: HeaderMap,
    /// Its body; none if it broke off.
    pub body: Option<Vec<u8>>,
}

/// The requests that the gate reads out of `bytes`, all that ever come of a connection in a tunnel to `host`, and
/// what it writes back.
pub fn requests(host: &str, bytes: &[u8]) -> (Vec<Read>, Vec<u8>) {
    let Ok(host) = Host::parse(host) else {
        return (Vec::new(), Vec::new());
    };
    let read = Arc::new(Mutex::new(Vec::new()));
    let ingress = Ingress::Tunnel {
        host,
        port: 443,
        clear: false,
    };
    let service = service_fn(|request| serve(request, ingress.clone(), read.clone()));
    let written = in_time(async {
        let (agents, gates) = tokio::io::duplex(PIPE_BYTES);
        let serving =
            session::reading(TokioTimer::new()).serve_connection(TokioIo::new(gates), service);
        let (_, written) = tokio::join!(serving, converse(agents, bytes));
        written
    });
    let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
    (read, written.unwrap_or_default())
}

async fn serve(
    request: Request<Incoming>,
    ingress: Ingress,
    read: Arc<Mutex<Vec<Read>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(asked) = Asked::read(request, &ingress, |_, _| false) else {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        let close = HeaderValue::from_static("close");
        refused.headers_mut().insert(header::CONNECTION, close);
        return Ok(refused);
    };
    let (target, along) = asked.into_parts();
    let query = target.query().map(|query| format!("?{}", query.as_str()));
    let one = Read {
        method: target.method().as_str().to_owned(),
        target: target.path().as_str().to_owned() + &query.unwrap_or_default(),
        headers: headers::crossing_request(along.headers, headers::Let::default()),
        body: whole(along.body).await,
    };
    read.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(one);
    Ok(Response::new(Full::default()))
}

/// What the gate makes of `bytes` as the answer to a request of `method`; none if it is no answer, or one that can be
/// read in more than one way.
pub fn answer(method: Method, bytes: &[u8]) -> Option<Answered> {
    in_time(async {
        let (gates, upstreams) = tokio::io::duplex(PIPE_BYTES);
        let shaken = client::conn::http1::handshake(TokioIo::new(upstream::answering(gates))).await;
        let (mut sender, connection) = shaken.map_err(io::Error::other)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method;
        let host = HeaderValue::from_static("api.test");
        request.headers_mut().insert(header::HOST, host);
        let reading = async {
            let answered = sender.send_request(request).await.ok()?;
            drop(sender);
            let (parts, body) = answered.into_parts();
            relay::check(parts.status, &parts.headers).ok()?;
            Some(Answered {
                status: parts.status.as_u16(),
                headers: headers::crossing_answer(parts.headers, false),
                body: whole(body).await,
            })
        };
        let (_, _, answered) = tokio::join!(connection, converse(upstreams, bytes), reading);
        Ok(answered)
    })
    .ok()
    .flatten()
}

/// Whether the handshake that begins with `bytes` names `host` or no host; none if it is no handshake.
pub fn hello_names(host: &str, bytes: &[u8]) -> Option<bool> {
    let host = Host::parse(host).ok()?;
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &*bytes).ok()?;
    let accepted = acceptor.accept().ok()??;
    Some(mint::names(&host, &accepted.client_hello()))
}

async fn whole(body: Incoming) -> Option<Vec<u8>> {
    let collected = body.collect().await.ok()?;
    Some(collected.to_bytes().to_vec())
}

/// Says `bytes` and then nothing more; what came back.
async fn converse(mut stream: DuplexStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await?;
    Ok(back)
}

fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    thread_local! {
        static RUNTIME: io::Result<Runtime> = Builder::new_current_thread().enable_time().build();
    }
    RUNTIME.with(|runtime| match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(io::Error::other(error.to_string())),
    })
}
