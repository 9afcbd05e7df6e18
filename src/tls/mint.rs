//! Certificates for the inside of tunnels, signed by the interception authority.
//!
//! One key for the process, one short-lived leaf a host with that host as its only name, and its ready server
//! configuration kept in a bounded cache. Each configuration answers to its own host only: a handshake that names
//! another is refused by an alert.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SigningKey},
    version::{TLS12, TLS13},
};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;

use super::{
    stores::{self, StoreError},
    validity::Validity,
};
use crate::{metrics::Counter, target::Host};

/// How long a leaf holds.
const LEAF_LIFETIME: Duration = Duration::hours(24);
/// How long a leaf is shown before a new one is made.
const LEAF_USE: Duration = Duration::hours(12);
/// How far back a leaf begins, for clients whose clock is behind.
const LEAF_SKEW: Duration = Duration::hours(1);
/// Hosts whose configuration is kept.
const HOSTS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Of these, hosts whose leaf was made for one role: an agent under a wildcard asks for as many names as it likes, and
/// above this pushes out its own role's.
const HOSTS_OF_ROLE_MAX: usize = 256;

/// Makes leaf certificates.
pub(crate) struct Mint {
    issuer: Issuer<'static, KeyPair>,
    authority: CertificateDer<'static>,
    /// When the authority holds.
    holds: Validity,
    leaf_key: KeyPair,
    /// The same key, as handshakes use it.
    signing_key: Arc<dyn SigningKey>,
    provider: Arc<CryptoProvider>,
    kept: Mutex<LruCache<Host, Kept>>,
    minted: Counter,
}

#[derive(Clone)]
struct Kept {
    config: Arc<ServerConfig>,
    until: OffsetDateTime,
    /// The role for which it was made.
    role: Arc<str>,
}

/// The interception authority cannot be used, or a leaf could not be made.
#[derive(Debug)]
pub(crate) struct MintError(String);

impl std::fmt::Display for MintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MintError {}

impl From<StoreError> for MintError {
    fn from(error: StoreError) -> MintError {
        MintError(error.to_string())
    }
}

impl From<rcgen::Error> for MintError {
    fn from(error: rcgen::Error) -> MintError {
        MintError(format!("a certificate could not be made: {error}"))
    }
}

impl From<rustls::Error> for MintError {
    fn from(error: rustls::Error) -> MintError {
        MintError(format!("a certificate could not be used: {error}"))
    }
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mint(..)")
    }
}

