//! An address that answers nothing: its queue of connections is full, so the system drops whatever comes.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::patience::patiently;

/// A listener that never accepts, and the connection that fills its queue.
pub(crate) struct Blackhole {
    _listener: TcpListener,
    _filling: TcpStream,
}

impl Blackhole {
    pub(crate) async fn at(address: SocketAddr) -> Blackhole {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address).unwrap();
        // A queue of length 0 has room for one: listen(2), and sk_acceptq_is_full of Linux.
        let listener = socket.listen(0).unwrap();
        let filling = patiently("a full queue", TcpStream::connect(address)).await;
        Blackhole {
            _listener: listener,
            _filling: filling.unwrap(),
        }
    }
}
