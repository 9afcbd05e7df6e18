//! The wire to Vault: what goes out on it, with whose namespace, and when it is said a second time.
//!
//! vaultrs' request types give path, method and body, and its middleware the API version, the namespace and
//! `X-Vault-Request`. Its executor is not used: that one follows redirects with the token, reads answers of any
//! size and loses `Retry-After`. What an answer means is not decided here.

mod link;
mod redirect;
mod repeat;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{HOST, LOCATION, RETRY_AFTER},
    uri::Authority,
};
use rustify::endpoint::{Endpoint, MiddleWare};
use tokio::time::{Instant, sleep, timeout};
use vaultrs::api::EndpointMiddleware;
use zeroize::Zeroizing;

pub(super) use self::repeat::Repeat;
use self::{
    link::{CALL_TIMEOUT, body, encrypted, fault},
    redirect::Redirects,
};
use super::{VaultSettings, envelope::Answer, error::VaultError, path};

/// A server that asks for a longer rest is asked again after this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// A longer state of the server is not kept.
const INDEX_BYTES_MAX: usize = 4096;

/// What the settings call the namespace that has no name.
const ROOT_NAMESPACE: &str = "root";

const X_VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const X_VAULT_INDEX: HeaderName = HeaderName::from_static("x-vault-index");
const X_VAULT_INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");
const FORWARD: HeaderValue = HeaderValue::from_static("forward-active-node");

/// A client for one Vault address and one namespace. It holds no token and opens no connection until it is asked.
pub(super) struct Wire {
    link: Arc<Link>,
    dress: EndpointMiddleware,
}

/// What the wires of one address have in common.
struct Link {
    http: reqwest::Client,
    base: String,
    /// What the server is called in HTTP, where it has another name in TLS.
    host: Option<HeaderValue>,
    redirects: Redirects,
    /// The latest state that the server was seen in: a standby that is behind it sends the question on.
    index: ArcSwapOption<HeaderValue>,
}

/// A question that brought no answer.
struct Failed {
    error: VaultError,
    /// The connection was not made, or it broke.
    broken: bool,
    /// The question may have come to the server.
    sent: bool,
}

impl Failed {
    /// The server answered, and what it said is of no use.
    fn answered(error: VaultError) -> Failed {
        Failed {
            error,
            broken: false,
            sent: true,
        }
    }

    fn unsent(error: VaultError) -> Failed {
        Failed {
            error,
            broken: false,
            sent: false,
        }
    }
}

impl Wire {
    /// A client for the secrets of `settings`, which trusts their roots and no others.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] says what cannot be used of them.
    pub(super) fn new(settings: &VaultSettings) -> Result<Wire, VaultError> {
        let is_encrypted = encrypted(&settings.address)?;
        let (base, host) = names(&settings.address, settings.server_name.as_deref())?;
        let link = Link {
            http: link::client(settings)?,
            base,
            host,
            redirects: Redirects::to(&settings.redirects, is_encrypted)?,
            index: ArcSwapOption::empty(),
        };
        Wire::over(Arc::new(link), settings.namespace.as_deref())
    }

    /// The same for another namespace.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] when it is not a plain path.
    pub(super) fn within(&self, namespace: Option<&str>) -> Result<Wire, VaultError> {
        Wire::over(Arc::clone(&self.link), namespace)
    }

