//! What a running gate tells on its admin listener, for commands on the same machine.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::config::Admin;

/// How long each step of asking may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// The most that is read of an answer: a line for each credential of a large catalogue.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the listener answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The status; none if what answered speaks no HTTP.
    pub(super) status: Option<u16>,
    /// What came after the head.
    pub(super) body: String,
}

/// A place of a listener as the setting `admin` has it: an address with its port, or `unix:PATH`.
pub(super) fn place(text: &str) -> Result<Admin, String> {
    match text.strip_prefix("unix:") {
        Some(path) => Ok(Admin::Unix(path.into())),
        None => {
            let address = text.parse().map(Admin::Tcp);
            address.map_err(|_| "write it as 127.0.0.1:9901 or unix:PATH".to_owned())
        }
    }
}

/// Asks for `path`.
///
/// # Errors
/// Nobody answers there.
pub(super) fn ask(admin: &Admin, path: &str) -> io::Result<Told> {
    match admin {
        Admin::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, STEP_TIMEOUT)?;
            stream.set_read_timeout(Some(STEP_TIMEOUT))?;
            converse(stream, path)
        }
        Admin::Unix(path_of_socket) => {
            let stream = UnixStream::connect(path_of_socket)?;
            stream.set_read_timeout(Some(STEP_TIMEOUT))?;
            converse(stream, path)
        }
    }
}

fn converse(mut stream: impl Read + Write, path: &str) -> io::Result<Told> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.starts_with("HTTP/1.").then(|| head.split(' ').nth(1));
    Ok(Told {
        status: status.flatten().and_then(|status| status.parse().ok()),
        body: body.to_owned(),
    })
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// What comes of asking a listener that answers so for `path`.
    pub(in crate::cli) fn asking<T>(
        path: &str,
        answer: &'static str,
        asks: impl FnOnce(Admin) -> T,
    ) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = Admin::Tcp(listener.local_addr().unwrap());
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut request = vec![0; head.len()];
        let answered = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            request
        });
        let outcome = asks(admin);
        assert_eq!(answered.join().unwrap(), head.as_bytes());
        outcome
    }

    #[test]
    fn an_answer_is_its_status_and_what_follows_the_head() {
        let told = |answer| asking("/livez", answer, |admin| ask(&admin, "/livez").unwrap());
        let body = "alive\n".to_owned();
        let status = Some(200);
        assert_eq!(
            told("HTTP/1.1 200 OK\r\nA: b\r\n\r\nalive\n"),
            Told { status, body }
        );
        assert_eq!(told("SSH-2.0 200 x\r\n\r\n").status, None);
    }

    #[test]
    fn nobody_who_answers_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        for admin in [Admin::Tcp(closed), Admin::Unix("/nowhere/admin".into())] {
            assert!(ask(&admin, "/readyz").is_err());
        }
    }

    #[test]
    fn the_listener_is_named_as_in_the_settings() {
        assert!(matches!(place("127.0.0.1:1"), Ok(Admin::Tcp(_))));
        assert!(
            matches!(place("unix:run/admin"), Ok(Admin::Unix(path)) if path.ends_with("run/admin"))
        );
        assert!(place("localhost").is_err());
    }
}
