//! The gate itself: the real binary as a process of its own.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::SocketAddr,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
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
    /// To a pipe of which only the first line is read until [`Gate::read_on`]: it is full after 64 KiB.
    Stuck,
    /// The same with a socket that does not make its writer wait, but refuses what it has no room for.
    Refusing,
}

/// Where the gate speaks of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stderr {
    /// To a file that [`Gate::stderr`] reads.
    #[default]
    File,
    /// To a device that takes nothing, like a disk that is full.
    Full,
}

/// How a gate is started.
#[derive(Default)]
pub(crate) struct Launch<'l> {
    /// Where its events and its speech go.
    pub(crate) out: (Stdout, Stderr),
    pub(crate) environment: &'l [(String, String)],
    /// The most descriptors that it may have open, where that is not this process's own number.
    pub(crate) descriptors: Option<u32>,
}

/// A running gate.
#[derive(Clone)]
pub(crate) struct Gate {
    child: Arc<Mutex<Child>>,
    /// Tells the reader of a stuck pipe to go on.
    read_on: Option<Sender<()>>,
    pub(crate) pid: u32,
    stderr: Arc<PathBuf>,
}

impl Gate {
    /// Starts `tollgate serve` with the settings in `dir`.
    pub(crate) fn start(dir: &Path, launch: Launch<'_>) -> Gate {
        let (stdout, speech) = launch.out;
        let events = append(&dir.join("events.jsonl"));
        let (out, stuck) = match stdout {
            Stdout::File => (Stdio::from(events), None),
            Stdout::Stuck => {
                let (reader, writer) = io::pipe().unwrap();
                let (read_on, told) = mpsc::channel();
                std::thread::spawn(move || copy_first_line_then_wait(reader, events, &told));
                (Stdio::from(writer), Some(read_on))
            }
            Stdout::Refusing => {
                let (reader, writer) = UnixStream::pair().unwrap();
                writer.set_nonblocking(true).unwrap();
                let (read_on, told) = mpsc::channel();
                std::thread::spawn(move || copy_first_line_then_wait(reader, events, &told));
                (Stdio::from(OwnedFd::from(writer)), Some(read_on))
            }
        };
        let stderr = dir.join("stderr");
        let child = with_descriptors(launch.descriptors)
            .args(["serve", "--config"])
            .arg(dir.join("tollgate.yaml"))
            .args(["--level", "trace"])
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdout(out)
            .stderr(match speech {
                Stderr::File => append(&stderr),
                Stderr::Full => append(Path::new("/dev/full")),
            })
            .spawn()
            .unwrap();
        Gate {
            pid: child.id(),
            child: Arc::new(Mutex::new(child)),
            read_on: stuck,
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

    /// A stuck pipe is read again from now on.
    pub(crate) fn read_on(&self) {
        self.read_on
            .as_ref()
            .expect("a stuck pipe")
            .send(())
            .unwrap();
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

    /// How many descriptors the process has open. Not to be told is a fault of the test: none would seem to be.
    ///
    /// Nobody but root may list those of a process that is not dumpable, but since Linux 6.2 anybody may know how many.
    pub(crate) fn descriptors(&self) -> usize {
        let list = format!("/proc/{}/fd", self.pid);
        match fs::read_dir(&list) {
            Ok(entries) => entries.count(),
            Err(error) => match fs::metadata(&list).unwrap().len() {
                0 => panic!("{list}: {error}"),
                count => usize::try_from(count).unwrap(),
            },
        }
    }

    /// Waits until no more descriptors are open than in quiet times.
    pub(crate) async fn descriptors_return_to(&self, quiet: usize) {
        let back = within(PATIENCE, || (self.descriptors() <= quiet).then_some(())).await;
        let open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", self.pid))
            .into_iter()
            .flatten()
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

    /// Sets a limit of the process, as in `fsize=4096:`, where the second number is left as it is.
    pub(crate) fn limit(&self, limit: &str) {
        let done = Command::new("prlimit")
            .args(["--pid", &self.pid.to_string(), &format!("--{limit}")])
            .status()
            .unwrap();
        assert!(done.success(), "prlimit {limit}");
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
    alone(Command::new(env!("CARGO_BIN_EXE_tollgate")))
}

/// The same, that may have so many descriptors open.
fn with_descriptors(most: Option<u32>) -> Command {
    let Some(most) = most else { return tollgate() };
    let mut prlimit = Command::new("prlimit");
    prlimit
        .arg(format!("--nofile={most}"))
        .arg(env!("CARGO_BIN_EXE_tollgate"));
    alone(prlimit)
}

fn alone(mut command: Command) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

/// What a reader of events does that gets stuck after `started`, and goes on when it is told or forgotten.
fn copy_first_line_then_wait(mut pipe: impl Read, mut events: File, told: &Receiver<()>) {
    let mut byte = [0];
    while pipe.read_exact(&mut byte).is_ok() {
        events.write_all(&byte).unwrap();
        if byte == *b"\n" {
            break;
        }
    }
    let _ = told.recv();
    let _ = io::copy(&mut pipe, &mut events);
}

fn append(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}
