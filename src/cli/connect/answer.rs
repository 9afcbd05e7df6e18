//! Why a connection is not carried, and the HTTP answer that says so.
//!
//! The body has the shape of the gate's own refusals (RFC 9457). The reason stands in the reason phrase too,
//! because most clients hide the body of a failed `CONNECT`. Nothing of the request is repeated.

use std::{io, time::Duration};

use rustls::AlertDescription;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use ulid::Ulid;

use super::link::tls_error;

/// How much of a request is read before it is answered.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// How long a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the client may take to read the answer and to close.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection is not carried.
#[derive(Debug)]
pub(super) enum Unserved {
    /// The client is a process of this user, or of nobody that can be told, and is not to be served.
    Stranger(Option<u32>),
    /// No connection to the gate could be made, or it broke before the handshake was over.
    Unreachable(io::Error),
    /// The gate took too long.
    TooSlow,
    /// What answers is not the gate, as far as its certificate tells.
    NotTheGate(rustls::Error),
    /// The gate does not accept the agent's certificate.
    CertificateRefused(AlertDescription),
}

impl Unserved {
    /// Why a handshake failed on our side, where the certificate has not been judged yet.
    pub(super) fn of_handshake(err: io::Error) -> Unserved {
        match tls_error(&err) {
            Some(tls) => Unserved::NotTheGate(tls.clone()),
            None => Unserved::Unreachable(err),
        }
    }

    /// A number for each kind of reason, never 0.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Unserved::Stranger(_) => 1,
            Unserved::Unreachable(_) => 2,
            Unserved::TooSlow => 3,
            Unserved::NotTheGate(_) => 4,
            Unserved::CertificateRefused(_) => 5,
        }
    }

    /// For stderr: what happened.
    pub(super) fn cause(&self) -> String {
        match self {
            Unserved::Stranger(Some(uid)) => {
                format!("refused a process of user {uid}; --peer-uid {uid} would serve it")
            }
            Unserved::Stranger(None) => "refused a process whose user cannot be told".to_owned(),
            Unserved::Unreachable(err) => format!("the gate cannot be reached: {err}"),
            Unserved::TooSlow => "the gate did not answer in time".to_owned(),
            Unserved::NotTheGate(err) => format!("what answers is not the gate: {err}"),
            Unserved::CertificateRefused(alert) => {
                format!("the gate refused the certificate: {alert:?}")
            }
        }
    }

    fn status(&self) -> u16 {
        match self {
            Unserved::Stranger(_) => 403,
            Unserved::Unreachable(_)
            | Unserved::TooSlow
            | Unserved::NotTheGate(_)
            | Unserved::CertificateRefused(_) => 503,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Unserved::Stranger(_) => "peer_refused",
            Unserved::Unreachable(_)
            | Unserved::TooSlow
            | Unserved::NotTheGate(_)
            | Unserved::CertificateRefused(_) => "gate_unreachable",
        }
    }

    /// For the client: constant text, fit for a reason phrase.
    fn sentence(&self) -> &'static str {
        match self {
            Unserved::Stranger(_) => "This port serves processes of another user.",
            Unserved::Unreachable(_) => "The gate cannot be reached.",
            Unserved::TooSlow => "The gate did not answer in time.",
            Unserved::NotTheGate(_) => "What answers in the gate's place is not the gate.",
            Unserved::CertificateRefused(AlertDescription::CertificateExpired) => {
                "The agent's certificate has expired."
            }
            Unserved::CertificateRefused(_) => "The gate does not accept the agent's certificate.",
        }
    }
}

/// Reads a request, answers it, and ends the connection.
pub(super) async fn instead_of_the_gate(client: &mut TcpStream, unserved: &Unserved) {
    // An answer is due in any case: to half a request, and to a client that waits to be spoken to.
    let _ = timeout(HEAD_TIMEOUT, read_head(client)).await;
    after_the_request(client, unserved).await;
}

/// Answers a request that has been read, and ends the connection.
pub(super) async fn after_the_request(client: &mut TcpStream, unserved: &Unserved) {
    let answered = async {
        client.write_all(text(unserved).as_bytes()).await?;
        client.shutdown().await?;
        // Closing on unread bytes would reset the connection and take the answer with it.
        tokio::io::copy(&mut client.take(HEAD_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // A client that does not take its answer has had its time.
    let _ = timeout(ANSWER_TIMEOUT, answered).await;
}

/// Reads up to the empty line that ends a request's head (RFC 9112 2.1), and no more than a bound.
async fn read_head(client: &mut TcpStream) -> io::Result<()> {
    let mut head = BufReader::new(client.take(HEAD_BYTES_MAX));
    let mut line_ends = 0;
    while line_ends < 2 {
        match head.read_u8().await? {
            b'\n' => line_ends += 1,
            b'\r' => {}
            _ => line_ends = 0,
        }
    }
    Ok(())
}

fn text(unserved: &Unserved) -> String {
    let (status, code, sentence) = (unserved.status(), unserved.code(), unserved.sentence());
    let retryable = status == 503;
    let body = json!({
        "type": "about:blank",
        "title": if retryable { "Service Unavailable" } else { "Forbidden" },
        "status": status,
        "detail": sentence,
        "code": code,
        "retryable": retryable,
        "error": {"type": code, "message": sentence, "request_id": Ulid::generate().to_string()},
    })
    .to_string();
    let retry_after = if retryable { "Retry-After: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {code}: {sentence}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n{retry_after}Tollgate-Reason: {code}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
