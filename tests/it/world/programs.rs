//! Real programs as agents: what they receive is searched for secrets like everything else.

use std::process::{Command, Output};

use super::{World, gate::tollgate, patience::patiently};

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

    /// Runs the binary under test with these arguments, in the directory of the settings.
    pub(crate) async fn tollgate(&self, args: &[&str]) -> Output {
        let mut command = tollgate();
        command.current_dir(self.dir()).args(args);
        self.run(command).await
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
