//! What the attacker does, each at a rate of its own.

use std::{
    future::Future,
    io::Write,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::stage;

/// What the attacker says once its first attack is done.
pub(crate) const UNDER_WAY: &str = "under way\n";
/// Between two bundles of attacks.
const TICK: Duration = Duration::from_millis(10);
/// Between two pieces of what is sent slowly.
const SLOWLY: Duration = Duration::from_secs(1);
/// Attacks that may be unfinished at a time: more would measure the attacker's own memory.
const UNFINISHED_MAX: usize = 2000;
/// Connections that ask one request after the other.
const ASKING: u32 = 16;
/// The largest head that comes in under the gate's bound.
const HUGE_BYTES: usize = 60_000;

/// An attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// TCP, and the first byte of a ClientHello.
    HalfOpen,
    /// A whole handshake, but for the certificate.
    Anonymous,
    /// mTLS connections that are kept and say nothing.
    Connections,
    /// Heads of which a line comes a second.
    SlowHeads,
    /// Bodies of which a byte comes a second.
    SlowBodies,
    /// Requests above the limit of their rule.
    Limited,
    /// Requests that no rule allows.
    Denied,
    /// Tunnels, each for a name of its own.
    Tunnels,
    /// Heads that are as large as they may be.
    HugeHeads,
}

/// Where to attack, and with what.
#[derive(Clone)]
pub(crate) struct Target {
    gate: String,
    port: String,
    named: TlsConnector,
    anonymous: TlsConnector,
    in_tunnel: TlsConnector,
}

impl Target {
    /// The gate of the stage in `directory`.
    pub(crate) fn new(gate: &str, port: &str, directory: &Path) -> Target {
        let at = |name: &str| directory.join("pki").join(name);
        let agent = (at("hostile.crt"), at("hostile.key"));
        Target {
            gate: gate.to_owned(),
            port: port.to_owned(),
            named: stage::connector(&at("gate-ca.crt"), Some(agent)),
            anonymous: stage::connector(&at("gate-ca.crt"), None),
            in_tunnel: stage::connector(&at("interception-ca.crt"), None),
        }
    }

    fn authority(&self) -> String {
        format!("{}:{}", stage::HOST, self.port)
    }

    async fn tcp(&self) -> Option<TcpStream> {
        TcpStream::connect(&self.gate).await.ok()
    }

    async fn mtls(&self) -> Option<TlsStream<TcpStream>> {
        stage::try_tls(&self.named, "localhost", self.tcp().await?).await
    }
}

impl Attack {
    /// Every attack, in the order of the table.
    pub(crate) const ALL: &[Attack] = &[
        Attack::HalfOpen,
        Attack::Anonymous,
        Attack::Connections,
        Attack::SlowHeads,
        Attack::SlowBodies,
        Attack::Limited,
        Attack::Denied,
        Attack::Tunnels,
        Attack::HugeHeads,
    ];

    /// The attack of this name.
    pub(crate) fn named(name: &str) -> Attack {
        let found = Attack::ALL.iter().find(|attack| attack.name() == name);
        *found.expect("an attack")
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Attack::HalfOpen => "half-open handshakes",
            Attack::Anonymous => "handshakes without a certificate",
            Attack::Connections => "connections that are kept",
            Attack::SlowHeads => "slow heads",
            Attack::SlowBodies => "slow bodies",
            Attack::Limited => "requests above their limit",
            Attack::Denied => "denied requests",
            Attack::Tunnels => "tunnels, each with a leaf of its own",
            Attack::HugeHeads => "heads of 60 KB",
        }
    }

    /// How many a second.
    fn rate(self) -> u32 {
        match self {
            Attack::HalfOpen | Attack::Limited | Attack::Denied => 2000,
            Attack::SlowHeads | Attack::SlowBodies => 200,
            Attack::Anonymous | Attack::Connections | Attack::HugeHeads => 200,
            Attack::Tunnels => 100,
        }
    }

    /// Its line in the table.
    pub(crate) fn says(self) -> String {
        format!("{}, {}/s", self.name(), self.rate())
    }

    /// Attacks until the process is ended.
    pub(crate) async fn run(self, target: Target) {
        let target = &*Box::leak(Box::new(target));
        match self {
            Attack::HalfOpen => paced(self.rate(), |_| half_open(target)).await,
            Attack::Anonymous => paced(self.rate(), |_| anonymous(target)).await,
            Attack::Connections => paced(self.rate(), |_| kept(target)).await,
            Attack::SlowHeads => paced(self.rate(), |_| slow_head(target)).await,
            Attack::SlowBodies => paced(self.rate(), |_| slow_body(target)).await,
            Attack::Limited => asking(self.rate(), target, "/limited/x", 0).await,
            Attack::Denied => asking(self.rate(), target, "/denied/x", 0).await,
            Attack::HugeHeads => asking(self.rate(), target, "/denied/x", HUGE_BYTES).await,
            Attack::Tunnels => paced(self.rate(), |number| tunnel(target, number)).await,
        }
    }
}

