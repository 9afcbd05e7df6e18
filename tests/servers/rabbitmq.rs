//! A real RabbitMQ: no queue of it is used, but its management API, to which its users log in with Basic.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Process, ROOT, Shown, answer, client, free_port, installed, started};

/// Where Debian keeps the script that does not change to another user.
const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A running RabbitMQ.
pub(crate) struct RabbitMq {
    /// The management API in clear, for those who administer it: `http://127.0.0.1:port`.
    pub(crate) address: String,
    client: reqwest::Client,
    /// Before the name server and the directory: fields are dropped in this order.
    _server: Process,
    _names: NameServer,
    _dir: TempDir,
}

impl RabbitMq {
    /// Starts a server whose management API is also at `https`, under a certificate. Takes about 5 seconds of a core.
    pub(crate) async fn start(https: SocketAddr, shown: Shown) -> RabbitMq {
        started("RabbitMQ", move || RabbitMq::try_start(https, &shown)).await
    }

    fn try_start(https: SocketAddr, shown: &Shown) -> Result<RabbitMq, String> {
        let dir = TempDir::new().expect("a temporary directory");
        let port = free_port();
        write_settings(dir.path(), port, https, shown).expect("its directory is writable");
        let names = NameServer::start();
        let (server, _) = Process::start(command(dir.path(), &names), "Server startup complete")?;
        Ok(RabbitMq {
            address: format!("http://127.0.0.1:{port}"),
            client: client(&shown.authority),
            _server: server,
            _names: names,
            _dir: dir,
        })
    }

    /// The names of its users.
    pub(crate) async fn users(&self) -> Vec<String> {
        let (status, users) = self.get("users", ROOT).await;
        assert_eq!(status, 200, "{users}");
        let users = users.as_array().expect("a list");
        let name = |user: &Value| user["name"].as_str().expect("a name").to_owned();
        users.iter().map(name).collect()
    }

    /// Asks its management API for something as this user.
    pub(crate) async fn get(&self, path: &str, (name, password): (&str, &str)) -> (u16, Value) {
        let request = self.client.get(format!("{}/api/{path}", self.address));
        answer(request.basic_auth(name, Some(password))).await
    }
}

/// Erlang's name server, without which RabbitMQ starts one that stays.
struct NameServer {
    port: u16,
    child: Child,
}

impl NameServer {
    fn start() -> NameServer {
        let port = free_port();
        let child = Command::new(installed("epmd", "rabbitmq-server"))
            .args(["-address", "127.0.0.1", "-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.expect("an installed program runs");
        NameServer { port, child }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_settings(
    dir: &Path,
    port: u16,
    https: SocketAddr,
    shown: &Shown,
) -> Result<(), std::io::Error> {
    let ((name, password), at) = (ROOT, dir.display());
    let (ip, https_port) = (https.ip(), https.port());
    let settings = format!(
        "listeners.tcp = none\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {port}\n\
         management.ssl.ip = {ip}\n\
         management.ssl.port = {https_port}\n\
         management.ssl.certfile = {at}/server.crt\n\
         management.ssl.keyfile = {at}/server.key\n\
         default_user = {name}\n\
         default_pass = {password}\n\
         log.console = true\n\
         log.file = false\n"
    );
    fs::write(dir.join("rabbitmq.conf"), settings)?;
    fs::write(dir.join("plugins"), "[rabbitmq_management].\n")?;
    fs::write(dir.join("server.crt"), &shown.certificate)?;
    fs::write(dir.join("server.key"), &shown.key)
}

/// With nothing of the environment, and everything that it writes below `dir`.
fn command(dir: &Path, names: &NameServer) -> Command {
    assert!(
        Path::new(SCRIPT).is_file(),
        "{SCRIPT} is not here; on Debian: apt-get install rabbitmq-server (tests/run does it)"
    );
    let mut command = Command::new(SCRIPT);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", dir)
        .env("ERL_EPMD_PORT", names.port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", "rabbit@localhost")
        .env("RABBITMQ_DIST_PORT", free_port().to_string())
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        )
        .env("RABBITMQ_LOGS", "-")
        // the script becomes the server, instead of its parent
        .env("RUNNING_UNDER_SYSTEMD", "yes")
        .current_dir(dir);
    for (variable, file) in [
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_CONF_ENV_FILE", "rabbitmq-env.conf"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_MNESIA_BASE", "mnesia"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_PID_FILE", "pid"),
    ] {
        command.env(variable, dir.join(file));
    }
    command
}
