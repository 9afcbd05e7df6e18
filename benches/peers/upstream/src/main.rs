//! The upstream of the comparison: HTTPS, HTTP/1.1, one thread.
//!
//! `GET /v1/json` (1 KiB), `GET /bytes/N`, `POST /sink`, `GET /sse/EVENTS/MILLISECONDS`. An answer has `x-auth-ok: 1`
//! if the request carried the credential. `upstream PORT CERTS`.

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::TcpListener,
    time::{Instant, Sleep},
};
use tokio_rustls::TlsAcceptor;

const CREDENTIAL: &str = "Bearer s3cret-upstream-token";
const JSON_BYTES: usize = 1024;
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
static JSON: [u8; JSON_BYTES] = [b' '; JSON_BYTES];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, certs] = arguments.as_slice() else {
        return Err("usage: upstream PORT CERTS".into());
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(format!("{certs}/up.crt"))?.collect();
    let key = PrivateKeyDer::from_pem_file(format!("{certs}/up.key"))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await
                .ok();
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let injected = request
        .headers()
        .get(AUTHORIZATION)
        .is_some_and(|value| value == CREDENTIAL);
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let (status, kind, body) = match parts.as_slice() {
        ["v1", "json"] => (
            200,
            "application/json",
            Answer::whole(Bytes::from_static(&JSON)),
        ),
        ["bytes", count] => (200, "text/plain", Answer::Bytes(number(count))),
        ["sink"] => (200, "text/plain", drain(request.into_body()).await),
        ["sse", events, pause] => (
            200,
            "text/event-stream",
            Answer::events(number(events), number(pause)),
        ),
        _ => (
            404,
            "text/plain",
            Answer::whole(Bytes::from_static(b"not found")),
        ),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if injected {
        response
            .headers_mut()
            .insert("x-auth-ok", HeaderValue::from_static("1"));
    }
    Ok(response)
}

async fn drain(mut body: Incoming) -> Answer {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    Answer::whole(bytes.to_string().into())
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

/// The body of an answer.
enum Answer {
    Whole(Option<Bytes>),
    /// So many bytes.
    Bytes(u64),
    /// So many events, each after a pause but the first.
    Events {
        left: u64,
        pause: Duration,
        next: Pin<Box<Sleep>>,
    },
}

impl Answer {
    fn whole(bytes: Bytes) -> Answer {
        Answer::Whole(Some(bytes))
    }

    fn events(left: u64, milliseconds: u64) -> Answer {
        Answer::Events {
            left,
            pause: Duration::from_millis(milliseconds),
            next: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            Answer::Whole(bytes) => bytes.take(),
            Answer::Bytes(0) => None,
            Answer::Bytes(left) => {
                let length = (*left).min(PIECE.len() as u64);
                *left -= length;
                Some(Bytes::from_static(&PIECE[..length as usize]))
            }
            Answer::Events { left: 0, .. } => None,
            Answer::Events { left, pause, next } => {
                std::task::ready!(next.as_mut().poll(cx));
                *left -= 1;
                next.as_mut().reset(Instant::now() + *pause);
                Some(Bytes::from(format!("data: {{\"left\":{left}}}\n\n")))
            }
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answer::Whole(None) | Answer::Bytes(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Answer::Bytes(left) => SizeHint::with_exact(*left),
            Answer::Events { .. } => SizeHint::default(),
        }
    }
}
