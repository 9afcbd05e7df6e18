//! The wire to Vault: one HTTP client, what goes out on it, and how much may come back.
//!
//! vaultrs' request types give path, method and body, and its middleware the API version, the namespace and
//! `X-Vault-Request`. Its executor is not used: that one follows redirects with the token, reads answers of any
//! size and loses `Retry-After`. What an answer means is not decided here.

use std::{error::Error, io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri, header::RETRY_AFTER};
use rustify::endpoint::{Endpoint, MiddleWare};
use rustls::{CertificateError, ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::time::{sleep, timeout};
use vaultrs::api::EndpointMiddleware;
use zeroize::Zeroizing;

use super::{super::backoff::between, envelope::Answer, error::VaultError, path};

/// From the first packet to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// From the question to the last byte of the answer, a repetition included.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// An answer with a longer body is refused.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A server that asks for a longer rest is asked again after this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

const X_VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// A client for one Vault address. It holds no token and opens no connection until it is asked.
pub(super) struct Wire {
    http: reqwest::Client,
    base: String,
    dress: EndpointMiddleware,
}

impl Wire {
    /// A client that trusts `roots` and no others.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] says what is wrong with the address, the roots or the namespace.
    pub(super) fn new(
        address: &Uri,
        roots: &[CertificateDer<'static>],
        namespace: Option<String>,
    ) -> Result<Wire, VaultError> {
        let encrypted = encrypted(address)?;
        if encrypted && roots.is_empty() {
            return Err(VaultError::Settings(
                "an https address needs a CA certificate",
            ));
        }
        let namespace = namespace.filter(|name| !name.is_empty());
        if namespace.as_deref().is_some_and(|name| !path::plain(name)) {
            return Err(VaultError::Settings("the namespace is not a plain path"));
        }
        Ok(Wire {
            http: client(roots, encrypted)?,
            base: address.to_string(),
            dress: EndpointMiddleware {
                // The token goes in as a header marked sensitive, which this middleware does not do.
                token: String::new(),
                version: "v1".to_owned(),
                wrap: None,
                namespace,
            },
        })
    }

    /// Sends one request and reads its answer, whatever the status.
    pub(super) async fn ask(
        &self,
        endpoint: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<Answer, VaultError> {
        let request = self.request(endpoint, token)?;
        let mut response = self
            .http
            .execute(request)
            .await
            .map_err(|error| fault(&error))?;
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers().get(RETRY_AFTER)),
            body: body(&mut response).await?,
        })
    }

    /// Like [`Wire::ask`] for a question that may be put twice: once more when the connection broke or the server
    /// says that another moment is better.
    pub(super) async fn ask_twice(
        &self,
        endpoint: &impl Endpoint,
        token: &HeaderValue,
    ) -> Result<Answer, VaultError> {
        let both = async {
            let first = self.ask(endpoint, Some(token)).await;
            let again = match &first {
                Ok(answer) => matches!(answer.status, 412 | 502 | 503),
                Err(error) => *error == VaultError::Unreachable,
            };
            if !again {
                return first;
            }
            sleep(Duration::from_millis(200).mul_f64(between(0.5, 1.0))).await;
            self.ask(endpoint, Some(token)).await
        };
        timeout(CALL_TIMEOUT, both)
            .await
            .unwrap_or(Err(VaultError::TimedOut))
    }

    fn request(
        &self,
        endpoint: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<reqwest::Request, VaultError> {
        let built = endpoint.request(&self.base).and_then(|mut request| {
            self.dress.request(endpoint, &mut request)?;
            Ok(request)
        });
        // The error is not kept, because it may repeat the body.
        let request = built.map_err(|_| VaultError::Settings("the request cannot be built"))?;
        let mut request = request.map(|body| Bytes::from_owner(Zeroizing::new(body)));
        if let Some(token) = token {
            request.headers_mut().insert(X_VAULT_TOKEN, token.clone());
        }
        let mut request = reqwest::Request::try_from(request)
            .map_err(|_| VaultError::Settings("the request cannot be built"))?;
        // The request types leave a lone `?` behind when they have no parameters.
        if request.url().query() == Some("") {
            request.url_mut().set_query(None);
        }
        Ok(request)
    }
}

/// Whether the address is https. In clear only the machine itself is spoken to.
fn encrypted(address: &Uri) -> Result<bool, VaultError> {
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
        Some("http") if loopback(address.host()) => Ok(false),
        Some(_) | None => Err(VaultError::Settings(
            "the address is https; http is for loopback addresses only",
        )),
    }
}

