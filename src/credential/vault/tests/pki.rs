//! Authorities, certificates, signed tokens and a TLS server, all of a test's own.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls;

/// An authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "CA of a test");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            pem: certificate.pem(),
            certificate: certificate.into(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate under `name`, valid for these hosts, with its key.
    pub(super) fn signs(
        &self,
        name: &str,
        hosts: &[&str],
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (vec![certificate.into()], key.into())
    }

    /// What a client shows under `name`.
    pub(super) fn client(&self, name: &str) -> ClientCertificate {
        let (chain, key) = self.signs(name, &[]);
        ClientCertificate::new(chain, key).unwrap()
    }
}

/// A key that signs tokens.
pub(super) struct Signer(KeyPair);

impl Signer {
    pub(super) fn new() -> Signer {
        Signer(KeyPair::generate().unwrap())
    }

    pub(super) fn public_key(&self) -> String {
        self.0.public_key_pem()
    }

    /// A token with these claims, good for an hour.
    pub(super) fn signs(&self, mut claims: serde_json::Value) -> String {
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs();
        claims["iat"] = now.into();
        claims["nbf"] = now.into();
        claims["exp"] = (now + 3600).into();
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let head = encoded(r#"{"alg":"ES256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", encoded(&claims.to_string()));
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &self.0.serialize_der()).unwrap();
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A TLS server on loopback that shows this certificate and answers each request by `answer`; its port.
pub(super) async fn serve(
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> u16 {
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                // The requests of these tests come in few pieces, and what is looked at is in the first.
                let mut piece = vec![0; 16 * 1024];
                let length = stream.read(&mut piece).await.unwrap_or_default();
                let body = answer(&String::from_utf8_lossy(&piece[..length]));
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let length = body.len();
                let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}
