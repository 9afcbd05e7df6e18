//! A name server that answers by script: each query of a name may get another answer, or none at all.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{RData, Record, RecordType},
};
use tokio::net::UdpSocket;

/// What a name resolves to.
#[derive(Clone)]
enum Script {
    /// The n-th address query gets the n-th list, later ones the last list.
    Addresses(Vec<Vec<IpAddr>>),
    /// No answer comes.
    Silence,
    /// The server says that it failed.
    Failure,
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
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dns = Dns {
            address: socket.local_addr().unwrap(),
            names: Arc::default(),
        };
        tokio::spawn(serve(socket, dns.names.clone()));
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

async fn serve(socket: UdpSocket, names: Arc<Mutex<Names>>) {
    let mut datagram = [0; 4096];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut datagram).await else {
            return;
        };
        let Ok(query) = Message::from_vec(&datagram[..length]) else {
            continue;
        };
        if let Some(answer) = answer(&query, &mut names.lock().unwrap()) {
            let _ = socket.try_send_to(&answer.to_vec().unwrap(), asker);
        }
    }
}

fn answer(query: &Message, names: &mut Names) -> Option<Message> {
    let question = query.queries.first()?;
    let name = question
        .name()
        .to_ascii()
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let kind = question.query_type();
    let count = names.queries.entry((name.clone(), kind)).or_default();
    let turn = *count;
    *count += 1;

    let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    let turns = match names.scripts.get(&name) {
        Some(Script::Addresses(turns)) => turns,
        Some(Script::Silence) => return None,
        Some(Script::Failure) => {
            answer.metadata.response_code = ResponseCode::ServFail;
            return Some(answer);
        }
        None => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return Some(answer);
        }
    };
    for address in &turns[turn.min(turns.len() - 1)] {
        let data = match address {
            IpAddr::V4(v4) if kind == RecordType::A => RData::A((*v4).into()),
            IpAddr::V6(v6) if kind == RecordType::AAAA => RData::AAAA((*v6).into()),
            _ => continue,
        };
        answer.add_answer(Record::from_rdata(question.name().clone(), 0, data));
    }
    Some(answer)
}
