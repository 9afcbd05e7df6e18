//! A real nginx as an upstream: Debian's package, in the foreground, ended when it is dropped.
//!
//! It answers only calls with the right credential, in a header or as a certificate, and writes what it saw of each, the
//! credential excepted.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{World, patience::until, pki::write_private, programs};

/// Where it listens, on the port of the world's upstreams: an address that none of them has.
const ADDRESS: &str = "127.0.0.13";

/// A running nginx.
pub(crate) struct Nginx {
    dir: TempDir,
    server: Child,
}

impl World {
    /// Puts nginx in the place of the upstream of `host`, which is authorised by the header `authorization`. Files
    /// below [`Nginx::root`] are served, and `locations` in nginx's own words.
    pub(crate) async fn nginx(
        &self,
        host: &str,
        authorization: &str,
        locations: impl Fn(&Path) -> String,
    ) -> Nginx {
        let admits = Admits {
            by: "$http_authorization",
            what: authorization,
            more: String::new(),
        };
        self.nginx_that(admits, &[host], locations).await
    }

    /// The same for several hosts, with an nginx that demands a certificate for which `authority` (PEM) vouches.
    /// `/v1/shown` answers with the serial number of the one that it was shown, and its subject.
    pub(crate) async fn nginx_demanding(
        &self,
        hosts: &[&str],
        authority: &str,
        protocol: &str,
    ) -> Nginx {
        let file = self.dir().join("client-ca.crt");
        fs::write(&file, authority).unwrap();
        let admits = Admits {
            by: "$ssl_client_verify",
            what: "SUCCESS",
            more: format!(
                "ssl_client_certificate {}; ssl_verify_client on; ssl_verify_depth 3; ssl_protocols {protocol};",
                file.display()
            ),
        };
        let shown = |_: &Path| {
            "location = /v1/shown { return 200 \"$ssl_client_serial $ssl_client_s_dn\"; }".into()
        };
        self.nginx_that(admits, hosts, shown).await
    }

    async fn nginx_that(
        &self,
        admits: Admits<'_>,
        hosts: &[&str],
        locations: impl Fn(&Path) -> String,
    ) -> Nginx {
        let dir = TempDir::new().unwrap();
        let path = dir.path();
        for name in ["root", "temp"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        self.pki.upstreams.server(hosts).write(path, "server");
        let address = SocketAddr::new(ADDRESS.parse().unwrap(), self.port);
        let text = configuration(path, address, &admits, &locations(path));
        write_private(&path.join("nginx.conf"), &text);
        let mut server = Command::new(programs::installed("nginx", "nginx"))
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(path)
            .env_clear()
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        until("nginx listens", || {
            if let Some(status) = server.try_wait().unwrap() {
                let said = fs::read_to_string(path.join("error.log")).unwrap_or_default();
                panic!("nginx ended with {status}: {said}");
            }
            TcpStream::connect(address).ok()
        })
        .await;
        for host in hosts {
            self.dns.answers(host, &[ADDRESS]);
        }
        Nginx { dir, server }
    }
}

impl Nginx {
    /// The directory whose files are served.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Every call that it answered, in order.
    pub(crate) fn seen(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.dir.path().join("seen.jsonl")).unwrap();
        let lines = log.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// Waits until it has answered so many calls, and returns what it saw of each: its log is written after the answer.
    pub(crate) async fn has_seen(&self, calls: usize) -> Vec<Value> {
        until("the log of nginx", || {
            let seen = self.seen();
            (seen.len() >= calls).then_some(seen)
        })
        .await
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Whom an nginx admits.
struct Admits<'a> {
    /// The variable by which it tells.
    by: &'a str,
    /// What that must be.
    what: &'a str,
    /// What else the server is told.
    more: String,
}

/// `/v1/echo` answers with the body of the request, which nginx has in a variable only where it passes it on.
fn configuration(
    dir: &Path,
    address: SocketAddr,
    Admits { by, what, more }: &Admits<'_>,
    locations: &str,
) -> String {
    let dir = dir.display();
    format!(
        r#"
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 256; }}
http {{
    map_hash_bucket_size 256;
    map {by} $authorized {{ default false; "{what}" true; }}
    log_format seen escape=json '{{"request":"$request","authorized":$authorized,"status":$status,'
        '"connection":$connection,"tls":"$ssl_protocol","shown":"$ssl_client_serial","host":"$http_host","body":"$request_body"}}';
    access_log seen.jsonl seen;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    server {{
        listen {address} ssl;
        ssl_certificate server.crt;
        ssl_certificate_key server.key;
        {more}
        root {dir}/root;
        if ($authorized = false) {{ return 401; }}
        location = /v1/echo {{
            proxy_pass http://unix:{dir}/echo.sock;
            proxy_set_header X-Body $request_body;
        }}
        {locations}
    }}
    server {{
        listen unix:{dir}/echo.sock;
        access_log off;
        location / {{ return 200 "$http_x_body"; }}
    }}
}}
"#
    )
}
