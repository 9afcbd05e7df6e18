use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use super::*;

fn init(dir: &TempDir) -> Init {
    Init {
        dir: dir.path().to_owned(),
        trust_domain: TrustDomain::parse("example.org").unwrap(),
        gate_names: vec![],
        force: false,
    }
}

fn issue(dir: &TempDir, id: &str) -> Issue {
    Issue {
        id: SpiffeId::parse(id).unwrap(),
        dir: dir.path().to_owned(),
        ttl: Duration::from_hours(1),
        days: None,
        out: None,
        force: false,
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn certificate(dir: &TempDir, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(dir.path().join(format!("{name}.crt"))).unwrap()
}

/// What each extension says, in the order of the certificate.
fn extensions(der: &CertificateDer<'_>) -> Vec<String> {
    let (_, x509) = X509Certificate::from_der(der).unwrap();
    let mut said: Vec<String> = x509
        .iter_extensions()
        .map(|extension| match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(bc) => {
                format!("ca={} pathlen={:?}", bc.ca, bc.path_len_constraint)
            }
            ParsedExtension::KeyUsage(usage) => usage.to_string(),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                format!(
                    "client={} server={} any={}",
                    usage.client_auth, usage.server_auth, usage.any
                )
            }
            ParsedExtension::SubjectAlternativeName(names) => names
                .general_names
                .iter()
                .map(general_name)
                .collect::<Vec<_>>()
                .join(" "),
            ParsedExtension::AuthorityKeyIdentifier(_) => "aki".to_owned(),
            ParsedExtension::SubjectKeyIdentifier(_) => "ski".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    said.sort();
    said
}

fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::URI(uri) => format!("uri:{uri}"),
        GeneralName::DNSName(dns) => format!("dns:{dns}"),
        GeneralName::IPAddress(bytes) => format!("ip:{}", bytes.len()),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_agents_certificate_says_who_it_is_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    issue(&dir, "spiffe://example.org/agent/triage")
        .write(now())
        .unwrap();
    assert_eq!(
        extensions(&certificate(&dir, "triage")),
        [
            "Digital Signature",
            "aki",
            "ca=false pathlen=None",
            "client=true server=false any=false",
            "ski",
            "uri:spiffe://example.org/agent/triage",
        ]
    );
}

#[test]
fn authorities_sign_leaves_only_and_the_agents_one_names_its_trust_domain() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    let common = [
        "Key Cert Sign, CRL Sign",
        "aki",
        "ca=true pathlen=Some(0)",
        "ski",
    ];
    let interception = [&common[..3], &["client=false server=true any=false", "ski"]].concat();
    assert_eq!(
        extensions(&certificate(&dir, INTERCEPTION_CA)),
        interception
    );
    assert_eq!(extensions(&certificate(&dir, GATE_CA)), common);
    let agents = [&common[..], &["uri:spiffe://example.org"]].concat();
    assert_eq!(extensions(&certificate(&dir, AGENTS_CA)), agents);
}

#[test]
fn the_gates_certificate_carries_every_name_once() {
    let dir = tempfile::tempdir().unwrap();
    let gate_names = ["gate.example.org", "LOCALHOST", "::1", "192.0.2.1"];
    let gate_names = gate_names
        .map(|name| name_or_address(name).unwrap())
        .to_vec();
    Init {
        gate_names,
        ..init(&dir)
    }
    .write(now())
    .unwrap();
    assert_eq!(
        extensions(&certificate(&dir, GATE)),
        [
            "Digital Signature",
            "aki",
            "ca=false pathlen=None",
            "client=false server=true any=false",
            "dns:localhost ip:4 ip:16 dns:gate.example.org ip:4",
            "ski",
        ]
    );
}

#[test]
fn an_agents_certificate_is_good_for_its_own_authority_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    issue(&dir, "spiffe://example.org/agent/triage")
        .write(now())
        .unwrap();
    for (authority, good) in [
        (AGENTS_CA, true),
        (GATE_CA, false),
        (INTERCEPTION_CA, false),
    ] {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&dir, authority)).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let verdict =
            verifier.verify_client_cert(&certificate(&dir, "triage"), &[], UnixTime::now());
        assert_eq!(verdict.is_ok(), good, "{authority}");
    }
}

