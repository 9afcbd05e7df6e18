//! A real OpenBao for one test: in memory, TLS on a port of its own, ended when it is dropped.
//!
//! Used by path from each crate that tests against it.

pub(crate) mod engines;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tempfile::TempDir;

/// The token that may do everything; only tests have it.
pub(crate) const ROOT: &str = "test-root";

/// The file of its audit log, in its directory.
const AUDIT: &str = "audit.jsonl";

/// Starts that are tried: the server takes a second port, beside the one it was given, which may be in use.
const STARTS_MAX: u32 = 5;

/// The server process.
pub(crate) struct OpenBao {
    /// `https://127.0.0.1:port`.
    pub(crate) address: String,
    /// The root of its certificate.
    pub(crate) ca: CertificateDer<'static>,
    unseal_key: String,
    admin: reqwest::Client,
    process: Child,
    dir: TempDir,
}

impl OpenBao {
    /// Starts a server with an AppRole mount and a key-value engine (version 2) at `secret/`.
    pub(crate) async fn start() -> OpenBao {
        let binary = binary();
        let server = (0..STARTS_MAX).find_map(|_| OpenBao::try_start(&binary));
        let server = server.expect("OpenBao does not start");
        server
            .write("sys/auth/approle", r#"{"type":"approle"}"#)
            .await;
        server
    }

    fn try_start(binary: &PathBuf) -> Option<OpenBao> {
        let dir = TempDir::new().expect("a temporary directory");
        let settings = dir.path().join("audit.hcl");
        fs::write(&settings, audited(&dir.path().join(AUDIT))).expect("its directory is writable");
        let mut process = Command::new(binary)
            .args(["server", "-dev", "-dev-tls", "-dev-no-store-token"])
            .args(["-dev-listen-address=127.0.0.1:0", "-log-level=error"])
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-tls-cert-dir={}", dir.path().display()))
            .arg(format!("-config={}", settings.display()))
            .env("HOME", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenBao's binary runs");
        let stdout = process.stdout.take().expect("its output is a pipe");
        let Some((port, unseal_key)) = greeting(stdout) else {
            let _ = process.wait();
            return None;
        };
        let ca = CertificateDer::from_pem_file(dir.path().join("vault-ca.pem"));
        let ca = ca.expect("OpenBao wrote its CA certificate");
        Some(OpenBao {
            address: format!("https://127.0.0.1:{port}"),
            admin: admin(&ca),
            ca,
            unseal_key,
            process,
            dir,
        })
    }

    /// The file with the root of its certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("vault-ca.pem")
    }

    /// Makes a role that may do what `policy` says, with tokens of `ttl`; gives its role id and secret id.
    pub(crate) async fn role(&self, name: &str, policy: &str, ttl: &str) -> (String, String) {
        let policy = serde_json::json!({ "policy": policy }).to_string();
        self.write(&format!("sys/policies/acl/{name}"), &policy)
            .await;
        let role = serde_json::json!({ "token_policies": name, "token_ttl": ttl }).to_string();
        let role_path = format!("auth/approle/role/{name}");
        self.write(&role_path, &role).await;
        let role_id = self.read(&format!("{role_path}/role-id")).await;
        let secret_id = self.write(&format!("{role_path}/secret-id"), "{}").await;
        (text(&role_id["role_id"]), text(&secret_id["secret_id"]))
    }

    /// Stores `value` as the field `token` of a new version of a secret in the engine at `secret/`.
    pub(crate) async fn put(&self, path: &str, value: &str) {
        let body = serde_json::json!({ "data": { "token": value } }).to_string();
        self.write(&format!("secret/data/{path}"), &body).await;
    }

    /// Deletes the latest version of a secret.
    pub(crate) async fn delete(&self, path: &str) {
        self.remove(&format!("secret/data/{path}")).await;
    }

    /// Deletes what is at `path`, as root.
    pub(crate) async fn remove(&self, path: &str) {
        self.ask(reqwest::Method::DELETE, path, "").await;
    }

    /// Reads as root.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.ask(reqwest::Method::GET, path, "").await
    }

    /// Reads as root what has no envelope.
    pub(crate) async fn bare(&self, path: &str) -> Value {
        let (status, answer) = self.try_ask(reqwest::Method::GET, path, "").await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// The names of what is below `path`; none where nothing is.
    pub(crate) async fn list(&self, path: &str) -> Vec<String> {
        let list = reqwest::Method::from_bytes(b"LIST").expect("a method");
        let (status, answer) = self.try_ask(list, path, "").await;
        assert!(matches!(status, 200 | 404), "{path}: {status} {answer}");
        let keys = answer["data"]["keys"].as_array();
        keys.into_iter().flatten().map(text).collect()
    }

    /// The accessors of all tokens.
    pub(crate) async fn accessors(&self) -> Vec<String> {
        self.list("auth/token/accessors").await
    }

    /// The lines of its audit log: requests and responses, with an HMAC for each secret.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.dir.path().join(AUDIT)).expect("it is audited");
        // the last line may not be whole yet
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let line = |line| serde_json::from_str(line).expect("a line of JSON");
        whole.lines().map(line).collect()
    }

