//! Tokens of one text: what the gate wrote and the transit engine signs, what Vault says of the gate, and what is stored.

use std::time::SystemTime;

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::{Value as Json, json};
use x509_parser::{prelude::FromDer, x509::SubjectPublicKeyInfo};

use super::{super::token as text, *};

const MINUTE: Duration = Duration::from_secs(60);

/// A JWT, taken apart (RFC 7515 section 7.1).
struct Jwt {
    header: Json,
    claims: Json,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    fn of(fetched: &Fetched) -> Jwt {
        let token = text(fetched);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let json = |part: &str| serde_json::from_slice(&decoded(part)).unwrap();
        Jwt {
            header: json(header),
            claims: json(claims),
            signed: signed.into(),
            signature: decoded(signature),
        }
    }

    /// Whether the key with this public part (PEM) signed it.
    fn is_by(&self, key: &Json, algorithm: &'static dyn VerificationAlgorithm) -> bool {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(key.as_str().unwrap().as_bytes());
        let der = der.unwrap();
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&der).unwrap();
        let key = UnparsedPublicKey::new(algorithm, &parsed.subject_public_key.data);
        key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn key(algorithm: Algorithm) -> SigningKey {
    let claims = json!({ "iss": "12345", "aud": "api.example.org", "admin": false });
    SigningKey {
        mount: "transit".into(),
        key: "app".into(),
        algorithm,
        kid: Some("key-1".into()),
        claims: claims.as_object().unwrap().clone(),
        ttl: MINUTE * 9,
    }
}

/// A server with a key of this type, with which the gate may have something signed, and no more.
async fn transit(kind: &str) -> World {
    let policy = r#"path "transit/sign/app" { capabilities = ["update"] }"#;
    let world = World::allowing(policy).await;
    world.server.mount("transit", "transit").await;
    world
        .write("transit/keys/app", json!({ "type": kind }))
        .await;
    world
}

async fn public(world: &World, version: &str) -> Json {
    world.server.read("transit/keys/app").await["keys"][version]["public_key"].clone()
}

#[tokio::test]
async fn a_token_is_signed_by_a_key_that_stays_in_vault() {
    let world = transit("rsa-2048").await;
    let engine = Engine::SignedToken(key(Algorithm::Rs256));
    let fetched = world.vault.fetch(&engine).await.unwrap();
    let jwt = Jwt::of(&fetched);
    assert!(jwt.is_by(&public(&world, "1").await, &RSA_PKCS1_2048_8192_SHA256));
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" });
    assert_eq!(jwt.header, header);
    assert_eq!(jwt.claims["iss"], "12345");
    assert_eq!(jwt.claims["aud"], "api.example.org");
    assert_eq!(jwt.claims["admin"], false);
    // whoever rotates the key need not tell the gate
    world.write("transit/keys/app/rotate", json!({})).await;
    let second = Jwt::of(&world.vault.fetch(&engine).await.unwrap());
    assert!(second.is_by(&public(&world, "2").await, &RSA_PKCS1_2048_8192_SHA256));
    assert_ne!(jwt.claims["jti"], second.claims["jti"]);
}

#[tokio::test]
async fn a_token_begins_a_minute_ago_and_ends_with_its_lease() {
    let world = transit("rsa-2048").await;
    let before = now();
    let engine = Engine::SignedToken(key(Algorithm::Rs256));
    let fetched = world.vault.fetch(&engine).await.unwrap();
    let claims = Jwt::of(&fetched).claims;
    let made = before..=now();
    assert!(made.contains(&(claims["iat"].as_u64().unwrap() + 60)));
    assert!(made.contains(&(claims["exp"].as_u64().unwrap() - 540)));
    let End::After(left) = fetched.end else {
        panic!("{:?}", fetched.end);
    };
    assert!(
        left <= MINUTE * 9 && left > MINUTE * 9 - Duration::from_secs(2),
        "{left:?}"
    );
    assert!(fetched.parent.is_none());
}

#[tokio::test]
async fn an_elliptic_key_signs_in_the_form_of_a_token() {
    let world = transit("ecdsa-p256").await;
    let engine = Engine::SignedToken(key(Algorithm::Es256));
    let jwt = Jwt::of(&world.vault.fetch(&engine).await.unwrap());
    assert_eq!(jwt.header["alg"], "ES256");
    assert!(jwt.is_by(&public(&world, "1").await, &ECDSA_P256_SHA256_FIXED));
}

#[tokio::test]
async fn a_key_of_another_kind_than_the_settings_say_makes_no_token() {
    let world = transit("ecdsa-p256").await;
    let engine = Engine::SignedToken(key(Algorithm::Rs256));
    let refused = world.vault.fetch(&engine).await.unwrap_err();
    let expected = VaultError::Malformed("the key does not sign as the settings say");
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn an_identity_token_says_who_the_gate_is_and_ends_by_itself() {
    let policy = r#"path "identity/oidc/token/api" { capabilities = ["read"] }"#;
    let world = World::allowing(policy).await;
    let audience = world.server.vouches_for_logins("api", "10m").await;
    let engine = Engine::IdentityToken { role: "api".into() };
    let fetched = world.vault.fetch(&engine).await.unwrap();
    assert_eq!(fetched.end, End::After(MINUTE * 10));
    let jwt = Jwt::of(&fetched);
    assert_eq!(jwt.claims["aud"], audience);
    let (iat, exp) = (&jwt.claims["iat"], &jwt.claims["exp"]);
    assert_eq!(exp.as_u64().unwrap() - iat.as_u64().unwrap(), 600);
    let keys = world.server.bare("identity/oidc/.well-known/keys").await;
    let key = keys["keys"].as_array().unwrap().iter();
    let key = key
        .clone()
        .find(|key| key["kid"] == jwt.header["kid"])
        .unwrap();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let key = PublicKeyComponents {
        n: part("n"),
        e: part("e"),
    };
    let verified = key.verify(
        &RSA_PKCS1_2048_8192_SHA256,
        jwt.signed.as_bytes(),
        &jwt.signature,
    );
    assert!(verified.is_ok());
    // It says the same of the gate as the server's own record of the login does.
    let entities = world.server.list("identity/entity/id").await;
    assert_eq!(entities, [jwt.claims["sub"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_secret_of_the_first_version_is_a_token_that_nobody_ends() {
    let policy = r#"path "kv/github" { capabilities = ["read"] }"#;
    let world = World::allowing(policy).await;
    world.server.mount("kv", "kv").await;
    world.write("kv/github", json!({ "token": "stored" })).await;
    let stored = Engine::Kv1(Stored {
        mount: "kv".into(),
        path: "github".into(),
        field: "token".into(),
    });
    let fetched = world.vault.fetch(&stored).await.unwrap();
    assert_eq!(text(&fetched), "stored");
    assert_eq!((fetched.version, fetched.end), (None, End::Open));
}