#[test]
fn a_certificate_is_valid_for_as_long_as_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let now = now().replace_nanosecond(0).unwrap();
    init(&dir).write(now).unwrap();
    let two_days = Issue {
        days: Some(2),
        ..issue(&dir, "spiffe://example.org/x")
    };
    two_days.write(now).unwrap();
    let der = certificate(&dir, "x");
    let (_, x509) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(
        x509.validity().not_before.to_datetime(),
        now - Duration::from_mins(5)
    );
    assert_eq!(
        x509.validity().not_after.to_datetime(),
        now + Duration::from_hours(48)
    );
}

#[test]
fn keys_are_their_owners_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = init(&dir).write(now()).unwrap();
    written.extend(issue(&dir, "spiffe://example.org/x").write(now()).unwrap());
    let keys: Vec<_> = written
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "key"))
        .collect();
    assert_eq!(keys.len(), 5);
    for path in keys {
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
}

#[test]
fn nothing_is_overwritten_and_everything_in_the_way_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["gate.crt", "interception-ca.key"] {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    let Err(Failure::Run(said)) = init(&dir).write(now()) else {
        panic!("written over what was there");
    };
    assert!(
        said.contains("gate.crt") && said.contains("interception-ca.key"),
        "{said}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    assert_eq!(
        fs::read_to_string(dir.path().join("gate.crt")).unwrap(),
        "mine"
    );
}

#[test]
fn force_replaces_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    let before = certificate(&dir, AGENTS_CA);
    let again = Init {
        force: true,
        ..init(&dir)
    };
    assert_eq!(again.write(now()).unwrap().len(), 8);
    assert_ne!(certificate(&dir, AGENTS_CA), before);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 8);
}

#[test]
fn refuses_an_agent_that_the_authority_does_not_vouch_for() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    for id in [
        "spiffe://example.com/agent/triage",
        "spiffe://sub.example.org/agent/triage",
    ] {
        assert!(
            matches!(issue(&dir, id).write(now()), Err(Failure::Usage(_))),
            "{id}"
        );
    }
}

#[test]
fn refuses_to_replace_an_authority_by_an_agents_certificate() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    let named_like_it = Issue {
        force: true,
        ..issue(&dir, "spiffe://example.org/agents-ca")
    };
    assert!(matches!(named_like_it.write(now()), Err(Failure::Usage(_))));
    for out in ["gate", "../x", ""] {
        let out = Some(out.to_owned());
        let told_to = Issue {
            force: true,
            out,
            ..issue(&dir, "spiffe://example.org/x")
        };
        assert!(matches!(told_to.write(now()), Err(Failure::Usage(_))));
    }
}

#[test]
fn refuses_to_outlive_the_authority() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now() - Duration::from_secs(1)).unwrap();
    let too_long = Issue {
        days: Some(365),
        ..issue(&dir, "spiffe://example.org/x")
    };
    assert!(matches!(too_long.write(now()), Err(Failure::Usage(_))));
}

#[test]
fn refuses_a_key_that_is_not_the_authoritys() {
    let dir = tempfile::tempdir().unwrap();
    init(&dir).write(now()).unwrap();
    fs::copy(
        dir.path().join("gate-ca.key"),
        dir.path().join("agents-ca.key"),
    )
    .unwrap();
    assert!(matches!(
        issue(&dir, "spiffe://example.org/x").write(now()),
        Err(Failure::Run(_))
    ));
}

#[test]
fn a_time_is_a_number_and_a_unit() {
    for (text, seconds) in [("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
        assert_eq!(validity(text), Ok(Duration::from_secs(seconds)));
    }
    for text in [
        "",
        "24",
        "h",
        "0h",
        "-1h",
        "1.5h",
        "24 h",
        "1w",
        "1é",
        "99999999999d",
        "4294967295d",
        "366d",
    ] {
        assert!(validity(text).is_err(), "{text}");
    }
}
