//! An upstream that keeps every byte it receives and answers by script.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{
    events::Events,
    http1::{self, Body, Head},
    script::{Answer, play},
    tape::{Stream, Tape, Taped},
};

/// A request that came to its end at the upstream.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    pub(crate) body: Body,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap()
    }
}

/// One connection to an upstream.
#[derive(Clone, Default)]
pub(crate) struct Connection {
    /// The server name of the ClientHello.
    pub(crate) sni: Option<String>,
    /// The protocol that ALPN settled on.
    pub(crate) alpn: Option<Vec<u8>>,
    /// Why the TLS handshake failed, if it did.
    pub(crate) tls_failure: Option<String>,
    /// Whether TLS 1.3 early data came.
    pub(crate) early_data: bool,
    /// Whether it came in clear.
    pub(crate) cleartext: bool,
    /// Whether it is over.
    pub(crate) closed: bool,
    /// Every byte of it, after TLS.
    pub(crate) received: Tape,
}

#[derive(Default)]
struct Log {
    connections: Vec<Connection>,
    heads: Vec<String>,
    requests: Vec<Seen>,
    /// Requests that arrived before the permit for them was written.
    unannounced: Vec<String>,
}

struct Shared {
    host: String,
    events: Events,
    log: Mutex<Log>,
    scripts: Mutex<Vec<(String, Answer)>>,
    tls: Mutex<Arc<ServerConfig>>,
    mute: AtomicBool,
    closing: watch::Sender<bool>,
}

/// The upstream of one host.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Recorder {
    pub(crate) fn start(
        host: &str,
        listener: TcpListener,
        tls: ServerConfig,
        events: Events,
    ) -> Recorder {
        let recorder = Recorder {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                host: host.to_owned(),
                events,
                log: Mutex::default(),
                scripts: Mutex::default(),
                tls: Mutex::new(Arc::new(tls)),
                mute: AtomicBool::new(false),
                closing: watch::Sender::new(false),
            }),
        };
        tokio::spawn(recorder.clone().accept(listener));
        recorder
    }

    /// Requests of `path` (without its query) get this answer from now on; others get a plain 200.
    pub(crate) fn answers(&self, path: &str, answer: Answer) {
        let mut scripts = self.shared.scripts.lock().unwrap();
        scripts.retain(|(scripted, _)| scripted != path);
        scripts.push((path.to_owned(), answer));
    }

    /// New connections meet this TLS server from now on.
    pub(crate) fn presents(&self, tls: ServerConfig) {
        *self.shared.tls.lock().unwrap() = Arc::new(tls);
    }

    pub(crate) fn host(&self) -> &str {
        &self.shared.host
    }

    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.shared.log.lock().unwrap().connections.clone()
    }

    /// Every request that came to its end.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.log.lock().unwrap().requests.clone()
    }

    /// The start line of every request whose head came, whether or not its body did.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().heads.clone()
    }

    /// The only request that came.
    pub(crate) fn only_request(&self) -> Seen {
        let mut requests = self.requests();
        assert_eq!(
            requests.len(),
            1,
            "requests at {}: {requests:?}",
            self.host()
        );
        requests.remove(0)
    }

    /// Bytes received on all connections.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.connections()
            .iter()
            .map(|connection| connection.received.total())
            .sum()
    }

    /// Requests that arrived before the permit for them was written.
    pub(crate) fn unannounced(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().unannounced.clone()
    }

    /// New connections are accepted and hear nothing from now on.
    pub(crate) fn is_mute(&self) {
        self.shared.mute.store(true, Ordering::Release);
    }

    /// Ends every connection from the upstream's side.
    pub(crate) fn close(&self) {
        self.shared.closing.send_replace(true);
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let id = self.opened();
            let recorder = self.clone();
            tokio::spawn(async move {
                let mut closing = recorder.shared.closing.subscribe();
                tokio::select! {
                    _ = recorder.connection(id, socket) => {}
                    _ = closing.wait_for(|closing| *closing) => {}
                }
                recorder.note(id, |connection| connection.closed = true);
            });
        }
    }

    fn opened(&self) -> usize {
        let mut log = self.shared.log.lock().unwrap();
        log.connections.push(Connection::default());
        log.connections.len() - 1
    }

    fn note(&self, id: usize, note: impl FnOnce(&mut Connection)) {
        note(&mut self.shared.log.lock().unwrap().connections[id]);
    }

    async fn connection(&self, id: usize, socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        if self.shared.mute.load(Ordering::Acquire) {
            return std::future::pending().await;
        }
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Ok(());
        }
        if first[0] != 0x16 {
            self.note(id, |connection| connection.cleartext = true);
            return self.requests_on(id, socket).await;
        }
        let tls = self.shared.tls.lock().unwrap().clone();
        match TlsAcceptor::from(tls).accept(socket).await {
            Ok(mut stream) => {
                let early_data = stream.get_mut().1.early_data().is_some();
                let (_, session) = stream.get_ref();
                let sni = session.server_name().map(str::to_owned);
                let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
                self.note(id, |connection| {
                    connection.sni = sni;
                    connection.alpn = alpn;
                    connection.early_data = early_data;
                });
                self.requests_on(id, stream).await
            }
            Err(error) => {
                self.note(id, |connection| {
                    connection.tls_failure = Some(error.to_string())
                });
                Ok(())
            }
        }
    }

    async fn requests_on(&self, id: usize, stream: impl Stream) -> io::Result<()> {
        let tape = self.connections()[id].received.clone();
        let mut stream = BufReader::new(Taped::new(stream, tape));
        while let Some(head) = http1::read_head(&mut stream).await? {
            let path = self.arrived(&head);
            let answer = self.answer_for(&path);
            let played = play(answer, &head, &mut stream).await?;
            self.shared.log.lock().unwrap().requests.push(Seen {
                head,
                body: played.body,
            });
            if played.last {
                break;
            }
        }
        stream.shutdown().await
    }

    /// Notes a head, and whether its permit was written before it; returns its path.
    fn arrived(&self, head: &Head) -> String {
        let target = head.start.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut log = self.shared.log.lock().unwrap();
        log.heads.push(head.start.clone());
        let same_path = log
            .heads
            .iter()
            .filter(|start| path_of(start) == path)
            .count();
        let shared = &self.shared;
        if !shared.events.permitted(&shared.host, &path, same_path) {
            log.unannounced.push(head.start.clone());
        }
        path
    }

    fn answer_for(&self, path: &str) -> Answer {
        let scripts = self.shared.scripts.lock().unwrap();
        scripts
            .iter()
            .find(|(scripted, _)| scripted == path)
            .map_or(Answer::Text("ok".into()), |(_, answer)| answer.clone())
    }
}

fn path_of(start: &str) -> &str {
    let target = start.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}
