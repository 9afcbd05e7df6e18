//! A ClientHello that no decent client would send: one of rustls, taken apart and changed.

use std::sync::Arc;

use rustls::{ClientConnection, RootCertStore, pki_types::ServerName};
use tokio::io::AsyncReadExt;

use super::{agent::Wire, patience::patiently, pki};

/// The extensions that tests change (RFC 6066 section 3, RFC 7301, RFC 7685, RFC 9849, and ESNI's number).
pub(crate) const SERVER_NAME: u16 = 0;
pub(crate) const ALPN: u16 = 16;
pub(crate) const PADDING: u16 = 21;
pub(crate) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
pub(crate) const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// The record types, the fixed part of a ClientHello, and its message type (RFC 8446 sections 4 and 5.1).
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const VERSION_AND_RANDOM_BYTES: usize = 2 + 32;
const CLIENT_HELLO: u8 = 1;

/// A ClientHello as its parts.
#[derive(Clone)]
pub(crate) struct Hello {
    /// All before the extensions.
    fixed: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

/// What the other side says to a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A handshake goes on.
    Handshake,
    /// An alert with this description.
    Alert(u8),
    /// Nothing: it closes.
    Close,
}

impl Hello {
    /// What a decent client says to `name`.
    pub(crate) fn to(name: &str) -> Hello {
        let config = pki::client_config(RootCertStore::empty(), None);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut record = Vec::new();
        client.write_tls(&mut record).unwrap();
        // behind the headers of its record and its message
        Hello::read(&record[5 + 4..])
    }

    fn read(body: &[u8]) -> Hello {
        let long = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        let mut at = VERSION_AND_RANDOM_BYTES;
        at += 1 + usize::from(body[at]); // the session id
        at += 2 + long(at); // the cipher suites
        at += 1 + usize::from(body[at]); // the compression methods
        let fixed = body[..at].to_vec();
        let mut extensions = Vec::new();
        at += 2;
        while at < body.len() {
            let (kind, end) = (long(at) as u16, at + 4 + long(at + 2));
            extensions.push((kind, body[at + 4..end].to_vec()));
            at = end;
        }
        Hello { fixed, extensions }
    }

    /// The same with this extension, in place of the one of the same kind.
    pub(crate) fn with(self, kind: u16, body: Vec<u8>) -> Hello {
        let mut changed = self.without(kind);
        changed.extensions.push((kind, body));
        changed
    }

    /// The same without the extension of this kind.
    pub(crate) fn without(mut self, kind: u16) -> Hello {
        self.extensions.retain(|(own, _)| *own != kind);
        self
    }

    /// The same without the field that extensions stand in.
    pub(crate) fn without_extensions(mut self) -> Hello {
        self.extensions.clear();
        self
    }

    /// The message in records of so many bytes.
    pub(crate) fn records(&self, record_bytes: usize) -> Vec<u8> {
        let mut body = self.fixed.clone();
        if !self.extensions.is_empty() {
            let extensions = self.extensions.iter();
            let extensions = extensions
                .flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &long_list(body)].concat());
            body.extend(long_list(&extensions.collect::<Vec<u8>>()));
        }
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[CLIENT_HELLO], &length[1..], &body].concat();
        let records = message.chunks(record_bytes);
        records
            .flat_map(|piece| [&[HANDSHAKE, 3, 1][..], &long_list(piece)].concat())
            .collect()
    }

    /// The message in one record.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.records(usize::from(u16::MAX))
    }
}

/// The body of a `server_name` extension with these names, each with its type.
pub(crate) fn server_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let entries = names.iter();
    let entries = entries.flat_map(|(kind, name)| [&[*kind][..], &long_list(name)].concat());
    long_list(&entries.collect::<Vec<u8>>())
}

/// The body of an ALPN extension with these protocols.
pub(crate) fn protocols(names: &[&[u8]]) -> Vec<u8> {
    let entries = names.iter();
    let entries = entries.flat_map(|name| [&[name.len() as u8][..], name].concat());
    long_list(&entries.collect::<Vec<u8>>())
}

/// `bytes` behind their length in two bytes.
fn long_list(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// What comes back on `wire`.
pub(crate) async fn reply(wire: Wire) -> Reply {
    let mut stream = wire.into_stream();
    let mut head = [0; 7];
    match patiently("a reply", stream.read_exact(&mut head)).await {
        Ok(_) if head[0] == HANDSHAKE => Reply::Handshake,
        Ok(_) if head[0] == ALERT => Reply::Alert(head[6]),
        Ok(_) => panic!("neither a handshake nor an alert: {head:?}"),
        Err(_) => Reply::Close,
    }
}

#[test]
fn a_hello_is_put_together_as_it_was() {
    let config = pki::client_config(RootCertStore::empty(), None);
    let name = ServerName::try_from("api.a.test").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    assert_eq!(Hello::read(&record[9..]).bytes(), record);
}
