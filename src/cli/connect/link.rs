//! The way to the gate: TLS 1.3, the agent's certificate, a verified name.
//!
//! Certificate files are looked at before each connection and read again when they changed, so that a short-lived
//! certificate can be renewed under a running process. Files that cannot be used, a key that others may read among them,
//! leave the last good ones in place.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::TLS13,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Connect, answer::Unserved};
use crate::{target::Host, tls::stores};

/// How long name lookup, connection and handshake may take together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the gate.
pub(super) type Gate = TlsStream<TcpStream>;

/// Where the gate is and what it takes to be let in.
pub(super) struct Link {
    host: Host,
    port: u16,
    name: ServerName<'static>,
    files: Files,
    current: Mutex<Current>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authorities: PathBuf,
}

/// What was read last, and of which state of the files.
struct Current {
    stamp: Stamp,
    config: Arc<ClientConfig>,
}

/// Of each file the time of its last change, whether of what is in it or of who may read it, and length and inode;
/// `None` where there is no file.
type Stamp = [Option<(i64, i64, u64, u64)>; 3];

impl Link {
    /// Reads the files for the first time; an error says in words what is wrong with them.
    pub(super) fn new(settings: &Connect) -> Result<Link, String> {
        let files = Files {
            certificate: settings.cert.clone(),
            key: settings.key.clone(),
            authorities: settings.ca.clone(),
        };
        let (host, port) = settings.gate.clone().into_parts();
        let port = port.ok_or("the gate's port is missing")?;
        let name = server_name(settings.gate_name.as_ref().unwrap_or(&host))?;
        let stamp = files.stamp();
        let config = files.read()?;
        Ok(Link {
            host,
            port,
            name,
            files,
            current: Mutex::new(Current { stamp, config }),
        })
    }

    /// A verified connection to the gate.
    pub(super) async fn dial(&self) -> Result<Gate, Unserved> {
        let config = self.config();
        let dialled = async {
            let tcp = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(Unserved::Unreachable)?;
            tcp.set_nodelay(true).map_err(Unserved::Unreachable)?;
            let tls = TlsConnector::from(config)
                .connect(self.name.clone(), tcp)
                .await;
            tls.map_err(Unserved::of_handshake)
        };
        timeout(DIAL_TIMEOUT, dialled)
            .await
            .unwrap_or(Err(Unserved::TooSlow))
    }

    /// The settings of the files as they are now, or as they last were good.
    fn config(&self) -> Arc<ClientConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.files.stamp();
        if stamp != current.stamp {
            current.stamp = stamp;
            match self.files.read() {
                Ok(config) => {
                    current.config = config;
                    crate::cli::say(format_args!("connect: read the certificate again"));
                }
                Err(fault) => {
                    crate::cli::say(format_args!(
                        "connect: going on with the last good certificate: {fault}"
                    ));
                }
            }
        }
        Arc::clone(&current.config)
    }
}

impl Files {
    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key, &self.authorities].map(|path| {
            let file = fs::metadata(path).ok()?;
            Some((file.ctime(), file.ctime_nsec(), file.len(), file.ino()))
        })
    }

    fn read(&self) -> Result<Arc<ClientConfig>, String> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authorities)? {
            roots
                .add(authority)
                .map_err(|err| format!("{}: {err}", self.authorities.display()))?;
        }
        let chain = certificates(&self.certificate)?;
        let key = stores::key(&self.key).map_err(|err| err.to_string())?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .map_err(|err| err.to_string())?
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
                .map_err(|err| {
                    format!(
                        "{} and {}: {err}",
                        self.certificate.display(),
                        self.key.display()
                    )
                })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would show the gate no certificate, or an old one.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |err| format!("{}: {err}", path.display());
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(fault)?
        .collect();
    match read.map_err(fault)? {
        none if none.is_empty() => {
            Err(format!("{}: there is no certificate in it", path.display()))
        }
        some => Ok(some),
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host.ip() {
        Some(ip) => Ok(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(host.as_str().to_owned()).map_err(|err| err.to_string()),
    }
}

/// The TLS error inside an I/O error, where there is one.
pub(super) fn tls_error(err: &io::Error) -> Option<&rustls::Error> {
    err.get_ref()?.downcast_ref()
}
