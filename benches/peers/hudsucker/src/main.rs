//! hudsucker as a peer: a library for intercepting proxies, with a policy and an injected header.
//!
//! It takes no mTLS, keeps no log and limits nothing. `hudsucker-peer PORT CERTS UPSTREAM`, as `floor`.

use std::{
    convert::Infallible,
    error::Error,
    fs,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hudsucker::{
    Body, HttpContext, HttpHandler, Proxy, RequestOrResponse,
    certificate_authority::RcgenAuthority,
    hyper::{Method, Request, Response, StatusCode, header},
    rcgen::{Issuer, KeyPair},
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject},
    },
};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use tower_service::Service;

#[derive(Clone)]
struct Policy;

impl HttpHandler for Policy {
    async fn handle_request(
        &mut self,
        _: &HttpContext,
        mut request: Request<Body>,
    ) -> RequestOrResponse {
        if request.method() == Method::CONNECT {
            return request.into();
        }
        let allowed = request.uri().host() == Some("api.example.test")
            && matches!(*request.method(), Method::GET | Method::POST)
            && !request.uri().path().starts_with("/denied");
        if !allowed {
            let mut refusal = Response::new(Body::empty());
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            return refusal.into();
        }
        let credential = header::HeaderValue::from_static("Bearer s3cret-upstream-token");
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, credential);
        request.into()
    }
}

/// Finds every host at one address.
#[derive(Clone)]
struct Pinned(SocketAddr);

impl Service<Name> for Pinned {
    type Response = std::iter::Once<SocketAddr>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        Box::pin(std::future::ready(Ok(std::iter::once(self.0))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, certs, upstream] = arguments.as_slice() else {
        return Err("usage: hudsucker-peer PORT CERTS UPSTREAM".into());
    };
    let key = KeyPair::from_pem(&fs::read_to_string(format!("{certs}/mitm-ca.key"))?)?;
    let ca = fs::read_to_string(format!("{certs}/mitm-ca.crt"))?;
    let authority = RcgenAuthority::new(
        Issuer::from_ca_cert_pem(&ca, key)?,
        1_000,
        aws_lc_rs::default_provider(),
    );
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(format!("{certs}/up-ca.crt"))? {
        roots.add(root?)?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new_with_resolver(Pinned(upstream.parse()?));
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let proxy = Proxy::builder()
        .with_addr(SocketAddr::from(([127, 0, 0, 1], port.parse()?)))
        .with_ca(authority)
        .with_http_connector(connector)
        .with_http_handler(Policy)
        .build()?;
    proxy.start().await?;
    Ok(())
}
