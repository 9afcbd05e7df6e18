//! Real programs as agents: what they receive is searched for secrets like everything else.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use super::{
    World,
    gate::tollgate,
    patience::{patiently, until},
};
pub(crate) use crate::servers::installed;

/// A running `tollgate connect`.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    network: Option<PathBuf>,
    child: Child,
}

impl Door {
    /// A program where it is served: in the same network.
    pub(crate) fn beside(&self, program: &str) -> Command {
        in_network(self.network.as_deref(), program)
    }

    /// Sends a signal by its name, as in `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// Runs `curl` with the gate as its proxy, as the agent that plays `role`.
    pub(crate) async fn curl(&self, role: &str, args: &[&str]) -> Output {
        let pki = self.dir().join("pki");
        self.pki.agent(role).write(&pki, role);
        let mut curl = Command::new("curl");
        curl.env_clear().current_dir(&pki);
        curl.args(["--silent", "--show-error", "--max-time", "10"]);
        curl.args([
            "--proxy",
            &format!("https://localhost:{}", self.listen().port()),
        ]);
        curl.args([
            "--proxy-cacert",
            "gates-ca.crt",
            "--cacert",
            "interception-ca.crt",
        ]);
        curl.args([
            "--proxy-cert",
            &format!("{role}.crt"),
            "--proxy-key",
            &format!("{role}.key"),
        ]);
        curl.args(args);
        self.run(curl).await
    }

    /// Runs `curl` through `tollgate connect`, with nothing but the proxy's address.
    pub(crate) async fn curl_through(&self, door: &Door, args: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        curl.env_clear().current_dir(self.dir().join("pki"));
        curl.args(["--silent", "--show-error", "--max-time", "10"]);
        curl.args(["--proxy", &format!("http://{}", door.address)]);
        curl.args(["--cacert", "interception-ca.crt"]).args(args);
        self.run(curl).await
    }

    /// Starts `tollgate connect` for the agent that plays `role`.
    pub(crate) async fn connect(&self, role: &str) -> Door {
        let args = [
            "connect".to_owned(),
            format!("--gate={}", self.listen()),
            "--ca=gates-ca.crt".into(),
            format!("--cert={role}.crt"),
            format!("--key={role}.key"),
            "--listen=127.0.0.1:0".into(),
        ];
        self.connect_with(role, None, &args).await
    }

    /// The same with these arguments, which are relative to the directory of the certificates, in a network
    /// namespace that is not this process's if one is named.
    pub(crate) async fn connect_with(
        &self,
        role: &str,
        network: Option<&Path>,
        args: &[String],
    ) -> Door {
        let pki = self.dir().join("pki");
        self.pki.agent(role).write(&pki, role);
        let speech = self.dir().join(format!("{role}.connect"));
        let binary = tollgate();
        let mut command = in_network(network, binary.get_program());
        command.env_clear().current_dir(&pki).args(args);
        command.stdin(Stdio::null());
        command.stderr(File::create(&speech).unwrap());
        let child = command.spawn().unwrap();
        let address = until("the port of `tollgate connect`", || {
            let said = fs::read_to_string(&speech).ok()?;
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix("listening on "))?;
            line.parse().ok()
        });
        Door {
            address: address.await,
            network: network.map(Path::to_owned),
            child,
        }
    }

    /// Runs a client of the gate behind `door`, with the variables that the README gives an agent and no others.
    pub(crate) async fn client(&self, door: &Door, program: &str, args: &[&str]) -> Output {
        let script = format!("{}\nexec \"$@\"", self.documented_variables(door));
        let mut command = door.beside("sh");
        command.env_clear().current_dir(self.dir());
        command.env("HOME", self.dir()).env("PATH", clients_first());
        command
            .args(["-c", &script, "sh", program])
            .args(args)
            .stdin(Stdio::null());
        self.run(command).await
    }

    /// The same variables as in the README, with this world's places.
    fn documented_variables(&self, door: &Door) -> String {
        let pki = format!("{}/pki/", self.dir().display());
        documented_exports()
            .join("\n")
            .replace("http://127.0.0.1:3128", &format!("http://{}", door.address))
            .replace("$PWD/config/pki/", &pki)
    }

    /// Runs a Python program, in the directory of the settings.
    pub(crate) async fn python(&self, program: &str, args: &[&str]) -> Output {
        let mut python = Command::new("python3");
        python
            .current_dir(self.dir())
            .args(["-c", program])
            .args(args);
        self.run(python).await
    }

    /// Runs a program to its end; what it wrote counts as received by an agent.
    pub(crate) async fn run(&self, mut command: Command) -> Output {
        let name = format!("{command:?}");
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = patiently(&name, running).await.unwrap();
        self.agent_received(&output.stdout);
        self.agent_received(&output.stderr);
        output
    }
}

/// The directory of the clients that no package of Debian has: named by the environment, or found or fetched by a script.
pub(crate) fn clients() -> &'static Path {
    static CLIENTS: OnceLock<PathBuf> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/install");
        let output = Command::new(script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "no clients to test with: {said}");
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    })
}

/// A search path on which those clients come first.
fn clients_first() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path);
    env::join_paths([clients().join("bin")].into_iter().chain(dirs)).unwrap()
}

/// A program in the network namespace at `network`, or in this process's.
pub(crate) fn in_network(network: Option<&Path>, program: impl AsRef<OsStr>) -> Command {
    let Some(network) = network else {
        return Command::new(program);
    };
    let mut command = Command::new(installed("nsenter", "util-linux"));
    command.arg(format!("--net={}", network.display()));
    command.arg(program);
    command
}

/// The README's lines that set an agent's variables.
pub(crate) fn documented_exports() -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let from = readme.find("The agent's variables").unwrap();
    let to = readme.find("| client |").unwrap();
    let lines = readme[from..to].lines().map(str::trim);
    let exports: Vec<_> = lines.filter(|line| line.starts_with("export ")).collect();
    assert!(exports.len() > 3, "the README has an agent's variables");
    exports
}
