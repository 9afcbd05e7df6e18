//! A real PostgreSQL, whose roles log in with a password.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{Process, ROOT, free_port, started};

/// Where Debian keeps the programs, by major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Who runs it where the tests run as root, which it refuses; the package makes this user.
const USER: &str = "postgres";

/// A running PostgreSQL.
pub(crate) struct Postgres {
    /// Where it listens on 127.0.0.1.
    port: u16,
    _server: Process,
    _dir: TempDir,
}

impl Postgres {
    /// Starts a server with nothing in it.
    pub(crate) async fn start() -> Postgres {
        started("PostgreSQL", Postgres::try_start).await
    }

    fn try_start() -> Result<Postgres, String> {
        let dir = TempDir::new().expect("a temporary directory");
        make_cluster(dir.path())?;
        let port = free_port();
        let mut command = unprivileged("postgres");
        command.arg("-D").arg(dir.path().join("data"));
        command.args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
        ] {
            command.args(["-c", setting]);
        }
        let (mut server, _) = Process::start(command, "ready to accept connections")?;
        // killed, it would leave what it shares with its children; so it ends them first
        server.end = "QUIT";
        Ok(Postgres {
            port,
            _server: server,
            _dir: dir,
        })
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The names of the roles that may log in, root excepted.
    pub(crate) async fn roles_made(&self) -> Vec<String> {
        let statement = format!(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> '{}'",
            ROOT.0
        );
        let rows = self.query(&statement).await;
        rows.lines().map(str::to_owned).collect()
    }

    /// The rows that a statement gives, one a line, as root.
    pub(crate) async fn query(&self, statement: &str) -> String {
        let rows = self.query_as(ROOT, statement).await;
        rows.unwrap_or_else(|said| panic!("{statement}: {said}"))
    }

    /// The rows that a statement gives, as this role; else what the server says.
    pub(crate) async fn query_as(
        &self,
        (name, password): (&str, &str),
        statement: &str,
    ) -> Result<String, String> {
        let mut command = Command::new(program("psql"));
        command
            .args(["-X", "-A", "-t", "-h", "127.0.0.1", "-d", "postgres"])
            .args(["-p", &self.port.to_string(), "-U", name, "-c", statement])
            .env_clear()
            .env("PGPASSWORD", password);
        let running = tokio::task::spawn_blocking(move || command.output());
        let output = running.await.expect("psql ends").expect("psql runs");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().into()),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }
}

/// What `initdb` makes, in the directory `data` of `dir`.
fn make_cluster(dir: &Path) -> Result<(), String> {
    let (name, password) = ROOT;
    let file = dir.join("password");
    fs::write(&file, password).expect("its directory is writable");
    if is_root() {
        run(Command::new("chown").arg(format!("{USER}:")).arg(dir))?;
    }
    let mut command = unprivileged("initdb");
    command.arg("-D").arg(dir.join("data"));
    command.arg(format!("--pwfile={}", file.display()));
    command.args(["-U", name, "--auth=scram-sha-256"]);
    command.args(["--no-sync", "--no-locale", "--encoding=UTF8"]);
    run(&mut command)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().expect("an installed program runs");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

/// A program of the package's, as somebody who is not root.
fn unprivileged(name: &str) -> Command {
    let mut command = match is_root() {
        false => Command::new(program(name)),
        true => {
            let mut command = Command::new(super::installed("setpriv", "util-linux"));
            command.arg(format!("--reuid={USER}"));
            command.arg(format!("--regid={USER}"));
            command.arg("--clear-groups").arg(program(name));
            command
        }
    };
    // nobody may enter the directory of the tests
    command.env_clear().current_dir("/");
    command
}

fn is_root() -> bool {
    let own = fs::metadata("/proc/self").expect("Linux");
    own.uid() == 0
}

/// A program of the package's; the highest version that is here.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin").join(name));
    let program = programs.filter(|program| program.is_file()).max();
    program.unwrap_or_else(|| {
        panic!("{name} is not here; on Debian: apt-get install postgresql (tests/run does it)")
    })
}