impl Mint {
    /// A mint for the authority whose certificate and key stand in these files.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Mint, MintError> {
        let authority = stores::certificates(certificate)?
            .into_iter()
            .next()
            .ok_or(MintError(String::new()))?;
        let key = KeyPair::from_pem(&stores::private_text(key)?)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&authority).map_err(|_| {
            MintError(format!(
                "{}: the certificate cannot be read",
                certificate.display()
            ))
        })?;
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(MintError(format!(
                "{}: the key is not this certificate's",
                certificate.display()
            )));
        }
        if !is_authority(&parsed) {
            return Err(MintError(format!(
                "{}: this certificate is no authority's (CA:TRUE, and a key usage to sign certificates); `tollgate pki init` makes one",
                certificate.display()
            )));
        }
        let holds = Validity::of_all(std::slice::from_ref(&authority), certificate)?;
        let (provider, leaf_key) = (super::provider(), KeyPair::generate()?);
        let signing_key = PrivateKeyDer::try_from(leaf_key.serialize_der())
            .map_err(|error| MintError(error.to_owned()))?;
        let signing_key = provider.key_provider.load_private_key(signing_key)?;
        Ok(Mint {
            issuer: Issuer::from_ca_cert_der(&authority, key)?,
            holds,
            authority,
            leaf_key,
            signing_key,
            provider,
            kept: Mutex::new(LruCache::new(HOSTS_MAX)),
            minted: Counter::default(),
        })
    }

    /// The configuration that shows a leaf for `host`; it is kept only for a role, so that hosts which an agent merely
    /// asks about push none out that are used.
    pub(crate) fn config(
        &self,
        host: &Host,
        keep_for: Option<&Arc<str>>,
    ) -> Result<Arc<ServerConfig>, MintError> {
        let now = OffsetDateTime::now_utc();
        // By a clock that is wrong a leaf would be made for a time that is not, or for one after the authority's end.
        if !self.holds.covers(now) {
            return Err(MintError(format!(
                "the interception authority holds from {} until {}, and it is {now}",
                self.holds.from, self.holds.until
            )));
        }
        if let Some(kept) = self.kept().get(host).filter(|kept| now < kept.until) {
            return Ok(kept.config.clone());
        }
        let config = Arc::new(self.make(host, now)?);
        if let Some(role) = keep_for {
            let kept = Kept {
                config: config.clone(),
                until: now + LEAF_USE,
                role: role.clone(),
            };
            keep(&mut self.kept(), host, kept);
        }
        Ok(config)
    }

    /// The authority's certificate.
    pub(crate) fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// When the authority ends.
    pub(crate) fn authority_ends(&self) -> OffsetDateTime {
        self.holds.until
    }

    /// Leaves made so far.
    pub(crate) fn minted(&self) -> u64 {
        self.minted.so_far()
    }

    fn make(&self, host: &Host, now: OffsetDateTime) -> Result<ServerConfig, MintError> {
        let leaf = self.leaf(host, now)?;
        self.minted.count();
        let chain = vec![leaf, self.authority.clone()];
        let shown = Arc::new(CertifiedKey::new(chain, self.signing_key.clone()));
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OneHost {
                host: host.clone(),
                shown,
            }));
        config.alpn_protocols = vec![super::ALPN.to_vec()];
        config.ignore_client_order = true;
        Ok(config)
    }

    /// A leaf as strict clients want it (RFC 5280 sections 4.2.1.1 to 4.2.1.3, 4.2.1.6): one name, the identifiers of its
    /// own key and of its authority's, a serial of its own.
    fn leaf(&self, host: &Host, now: OffsetDateTime) -> Result<CertificateDer<'static>, MintError> {
        let mut params = CertificateParams::new(vec![host.as_str().to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        if host.as_str().len() <= COMMON_NAME_MAX {
            params
                .distinguished_name
                .push(DnType::CommonName, host.as_str());
        }
        params.not_before = now - LEAF_SKEW;
        params.not_after = (now + LEAF_LIFETIME).min(self.holds.until);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        Ok(params
            .signed_by(&self.leaf_key, &self.issuer)?
            .der()
            .clone())
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<Host, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a configuration; if its role has as many as it may, the one of them that was not used for the longest time goes.
fn keep(cache: &mut LruCache<Host, Kept>, host: &Host, kept: Kept) {
    let of_role = cache.iter().filter(|(_, other)| other.role == kept.role);
    let (mut count, mut last) = (0, None);
    for (other, _) in of_role {
        count += 1;
        last = Some(other);
    }
    if let Some(last) = last.filter(|_| count >= HOSTS_OF_ROLE_MAX).cloned() {
        cache.pop(&last);
    }
    cache.put(host.clone(), kept);
}

/// Whether a certificate may sign others (RFC 5280 sections 4.2.1.3 and 4.2.1.9): clients refuse what another one signed.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let signs = match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    certificate.is_ca() && signs
}

/// The longest common name (RFC 5280, upper bound `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;

/// 126 random bits, positive as RFC 5280 section 4.1.2.2 asks.
fn serial() -> Result<SerialNumber, MintError> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| MintError("no random bytes can be had".to_owned()))?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

/// Shows one host's leaf, to handshakes that name this host or none.
#[derive(Debug)]
struct OneHost {
    host: Host,
    shown: Arc<CertifiedKey>,
}

impl ResolvesServerCert for OneHost {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        names(&self.host, &hello).then(|| self.shown.clone())
    }
}

/// Whether a handshake names `host`, or no host at all (some clients send no SNI).
pub(crate) fn names(host: &Host, hello: &ClientHello<'_>) -> bool {
    hello
        .server_name()
        .is_none_or(|name| Host::parse(name).is_ok_and(|named| named == *host))
}

#[cfg(test)]
mod tests {
    use std::{fs, ops::Range, os::unix::fs::PermissionsExt as _};

    use super::*;

    /// A mint whose authority holds between these days from now.
    fn holding(days: Range<i64>) -> Mint {
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = now + Duration::days(days.start);
        params.not_after = now + Duration::days(days.end);
        let key = KeyPair::generate().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let [certificate_file, key_file] =
            ["ca.crt", "ca.key"].map(|name| directory.path().join(name));
        fs::write(&certificate_file, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
        Mint::load(&certificate_file, &key_file).unwrap()
    }

    #[test]
    fn no_leaf_is_made_outside_the_time_of_the_authority() {
        let host = Host::parse("api.a.test").unwrap();
        assert!(holding(-1..1).config(&host, None).is_ok());
        for days in [-2..-1, 1..2] {
            let mint = holding(days);
            assert!(mint.config(&host, None).is_err());
            assert_eq!(mint.minted(), 0);
        }
    }
}
