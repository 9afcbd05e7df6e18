//! The engines of AWS, Azure and Google Cloud, by the answers that their plugins give.

use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::{
    double::{Double, Reply},
    *,
};

/// What `engine` makes of an answer with these members, which it gets from `path` and from nowhere else.
async fn fetched(engine: Engine, path: &str, answer: Json) -> Result<Fetched, VaultError> {
    let asked = path.to_owned();
    let double = Double::scripted(move |seen| {
        (seen.path == asked).then(|| Reply::Answer(200, "", answer.to_string()))
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    let fetched = vault.fetch(&engine).await;
    assert_eq!(double.count(path), 1);
    fetched
}

fn texts(fetched: &Fetched, parts: &[Part]) -> Vec<String> {
    let text = |part: &Part| Some(fetched.value.part(*part)?.expose().to_owned());
    parts.iter().filter_map(text).collect()
}

fn aws(session: bool) -> Engine {
    Engine::Aws(AwsRole {
        mount: "aws".into(),
        role: "deploy".into(),
        session,
    })
}

fn leased(data: Json, renewable: bool) -> Json {
    json!({ "request_id": "r", "lease_id": "aws/x", "lease_duration": 900, "renewable": renewable, "data": data })
}

const KEYS: [Part; 3] = [Part::AccessKey, Part::SecretKey, Part::SessionToken];

#[tokio::test]
async fn v19_keys_of_a_user_at_aws_are_leased() {
    let data = json!({ "access_key": "AKIA1", "secret_key": "s3cret", "security_token": null });
    let answer = leased(data, true);
    let fetched = fetched(aws(false), "/v1/aws/creds/deploy", answer)
        .await
        .unwrap();
    assert_eq!(texts(&fetched, &KEYS), ["AKIA1", "s3cret"]);
    let End::Lease(lease) = fetched.end else {
        panic!("{:?}", fetched.end);
    };
    assert!(lease.renewable && lease.duration == Duration::from_secs(900));
}

#[tokio::test]
async fn v19_keys_of_a_session_at_aws_have_a_token_and_are_not_made_longer() {
    for name in ["session_token", "security_token"] {
        let data = json!({ "access_key": "ASIA1", "secret_key": "s3cret", name: "t0ken" });
        let answer = leased(data, false);
        let fetched = fetched(aws(true), "/v1/aws/sts/deploy", answer)
            .await
            .unwrap();
        assert_eq!(texts(&fetched, &KEYS), ["ASIA1", "s3cret", "t0ken"]);
        assert!(matches!(fetched.end, End::Lease(lease) if !lease.renewable));
    }
    let data = json!({ "access_key": "ASIA1", "secret_key": "s3cret", "security_token": null });
    let refused = fetched(aws(true), "/v1/aws/sts/deploy", leased(data, false)).await;
    assert_eq!(refused.unwrap_err(), VaultError::NoField);
}

#[tokio::test]
async fn v19_a_secret_of_an_application_at_azure_is_leased() {
    let engine = || Engine::Azure {
        mount: "azure".into(),
        role: "app".into(),
    };
    let data = json!({ "client_id": "c1", "client_secret": "s3cret" });
    let answer = leased(data.clone(), true);
    let fetched_value = fetched(engine(), "/v1/azure/creds/app", answer)
        .await
        .unwrap();
    let parts = [Part::ClientId, Part::ClientSecret];
    assert_eq!(texts(&fetched_value, &parts), ["c1", "s3cret"]);
    assert!(matches!(fetched_value.end, End::Lease(_)));
    // What nobody ends is not taken.
    let unleased = json!({ "lease_id": "", "data": data });
    let refused = fetched(engine(), "/v1/azure/creds/app", unleased).await;
    assert!(matches!(refused, Err(VaultError::Malformed(_))));
}

#[tokio::test]
async fn v19_a_token_for_google_cloud_ends_at_the_sooner_of_its_two_ends() {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let in_ten_minutes = since.unwrap().as_secs() + 600;
    for (kind, data, at_least, at_most) in [
        (
            "roleset",
            json!({ "token": "t", "token_ttl": 300 }),
            300,
            300,
        ),
        (
            "static-account",
            json!({ "token": "t", "expires_at_seconds": in_ten_minutes }),
            590,
            600,
        ),
        (
            "impersonated-account",
            json!({ "token": "t", "token_ttl": 3599, "expires_at_seconds": in_ten_minutes }),
            590,
            600,
        ),
    ] {
        let engine = Engine::Gcp(GcpAccount {
            mount: "gcp".into(),
            kind,
            name: "reader".into(),
        });
        let path = format!("/v1/gcp/{kind}/reader/token");
        let answer = json!({ "lease_id": "", "data": data });
        let fetched = fetched(engine, &path, answer).await.unwrap();
        assert_eq!(token(&fetched), "t");
        let End::After(left) = fetched.end else {
            panic!("{:?}", fetched.end);
        };
        assert!((at_least..=at_most).contains(&left.as_secs()), "{left:?}");
    }
}

#[tokio::test]
async fn v19_a_token_without_an_end_is_not_taken() {
    let engine = || {
        Engine::Gcp(GcpAccount {
            mount: "gcp".into(),
            kind: "roleset",
            name: "reader".into(),
        })
    };
    let path = "/v1/gcp/roleset/reader/token";
    let endless = fetched(engine(), path, json!({ "data": { "token": "t" } })).await;
    assert!(matches!(endless, Err(VaultError::Malformed(_))));
    let past = json!({ "data": { "token": "t", "expires_at_seconds": 1 } });
    let past = fetched(engine(), path, past).await.unwrap();
    assert_eq!(past.end, End::After(Duration::ZERO));
}

#[tokio::test]
async fn v06_no_engine_is_asked_for_a_path_with_a_second_reading() {
    let double = Double::honest().await;
    let (vault, _dir) = double.client();
    for bad in ["../x", "a/../b", "a%2fb", "a?b", "", "a b", "a\nb", "."] {
        for engine in engines(bad) {
            let refused = vault.fetch(&engine).await;
            assert_eq!(refused.unwrap_err(), VaultError::PathUnsafe, "{engine:?}");
        }
    }
    assert_eq!(double.seen().len(), 0);
}

/// Every engine with `bad` in each of the places that become a part of the path.
fn engines(bad: &str) -> Vec<Engine> {
    let mut engines = vec![Engine::IdentityToken { role: bad.into() }];
    for (mount, role) in [(bad, "a"), ("a", bad)].map(|(m, r)| (m.to_owned(), r.to_owned())) {
        let stored = || Stored {
            mount: mount.clone(),
            path: role.clone(),
            field: "f".into(),
        };
        engines.extend([Engine::Kv1(stored()), Engine::Kv2(stored())]);
        engines.extend([
            Engine::Login {
                mount: mount.clone(),
                role: role.clone(),
            },
            Engine::StaticLogin {
                mount: mount.clone(),
                role: role.clone(),
            },
            Engine::Azure {
                mount: mount.clone(),
                role: role.clone(),
            },
            Engine::Gcp(GcpAccount {
                mount: mount.clone(),
                kind: "roleset",
                name: role.clone(),
            }),
            Engine::Aws(AwsRole {
                mount: mount.clone(),
                role: role.clone(),
                session: true,
            }),
            Engine::Certificate(CertificateRole {
                mount: mount.clone(),
                role: role.clone(),
                common_name: "a".into(),
                ttl: Duration::from_secs(60),
            }),
            Engine::SignedToken(SigningKey {
                mount,
                key: role,
                algorithm: Algorithm::Rs256,
                kid: None,
                claims: Claims::default(),
                ttl: Duration::from_secs(60),
            }),
        ]);
    }
    engines
}

#[tokio::test]
async fn a_policy_allows_each_engine_what_it_is_asked_and_no_more() {
    let needs: Vec<_> = engines("b")
        .iter()
        .map(|engine| engine.needs().unwrap())
        .map(|need| format!("{} {}", need.capability, need.path))
        .collect();
    let wanted = [
        "read identity/oidc/token/b",
        "read b/a",
        "read b/data/a",
        "read b/creds/a",
        "read b/static-creds/a",
        "read b/creds/a",
        "read b/roleset/a/token",
        "read b/sts/a",
        "update b/sign/a",
        "update b/sign/a",
    ];
    assert_eq!(needs[..wanted.len()], wanted);
}
