//! What the client asks for a lease, and what it makes of the answers.

use std::sync::atomic::Ordering::SeqCst;

use super::{
    double::{Double, REVOKE, Reply, SECRET, Seen},
    *,
};
use crate::credential::LeaseInfo;

const RENEW_LEASE: &str = "/v1/sys/leases/renew";
const REVOKE_LEASE: &str = "/v1/sys/leases/revoke";
const CREDS: &str = "/v1/db/creds/reader";
const ID: &str = "db/creds/reader/x1";

fn login() -> Engine {
    Engine::Login {
        mount: "db".into(),
        role: "reader".into(),
    }
}

fn lease() -> LeaseInfo {
    LeaseInfo {
        id: ID.into(),
        duration: Duration::from_secs(600),
        renewable: true,
    }
}

fn user() -> Reply {
    let answer = format!(
        r#"{{"request_id":"r-7","lease_id":"{ID}","lease_duration":600,"renewable":true,"data":{{"username":"u5er","password":"s3cret"}}}}"#
    );
    Reply::Answer(200, "", answer)
}

/// A server that has `reply` for renewals.
async fn renewing(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Double, Arc<Vault>, TempDir) {
    let double = Double::scripted(move |seen| (seen.path == RENEW_LEASE).then(&reply)).await;
    let (vault, dir) = double.client();
    (double, vault, dir)
}

fn asked(double: &Double, path: &str) -> Vec<Seen> {
    let seen = double.seen();
    seen.into_iter().filter(|seen| seen.path == path).collect()
}

#[tokio::test]
async fn a_user_that_was_made_has_both_texts_a_lease_and_the_servers_name_for_the_answer() {
    let double = Double::scripted(|seen| (seen.path == CREDS).then(user)).await;
    let (vault, _dir) = double.client();
    let fetched = vault.fetch(&login()).await.unwrap();
    let text = |part| fetched.value.part(part).unwrap().expose();
    assert_eq!(
        (text(Part::Username), text(Part::Password)),
        ("u5er", "s3cret")
    );
    assert_eq!(fetched.end, End::Lease(lease()));
    assert_eq!(fetched.request_id.as_deref(), Some("r-7"));
    assert!(fetched.parent.is_some());
}

#[tokio::test]
async fn a_user_without_a_lease_is_not_taken_since_nothing_would_end_it() {
    let endless = r#"{"lease_id":"","lease_duration":0,"data":{"username":"u","password":"p"}}"#;
    let answers =
        move |seen: &Seen| (seen.path == CREDS).then(|| Reply::Answer(200, "", endless.into()));
    let double = Double::scripted(answers).await;
    let (vault, _dir) = double.client();
    let refused = vault.fetch(&login()).await.unwrap_err();
    assert_eq!(refused, VaultError::Malformed("it has no lease"));
}

#[tokio::test]
async fn v20_a_renewal_asks_for_the_first_length_and_believes_what_is_granted() {
    let granted = || {
        Reply::Answer(
            200,
            "",
            format!(r#"{{"lease_id":"{ID}","lease_duration":42}}"#),
        )
    };
    let (double, vault, _dir) = renewing(granted).await;
    assert_eq!(vault.renew(&lease()).await, Ok(Duration::from_secs(42)));
    let asked = asked(&double, RENEW_LEASE);
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body, serde_json::json!({"lease_id": ID, "increment": 600}));
}

#[tokio::test]
async fn v21_what_a_renewal_says_of_a_value_is_not_read() {
    let other = r#"{"lease_duration":60,"data":{"username":7,"password":["x"]}}"#;
    let (_double, vault, _dir) = renewing(|| Reply::Answer(200, "", other.into())).await;
    assert_eq!(vault.renew(&lease()).await, Ok(Duration::from_secs(60)));
}

#[tokio::test]
async fn v22_a_renewal_for_no_time_is_not_taken_for_without_end() {
    for answer in [
        r#"{"lease_duration":0}"#,
        "{}",
        r#"{"lease_duration":null}"#,
    ] {
        let (_double, vault, _dir) = renewing(|| Reply::Answer(200, "", answer.into())).await;
        assert_eq!(vault.renew(&lease()).await, Err(VaultError::LeaseEnded));
    }
}

#[tokio::test]
async fn v23_a_lease_that_is_over_and_a_renewal_that_says_nothing_are_told_apart() {
    for error in ["lease not found", "lease expired", "lease is not renewable"] {
        let (_double, vault, _dir) = renewing(move || Reply::errors(400, error)).await;
        assert_eq!(vault.renew(&lease()).await, Err(VaultError::LeaseEnded));
    }
    for status in [200, 204] {
        let (_double, vault, _dir) =
            renewing(move || Reply::Answer(status, "", String::new())).await;
        let renewed = vault.renew(&lease()).await.unwrap_err();
        assert!(renewed.retryable(), "{status} {renewed}");
    }
}