    /// What the server knows of the token with this accessor; nothing of one that ended since they were listed.
    pub(crate) async fn token(&self, accessor: &str) -> Value {
        let body = serde_json::json!({ "accessor": accessor }).to_string();
        let path = "auth/token/lookup-accessor";
        let (status, answer) = self.try_ask(reqwest::Method::POST, path, &body).await;
        match status {
            400 => Value::Null,
            _ => answer["data"].clone(),
        }
    }

    /// Writes as root.
    pub(crate) async fn write(&self, path: &str, body: &str) -> Value {
        self.ask(reqwest::Method::POST, path, body).await
    }

    /// Ends all tokens that AppRole logins gave.
    pub(crate) async fn revoke_logins(&self) {
        self.write("sys/leases/revoke-prefix/auth/approle", "")
            .await;
    }

    /// Seals it.
    pub(crate) async fn seal(&self) {
        self.write("sys/seal", "").await;
    }

    /// Unseals it.
    pub(crate) async fn unseal(&self) {
        let body = serde_json::json!({ "key": self.unseal_key }).to_string();
        self.write("sys/unseal", &body).await;
    }

    /// Writes as root, and gives all of the answer.
    pub(crate) async fn write_whole(&self, path: &str, body: &str) -> Value {
        let request = self.request(reqwest::Method::POST, path, body);
        self.answer(path, request).await
    }

    /// Writes as root, and gives the token under which the server keeps the answer.
    pub(crate) async fn write_wrapped(&self, path: &str, body: &str) -> String {
        let request = self.request(reqwest::Method::POST, path, body);
        let answer = self.answer(path, request.header("X-Vault-Wrap-TTL", "60"));
        text(&answer.await["wrap_info"]["token"])
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: &str) -> Value {
        let request = self.request(method, path, body);
        self.answer(path, request).await["data"].clone()
    }

    async fn try_ask(&self, method: reqwest::Method, path: &str, body: &str) -> (u16, Value) {
        OpenBao::outcome(self.request(method, path, body)).await
    }

    fn request(&self, method: reqwest::Method, path: &str, body: &str) -> reqwest::RequestBuilder {
        self.admin
            .request(method, format!("{}/v1/{path}", self.address))
            .header("X-Vault-Token", ROOT)
            .body(body.to_owned())
    }

    async fn answer(&self, path: &str, request: reqwest::RequestBuilder) -> Value {
        let (status, answer) = OpenBao::outcome(request).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    async fn outcome(request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("OpenBao answers");
        let status = answer.status().as_u16();
        let body = answer.bytes().await.expect("OpenBao answers to the end");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// What has it write down every request, in a file.
fn audited(file: &Path) -> String {
    let file = file.display();
    format!("audit \"file\" \"file\" {{\n  options {{\n    file_path = \"{file}\"\n  }}\n}}\n")
}

/// The server's binary: named by the environment, or found or fetched by the script beside this file.
pub(crate) fn binary() -> PathBuf {
    if let Some(named) = env::var_os("TOLLGATE_TEST_VAULT") {
        return named.into();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openbao/install");
    let output = Command::new(script).output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "no OpenBao to test against: {said}"
    );
    let path = String::from_utf8(output.stdout).expect("a path in UTF-8");
    path.trim_end().into()
}

/// The port and the unseal key, from what the server prints when it starts; `None` when it ended before that.
///
/// The port it took is not printed, but the one of its cluster listener is, and that is always the next.
fn greeting(stdout: ChildStdout) -> Option<(u16, String)> {
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let listener = lines.find(|line| line.contains("Listener 1"))?;
    let cluster = listener.split_once("cluster address: \"127.0.0.1:")?.1;
    let port: u16 = cluster.split('"').next()?.parse().ok()?;
    let key = lines.find_map(|line| Some(line.strip_prefix("Unseal Key: ")?.to_owned()))?;
    // The pipe is emptied for as long as the server runs, so that it never waits for its reader.
    thread::spawn(move || lines.for_each(drop));
    Some((port - 1, key))
}

fn admin(ca: &CertificateDer<'static>) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.clone()).expect("a root");
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
