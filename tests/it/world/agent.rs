//! Agents: callers of the gate that can also send what no decent client would.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    http1::{self, Body, Head},
    patience::patiently,
    pki::{self, Identity, Pki},
    tape::{Stream, Tape, Taped, Tapes},
};

/// Between two calls that wait for an answer to change.
const CALL_EVERY: Duration = Duration::from_millis(50);

/// One identity and the way to the gate.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) gate: SocketAddr,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(super) pki: Arc<Pki>,
    /// The port that upstream hosts listen on; a host without a port means this one.
    pub(super) port: u16,
    /// What any agent received.
    pub(super) received: Tapes,
    pub(super) sockets: Sockets,
}

/// The connections that agents have open, so that they can be ended wherever a test left them.
#[derive(Clone, Default)]
pub(super) struct Sockets(Arc<Mutex<Vec<Weak<std::net::TcpStream>>>>);

impl Sockets {
    /// Keeps hold of `socket` for as long as the answer lives.
    fn add(&self, socket: &std::net::TcpStream) -> io::Result<Arc<std::net::TcpStream>> {
        let socket = Arc::new(socket.try_clone()?);
        self.0.lock().unwrap().push(Arc::downgrade(&socket));
        Ok(socket)
    }

    /// Ends them all; one that has ended already is no fault.
    pub(super) fn close(&self) {
        for socket in self.0.lock().unwrap().iter().filter_map(Weak::upgrade) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// An answer to an agent.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason_phrase: String,
    pub(crate) head: Head,
    pub(crate) body: Body,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.value(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.bytes).into_owned()
    }