/// Says that the attack is under way, once.
fn under_way() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        let mut out = std::io::stdout();
        out.write_all(UNDER_WAY.as_bytes()).expect("somebody reads");
        out.flush().expect("somebody reads");
    }
}

/// Begins `rate` attacks a second for ever, numbered.
async fn paced<A>(rate: u32, attack: impl Fn(u64) -> A)
where
    A: Future<Output = ()> + Send + 'static,
{
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut unfinished, mut number) = (JoinSet::new(), 0);
    loop {
        ticks.tick().await;
        while unfinished.try_join_next().is_some() {}
        for _ in 0..rate * TICK.subsec_millis() / 1000 {
            if unfinished.len() < UNFINISHED_MAX {
                number += 1;
                unfinished.spawn(attack(number));
            }
        }
    }
}

async fn half_open(target: &'static Target) {
    let Some(mut stream) = target.tcp().await else {
        return;
    };
    stream.write_all(&[22]).await.ok();
    under_way();
    stream.read_u8().await.ok();
}

async fn anonymous(target: &'static Target) {
    let Some(stream) = target.tcp().await else {
        return;
    };
    // TLS 1.3 lets a client believe that it is done; the alert follows
    if let Some(mut stream) = stage::try_tls(&target.anonymous, "localhost", stream).await {
        stream.read_u8().await.ok();
    }
    under_way();
}

async fn kept(target: &'static Target) {
    if let Some(mut stream) = target.mtls().await {
        under_way();
        stream.read_u8().await.ok();
    }
}

async fn slow_head(target: &'static Target) {
    let head = format!(
        "GET http://{0}/v1/x HTTP/1.1\r\nHost: {0}\r\n",
        target.authority()
    );
    slowly(target, head, "X-a: b\r\n").await;
}

async fn slow_body(target: &'static Target) {
    let head = format!(
        "POST http://{0}/v1/x HTTP/1.1\r\nHost: {0}\r\nContent-Length: 100000\r\n\r\n",
        target.authority()
    );
    slowly(target, head, "x").await;
}

async fn slowly(target: &'static Target, head: String, piece: &str) {
    let Some(mut stream) = target.mtls().await else {
        return;
    };
    let mut sent = stream.write_all(head.as_bytes()).await;
    under_way();
    while sent.is_ok() {
        sleep(SLOWLY).await;
        sent = stream.write_all(piece.as_bytes()).await;
    }
}

async fn tunnel(target: &'static Target, number: u64) {
    let host = format!("n{number}.{}", stage::WILDCARD);
    let Some(mut stream) = target.mtls().await else {
        return;
    };
    let place = format!("{host}:{}", target.port);
    let connect = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n");
    if stream.write_all(connect.as_bytes()).await.is_err() {
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    if stage::try_tls(&target.in_tunnel, &host, stream)
        .await
        .is_some()
    {
        under_way();
    }
}

/// `rate` requests a second for `path`, all refused, with a header of so many bytes.
async fn asking(rate: u32, target: &'static Target, path: &'static str, junk_bytes: usize) {
    let mut connections = JoinSet::new();
    for _ in 0..ASKING {
        connections.spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) * ASKING / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while let Some(stream) = target.mtls().await {
                let mut sender = stage::speak(stream).await;
                loop {
                    ticks.tick().await;
                    let request = Request::get(format!("http://{}{path}", target.authority()))
                        .header("host", target.authority())
                        .header("x-junk", "j".repeat(junk_bytes))
                        .body(Empty::<Bytes>::new())
                        .expect("a request");
                    let Ok(answer) = sender.send_request(request).await else {
                        break;
                    };
                    if answer.status() != 200 {
                        under_way();
                    }
                    answer.into_body().collect().await.ok();
                }
            }
        });
    }
    connections.join_all().await;
}
