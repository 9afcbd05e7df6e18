//! A real InfluxDB 1.x, whose users log in with Basic.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use super::{Process, ROOT, Shown, answer, client, installed, started};

/// A running InfluxDB.
pub(crate) struct Influx {
    /// Where it speaks HTTP over TLS.
    pub(crate) https: SocketAddr,
    client: reqwest::Client,
    _server: Process,
    _dir: TempDir,
}

impl Influx {
    /// Starts a server at `https`, whose port may be 0, under a certificate, with nobody but root in it.
    pub(crate) async fn start(https: SocketAddr, shown: Shown) -> Influx {
        let client = client(&shown.authority);
        let (server, dir, https) =
            started("InfluxDB", move || Influx::try_start(https, &shown)).await;
        let influx = Influx {
            https,
            client,
            _server: server,
            _dir: dir,
        };
        let (name, password) = ROOT;
        let root = format!("CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES");
        let (status, answer) = influx.query_as(ROOT, &root).await;
        assert_eq!(status, 200, "{answer}");
        influx
    }

    fn try_start(
        https: SocketAddr,
        shown: &Shown,
    ) -> Result<(Process, TempDir, SocketAddr), String> {
        let dir = TempDir::new().expect("a temporary directory");
        write_settings(dir.path(), https, shown).expect("its directory is writable");
        let mut command = Command::new(installed("influxd", "influxdb"));
        command
            .arg("run")
            .arg("-config")
            .arg(dir.path().join("influx.conf"));
        command.env_clear().env("HOME", dir.path());
        let (server, line) = Process::start(command, "Listening on HTTP")?;
        let https = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("addr="));
        let https = https.expect("an address").parse().expect("an address");
        Ok((server, dir, https))
    }

    /// The names of its users.
    pub(crate) async fn users(&self) -> Vec<String> {
        let (status, answer) = self.query_as(ROOT, "SHOW USERS").await;
        assert_eq!(status, 200, "{answer}");
        let rows = answer["results"][0]["series"][0]["values"].as_array();
        let name = |row: &Value| row[0].as_str().expect("a name").to_owned();
        rows.expect("rows").iter().map(name).collect()
    }

    /// What it answers to a statement of this user's.
    pub(crate) async fn query_as(
        &self,
        (name, password): (&str, &str),
        statement: &str,
    ) -> (u16, Value) {
        let request = self
            .client
            .post(format!("https://{}/query", self.https))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("q={}", escaped(statement)))
            .basic_auth(name, Some(password));
        answer(request).await
    }
}

fn write_settings(dir: &Path, https: SocketAddr, shown: &Shown) -> Result<(), std::io::Error> {
    let at = dir.display();
    let settings = format!(
        "reporting-disabled = true\n\
         bind-address = \"127.0.0.1:0\"\n\
         [meta]\n\
         dir = \"{at}/meta\"\n\
         [data]\n\
         dir = \"{at}/data\"\n\
         wal-dir = \"{at}/wal\"\n\
         [monitor]\n\
         store-enabled = false\n\
         [http]\n\
         bind-address = \"{https}\"\n\
         auth-enabled = true\n\
         https-enabled = true\n\
         https-certificate = \"{at}/server.pem\"\n"
    );
    fs::write(dir.join("influx.conf"), settings)?;
    fs::write(
        dir.join("server.pem"),
        format!("{}\n{}", shown.certificate, shown.key),
    )
}

/// A value of a form.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
