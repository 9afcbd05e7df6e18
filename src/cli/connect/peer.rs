//! Whose process is at the other end of a loopback connection.
//!
//! The kernel's socket tables say which user owns the client's end. They see one network namespace: a process in
//! another one cannot reach this loopback address in the first place.

use std::{io, net::SocketAddr};

use procfs::{ProcResult, net::TcpNetEntry, process::Process};

use super::answer::Unserved;

/// The users whose processes are served.
pub(super) struct Peers {
    uids: Vec<u32>,
}

impl Peers {
    /// The user this process runs as, and `others`.
    pub(super) fn of_this_user_and(others: &[u32]) -> io::Result<Peers> {
        let own = own_uid().map_err(io::Error::other)?;
        Ok(Peers {
            uids: [&[own], others].concat(),
        })
    }

    /// Refuses a connection from `client` to our `local` end unless one of the users owns it, and if nobody can tell.
    pub(super) async fn check(
        &self,
        local: SocketAddr,
        client: SocketAddr,
    ) -> Result<(), Unserved> {
        let owner = tokio::task::spawn_blocking(move || owner(client, local)).await;
        match owner {
            Ok(Ok(Some(uid))) if self.uids.contains(&uid) => Ok(()),
            Ok(Ok(uid)) => Err(Unserved::Stranger(uid)),
            Ok(Err(_)) | Err(_) => Err(Unserved::Stranger(None)),
        }
    }
}

/// The effective user id of this process, which is the one its sockets get.
pub(super) fn own_uid() -> ProcResult<u32> {
    Ok(Process::myself()?.status()?.euid)
}

/// The user id that owns the socket at `local` which is connected to `remote`, if this machine has one.
pub(super) fn owner(local: SocketAddr, remote: SocketAddr) -> ProcResult<Option<u32>> {
    let ends = (canonical(local), canonical(remote));
    let is_it = |entry: &TcpNetEntry| {
        (
            canonical(entry.local_address),
            canonical(entry.remote_address),
        ) == ends
    };
    // Java and others speak IPv4 over IPv6 sockets, so an IPv4 connection can stand in either table.
    for table in [procfs::net::tcp, procfs::net::tcp6] {
        if let Some(entry) = table()?.iter().find(|entry| is_it(entry)) {
            return Ok(Some(entry.uid));
        }
    }
    Ok(None)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_this_process_is_its_users() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            assert_eq!(client.local_addr().unwrap(), peer);
            let owner = owner(peer, accepted.local_addr().unwrap()).unwrap();
            assert_eq!(owner, Some(own_uid().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_ipv4_connection_over_an_ipv6_socket_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("::ffff:127.0.0.1", port)).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let owner = owner(peer, accepted.local_addr().unwrap()).unwrap();
        assert_eq!(owner, Some(own_uid().unwrap()));
    }

    #[test]
    fn a_connection_that_is_not_there_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(
            owner("127.0.0.1:1".parse().unwrap(), address).unwrap(),
            None
        );
    }

    #[tokio::test]
    async fn refuses_another_users_process_and_serves_it_when_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let (local, own) = (accepted.local_addr().unwrap(), own_uid().unwrap());
        let others_only = Peers {
            uids: vec![own + 1],
        };
        assert!(
            matches!(others_only.check(local, peer).await, Err(Unserved::Stranger(Some(uid))) if uid == own)
        );
        let with_own = Peers {
            uids: vec![own + 1, own],
        };
        assert!(with_own.check(local, peer).await.is_ok());
    }
}