fn loopback(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host)
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

fn client(
    roots: &[CertificateDer<'static>],
    https_only: bool,
) -> Result<reqwest::Client, VaultError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls(roots)?)
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

fn tls(roots: &[CertificateDer<'static>]) -> Result<ClientConfig, VaultError> {
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
    Ok(config.with_root_certificates(store).with_no_client_auth())
}

/// The body of an answer, in memory that is wiped; what the HTTP and TLS libraries buffer is not.
async fn body(response: &mut reqwest::Response) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    const TOO_LARGE: VaultError = VaultError::Malformed("it is too large");
    let announced = response.content_length().unwrap_or_default();
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > BODY_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whole seconds as in RFC 9110 section 10.2.3; the form with a date is not used by Vault.
fn retry_after(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds = header?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Whose fault a failed exchange is. The error itself goes no further: its texts repeat what the server sent.
fn fault(error: &reqwest::Error) -> VaultError {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &'static str, namespace: Option<&str>) -> Option<VaultError> {
        Wire::new(
            &Uri::from_static(address),
            &[],
            namespace.map(str::to_owned),
        )
        .err()
    }

    #[test]
    fn speaks_in_clear_with_the_machine_itself_only() {
        for address in [
            "http://127.0.0.1:8200",
            "http://127.8.0.1:8200/",
            "http://[::1]:8200",
        ] {
            assert_eq!(refusal(address, None), None, "{address}");
        }
        for address in [
            "http://vault.example.org:8200",
            "http://localhost:8200",
            "http://10.0.0.1:8200",
            "http://127.0.0.1.example.org",
        ] {
            let refused = refusal(address, None);
            assert!(
                matches!(refused, Some(VaultError::Settings(_))),
                "{address}"
            );
        }
    }

    #[test]
    fn an_address_has_no_user_no_path_and_no_query() {
        for address in [
            "http://user:pass@127.0.0.1:8200",
            "http://127.0.0.1:8200/vault",
            "http://127.0.0.1:8200/?a=b",
            "/v1",
        ] {
            let refused = refusal(address, None);
            assert!(
                matches!(refused, Some(VaultError::Settings(_))),
                "{address}"
            );
        }
    }

    #[test]
    fn an_https_address_needs_a_root() {
        assert!(refusal("https://127.0.0.1:8200", None).is_some());
    }

    #[test]
    fn a_namespace_is_a_plain_path() {
        assert_eq!(refusal("http://127.0.0.1:8200", Some("team/a")), None);
        assert_eq!(refusal("http://127.0.0.1:8200", Some("")), None);
        assert!(refusal("http://127.0.0.1:8200", Some("team\r\nx: y")).is_some());
        assert!(refusal("http://127.0.0.1:8200", Some("../root")).is_some());
    }

    #[test]
    fn a_rest_is_counted_in_seconds_and_bounded() {
        let parsed = |text| retry_after(Some(&HeaderValue::from_static(text)));
        assert_eq!(parsed("9"), Some(Duration::from_secs(9)));
        assert_eq!(parsed("86400"), Some(RETRY_AFTER_MAX));
        assert_eq!(parsed("-1"), None);
        assert_eq!(parsed("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after(None), None);
    }
}