#[tokio::test]
async fn a_lease_that_is_given_up_is_revoked_although_the_server_is_away_for_a_moment() {
    let away = std::sync::atomic::AtomicUsize::new(2);
    let double = Double::scripted(move |seen| match seen.path.as_str() {
        CREDS => Some(user()),
        REVOKE_LEASE => {
            let left = away.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
            Some(match left {
                Ok(_) => Reply::errors(500, "no"),
                Err(_) => Reply::Answer(204, "", String::new()),
            })
        }
        _ => None,
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    vault.fetch(&login()).await.unwrap();
    vault.give_up(lease(), Duration::ZERO);
    double.until(REVOKE_LEASE, 3).await;
    let body = asked(&double, REVOKE_LEASE).pop().unwrap().body;
    assert_eq!(body, format!(r#"{{"lease_id":"{ID}"}}"#));
}

#[tokio::test]
async fn a_lease_is_revoked_once_however_often_it_is_given_up() {
    let double = Double::scripted(|seen| match seen.path.as_str() {
        CREDS => Some(user()),
        REVOKE_LEASE => Some(Reply::Answer(204, "", String::new())),
        _ => None,
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    vault.fetch(&login()).await.unwrap();
    for _ in 0..5 {
        vault.give_up(lease(), Duration::ZERO);
    }
    double.until(REVOKE_LEASE, 1).await;
    // The next question is answered after all that was asked before it.
    vault.fetch(&kv2("secret", "a")).await.unwrap();
    assert_eq!(double.count(REVOKE_LEASE), 1);
}

#[tokio::test]
async fn v19_a_password_about_to_change_is_not_taken_before_it_changed() {
    // The server begins to count anew before it changes the password.
    let answers = std::sync::Mutex::new(vec![(99, 2, "new"), (100, 1, "old"), (0, 1, "old")]);
    let double = Double::scripted(move |seen| {
        let (ttl, changed, password) = match seen.path.as_str() {
            "/v1/db/static-creds/app" => answers.lock().unwrap().pop()?,
            _ => return None,
        };
        let answer = format!(
            r#"{{"data":{{"username":"app","password":"{password}","ttl":{ttl},"last_vault_rotation":"2026-01-0{changed}T00:00:00Z"}}}}"#
        );
        Some(Reply::Answer(200, "", answer))
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    let engine = Engine::StaticLogin {
        mount: "db".into(),
        role: "app".into(),
    };
    let fetched = vault.fetch(&engine).await.unwrap();
    let password = fetched.value.part(Part::Password).unwrap();
    assert_eq!(password.expose(), "new");
    assert_eq!(fetched.end, End::Rotation(Duration::from_secs(99)));
}

fn with_password(text: &'static str) -> impl Fn(&Seen) -> Option<Reply> {
    move |seen| {
        let answer = format!(
            r#"{{"lease_id":"{ID}","lease_duration":600,"data":{{"username":"u","password":"{text}"}}}}"#
        );
        match seen.path.as_str() {
            CREDS => Some(Reply::Answer(200, "", answer)),
            REVOKE_LEASE => Some(Reply::Answer(204, "", String::new())),
            _ => None,
        }
    }
}

#[tokio::test]
async fn a_user_that_was_made_and_cannot_be_read_is_ended() {
    let double = Double::scripted(with_password("p\u{e4}")).await;
    let (vault, _dir) = double.client();
    let refused = vault.fetch(&login()).await.unwrap_err();
    assert!(matches!(refused, VaultError::Unfit(_)), "{refused:?}");
    assert_eq!(double.count(REVOKE_LEASE), 1);
}

#[tokio::test]
async fn v24_a_page_of_something_else_is_no_absence() {
    let page = || Reply::Answer(404, "", "<html>no backend</html>".into());
    let double = Double::scripted(move |seen| (seen.path == SECRET).then(page)).await;
    let (vault, _dir) = double.client();
    let refused = vault.fetch(&kv2("secret", "a")).await.unwrap_err();
    assert!(!refused.withdrawn() && refused.retryable(), "{refused:?}");
}

#[tokio::test]
async fn v31_what_an_older_token_made_is_ended_one_by_one() {
    let double = Double::start(with_password("p"), 3600, false).await;
    let (vault, _dir) = double.client();
    let vault = Arc::new(vault);
    let made = vault.fetch(&login()).await.unwrap();
    let old = made.parent.unwrap();
    // the token cannot be renewed, and is replaced in its last quarter
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2900)).await;
    tokio::time::resume();
    double.until(super::double::LOGIN, 2).await;
    while !old.superseded() {
        tokio::task::yield_now().await;
    }
    vault.close().await.unwrap();
    assert_eq!(double.count(REVOKE_LEASE), 1);
}

#[tokio::test]
async fn v31_a_lease_whose_end_failed_before_is_tried_again_at_the_end() {
    let double = Double::scripted(move |seen| match seen.path.as_str() {
        CREDS => Some(user()),
        REVOKE_LEASE => Some(Reply::errors(500, "no")),
        _ => None,
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    let vault = Arc::new(vault);
    vault.fetch(&login()).await.unwrap();
    vault.give_up(lease(), Duration::ZERO);
    double.until(REVOKE_LEASE, 2).await;
    let before = double.count(REVOKE_LEASE);
    vault.end_leases(None).await;
    assert!(double.count(REVOKE_LEASE) > before);
}

/// A client whose roles act under tokens of their own, and the directory of its login files.
fn by_roles(double: &Double, revoke_on_exit: bool) -> (Arc<Vault>, TempDir) {
    let dir = TempDir::new().unwrap();
    let login = approle(dir.path(), "role-1", "secret-id-1");
    let settings = VaultSettings {
        revoke_on_exit,
        per_role: Some(PerRole {
            token_role: "agents".into(),
            entity_alias: "tollgate-{role}".into(),
        }),
        ..settings(&double.address, Vec::new(), login)
    };
    let vault = Vault::new(settings, Arc::default()).unwrap();
    (Arc::new(vault), dir)
}

/// What makes a role's token, and what that makes.
fn of_a_role(seen: &Seen) -> Option<Reply> {
    let child = r#"{"auth":{"client_token":"s.child","lease_duration":3600,"renewable":true}}"#;
    match seen.path.as_str() {
        "/v1/auth/token/create/agents" => Some(Reply::Answer(200, "", child.into())),
        CREDS => Some(user()),
        REVOKE if seen.token() == "s.child" => Some(Reply::Answer(204, "", String::new())),
        _ => None,
    }
}

#[tokio::test]
async fn a_role_ends_although_nothing_is_given_back_at_the_end_of_the_process() {
    let double = Double::scripted(of_a_role).await;
    let (vault, _dir) = by_roles(&double, false);
    let client = vault.for_role("triage").unwrap();
    client.fetch(&login()).await.unwrap();
    vault.end_role("triage");
    double.until(REVOKE, 1).await;
    assert_eq!(double.seen().pop().unwrap().token(), "s.child");
}

#[tokio::test]
async fn v31_closing_takes_five_seconds_at_most_with_all_roles() {
    let double = Double::scripted(|seen| match seen.path.as_str() {
        REVOKE => Some(Reply::Silence),
        _ => of_a_role(seen),
    });
    let double = double.await;
    let (vault, _dir) = by_roles(&double, true);
    let client = vault.for_role("triage").unwrap();
    client.fetch(&login()).await.unwrap();
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(vault.close().await, Err(VaultError::TimedOut));
    assert!(begun.elapsed() <= Duration::from_millis(5_010));
    // both were asked for: the role's, and the gate's own
    assert_eq!(double.count(REVOKE), 2);
}

#[tokio::test]
async fn what_a_role_finds_out_of_the_server_holds_for_the_others() {
    let double = Double::scripted(|seen| match seen.path.as_str() {
        CREDS => Some(Reply::errors(503, "Vault is sealed")),
        _ => of_a_role(seen),
    });
    let double = double.await;
    let (vault, _dir) = by_roles(&double, true);
    let (one, other) = (vault.for_role("a").unwrap(), vault.for_role("b").unwrap());
    assert_eq!(one.fetch(&login()).await.unwrap_err(), VaultError::Sealed);
    let asked = double.seen().len();
    assert_eq!(other.fetch(&login()).await.unwrap_err(), VaultError::Sealed);
    assert_eq!(double.seen().len(), asked);
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_says_nothing_about_the_others() {
    let elsewhere = || Reply::Answer(307, "Location: /v1/x\r\n", String::new());
    let double = Double::scripted(move |seen| (seen.path == CREDS).then(elsewhere)).await;
    let (vault, _dir) = double.client();
    assert_eq!(
        vault.fetch(&login()).await.unwrap_err(),
        VaultError::Standby
    );
    assert!(vault.fetch(&kv2("secret", "a")).await.is_ok());
}
