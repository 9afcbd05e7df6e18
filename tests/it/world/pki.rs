//! The certificates of a world: five authorities that know nothing of each other, and what they sign.

use std::{net::IpAddr, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList,
    CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, RevokedCertParams, SanType, SigningKey as _,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use time::{Duration, OffsetDateTime};

/// The trust domain of every agent that a test does not say otherwise about.
pub(crate) const TRUST_DOMAIN: &str = "td.test";

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) certificate: rcgen::Certificate,
    key: KeyPair,
    params: CertificateParams,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        Authority::changed(name, |_| {})
    }

    /// One that was made with this change.
    pub(crate) fn changed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Authority {
        let params = authority_params(name, change);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            certificate,
            key,
            params,
        }
    }

    /// An authority that this one vouches for, made with this change.
    pub(crate) fn intermediate(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Authority {
        let params = authority_params(name, change);
        let Identity { certificate, key } = self.sign(&params);
        Authority {
            certificate,
            key,
            params,
        }
    }

    /// Another certificate of the same key (PEM).
    pub(crate) fn under_another_name(&self, name: &str) -> String {
        let params = authority_params(name, |_| {});
        params.self_signed(&self.key).unwrap().pem()
    }

    /// The authority with its own key where an agent is expected.
    pub(crate) fn as_an_agent(&self) -> Identity {
        Identity {
            certificate: self.certificate.clone(),
            key: KeyPair::try_from(self.key.serialize_der()).unwrap(),
        }
    }

    /// Its signature under these bytes.
    pub(super) fn signature(&self, bytes: &[u8]) -> Vec<u8> {
        self.key.sign(bytes).unwrap()
    }

    /// Signs what `params` asks for, however odd.
    pub(crate) fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Identity { certificate, key }
    }

    /// Signs it for a key of which nobody has to have the other half.
    pub(crate) fn sign_key(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> CertificateDer<'static> {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().der().clone()
    }

    /// A server's certificate for names and addresses.
    pub(crate) fn server(&self, names: &[&str]) -> Identity {
        self.sign(&server_params(names))
    }

    /// The end of the authority's own certificate.
    pub(crate) fn not_after(&self) -> OffsetDateTime {
        self.params.not_after
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// The list of the certificates that it takes back (PEM).
    pub(crate) fn revokes(&self, identities: &[&Identity]) -> String {
        self.list_of(identities, |_| {}).pem().unwrap()
    }

    /// The same, made with this change.
    pub(crate) fn list_of(
        &self,
        identities: &[&Identity],
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> CertificateRevocationList {
        let now = OffsetDateTime::now_utc();
        let revoked = |identity: &&Identity| {
            let (_, parsed) =
                x509_parser::parse_x509_certificate(identity.certificate.der()).unwrap();
            RevokedCertParams {
                serial_number: parsed.raw_serial().to_vec().into(),
                revocation_time: now,
                reason_code: None,
                invalidity_date: None,
            }
        };
        let mut list = CertificateRevocationListParams {
            this_update: now - Duration::hours(1),
            next_update: now + Duration::days(1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: identities.iter().map(revoked).collect(),
            key_identifier_method: self.params.key_identifier_method.clone(),
        };
        change(&mut list);
        let issuer = Issuer::from_params(&self.params, &self.key);
        list.signed_by(&issuer).unwrap()
    }

    /// Writes `name.crt` and `name.key`.
    pub(crate) fn write(&self, dir: &Path, name: &str) {
        std::fs::write(dir.join(format!("{name}.crt")), self.certificate.pem()).unwrap();
        write_private(&dir.join(format!("{name}.key")), &self.key.serialize_pem());
    }
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Identity {
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// The SHA-256 fingerprint of the certificate, in lower-case hex.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.certificate.der());
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Writes `name.crt` and `name.key`.
    pub(crate) fn write(&self, dir: &Path, name: &str) {
        std::fs::write(dir.join(format!("{name}.crt")), self.certificate.pem()).unwrap();
        write_private(&dir.join(format!("{name}.key")), &self.key.serialize_pem());
    }
}

/// The authorities of one world.
pub(crate) struct Pki {
    pub(crate) agents: Authority,
    pub(crate) gates: Authority,
    pub(crate) interception: Authority,
    pub(crate) upstreams: Authority,
    vaults: Authority,
}

impl Pki {
    pub(crate) fn new() -> Pki {
        Pki {
            agents: Authority::new("agents CA"),
            gates: Authority::new("gates CA"),
            interception: Authority::new("interception CA"),
            upstreams: Authority::new("upstreams CA"),
            vaults: Authority::new("vaults CA"),
        }
    }

    /// Writes what the gate's settings name, and what other programs need to call through it.
    pub(crate) fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        self.agents.write(dir, "agents-ca");
        self.gates.write(dir, "gates-ca");
        self.interception.write(dir, "interception-ca");
        self.upstreams.write(dir, "upstream-ca");
        self.vaults.write(dir, "vault-ca");
        self.gates
            .server(&["localhost", "gate.test", "127.0.0.1"])
            .write(dir, "gate");
    }

    /// The TLS side of a Vault.
    pub(crate) fn vault_server(&self) -> ServerConfig {
        server_config(&self.vaults.server(&["127.0.0.1"]))
    }

    /// Who vouches for a Vault.
    pub(crate) fn vaults(&self) -> &Authority {
        &self.vaults
    }

    /// The certificate of the agent that plays `role`.
    pub(crate) fn agent(&self, role: &str) -> Identity {
        self.agents.sign(&agent_params(&[&spiffe_id(role)]))
    }
}

/// The identity of the agent that plays `role`.
pub(crate) fn spiffe_id(role: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/agent/{role}")
}

/// What a good agent certificate asks for; tests of bad ones change one thing.
pub(crate) fn agent_params(uris: &[&str]) -> CertificateParams {
    let mut params = named("agent");
    params.subject_alt_names = uris
        .iter()
        .map(|uri| SanType::URI((*uri).try_into().unwrap()))
        .collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// What a good server certificate asks for.
pub(crate) fn server_params(names: &[&str]) -> CertificateParams {
    let mut params = named("server");
    params.subject_alt_names = names.iter().map(|name| server_name(name)).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn server_name(name: &str) -> SanType {
    match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }
}

/// What an authority that signs leaves only asks for, but for this change.
fn authority_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    change(&mut params);
    params
}

/// Valid from an hour ago, for a day.
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(1);
    params
}

/// A TLS client that trusts `roots` and shows `identity`.
pub(crate) fn client_config(roots: RootCertStore, identity: Option<&Identity>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain(), identity.private_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// A TLS client that trusts `roots` and shows this chain, whatever is in it.
pub(crate) fn client_showing(
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
) -> ClientConfig {
    let shown = Arc::new(CertifiedKey::new(chain, signing_key(key)));
    let mut config = client_config(roots, None);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown));
    config
}

/// A TLS server that shows this chain, whatever is in it.
pub(crate) fn server_showing(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let shown = Arc::new(CertifiedKey::new(chain, signing_key(key)));
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
}

/// What signs with `key`.
pub(crate) fn signing_key(key: &KeyPair) -> Arc<dyn rustls::sign::SigningKey> {
    let der = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    provider().key_provider.load_private_key(der).unwrap()
}

/// A TLS server that shows `identity` and speaks HTTP/1.1.
pub(crate) fn server_config(identity: &Identity) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain(), identity.private_key())
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
