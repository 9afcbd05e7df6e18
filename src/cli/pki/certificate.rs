//! Authorities and the certificates they sign: ECDSA P-256, with every extension the gate asks for.
//!
//! Nothing here touches a file or a clock. An agent's certificate is an X509-SVID (SPIFFE X509-SVID 2 to 5). Every
//! certificate carries its own key identifier and its authority's (RFC 5280 4.2.1.1 and 4.2.1.2).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};
use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem};

use crate::{
    cli::Failure,
    identity::{SpiffeId, TrustDomain, certificate::only_uri},
    secret::Secret,
    target::Host,
};
/// How much earlier than asked for a certificate begins, for machines whose clock is behind.
const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// A certificate and its key, both as PEM.
pub(crate) struct Pair {
    /// The certificate, without its authority's.
    pub(crate) certificate: String,
    /// The key, PKCS #8.
    pub(crate) key: Secret,
}

/// What an authority is for; it decides its name and what it carries.
pub(crate) enum Purpose {
    /// It names the agents of one trust domain, and carries `spiffe://` and that name.
    Agents(TrustDomain),
    /// It names the gate.
    Gate,
    /// It mints the leaves of intercepted tunnels.
    Interception,
}

/// What a certificate is for.
pub(crate) enum Leaf<'a> {
    /// A TLS client: one agent, named by exactly one URI.
    Agent(&'a SpiffeId),
    /// A TLS server: the gate, under each of these names and addresses.
    Gate(&'a [Host]),
}

/// An authority that can sign: its certificate, its key and what it vouches for.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    ends: OffsetDateTime,
    trust_domain: Option<TrustDomain>,
}

impl Authority {
    /// A new authority that signs leaves only.
    pub(crate) fn create(
        purpose: &Purpose,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Authority, Failure> {
        let trust_domain = match purpose {
            Purpose::Agents(trust_domain) => Some(trust_domain.clone()),
            Purpose::Gate | Purpose::Interception => None,
        };
        let mut params = params(purpose.common_name(), now, until);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // What it signs is for servers, whoever else may come to trust it.
        if matches!(purpose, Purpose::Interception) {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        if let Some(trust_domain) = &trust_domain {
            params.subject_alt_names = vec![SanType::URI(ia5(&trust_domain.id())?)];
        }
        let key = KeyPair::generate().map_err(not_signed)?;
        let certificate = params.self_signed(&key).map_err(not_signed)?.pem();
        Ok(Authority {
            certificate,
            issuer: Issuer::new(params, key),
            ends: until,
            trust_domain,
        })
    }

    /// The agents' authority that an earlier run made.
    pub(crate) fn load(certificate: &str, key: &Secret) -> Result<Authority, Failure> {
        let unreadable = |what: &str| Failure::Run(format!("the agents' authority: {what}"));
        let key = KeyPair::from_pem(key.expose())
            .map_err(|_| unreadable("the key is not a PKCS #8 key in PEM"))?;
        let (_, pem) = parse_x509_pem(certificate.as_bytes())
            .map_err(|_| unreadable("the certificate is not PEM"))?;
        let x509 = pem
            .parse_x509()
            .map_err(|_| unreadable("the certificate is not X.509"))?;
        if x509.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(unreadable("the key is not that of the certificate"));
        }
        let trust_domain = trust_domain(&x509);
        let ends = x509.validity().not_after.to_datetime();
        let issuer = Issuer::from_ca_cert_pem(certificate, key).map_err(not_signed)?;
        Ok(Authority {
            certificate: certificate.to_owned(),
            issuer,
            ends,
            trust_domain,
        })
    }

    /// A certificate for a new key. Refuses an agent of another trust domain, and to outlive the authority.
    pub(crate) fn issue(
        &self,
        leaf: &Leaf<'_>,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Pair, Failure> {
        if until > self.ends {
            return Err(Failure::Usage(format!(
                "the certificate would outlive its authority, which ends at {}",
                self.ends
            )));
        }
        let mut params = params("tollgate development", now, until);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        match leaf {
            Leaf::Agent(id) => {
                self.check_trust_domain(id)?;
                params.subject_alt_names = vec![SanType::URI(ia5(id.as_str())?)];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
            Leaf::Gate(names) => {
                params.subject_alt_names =
                    names.iter().map(server_name).collect::<Result<_, _>>()?;
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
        }
        let key = KeyPair::generate().map_err(not_signed)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(not_signed)?
            .pem();
        Ok(Pair {
            certificate,
            key: Secret::new(key.serialize_pem()),
        })
    }

    /// The authority's own certificate and key.
    pub(crate) fn pair(&self) -> Pair {
        Pair {
            certificate: self.certificate.clone(),
            key: Secret::new(self.issuer.key().serialize_pem()),
        }
    }

    fn check_trust_domain(&self, id: &SpiffeId) -> Result<(), Failure> {
        let Some(own) = &self.trust_domain else {
            return Err(Failure::Usage(
                "the agents' authority names no trust domain".to_owned(),
            ));
        };
        if own.as_str() != id.trust_domain() {
            return Err(Failure::Usage(format!(
                "{id} is not in {own}, the trust domain of the agents' authority"
            )));
        }
        Ok(())
    }
}

impl Purpose {
    fn common_name(&self) -> &'static str {
        match self {
            Purpose::Agents(_) => "tollgate development agents CA",
            Purpose::Gate => "tollgate development gate CA",
            Purpose::Interception => "tollgate development interception CA",
        }
    }
}

fn params(common_name: &str, now: OffsetDateTime, until: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = now - CLOCK_SKEW;
    params.not_after = until;
    params.use_authority_key_identifier_extension = true;
    params
}

fn server_name(name: &Host) -> Result<SanType, Failure> {
    match name.ip() {
        Some(ip) => Ok(SanType::IpAddress(ip)),
        None => Ok(SanType::DnsName(ia5(name.as_str())?)),
    }
}

/// The trust domain that an authority's only URI names.
fn trust_domain(authority: &X509Certificate<'_>) -> Option<TrustDomain> {
    TrustDomain::parse_id(only_uri(authority)?).ok()
}

fn ia5(text: &str) -> Result<Ia5String, Failure> {
    Ia5String::try_from(text).map_err(not_signed)
}

fn not_signed(err: rcgen::Error) -> Failure {
    Failure::Run(format!("cannot make the certificate: {err}"))
}
