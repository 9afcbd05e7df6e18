//! The HTTP client below the wire: whom it trusts, what it shows, how long it waits, and how much may come back.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::Uri;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, DnsName},
    sign::SingleCertAndKey,
};
use tokio::net::lookup_host;
use zeroize::Zeroizing;

use super::{
    super::{VaultError, VaultSettings, settings::ClientCertificate},
    Failed,
};

/// From the first packet to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// From the question to the last byte of the answer, a repetition included.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// An answer with a longer body is refused.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Whether the address is https. In clear only the machine itself is spoken to.
///
/// # Errors
///
/// [`VaultError::Settings`] for an address with more than a scheme, a host and a port, or one that is spoken to in clear.
pub(super) fn encrypted(address: &Uri) -> Result<bool, VaultError> {
    let authority = address
        .authority()
        .map_or("", |authority| authority.as_str());
    let bare = matches!(address.path(), "" | "/") && address.query().is_none();
    if authority.is_empty() || authority.contains('@') || !bare {
        return Err(VaultError::Settings(
            "the address is a scheme, a host and a port, nothing more",
        ));
    }
    match address.scheme_str() {
        Some("https") => Ok(true),
        Some("http") if loopback(address) => Ok(false),
        Some(_) | None => Err(VaultError::Settings(
            "the address is https; http is for loopback addresses only",
        )),
    }
}

fn loopback(address: &Uri) -> bool {
    host(address)
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

/// The host of an address, without the brackets of an IPv6 address.
fn host(address: &Uri) -> &str {
    let host = address.host().unwrap_or_default();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host)
}

/// A client for the server of `settings`, which opens no connection until it is used.
///
/// # Errors
///
/// [`VaultError::Settings`] says what cannot be used of them.
pub(super) fn client(settings: &VaultSettings) -> Result<reqwest::Client, VaultError> {
    let https_only = encrypted(&settings.address)?;
    if https_only && settings.ca.is_empty() {
        return Err(VaultError::Settings(
            "an https address needs a CA certificate",
        ));
    }
    let mut builder = reqwest::Client::builder();
    if let Some(name) = &settings.server_name {
        builder = builder.dns_resolver(Alias::new(name, &settings.address)?);
    }
    builder
        .tls_backend_preconfigured(tls(&settings.ca, settings.certificate.as_ref())?)
        .https_only(https_only)
        .redirect(reqwest::redirect::Policy::none())
        // The environment must not send tokens through a proxy, and least of all through this one.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| VaultError::Settings("no HTTP client can be made of the settings"))
}

fn tls(
    roots: &[CertificateDer<'static>],
    certificate: Option<&ClientCertificate>,
) -> Result<ClientConfig, VaultError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(root.clone())
            .map_err(|_| VaultError::Settings("a CA certificate cannot be used as a root"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| VaultError::Settings("the TLS library offers no protocol version"))?;
    let config = config.with_root_certificates(store);
    Ok(match certificate {
        None => config.with_no_client_auth(),
        Some(ClientCertificate(certified)) => {
            let shown = SingleCertAndKey::from(Arc::clone(certified));
            config.with_client_cert_resolver(Arc::new(shown))
        }
    })
}

/// The server under the name that its certificate has, at the address that it really has.
struct Alias {
    name: String,
    host: Arc<str>,
}

impl Alias {
    fn new(name: &str, address: &Uri) -> Result<Alias, VaultError> {
        if DnsName::try_from(name).is_err() {
            return Err(VaultError::Settings("the server's name is no DNS name"));
        }
        Ok(Alias {
            name: name.to_ascii_lowercase(),
            host: host(address).into(),
        })
    }
}

impl Resolve for Alias {
    fn resolve(&self, name: Name) -> Resolving {
        let host = match name.as_str() == self.name {
            true => Arc::clone(&self.host),
            false => name.as_str().into(),
        };
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((&*host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The body of an answer, in memory that is wiped; what the HTTP and TLS libraries buffer is not.
pub(super) async fn body(response: &mut reqwest::Response) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let too_large = || Failed::answered(VaultError::Malformed("it is too large"));
    let announced = response.content_length().unwrap_or_default();
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > BODY_BYTES_MAX {
        return Err(too_large());
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whose fault a failed exchange is. The error itself goes no further: its texts repeat what the server sent.
pub(super) fn fault(error: &reqwest::Error) -> Failed {
    let cause = cause(error);
    Failed {
        broken: cause == VaultError::Unreachable,
        sent: !error.is_connect(),
        error: cause,
    }
}

fn cause(error: &reqwest::Error) -> VaultError {
    if error.is_timeout() {
        return VaultError::TimedOut;
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(tls) = this.downcast_ref() {
            return tls_fault(tls);
        }
        // An I/O error does not count what it wraps among its sources.
        cause = match this
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => this.source(),
        };
    }
    VaultError::Unreachable
}

fn tls_fault(error: &rustls::Error) -> VaultError {
    let rustls::Error::InvalidCertificate(why) = error else {
        return VaultError::Unreachable;
    };
    VaultError::Untrusted(match why {
        CertificateError::UnknownIssuer => "its issuer is none of ours",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name"
        }
        _ => "it did not pass verification",
    })
}
