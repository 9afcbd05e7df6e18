//! Real programs as agents: what they receive is searched for secrets like everything else.

use std::{
    fs::{self, File},
    net::SocketAddr,
    process::{Child, Command, Output},
};

use super::{
    World,
    gate::tollgate,
    patience::{patiently, until},
};

/// A running `tollgate connect`.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    child: Child,
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
        let pki = self.dir().join("pki");
        self.pki.agent(role).write(&pki, role);
        let speech = self.dir().join(format!("{role}.connect"));
        let mut command = tollgate();
        command.current_dir(&pki).arg("connect");
        command.args(["--gate", &self.listen().to_string(), "--ca", "gates-ca.crt"]);
        command.args([
            "--cert",
            &format!("{role}.crt"),
            "--key",
            &format!("{role}.key"),
        ]);
        command.args(["--listen", "127.0.0.1:0"]);
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
            child,
        }
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
