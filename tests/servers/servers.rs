//! Real servers for one test each: Debian's packages, which `tests/run` installs, ended when they are dropped.
//!
//! Used by path from each crate that tests against them. Each has a directory and ports of its own, all on loopback.

pub(crate) mod influx;
pub(crate) mod postgres;
pub(crate) mod rabbitmq;

use std::{
    env,
    io::{self, BufRead, BufReader, PipeReader},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

/// The name and the password of the one who may do everything on each of them.
pub(crate) const ROOT: (&str, &str) = ("root", "test-root-password");

/// Starts that are tried: a port that was free may be taken by the time that the server wants it.
const STARTS_MAX: u32 = 5;

/// From one line of a server that starts to the next.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A certificate and its key, as a server shows them, and who vouches for it (PEM).
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) authority: String,
}

/// The path of a program of one of Debian's packages. Without it the test fails: what is not tested is not so.
pub(crate) fn installed(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = env::split_paths(&path).collect();
    // servers stand where the path of an ordinary user does not look
    dirs.extend(["/usr/sbin".into(), "/sbin".into()]);
    let found = dirs.iter().map(|dir| dir.join(program));
    let found = found.into_iter().find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("{program} is not here; on Debian: apt-get install {package} (tests/run does it)")
    })
}

/// A server's process, which ends with this.
struct Process {
    child: Child,
    /// The signal that ends it and all that it started, as `kill` calls it.
    end: &'static str,
}

impl Process {
    /// Starts a server, and waits for the line in which it says that it is `ready`; else gives what it said.
    fn start(mut command: Command, ready: &str) -> Result<(Process, String), String> {
        let (output, writer) = io::pipe().expect("a pipe");
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a pipe's end"))
            .stderr(writer);
        let child = command.spawn().expect("an installed program runs");
        // this side of the pipe is closed with it, so that the end of the server is the end of what it says
        drop(command);
        let process = Process { child, end: "KILL" };
        let (lines, mut said) = (read(output), String::new());
        while let Ok(line) = lines.recv_timeout(SILENCE_MAX) {
            if line.contains(ready) {
                return Ok((process, line));
            }
            said += &(line + "\n");
        }
        Err(said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let kill = format!("kill -{} {}", self.end, self.child.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        let _ = self.child.wait();
    }
}

/// The lines of a server. They are read for as long as it runs, so that it never waits for its reader.
fn read(output: PipeReader) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.for_each(|line| drop(sender.send(line)));
    });
    lines
}

/// Tries to start a server until it does, off the threads of the test's tasks.
async fn started<T: Send + 'static>(
    what: &'static str,
    try_start: impl Fn() -> Result<T, String> + Send + 'static,
) -> T {
    let starting = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        for _ in 0..STARTS_MAX {
            match try_start() {
                Ok(server) => return server,
                Err(why) => said = why,
            }
        }
        panic!("{what} does not start:\n{said}")
    });
    starting.await.expect("a server that starts")
}

/// A port of 127.0.0.1 that nobody has at the moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A client for those who administer a server, trusting nobody but `authority` (PEM).
fn client(authority: &str) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.as_bytes());
    roots.add(root.expect("a certificate")).expect("a root");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy();
    client.build().expect("an HTTP client")
}

/// What a server answers: the status, and the body if it is JSON.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the server answers");
    let status = answer.status().as_u16();
    let body = answer.bytes().await.expect("the server answers to the end");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
