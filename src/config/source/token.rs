//! What a token says that the gate writes and Vault signs: `jwt` beside `transit`.

use super::engine::{self, Mounted};
use crate::{
    config::{
        fields::Fields,
        mistake::{Wrong, quoted},
        value::Value,
    },
    credential::vault::{Algorithm, Claims, Engine, SigningKey},
};

/// What a key may sign with, as RFC 7518 calls it.
const ALGORITHMS: [(&str, Algorithm); 2] =
    [("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256)];

/// What is said of a token's time and number (RFC 7519 section 4.1) is the gate's to say.
const OWN_CLAIMS: [&str; 4] = ["iat", "exp", "nbf", "jti"];

/// Lowers `key` and `jwt`.
pub(super) fn lower(
    Mounted { mount, max_ttl }: Mounted,
    fields: &mut Fields<'_>,
) -> Option<Engine> {
    let key = fields.required("key", engine::name);
    let jwt = fields.required("jwt", |v| {
        v.mapping(|fields| {
            let claims = fields.required("claims", claims);
            let ttl = engine::ttl(fields, max_ttl);
            let kid = fields.optional("kid", Value::text);
            let algorithm = fields.or("algorithm", Algorithm::Rs256, |v| v.word(&ALGORITHMS));
            Some((claims?, ttl?, kid?, algorithm?))
        })
    });
    let (key, (claims, ttl, kid, algorithm)) = (key?, jwt?);
    Some(Engine::SignedToken(SigningKey {
        mount,
        key,
        algorithm,
        kid,
        claims,
        ttl,
    }))
}

fn claims(value: Value<'_>) -> Option<Claims> {
    let claims = value.names(|name, value| {
        let name = name.parse(claim);
        let value = value.json_scalar();
        Some((name?, value?))
    });
    Some(claims?.into_iter().collect())
}

fn claim(name: &str) -> Result<String, Wrong> {
    if OWN_CLAIMS.contains(&name) {
        return Err(Wrong::new(
            format!("the claim {} is not written by hand", quoted(name)),
            "take it away: the gate says when each token was made and when it ends",
        ));
    }
    Ok(name.to_owned())
}
