//! A name server that answers by script, by UDP and by TCP: each query of a name may get another answer, or none at all.

pub(crate) mod forged;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

/// How often the server itself follows an alias.
const ALIASES_MAX: usize = 32;

/// The bytes of an answer, made of those of its query, by UDP or by TCP.
pub(crate) type Forge = Arc<dyn Fn(&[u8], Over) -> Vec<u8> + Send + Sync>;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// What a name resolves to.
#[derive(Clone)]
enum Script {
    /// The n-th address query gets the n-th list, later ones the last list.
    Addresses(Vec<Vec<IpAddr>>),
    /// No answer comes.
    Silence,
    /// The server says that it failed.
    Failure,
    /// The name is another name for this one.
    Alias(String),
    /// Whatever the test says.
    Forged(Forge),
}

#[derive(Default)]
struct Names {
    scripts: HashMap<String, Script>,
    queries: HashMap<(String, RecordType), usize>,
}

/// The scripted name server; a name without a script does not exist.
#[derive(Clone)]
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    names: Arc<Mutex<Names>>,
}

impl Dns {
    pub(crate) async fn start() -> Dns {
        let (datagrams, streams) = both_on_one_port().await;
        let dns = Dns {
            address: datagrams.local_addr().unwrap(),
            names: Arc::default(),
        };
        tokio::spawn(serve(datagrams, dns.names.clone()));
        tokio::spawn(serve_streams(streams, dns.names.clone()));
        dns
    }

    /// `name` has these addresses from now on.
    pub(crate) fn answers(&self, name: &str, addresses: &[&str]) {
        self.answers_in_turn(name, &[addresses]);
    }

    /// The first query of `name` gets the first list, the second the second, and so on; the last one stays.
    pub(crate) fn answers_in_turn(&self, name: &str, turns: &[&[&str]]) {
        let turns = turns
            .iter()
            .map(|list| list.iter().map(|text| text.parse().unwrap()).collect())
            .collect();
        self.script(name, Script::Addresses(turns));
    }

    /// Queries of `name` get no answer.
    pub(crate) fn is_silent(&self, name: &str) {
        self.script(name, Script::Silence);
    }

    /// Queries of `name` get the answer SERVFAIL.
    pub(crate) fn fails(&self, name: &str) {
        self.script(name, Script::Failure);
    }

    /// `name` is an alias of `other`, whose records come along if it has any.
    pub(crate) fn is_alias(&self, name: &str, other: &str) {
        self.script(name, Script::Alias(other.to_owned()));
    }

    /// Queries of `name` get these bytes.
    pub(crate) fn forges(
        &self,
        name: &str,
        forge: impl Fn(&[u8], Over) -> Vec<u8> + Send + Sync + 'static,
    ) {
        self.script(name, Script::Forged(Arc::new(forge)));
    }

    /// How many queries asked for an address of `name`, IPv4 or IPv6, whichever was asked more often.
    pub(crate) fn queries(&self, name: &str) -> usize {
        let names = self.names.lock().unwrap();
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| names.queries.get(&(name.to_owned(), kind)))
            .max()
            .copied()
            .unwrap_or(0)
    }

    /// How many queries of any name came.
    pub(crate) fn queries_in_all(&self) -> usize {
        self.names.lock().unwrap().queries.values().sum()
    }

    fn script(&self, name: &str, script: Script) {
        let mut names = self.names.lock().unwrap();
        names.scripts.insert(name.to_owned(), script);
        names.queries.retain(|(asked, _), _| asked != name);
    }
}

/// A port that is free for both.
async fn both_on_one_port() -> (UdpSocket, TcpListener) {
    loop {
        let datagrams = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = datagrams.local_addr().unwrap();
        if let Ok(streams) = TcpListener::bind(address).await {
            return (datagrams, streams);
        }
    }
}

async fn serve(socket: UdpSocket, names: Arc<Mutex<Names>>) {
    let mut datagram = [0; 4096];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut datagram).await else {
            return;
        };
        if let Some(answer) = answer(&datagram[..length], Over::Udp, &names) {
            let _ = socket.try_send_to(&answer, asker);
        }
    }
}

async fn serve_streams(listener: TcpListener, names: Arc<Mutex<Names>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_stream(stream, names.clone()));
    }
}

/// Each message has its length before it (RFC 1035 section 4.2.2).
async fn serve_stream(mut stream: TcpStream, names: Arc<Mutex<Names>>) -> std::io::Result<()> {
    loop {
        let mut query = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut query).await?;
        if let Some(answer) = answer(&query, Over::Tcp, &names) {
            stream.write_u16(answer.len().try_into().unwrap()).await?;
            stream.write_all(&answer).await?;
        }
    }
}

fn answer(query: &[u8], over: Over, names: &Mutex<Names>) -> Option<Vec<u8>> {
    let asked = Message::from_vec(query).ok()?;
    let question = asked.queries.first()?;
    let mut names = names.lock().unwrap();
    let name = text(question.name());
    let kind = question.query_type();
    let count = names.queries.entry((name.clone(), kind)).or_default();
    let turn = *count;
    *count += 1;

    let mut answer = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    let mut owner = question.name().clone();
    for _ in 0..ALIASES_MAX {
        match names.scripts.get(&text(&owner)) {
            Some(Script::Addresses(turns)) => {
                let data = data(&turns[turn.min(turns.len() - 1)], kind);
                answer.add_answers(data.map(|data| Record::from_rdata(owner.clone(), 0, data)));
                break;
            }
            Some(Script::Alias(other)) => {
                let other: Name = format!("{other}.").parse().unwrap();
                let data = RData::CNAME(CNAME(other.clone()));
                answer.add_answer(Record::from_rdata(owner, 0, data));
                owner = other;
            }
            Some(Script::Silence) => return None,
            Some(Script::Failure) => {
                answer.metadata.response_code = ResponseCode::ServFail;
                break;
            }
            Some(Script::Forged(forge)) => return Some(forge(query, over)),
            None => {
                answer.metadata.response_code = ResponseCode::NXDomain;
                break;
            }
        }
    }
    Some(answer.to_vec().unwrap())
}

fn text(name: &Name) -> String {
    let text = name.to_ascii();
    text.trim_end_matches('.').to_ascii_lowercase()
}

/// Those of `addresses` that a query of this kind asks for.
fn data(addresses: &[IpAddr], kind: RecordType) -> impl Iterator<Item = RData> {
    addresses.iter().filter_map(move |address| match address {
        IpAddr::V4(v4) if kind == RecordType::A => Some(RData::A((*v4).into())),
        IpAddr::V6(v6) if kind == RecordType::AAAA => Some(RData::AAAA((*v6).into())),
        _ => None,
    })
}