    /// The body of a refusal.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        serde_json::from_slice(&self.body.bytes).unwrap()
    }

    /// The reason code of a refusal.
    pub(crate) fn code(&self) -> String {
        self.problem()["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Agent {
    /// `host`, with the port of the upstreams unless it names one.
    pub(crate) fn at(&self, host: &str) -> String {
        match host.contains(':') {
            true => host.to_owned(),
            false => format!("{host}:{}", self.port),
        }
    }

    /// One call in absolute-form on a connection of its own: `"GET http://api.a.test/v1/things"`.
    pub(crate) async fn call(&self, call: &str) -> Answer {
        self.call_with(call, "", "").await
    }

    /// The same with header lines (each ends in CRLF) and a body, whose length is declared.
    pub(crate) async fn call_with(&self, call: &str, headers: &str, body: &str) -> Answer {
        let mut wire = self.wire().await;
        wire.send(self.absolute(call, headers, body)).await;
        wire.answer_to(method_of(call)).await
    }

    /// Makes the same call again and again until its answer is `wanted`.
    pub(crate) async fn call_until(&self, call: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        patiently(call, async {
            loop {
                let answer = self.call(call).await;
                if wanted(&answer) {
                    return answer;
                }
                tokio::time::sleep(CALL_EVERY).await;
            }
        })
        .await
    }

    /// The bytes of a call in absolute-form.
    pub(crate) fn absolute(&self, call: &str, headers: &str, body: &str) -> String {
        let (method, url) = call.split_once(' ').unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = self.at(host);
        request(
            method,
            &format!("{scheme}://{host}{path}"),
            &host,
            headers,
            body,
        )
    }

    /// An mTLS connection to the gate.
    pub(crate) async fn wire(&self) -> Wire {
        self.try_wire().await.unwrap()
    }

    /// An mTLS connection to the gate, if it lets this agent in. TLS 1.3 tells a client only with the first
    /// bytes from the server that its certificate was refused, so success here may still end in an error there.
    pub(crate) async fn try_wire(&self) -> io::Result<Wire> {
        let config = pki::client_config(self.pki.gates.roots(), self.identity.as_deref());
        self.wire_by(config).await
    }

    /// A TLS connection to the gate with settings of the test's own.
    pub(crate) async fn wire_by(&self, config: ClientConfig) -> io::Result<Wire> {
        let socket = TcpStream::connect(self.gate).await?.into_std()?;
        socket.set_nodelay(true)?;
        let held = self.sockets.add(&socket)?;
        let socket = TcpStream::from_std(socket)?;
        let name = ServerName::try_from("gate.test").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = patiently(
            "the handshake with the gate",
            connector.connect(name, socket),
        )
        .await?;
        let handshake = stream.get_ref().1.handshake_kind();
        let mut wire = Wire::new(Box::new(stream), self.clone(), held);
        wire.handshake = handshake;
        Ok(wire)
    }

    /// A tunnel to `host` that the gate has opened; nothing was said in it yet.
    pub(crate) async fn connect(&self, host: &str) -> Wire {
        let host = self.at(host);
        let mut wire = self.wire().await;
        wire.send(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = wire.answer_to("CONNECT").await;
        assert_eq!(answer.status, 200, "CONNECT {host}: {answer:?}");
        wire
    }

    /// A tunnel to `host` with TLS inside.
    pub(crate) async fn tunnel(&self, host: &str) -> Wire {
        let name = host.split(':').next().unwrap();
        self.connect(host).await.tls(name).await
    }
}

/// A request in HTTP/1.1; the length of `body` is declared unless it is empty.
pub(crate) fn request(method: &str, target: &str, host: &str, headers: &str, body: &str) -> String {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n{body}")
}

fn method_of(call: &str) -> &str {
    call.split(' ').next().unwrap()
}

/// A connection on which a test says every byte itself.
pub(crate) struct Wire {
    stream: BufReader<Taped<Box<dyn Stream>>>,
    agent: Agent,
    tape: Tape,
    held: Arc<std::net::TcpStream>,
    /// The certificates the other side showed in the innermost TLS.
    pub(crate) peer: Vec<CertificateDer<'static>>,
    /// The protocol that the innermost TLS settled on.
    pub(crate) alpn: Option<Vec<u8>>,
    /// How the innermost TLS began.
    pub(crate) handshake: Option<rustls::HandshakeKind>,
}

impl Wire {
    fn new(stream: Box<dyn Stream>, agent: Agent, held: Arc<std::net::TcpStream>) -> Wire {
        let tape = agent.received.start();
        Wire {
            stream: BufReader::new(Taped::new(stream, tape.clone())),
            agent,
            tape,
            held,
            peer: Vec::new(),
            alpn: None,
            handshake: None,
        }
    }

    /// TLS inside this tunnel, trusting the interception CA, for the host `name`.
    pub(crate) async fn tls(self, name: &str) -> Wire {
        let config = pki::client_config(self.agent.pki.interception.roots(), None);
        self.tls_by(name, config).await.unwrap()
    }

    /// TLS inside this tunnel with settings of the test's own.
    pub(crate) async fn tls_by(self, name: &str, config: ClientConfig) -> io::Result<Wire> {
        let agent = self.agent.clone();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = connector.connect(name, self.stream);
        let stream = patiently("the handshake in the tunnel", handshake).await?;
        let (_, session) = stream.get_ref();
        let peer = session.peer_certificates().unwrap_or_default().to_vec();
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        let mut wire = Wire::new(Box::new(stream), agent, self.held);
        wire.peer = peer.into_iter().map(CertificateDer::into_owned).collect();
        wire.alpn = alpn;
        Ok(wire)
    }

    /// One call in origin-form: `"GET /v1/things"`, to `host`.
    pub(crate) async fn call(&mut self, call: &str, host: &str) -> Answer {
        self.call_with(call, host, "", "").await
    }

    /// The same with header lines and a body.
    pub(crate) async fn call_with(
        &mut self,
        call: &str,
        host: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let (method, path) = call.split_once(' ').unwrap();
        let host = self.agent.at(host);
        self.send(request(method, path, &host, headers, body)).await;
        self.answer_to(method).await
    }

    /// Sends these bytes in one piece.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// Sends these bytes, unless the gate has closed.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        patiently("sending to the gate", sending).await
    }

    /// Sends these bytes in pieces that end at each of `cuts`.
    pub(crate) async fn send_cut(&mut self, bytes: impl AsRef<[u8]>, cuts: &[usize]) {
        let mut rest = bytes.as_ref();
        let mut sent = 0;
        for cut in cuts {
            let (piece, after) = rest.split_at(cut - sent);
            self.send(piece).await;
            sent = *cut;
            rest = after;
        }
        self.send(rest).await;
    }

    /// The next answer, to a method whose answer may have a body.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// The next final answer.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer_to(method)
            .await
            .unwrap()
            .expect("an answer, not the end of the connection")
    }

    /// The next final answer, if the gate gives one.
    pub(crate) async fn try_answer_to(&mut self, method: &str) -> io::Result<Option<Answer>> {
        patiently("an answer from the gate", async {
            let Some((status, head)) = self.head().await? else {
                return Ok(None);
            };
            let length = match (method, status) {
                ("CONNECT", 200) => http1::Length::None,
                _ => http1::answer_length(method, status, &head),
            };
            let body = http1::read_body(&mut self.stream, length).await?;
            let reason_phrase = head
                .start
                .splitn(3, ' ')
                .nth(2)
                .unwrap_or_default()
                .to_owned();
            Ok(Some(Answer {
                status,
                reason_phrase,
                head,
                body,
            }))
        })
        .await
    }

    /// The head of the next final answer; its body is still to be read.
    pub(crate) async fn head(&mut self) -> io::Result<Option<(u16, Head)>> {
        loop {
            let Some(head) = http1::read_head(&mut self.stream).await? else {
                return Ok(None);
            };
            let status = head
                .start
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok());
            let status: u16 = status.ok_or(io::ErrorKind::InvalidData)?;
            if status >= 200 || status == 101 {
                return Ok(Some((status, head)));
            }
        }
    }

    /// Exactly so many bytes.
    pub(crate) async fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let reading = self.stream.read_exact(&mut bytes);
        patiently("bytes from the gate", reading).await.unwrap();
        bytes
    }

    /// Reads until so much text has come.
    pub(crate) async fn until_received(&mut self, text: &str) {
        patiently(text, async {
            while !String::from_utf8_lossy(&self.tape.bytes()).contains(text) {
                let read = self.stream.read_u8().await;
                read.unwrap_or_else(|error| panic!("{error} before {text:?} came"));
            }
        })
        .await;
    }

    /// Says that nothing more comes from this side.
    pub(crate) async fn half_close(&mut self) {
        self.try_half_close().await.unwrap();
    }

    /// The same, unless the gate has closed.
    pub(crate) async fn try_half_close(&mut self) -> io::Result<()> {
        patiently("the end of this side", self.stream.shutdown()).await
    }

    /// Reads until the gate closes; what came until then.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // a close without close_notify, or a reset, ends the connection just as well
        let _ = patiently(
            "the end of the connection",
            self.stream.read_to_end(&mut rest),
        )
        .await;
        rest
    }

    /// The certificate that the agent shows.
    pub(crate) fn identity(&self) -> &Identity {
        self.agent
            .identity
            .as_ref()
            .expect("an agent with a certificate")
    }

    /// What this side received so far, after TLS.
    pub(crate) fn received(&self) -> Vec<u8> {
        self.tape.bytes()
    }

    /// The two directions, for a test that sends and receives at once.
    pub(crate) fn into_stream(self) -> BufReader<Taped<Box<dyn Stream>>> {
        self.stream
    }
}
