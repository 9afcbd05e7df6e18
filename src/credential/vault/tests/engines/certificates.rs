//! Certificates for keys of the gate's own, signed by the PKI engine.

use std::time::SystemTime;

use rustls::{
    RootCertStore,
    pki_types::{UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tokio::time::{advance, pause, resume, timeout};
use x509_parser::parse_x509_certificate;

use super::{
    super::double::{Double, Reply},
    *,
};
use crate::{
    credential::{Entry, LeaseInfo, LeaseNames, Source},
    inject::placement::Placement,
    secret::{Certificate, Class, Lease},
};

const POLICY: &str = r#"path "pki/sign/gate" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }"#;
const MINUTE: Duration = Duration::from_secs(60);
const NAME: &str = "gate.example.org";

fn engine() -> Engine {
    Engine::Certificate(CertificateRole {
        mount: "pki".into(),
        role: "gate".into(),
        common_name: NAME.into(),
        ttl: MINUTE * 10,
    })
}

/// A server whose engine signs for the gate with an authority that a root vouches for; and that root.
async fn world(role: serde_json::Value) -> (World, CertificateDer<'static>) {
    let world = World::allowing(POLICY).await;
    world.server.mount("root", "pki").await;
    world.server.mount("pki", "pki").await;
    let named = |name: &str| json!({ "common_name": name, "key_type": "ec", "ttl": "24h" });
    let root = world.write("root/root/generate/internal", named("root"));
    let root = root.await["certificate"].as_str().unwrap().to_owned();
    let asked = world.write("pki/intermediate/generate/internal", named("issuer"));
    let mut body = named("issuer");
    body["csr"] = asked.await["csr"].clone();
    let signed = world.write("root/root/sign-intermediate", body).await;
    let chain = format!("{}\n{root}", signed["certificate"].as_str().unwrap());
    world
        .write(
            "pki/intermediate/set-signed",
            json!({ "certificate": chain }),
        )
        .await;
    let mut of_all = json!({
        "allowed_domains": NAME, "allow_bare_domains": true, "server_flag": false,
        "key_type": "ec", "max_ttl": "1h",
    });
    let more = role.as_object().unwrap().clone();
    of_all.as_object_mut().unwrap().extend(more);
    world.write("pki/roles/gate", of_all).await;
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    (world, root)
}

fn certificate(fetched: &Fetched) -> Arc<Certificate> {
    fetched.value.certificate().unwrap().clone()
}

fn entry(world: &World) -> Entry {
    let source = Source::Vault {
        vault: world.vault.clone(),
        engine: engine(),
    };
    let names = LeaseNames::random().unwrap();
    Entry::new(source, Placement::ClientCertificate, MINUTE * 60, names)
}

fn serial(lease: &Lease) -> Vec<u8> {
    let shown = lease.value().certificate().unwrap().shown().clone();
    let (_, parsed) = parse_x509_certificate(&shown.cert[0]).unwrap();
    parsed.raw_serial().to_vec()
}

#[tokio::test]
async fn v19_a_certificate_ends_when_it_says_so_itself() {
    let (world, root) = world(json!({})).await;
    let fetched = world.vault.fetch(&engine()).await.unwrap();
    let End::After(left) = fetched.end else {
        panic!("{:?}", fetched.end);
    };
    assert!(left > MINUTE * 9 && left <= MINUTE * 10, "{left:?}");
    let certificate = certificate(&fetched);
    assert!(certificate.left(SystemTime::now()) <= left);
    let [leaf, issuer] = &*certificate.shown().cert else {
        panic!("the chain is without its root");
    };
    let (_, parsed) = parse_x509_certificate(leaf).unwrap();
    assert_eq!(parsed.subject().to_string(), format!("CN={NAME}"));
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
    let verifier = verifier.build().unwrap();
    let verified = verifier.verify_client_cert(leaf, std::slice::from_ref(issuer), UnixTime::now());
    assert!(verified.is_ok(), "{verified:?}");
}

#[tokio::test]
async fn v19_a_certificate_is_replaced_in_its_last_fifth_by_one_for_another_key() {
    let (world, _) = world(json!({})).await;
    let entry = entry(&world);
    let first = entry.lease(MINUTE).await.unwrap();
    assert_eq!(first.class(), Class::Dynamic);
    later(MINUTE * 7).await;
    let same = entry.lease(MINUTE).await.unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    later(MINUTE * 2).await;
    let next = async {
        loop {
            let lease = entry.lease(MINUTE).await.unwrap();
            if lease.generation() != first.generation() {
                break lease;
            }
            tokio::task::yield_now().await;
        }
    };
    let second = timeout(MINUTE / 6, next).await.expect("another one");
    assert_ne!(serial(&first), serial(&second));
    let keys = [&first, &second].map(|lease| {
        let shown = lease.value().certificate().unwrap().shown().clone();
        shown.key.public_key().unwrap().to_vec()
    });
    assert_ne!(keys[0], keys[1]);
}

/// Moves the gate's clock, not the server's.
async fn later(by: Duration) {
    pause();
    advance(by).await;
    resume();
}

#[tokio::test]
async fn a_certificate_that_is_leased_besides_is_revoked_when_it_is_given_up() {
    let (world, _) = world(json!({ "generate_lease": true })).await;
    let entry = entry(&world);
    let lease = entry.lease(MINUTE).await.unwrap();
    let serial: Vec<_> = serial(&lease)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = format!("pki/cert/{}", serial.join(":"));
    let revoked = async || world.server.read(&path).await["revocation_time"].as_i64();
    assert_eq!(revoked().await, Some(0));
    entry.want(false);
    let gone = async { while revoked().await == Some(0) {} };
    assert!(timeout(MINUTE / 6, gone).await.is_ok(), "it is not revoked");
}

#[tokio::test]
async fn a_lease_on_a_certificate_is_never_made_longer() {
    let (world, _) = world(json!({ "generate_lease": true })).await;
    let fetched = world.vault.fetch(&engine()).await.unwrap();
    let End::Lease(LeaseInfo {
        duration,
        renewable,
        ..
    }) = fetched.end
    else {
        panic!("{:?}", fetched.end);
    };
    assert!(duration <= MINUTE * 10 && !renewable);
    assert!(fetched.parent.is_some());
}

#[tokio::test]
async fn a_name_that_the_role_does_not_allow_gets_no_certificate() {
    let (world, _) = world(json!({ "allowed_domains": "other.example.org" })).await;
    let refused = world.vault.fetch(&engine()).await.unwrap_err();
    assert_eq!(refused, VaultError::Rejected(400));
}

#[tokio::test]
async fn the_key_is_sent_to_nobody_and_a_certificate_for_another_is_refused() {
    // What the server signed for somebody else.
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![NAME.into()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let double = Double::scripted(move |seen| {
        let body = json!({ "data": { "certificate": pem } }).to_string();
        (seen.path == "/v1/pki/sign/gate").then_some(Reply::Answer(200, "", body))
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    let refused = vault.fetch(&engine()).await.unwrap_err();
    let expected = VaultError::Malformed("its certificate is for another key");
    assert_eq!(refused, expected);
    let asked = double.seen().pop().unwrap().body;
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let members: Vec<_> = asked.as_object().unwrap().keys().collect();
    assert_eq!(members, ["common_name", "csr", "ttl"]);
    let csr = asked["csr"].as_str().unwrap();
    assert!(csr.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
    assert_eq!(csr.matches("-----BEGIN").count(), 1);
}
