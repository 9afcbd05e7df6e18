//! What goes out to Vault beside the question, and where it goes.

use super::{
    double::*,
    pki::{Authority, serve},
    *,
};

async fn read(vault: &Vault) -> Result<String, VaultError> {
    let fetched = vault.fetch(&kv2("secret", "a")).await;
    fetched.map(|fetched| token(&fetched).to_owned())
}

/// A client of `double` by settings that differ from the usual ones.
fn client_with(double: &Double, change: impl FnOnce(&mut VaultSettings)) -> (Arc<Vault>, TempDir) {
    let dir = TempDir::new().unwrap();
    let login = approle(dir.path(), "role-1", "secret-id-1");
    let mut settings = settings(&double.address, Vec::new(), login);
    change(&mut settings);
    (Arc::new(Vault::new(settings, Arc::default()).unwrap()), dir)
}

#[tokio::test]
async fn v01_every_request_says_that_it_is_meant_for_vault_and_for_which_namespace() {
    let double = Double::with_tokens(2, true).await;
    let (vault, _dir) = client_with(&double, |settings| {
        settings.login_namespace = Some("logins".into());
    });
    read(&vault).await.unwrap();
    double.until(RENEW, 1).await;
    vault.close().await.unwrap();
    let seen = double.seen();
    assert!(seen.len() >= 4);
    for seen in seen {
        assert_eq!(seen.headers["x-vault-request"], "true");
        let namespace = match seen.path == SECRET {
            true => "team-a",
            false => "logins",
        };
        assert_eq!(
            seen.headers["x-vault-namespace"], namespace,
            "{}",
            seen.path
        );
        assert_eq!(seen.token().is_empty(), seen.path == LOGIN);
    }
}

#[tokio::test]
async fn v08_a_jwt_goes_out_without_the_spaces_around_it() {
    let double = Double::honest().await;
    let dir = TempDir::new().unwrap();
    let token_file = file(dir.path(), "jwt", "  e30.e30.c2ln \r\n", 0o644);
    let login = Login::Jwt(Jwt {
        mount: "approle".into(),
        role: "gate".into(),
        token_file,
    });
    let settings = settings(&double.address, Vec::new(), login);
    let vault = Vault::new(settings, Arc::default()).unwrap();
    read(&vault).await.unwrap();
    let login: serde_json::Value = serde_json::from_str(&double.seen()[0].body).unwrap();
    let shown = serde_json::json!({ "role": "gate", "jwt": "e30.e30.c2ln" });
    assert_eq!(login, shown);
}

#[tokio::test]
async fn v01_the_root_has_no_name() {
    for root in [None, Some(String::new()), Some("root".into())] {
        let double = Double::honest().await;
        let (vault, _dir) = client_with(&double, |settings| {
            settings.namespace = root.clone();
            settings.login_namespace = root;
        });
        read(&vault).await.unwrap();
        let named = |seen: &Seen| seen.headers.contains_key("x-vault-namespace");
        assert!(!double.seen().iter().any(named));
    }
}

/// A server that sends every question on to the same path of `other`.
async fn sending_on_to(other: &str) -> Double {
    let other = other.to_owned();
    Double::scripted(move |seen| {
        let location = format!("Location: {other}{}\r\n", seen.path);
        Some(Reply::Answer(307, location.leak(), String::new()))
    })
    .await
}

#[tokio::test]
async fn v02_a_redirect_to_a_known_server_is_followed_once_with_the_same_question() {
    let active = Double::honest().await;
    let standby = sending_on_to(&active.address).await;
    let known = active.address.parse().unwrap();
    let (vault, _dir) = client_with(&standby, |settings| settings.redirects = vec![known]);
    assert_eq!(read(&vault).await.as_deref(), Ok("s3cret"));
    let (sent, came) = (standby.seen(), active.seen());
    assert_eq!((sent.len(), came.len()), (2, 2));
    for (sent, came) in sent.iter().zip(&came) {
        assert_eq!((&sent.path, &sent.body), (&came.path, &came.body));
        assert_eq!(sent.token(), came.token());
        assert!(active.address.ends_with(&came.headers["host"]));
    }
    // Two servers that point at each other are asked once each.
    let circle = sending_on_to(&standby.address).await;
    let known = standby.address.parse().unwrap();
    let (vault, _dir) = client_with(&circle, |settings| settings.redirects = vec![known]);
    assert_eq!(read(&vault).await, Err(VaultError::Standby));
    assert_eq!(circle.count(LOGIN), 1);
}

#[tokio::test]
async fn v02_a_redirect_elsewhere_is_not_followed_and_the_token_goes_nowhere() {
    let (known, elsewhere) = (Double::honest().await, Double::honest().await);
    let standby = sending_on_to(&elsewhere.address).await;
    let address = known.address.parse().unwrap();
    let (vault, _dir) = client_with(&standby, |settings| settings.redirects = vec![address]);
    assert_eq!(read(&vault).await, Err(VaultError::Standby));
    assert!(elsewhere.seen().is_empty() && known.seen().is_empty());
}

#[tokio::test]
async fn v07_the_server_may_have_another_name_than_its_address() {
    let authority = Authority::new();
    let answer = |seen: &str| {
        assert!(seen.contains("host: 127.0.0.1"), "{seen}");
        r#"{"auth":{"client_token":"s.1","lease_duration":60},"data":{"data":{"token":"s3cret"}}}"#
            .to_owned()
    };
    let port = serve(authority.signs("vault", &["vault.test"]), answer).await;
    for (name, other) in [
        (Some("vault.test"), false),
        (None, true),
        (Some("other.test"), true),
    ] {
        let dir = TempDir::new().unwrap();
        let settings = VaultSettings {
            ca: vec![authority.certificate.clone()],
            server_name: name.map(str::to_owned),
            login: approle(dir.path(), "role-1", "secret-id-1"),
            ..settings_of(&format!("https://127.0.0.1:{port}"))
        };
        let read = read(&Vault::new(settings, Arc::default()).unwrap()).await;
        let untrusted = matches!(read, Err(VaultError::Untrusted(_)));
        assert!(
            untrusted == other && read.is_ok() != other,
            "{name:?}: {read:?}"
        );
    }
}

#[tokio::test]
async fn v29_the_state_that_the_server_was_seen_in_goes_with_the_next_question() {
    let double = Double::scripted(|seen| {
        (seen.path == SECRET).then(|| match kv("s3cret", 1) {
            Reply::Answer(status, _, body) => {
                Reply::Answer(status, "X-Vault-Index: index-7\r\n", body)
            }
            other => other,
        })
    })
    .await;
    let (vault, _dir) = double.client();
    for _ in 0..2 {
        read(&vault).await.unwrap();
    }
    vault.close().await.unwrap();
    let seen = double.seen();
    let sent = |seen: &Seen| {
        let header = |name| seen.headers.get(name).cloned();
        header("x-vault-index").zip(header("x-vault-inconsistent"))
    };
    let indexed = Some(("index-7".to_owned(), "forward-active-node".to_owned()));
    let sent: Vec<_> = seen.iter().map(sent).collect();
    assert_eq!(sent, [None, None, indexed.clone(), indexed]);
}
