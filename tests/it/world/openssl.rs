//! OpenSSL's program, for what rustls will not make or say: weak keys and digests, old versions of TLS.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{World, patience::patiently, programs::installed};

/// What every request to sign needs to be said of it, and what an authority is.
const REQUESTS: &str = "[req]\ndistinguished_name = dn\nx509_extensions = authority\n[dn]\n[authority]\n\
    basicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n";

/// Runs `openssl` with these words in `dir`.
pub(crate) fn openssl(dir: &Path, words: &str) {
    let mut command = command(dir);
    let output = command.args(words.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}: {said}");
}

/// Makes the authority `name` in `dir`, from `name.key`, which is there.
pub(crate) fn authority(dir: &Path, name: &str) {
    std::fs::write(dir.join("requests.cnf"), REQUESTS).unwrap();
    openssl(
        dir,
        &format!(
            "req -x509 -config requests.cnf -key {name}.key -sha256 -days 2 -subj /CN={name} -out {name}.crt"
        ),
    );
}

/// A command that runs it, with nothing of the machine's own configuration.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(installed("openssl", "openssl"));
    command.env_clear().env("OPENSSL_CONF", "/dev/null");
    command.current_dir(dir).stdin(Stdio::null());
    command
}

impl World {
    /// What `openssl s_client` receives from the gate when it says `request`, with these words besides.
    pub(crate) async fn s_client(&self, words: &str, request: &str) -> String {
        let said = self.dir().join("said");
        std::fs::write(&said, request).unwrap();
        let mut command = command(self.dir());
        command
            .args(["s_client", "-quiet", "-connect", &self.listen().to_string()])
            .args(["-servername", "gate.test", "-CAfile", "pki/gates-ca.crt"])
            .args(["-cipher", "ALL:@SECLEVEL=0"])
            .args(words.split(' '))
            .stdin(std::fs::File::open(said).unwrap());
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = patiently("openssl s_client", running).await.unwrap();
        self.agent_received(&output.stdout);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
