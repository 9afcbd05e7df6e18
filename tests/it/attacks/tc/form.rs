//! How the certificate is made: weak keys and digests, and forms that readers take in different ways.

use std::path::Path;

use rcgen::{CertificateParams, CustomExtension};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{let_in, r1, refused_for, showing, showing_bytes, turned_away, world};
use crate::{
    attacks::arena,
    world::{
        der::{changed, signed_anew},
        openssl::{authority, openssl},
        pki::{self, Identity, spiffe_id},
    },
};

#[tokio::test]
async fn tc_14_takes_no_weak_signature_and_no_odd_form() {
    let weak = tempfile::tempdir().unwrap();
    let dir = weak.path();
    let bundle = weak_authorities(dir);
    let world = arena()
        .setting("trust_domains: {td.test: {bundle: weak.crt}}")
        .file("weak.crt", &bundle)
        .start()
        .await;
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(dir.join("leaf.csr"), request(&key)).unwrap();
    for (signer, digest) in [
        ("rsa2048", "sha1"),
        ("rsa2048", "md5"),
        ("rsa1024", "sha256"),
        ("p192", "sha256"),
        ("dsa", "sha256"),
    ] {
        let leaf = sign(dir, "leaf", (signer, digest));
        let config = pki::client_showing(world.pki.gates.roots(), vec![leaf], &key);
        turned_away(&world, config, &format!("{signer} {digest}")).await;
    }
    let leaf = sign(dir, "leaf", ("rsa2048", "sha256"));
    let config = pki::client_showing(world.pki.gates.roots(), vec![leaf], &key);
    let_in(&world, config, "a strong one").await;
    // a key of its own that is weak, as only another library uses it
    let call = format!(
        "GET http://{0}/v1/public/x HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n",
        world.at("api.a.test")
    );
    for (bits, arrives) in [(1024, false), (2048, true)] {
        openssl(dir, &format!("genrsa -out own.key {bits}"));
        let request = "req -new -config requests.cnf -key own.key -subj /CN=own -out own.csr";
        openssl(dir, request);
        sign(dir, "own", ("rsa2048", "sha256"));
        let own = dir.join("own").display().to_string();
        let shown = format!("-cert {own}.crt -key {own}.key");
        let said = world.s_client(&shown, &call).await;
        assert_eq!(said.starts_with("HTTP/1.1 200"), arrives, "{bits}: {said}");
        assert!(arrives || said.is_empty(), "{bits}: {said}");
    }
    world.finish().await;
}

/// The authorities in `dir`, one of each kind, as one bundle.
fn weak_authorities(dir: &Path) -> String {
    openssl(dir, "genrsa -out rsa2048.key 2048");
    openssl(dir, "genrsa -out rsa1024.key 1024");
    openssl(dir, "ecparam -name prime192v1 -genkey -noout -out p192.key");
    openssl(dir, "dsaparam -genkey -noout -out dsa.key 1024");
    let names = ["rsa2048", "rsa1024", "p192", "dsa"];
    let certificates = names.map(|name| {
        authority(dir, name);
        std::fs::read_to_string(dir.join(format!("{name}.crt"))).unwrap()
    });
    let names = format!(
        "subjectAltName = URI:{}\nkeyUsage = digitalSignature\nextendedKeyUsage = clientAuth\n",
        spiffe_id("r1")
    );
    std::fs::write(dir.join("agent.cnf"), names).unwrap();
    certificates.concat()
}

fn request(key: &rcgen::KeyPair) -> String {
    let request = CertificateParams::default().serialize_request(key).unwrap();
    request.pem().unwrap()
}

/// What this authority signs with this digest for `name.csr`, as the certificate of `r1`.
fn sign(dir: &Path, name: &str, (signer, digest): (&str, &str)) -> CertificateDer<'static> {
    let who = format!("-CA {signer}.crt -CAkey {signer}.key -{digest} -set_serial 7 -days 1");
    openssl(
        dir,
        &format!("x509 -req -in {name}.csr {who} -extfile agent.cnf -out {name}.crt"),
    );
    CertificateDer::from_pem_file(dir.join(format!("{name}.crt"))).unwrap()
}

/// Also of TC-14, but signed well.
#[tokio::test]
async fn a_form_that_rfc_5280_forbids_is_no_identity() {
    let world = world().await;
    let authority = &world.pki.agents;
    let good = world.pki.agent("r1");
    let der = good.certificate.der();
    let same = signed_anew(authority, der, |says| says);
    let_in(&world, showing_bytes(&world, same, &good), "signed anew").await;
    let without_version = signed_anew(authority, der, |says| says[5..].to_vec());
    let negative = signed_anew(authority, der, |mut says| {
        // the version, then the serial number's tag and length
        says[7] |= 0x80;
        says
    });
    let second = signed_anew(authority, der, |says| {
        changed(
            says,
            &[0xa0, 0x03, 0x02, 0x01, 0x02],
            &[0xa0, 0x03, 0x02, 0x01, 0x01],
        )
    });
    for (what, bytes) in [
        ("version 1", without_version),
        ("version 2", second),
        ("a negative serial number", negative),
        ("bytes after it", [&**der, &[0]].concat()),
    ] {
        turned_away(&world, showing_bytes(&world, bytes, &good), what).await;
    }
    let id = r1(|_| {}).subject_alt_names;
    for (what, extensions) in [
        ("an unknown critical extension", vec![unknown(true)]),
        (
            "an unknown extension twice",
            vec![unknown(false), unknown(false)],
        ),
        (
            "a second key usage",
            vec![CustomExtension::from_oid_content(
                &[2, 5, 29, 15],
                vec![3, 2, 7, 128],
            )],
        ),
        ("a second list of names", vec![san(&id)]),
    ] {
        let identity = with(authority, extensions);
        turned_away(&world, showing(&world, &identity, &[]), what).await;
    }
    refused_for(&world, "Malformed").await;
    let harmless = with(authority, vec![unknown(false)]);
    let_in(
        &world,
        showing(&world, &harmless, &[]),
        "an unknown extension",
    )
    .await;
    world.finish().await;
}

fn with(authority: &pki::Authority, extensions: Vec<CustomExtension>) -> Identity {
    authority.sign(&r1(|params| params.custom_extensions = extensions))
}

/// An extension that nobody knows, with a NULL in it.
fn unknown(critical: bool) -> CustomExtension {
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(critical);
    extension
}

fn san(names: &[rcgen::SanType]) -> CustomExtension {
    use crate::world::der::tlv;
    let uris = names.iter().map(|name| match name {
        rcgen::SanType::URI(uri) => tlv(0x86, uri.as_str().as_bytes()),
        _ => panic!("an agent is named by a URI"),
    });
    let names: Vec<u8> = uris.flatten().collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 17], tlv(0x30, &names))
}
