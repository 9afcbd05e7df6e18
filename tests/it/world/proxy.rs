//! Proxies between the gate and its upstreams: a real one, and one that misbehaves on demand.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::{patience::until, tape::Stream};

/// What the double does with a `CONNECT`.
#[derive(Clone)]
pub(crate) enum Conduct {
    /// Dials what it was asked for and carries the bytes; 502 if nobody answers there.
    Carries,
    /// These bytes, and then nothing.
    Says(Vec<u8>),
    /// These bytes, and the end of the connection.
    SaysAndCloses(Vec<u8>),
}

#[derive(Default)]
struct Shared {
    heads: Mutex<Vec<String>>,
    conduct: Mutex<Option<Conduct>>,
    names: Mutex<HashMap<String, SocketAddr>>,
}

/// A double of a proxy.
#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Double {
    /// A proxy that carries, over TLS if it has a server's side of it.
    pub(crate) async fn start(tls: Option<rustls::ServerConfig>) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Double {
            address: listener.local_addr().unwrap(),
            shared: Arc::default(),
        };
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(double.clone().accept(listener, acceptor));
        double
    }

    pub(crate) fn does(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap() = Some(conduct);
    }

    /// `authority` is a name of `address`, to the proxy.
    pub(crate) fn knows(&self, authority: &str, address: SocketAddr) {
        let mut names = self.shared.names.lock().unwrap();
        names.insert(authority.to_owned(), address);
    }

    /// The head of every request that came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    async fn accept(self, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
        while let Ok((socket, _)) = listener.accept().await {
            let (double, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => double.serve(socket).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(socket).await {
                            double.serve(stream).await;
                        }
                    }
                }
            });
        }
    }

    async fn serve(self, mut stream: impl Stream) {
        let Some(head) = read_head(&mut stream).await else {
            return;
        };
        let authority = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.shared.heads.lock().unwrap().push(head);
        let conduct = self.shared.conduct.lock().unwrap().clone();
        match conduct.unwrap_or(Conduct::Carries) {
            Conduct::Carries => self.carry(stream, &authority).await,
            Conduct::Says(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                // until the gate gives up
                let _ = stream.read(&mut [0]).await;
            }
            Conduct::SaysAndCloses(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
        }
    }

    async fn carry(&self, mut stream: impl Stream, authority: &str) {
        let known = self.shared.names.lock().unwrap().get(authority).copied();
        let address = known.or_else(|| authority.parse().ok());
        let upstream = match address {
            Some(address) => TcpStream::connect(address).await.ok(),
            None => None,
        };
        let answer: &[u8] = match upstream {
            Some(_) => b"HTTP/1.1 200 Connection established\r\nVia: 1.1 double\r\n\r\n",
            None => b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        };
        let _ = stream.write_all(answer).await;
        let _ = stream.flush().await;
        if let Some(mut upstream) = upstream {
            let _ = copy_bidirectional(&mut stream, &mut upstream).await;
        }
    }
}

async fn read_head(stream: &mut impl Stream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A running tinyproxy, which wants a login.
pub(crate) struct Tinyproxy {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Tinyproxy {
    /// Starts it in `dir`.
    pub(crate) async fn start(dir: &Path, user: &str, password: &str) -> Tinyproxy {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let settings = dir.join("tinyproxy.conf");
        let log = dir.join("tinyproxy.log");
        fs::write(
            &settings,
            format!(
                "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Connect\nLogFile \"{}\"\n\
                 Allow 127.0.0.1\nBasicAuth {user} {password}\n",
                address.port(),
                log.display(),
            ),
        )
        .unwrap();
        let child = Command::new("tinyproxy")
            .args(["-d", "-c"])
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tinyproxy is installed (tests/run does it)");
        let proxy = Tinyproxy { address, child };
        until("tinyproxy listens", || {
            std::net::TcpStream::connect(address).ok()
        })
        .await;
        proxy
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
