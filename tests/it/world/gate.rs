//! The gate itself: the real binary as a process of its own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use super::{
    events::Events,
    patience::{PATIENCE, until, within},
};

/// Where the gate's events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stdout {
    /// To the file that [`Events`] reads.
    #[default]
    File,
    /// To a pipe that nobody reads: it is full after 64 KiB.
    Stuck,
}

/// A running gate.
#[derive(Clone)]
pub(crate) struct Gate {
    child: Arc<Mutex<Child>>,
    /// The reading end of a stuck pipe, open so that writing blocks and does not fail.
    _stuck: Option<Arc<std::io::PipeReader>>,
    pub(crate) pid: u32,
    stderr: Arc<PathBuf>,
}

impl Gate {
    /// Starts `tollgate serve` with the settings in `dir`.
    pub(crate) fn start(dir: &Path, stdout: Stdout) -> Gate {
        let (out, stuck) = match stdout {
            Stdout::File => (append(&dir.join("events.jsonl")).into(), None),
            Stdout::Stuck => {
                let (reader, writer) = std::io::pipe().unwrap();
                (Stdio::from(writer), Some(Arc::new(reader)))
            }
        };
        let stderr = dir.join("stderr");
        let child = tollgate()
            .args(["serve", "--config"])
            .arg(dir.join("tollgate.yaml"))
            .env("RUST_LOG", "trace")
            .stdout(out)
            .stderr(append(&stderr))
            .spawn()
            .unwrap();
        Gate {
            pid: child.id(),
            child: Arc::new(Mutex::new(child)),
            _stuck: stuck,
            stderr: Arc::new(stderr),
        }
    }

    /// Waits until the gate says where it listens.
    pub(crate) async fn listening(&self, events: &Events) -> SocketAddr {
        let started = until("the event `started`", || {
            if let Some(status) = self.exit_status() {
                panic!("the gate ended with {status}:\n{}", self.stderr());
            }
            events.of_kind("started").pop()
        });
        let listen = started.await["listen"].as_str().map(str::to_owned);
        listen
            .expect("`started` names the address")
            .parse()
            .unwrap()
    }

    /// What the gate said on its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&*self.stderr).unwrap_or_default()).into_owned()
    }

    /// Sends a signal by its name, as in `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid);
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }

    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    /// Waits until the process is gone.
    pub(crate) async fn ended(&self) -> ExitStatus {
        until("the end of the gate", || self.exit_status()).await
    }

    /// How many descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// Waits until no more descriptors are open than in quiet times.
    pub(crate) async fn descriptors_return_to(&self, quiet: usize) {
        let back = within(PATIENCE, || (self.descriptors() <= quiet).then_some(())).await;
        let open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", self.pid))
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .collect();
        assert!(
            back.is_some(),
            "{} descriptors were open at first, now {open:?}",
            quiet
        );
    }

    /// The memory that the process holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status_kib("VmRSS:") * 1024
    }

    /// The most memory that the process ever held, in bytes.
    pub(crate) fn resident_bytes_peak(&self) -> u64 {
        self.status_kib("VmHWM:") * 1024
    }

    fn status_kib(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let value = status.lines().find_map(|text| text.strip_prefix(line));
        value
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    /// Ends the process at once, whatever it does.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The binary under test, with nothing of this process's environment but the search path.
pub(crate) fn tollgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

fn append(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}