    fn over(link: Arc<Link>, namespace: Option<&str>) -> Result<Wire, VaultError> {
        let namespace = namespace.filter(|name| !matches!(*name, "" | ROOT_NAMESPACE));
        if namespace.is_some_and(|name| !path::plain(name)) {
            return Err(VaultError::Settings("the namespace is not a plain path"));
        }
        let dress = EndpointMiddleware {
            // The token goes in as a header marked sensitive, which this middleware does not do.
            token: String::new(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: namespace.map(str::to_owned),
        };
        Ok(Wire { link, dress })
    }

    /// Sends one request and reads its answer, whatever the status.
    pub(super) async fn ask(
        &self,
        endpoint: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<Answer, VaultError> {
        let answer = self.try_ask(endpoint, token).await;
        answer.map_err(|failed| failed.error)
    }

    /// Like [`Wire::ask`] for a question that changes nothing: once more when the connection broke or the server
    /// says that another moment is better.
    pub(super) async fn ask_twice(
        &self,
        endpoint: &impl Endpoint,
        token: &HeaderValue,
    ) -> Result<Answer, VaultError> {
        self.ask_again(endpoint, token, Repeat::Freely).await
    }

    /// Like [`Wire::ask`], and once more if `repeat` allows it, in the time of one call.
    pub(super) async fn ask_again(
        &self,
        endpoint: &impl Endpoint,
        token: &HeaderValue,
        repeat: Repeat,
    ) -> Result<Answer, VaultError> {
        let begin = Instant::now();
        let both = async {
            let first = self.try_ask(endpoint, Some(token)).await;
            let left = CALL_TIMEOUT.saturating_sub(begin.elapsed());
            match repeat.pause(&first, left) {
                None => first.map_err(|failed| failed.error),
                Some(pause) => {
                    sleep(pause).await;
                    self.ask(endpoint, Some(token)).await
                }
            }
        };
        timeout(CALL_TIMEOUT, both)
            .await
            .unwrap_or(Err(VaultError::TimedOut))
    }

    async fn try_ask(
        &self,
        endpoint: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<Answer, Failed> {
        let request = self.request(endpoint, token).map_err(Failed::unsent)?;
        let mut response = self.link.send(request).await?;
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers().get(RETRY_AFTER)),
            body: body(&mut response).await?,
        })
    }

    fn request(
        &self,
        endpoint: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<reqwest::Request, VaultError> {
        let built = endpoint.request(&self.link.base).and_then(|mut request| {
            self.dress.request(endpoint, &mut request)?;
            Ok(request)
        });
        // The error is not kept, because it may repeat the body.
        let request = built.map_err(|_| VaultError::Settings("the request cannot be built"))?;
        let mut request = request.map(|body| Bytes::from_owner(Zeroizing::new(body)));
        self.link.dress(request.headers_mut(), token);
        let mut request = reqwest::Request::try_from(request)
            .map_err(|_| VaultError::Settings("the request cannot be built"))?;
        // The request types leave a lone `?` behind when they have no parameters.
        if request.url().query() == Some("") {
            request.url_mut().set_query(None);
        }
        Ok(request)
    }
}

impl Link {
    fn dress(&self, headers: &mut HeaderMap, token: Option<&HeaderValue>) {
        if let Some(token) = token {
            headers.insert(X_VAULT_TOKEN, token.clone());
        }
        if let Some(host) = &self.host {
            headers.insert(HOST, host.clone());
        }
        if let Some(index) = self.index.load_full() {
            headers.insert(X_VAULT_INDEX, (*index).clone());
            headers.insert(X_VAULT_INCONSISTENT, FORWARD);
        }
    }

    /// The head of the answer; one redirect to a known server is followed on the way.
    async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, Failed> {
        let again = match self.redirects.none() {
            true => None,
            false => request.try_clone(),
        };
        let response = self.exchange(request).await?;
        let sent_on = again.and_then(|mut again| {
            let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes);
            let status = response.status().as_u16();
            *again.url_mut() = self.redirects.follow(status, location, again.url())?;
            again.headers_mut().remove(HOST);
            Some(again)
        });
        match sent_on {
            Some(again) => self.exchange(again).await,
            None => Ok(response),
        }
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<reqwest::Response, Failed> {
        let response = self.http.execute(request).await;
        let response = response.map_err(|error| fault(&error))?;
        if let Some(index) = response.headers().get(X_VAULT_INDEX)
            && index.len() <= INDEX_BYTES_MAX
        {
            self.index.store(Some(Arc::new(index.clone())));
        }
        Ok(response)
    }
}

/// Where requests go, and what `Host` they carry if that is another name.
fn names(
    address: &Uri,
    server_name: Option<&str>,
) -> Result<(String, Option<HeaderValue>), VaultError> {
    let (Some(name), Some(authority)) = (server_name, address.authority()) else {
        return Ok((address.to_string(), None));
    };
    let unusable = |_| VaultError::Settings("the server's name cannot be used");
    let renamed = match authority.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    let renamed: Authority = renamed.parse().map_err(unusable)?;
    let scheme = address.scheme_str().unwrap_or_default();
    let host = HeaderValue::from_str(authority.as_str())
        .map_err(|_| VaultError::Settings("the address cannot be used"))?;
    Ok((format!("{scheme}://{renamed}/"), Some(host)))
}

/// Whole seconds as in RFC 9110 section 10.2.3; the form with a date is not used by Vault.
fn retry_after(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds = header?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
