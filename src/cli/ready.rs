//! `tollgate ready`: whether the gate on this machine would take a call.
//!
//! It asks the admin listener for `/readyz`, for the health check of a container that has no other program in it.
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::Args;

use super::Failure;

/// How long each step of asking may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// The most that is read of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// The admin listener, as in the setting `admin`: an address with its port, or unix:PATH.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    admin: Admin,
}

#[derive(Debug, Clone)]
enum Admin {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Admin, String> {
        match text.strip_prefix("unix:") {
            Some(path) => Ok(Admin::Unix(path.into())),
            None => {
                let address = text.parse().map(Admin::Tcp);
                address.map_err(|_| "write it as 127.0.0.1:9901 or unix:PATH".to_owned())
            }
        }
    }
}

/// Prints what the gate says of its readiness; the exit code says whether it is.
pub(crate) fn run(ready: &Ready) -> Result<(), Failure> {
    let silent =
        |err: io::Error| Failure::Run(format!("the admin listener does not answer: {err}"));
    let answer = match &ready.admin {
        Admin::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, STEP_TIMEOUT).map_err(silent)?;
            stream
                .set_read_timeout(Some(STEP_TIMEOUT))
                .map_err(silent)?;
            ask(stream)
        }
        Admin::Unix(path) => {
            let stream = UnixStream::connect(path).map_err(silent)?;
            stream
                .set_read_timeout(Some(STEP_TIMEOUT))
                .map_err(silent)?;
            ask(stream)
        }
    };
    let answer = answer.map_err(silent)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    // The exit code is the answer; the words are for who looks.
    let _nobody_reads_them = io::stdout().write_all(body.as_bytes());
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503") => Err(Failure::Run("the gate is not ready".to_owned())),
        _ => Err(Failure::Run("what answers is no admin listener".to_owned())),
    }
}

fn ask(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// What `ready` makes of a listener that answers so.
    fn told(answer: &'static str) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = Admin::Tcp(listener.local_addr().unwrap());
        let answered = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            request
        });
        let outcome = run(&Ready { admin });
        assert_eq!(answered.join().unwrap(), REQUEST);
        outcome
    }

    #[test]
    fn a_gate_is_ready_if_it_says_200() {
        assert_eq!(told("HTTP/1.1 200 OK\r\n\r\nlistening: yes\n"), Ok(()));
        let failure = |text: &str| Err(Failure::Run(text.to_owned()));
        let no = told("HTTP/1.1 503 Service Unavailable\r\n\r\nlistening: no\n");
        assert_eq!(no, failure("the gate is not ready"));
        let other = told("HTTP/1.1 404 Not Found\r\n\r\n");
        assert_eq!(other, failure("what answers is no admin listener"));
    }

    #[test]
    fn nobody_who_answers_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        for admin in [Admin::Tcp(closed), Admin::Unix("/nowhere/admin".into())] {
            let failure = run(&Ready { admin }).unwrap_err();
            assert!(failure.to_string().contains("does not answer"), "{failure}");
        }
    }

    #[test]
    fn the_listener_is_named_as_in_the_settings() {
        assert!(matches!("127.0.0.1:1".parse(), Ok(Admin::Tcp(_))));
        assert!(
            matches!("unix:run/admin".parse(), Ok(Admin::Unix(path)) if path.ends_with("run/admin"))
        );
        assert!("localhost".parse::<Admin>().is_err());
    }
}
