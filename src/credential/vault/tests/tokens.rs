//! How often the gate logs in, and with which token it goes on.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{advance, pause, resume};

use super::{double::*, *};

async fn read(vault: &Vault) -> Result<(), VaultError> {
    vault.fetch(&kv2("secret", "a")).await.map(|_| ())
}

/// So many reads at once; how many of them gave a value.
async fn reads(vault: &Arc<Vault>, times: usize) -> usize {
    let tasks: Vec<_> = (0..times)
        .map(|_| {
            let vault = Arc::clone(vault);
            tokio::spawn(async move { read(&vault).await })
        })
        .collect();
    let mut good = 0;
    for task in tasks {
        good += usize::from(task.await.unwrap().is_ok());
    }
    good
}

#[tokio::test]
async fn a_hundred_who_come_first_share_one_login() {
    let double = Double::honest().await;
    let (vault, _dir) = double.client();
    assert_eq!(reads(&vault, 100).await, 100);
    assert_eq!(double.count(LOGIN), 1);
}

#[tokio::test]
async fn v18_a_hundred_whose_token_was_revoked_share_one_login() {
    let double = Double::honest().await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    double.revoke_all();
    assert_eq!(reads(&vault, 100).await, 100);
    assert_eq!((double.count(LOGIN), double.count(LOOKUP)), (2, 1));
}

#[tokio::test]
async fn a_server_that_refuses_what_it_gives_is_not_asked_for_more() {
    let refuses = |seen: &Seen| {
        let refused = seen.path != LOGIN;
        refused.then(|| Reply::errors(403, "permission denied"))
    };
    let double = Double::scripted(refuses).await;
    let (vault, _dir) = double.client();
    assert_eq!(reads(&vault, 100).await, 0);
    assert_eq!(read(&vault).await, Err(VaultError::TokenRefused));
    assert_eq!(double.count(LOGIN), 1);
}

#[tokio::test]
async fn v18_a_refusal_that_names_the_token_needs_no_second_question() {
    let double = Double::scripted(|seen| {
        let old = seen.path == SECRET && seen.token() == "s.1";
        old.then(|| Reply::errors(403, "2 errors occurred: permission denied, invalid token"))
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    vault.fetch(&kv2("secret", "b")).await.unwrap();
    read(&vault).await.unwrap();
    assert_eq!((double.count(LOGIN), double.count(LOOKUP)), (2, 0));
}

#[tokio::test]
async fn v09_a_failed_login_is_not_repeated_before_its_wait_is_over() {
    let good = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&good);
    let double = Double::scripted(move |seen| {
        let refused = seen.path == LOGIN && !works.load(Ordering::SeqCst);
        refused.then(|| Reply::errors(400, "invalid role or secret ID"))
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    for _ in 0..10 {
        assert_eq!(read(&vault).await, Err(VaultError::BadLogin));
    }
    assert_eq!(double.count(LOGIN), 1);
    good.store(true, Ordering::SeqCst);
    pause();
    advance(Duration::from_secs(1)).await;
    resume();
    assert_eq!(read(&vault).await, Ok(()));
}

#[tokio::test]
async fn v09_a_login_is_never_repeated_at_once() {
    let troubled =
        |seen: &Seen| (seen.path == LOGIN).then(|| Reply::Answer(502, "", String::new()));
    let double = Double::scripted(troubled).await;
    let (vault, _dir) = double.client();
    assert_eq!(read(&vault).await, Err(VaultError::ServerFault(502)));
    assert_eq!(double.count(LOGIN), 1);
}

#[tokio::test]
async fn a_login_waits_as_long_as_the_server_asks() {
    let limited = |seen: &Seen| {
        let reply = || Reply::Answer(429, "Retry-After: 60\r\n", String::new());
        (seen.path == LOGIN).then(reply)
    };
    let double = Double::scripted(limited).await;
    let (vault, _dir) = double.client();
    assert!(read(&vault).await.is_err());
    pause();
    advance(Duration::from_secs(59)).await;
    resume();
    assert!(read(&vault).await.is_err());
    assert_eq!(double.count(LOGIN), 1);
}

#[tokio::test]
async fn v10_a_token_that_the_gate_must_not_use_is_not_used() {
    let endless = |seen: &Seen| {
        let body = r#"{"auth":{"client_token":"s.1","lease_duration":0}}"#;
        (seen.path == LOGIN).then(|| Reply::Answer(200, "", body.into()))
    };
    let double = Double::scripted(endless).await;
    let (vault, _dir) = double.client();
    assert_eq!(
        read(&vault).await,
        Err(VaultError::TokenUnfit("never ends"))
    );
    assert_eq!(double.count(SECRET), 0);
}

#[tokio::test]
async fn a_secret_id_that_others_can_read_is_not_sent() {
    let double = Double::honest().await;
    let (vault, dir) = double.client();
    let path = dir.path().join("secret_id");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = read(&vault).await.unwrap_err().to_string();
    assert!(
        refused.contains("secret_id: its mode 0640 lets others at it"),
        "{refused}"
    );
    assert!(double.seen().is_empty());
}

#[tokio::test]
async fn a_rotated_secret_id_is_used_at_the_next_login() {
    let double = Double::honest().await;
    let (vault, dir) = double.client();
    read(&vault).await.unwrap();
    fs::write(dir.path().join("secret_id"), "secret-id-2").unwrap();
    double.revoke_all();
    read(&vault).await.unwrap();
    let logins: Vec<_> = double
        .seen()
        .into_iter()
        .filter(|seen| seen.path == LOGIN)
        .collect();
    assert!(logins[1].body.contains("secret-id-2"));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let double = Double::with_tokens(2, true).await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    double.until(RENEW, 2).await;
    read(&vault).await.unwrap();
    assert_eq!(double.count(LOGIN), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_replaced_before_its_end_and_left_to_lapse() {
    let double = Double::with_tokens(2, false).await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    double.until(LOGIN, 2).await;
    // The old one is used until the new one is there.
    while double.seen().iter().all(|seen| seen.token() != "s.2") {
        read(&vault).await.unwrap();
    }
    assert_eq!((double.count(RENEW), double.count(REVOKE)), (0, 0));
}

#[tokio::test]
async fn a_token_that_the_server_will_not_renew_is_replaced() {
    let double = Double::start(
        |seen| (seen.path == RENEW).then(|| Reply::errors(400, "lease is not renewable")),
        2,
        true,
    );
    let double = double.await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    double.until(LOGIN, 2).await;
    assert_eq!(double.count(RENEW), 1);
}

#[tokio::test]
async fn nobody_looks_after_the_token_of_a_client_that_is_gone() {
    let double = Double::with_tokens(1, true).await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    drop(vault);
    let (other, _dir) = double.client();
    read(&other).await.unwrap();
    double.until(RENEW, 2).await;
    assert!(
        double
            .seen()
            .iter()
            .all(|seen| seen.path != RENEW || seen.token() == "s.2")
    );
}

#[tokio::test]
async fn a_closed_client_gave_its_token_back_and_gives_no_more_values() {
    let double = Double::honest().await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    vault.close().await.unwrap();
    assert_eq!(double.count(REVOKE), 1);
    assert_eq!(read(&vault).await, Err(VaultError::Closed));
    assert_eq!(double.count(LOGIN), 1);
}

#[tokio::test]
async fn closing_waits_no_longer_than_five_seconds() {
    let double = Double::scripted(|seen| (seen.path == REVOKE).then_some(Reply::Silence)).await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    let closing = tokio::spawn(async move { vault.close().await });
    double.until(REVOKE, 1).await;
    pause();
    let begin = Instant::now();
    assert_eq!(closing.await.unwrap(), Err(VaultError::TimedOut));
    assert!(begin.elapsed() < Duration::from_secs(6));
}

/// A server at which a login by `secret-id-2` fails as long as the answer says so.
async fn refusing_the_second() -> (Double, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(true));
    let refusing = Arc::clone(&refuses);
    let double = Double::scripted(move |seen| {
        let second = seen.path == LOGIN && seen.body.contains("secret-id-2");
        let refused = second && refusing.load(Ordering::SeqCst);
        refused.then(|| Reply::errors(400, "invalid secret id"))
    });
    (double.await, refuses)
}

async fn later(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

#[tokio::test]
async fn a_token_goes_on_until_the_next_login_gave_another() {
    let (double, refuses) = refusing_the_second().await;
    let (vault, dir) = double.client();
    read(&vault).await.unwrap();
    let second = approle(dir.path(), "role-1\n", "secret-id-2\n");
    let second = settings(&double.address, Vec::new(), second);
    vault.adopt(second).unwrap();
    read(&vault).await.unwrap();
    later(REPLACED_FOR * 2).await;
    read(&vault).await.unwrap();
    assert_eq!(double.seen().last().unwrap().token(), "s.1");
    assert_eq!(double.count(REVOKE), 0);
    refuses.store(false, Ordering::SeqCst);
    // longer than any wait between logins; nobody asks meanwhile
    let logins = double.count(LOGIN);
    later(Duration::from_secs(600)).await;
    double.until(LOGIN, logins + 1).await;
    while double.count(REVOKE) == 0 {
        later(REPLACED_FOR).await;
        read(&vault).await.unwrap();
    }
    let revoked = double.seen().into_iter().find(|seen| seen.path == REVOKE);
    assert_eq!(revoked.unwrap().token(), "s.1");
    read(&vault).await.unwrap();
    assert_ne!(double.seen().last().unwrap().token(), "s.1");
}

#[tokio::test]
async fn a_token_does_not_stand_in_at_another_server() {
    let old = Double::honest().await;
    let (next, _refuses) = refusing_the_second().await;
    let (vault, dir) = old.client();
    read(&vault).await.unwrap();
    let second = approle(dir.path(), "role-1\n", "secret-id-2\n");
    vault
        .adopt(settings(&next.address, Vec::new(), second))
        .unwrap();
    assert_eq!(read(&vault).await, Err(VaultError::BadLogin));
    assert_eq!(old.count(SECRET), 1);
}

#[tokio::test]
async fn v17_a_token_is_not_given_back_while_leases_of_it_are_held() {
    let double = Double::honest().await;
    let (vault, dir) = double.client();
    read(&vault).await.unwrap();
    let parent = vault.line.load().session.at_hand().unwrap().parent();
    let second = approle(dir.path(), "role-1\n", "secret-id-2\n");
    vault
        .adopt(settings(&double.address, Vec::new(), second))
        .unwrap();
    // Who held a token has another at once, and whoever has its leases is told.
    double.until(LOGIN, 2).await;
    while !parent.superseded() {
        read(&vault).await.unwrap();
    }
    assert!(parent.lives(Instant::now()));
    for _ in 0..4 {
        later(REPLACED_FOR).await;
        read(&vault).await.unwrap();
    }
    assert_eq!(double.count(REVOKE), 0);
    drop(parent);
    while double.count(REVOKE) == 0 {
        later(REPLACED_FOR).await;
        read(&vault).await.unwrap();
    }
    assert_eq!(double.count(LOGIN), 2);
}

#[tokio::test]
async fn v14_backs_off_when_renewal_fails() {
    let away = |seen: &Seen| (seen.path == RENEW).then(|| Reply::errors(503, "sealed"));
    let double = Double::scripted(away).await;
    let (vault, _dir) = double.client();
    read(&vault).await.unwrap();
    later(Duration::from_secs(2641)).await;
    double.until(RENEW, 1).await;
    let mut at_least = Duration::from_secs(5);
    for tries in 2..5 {
        // So that the answer came and the wait began; it is longer than this.
        read(&vault).await.unwrap();
        later(at_least - Duration::from_secs(1)).await;
        read(&vault).await.unwrap();
        assert_eq!(double.count(RENEW), tries - 1);
        later(at_least * 2 + Duration::from_secs(1)).await;
        double.until(RENEW, tries).await;
        at_least *= 2;
    }
    assert_eq!((double.count(LOGIN), double.count(REVOKE)), (1, 0));
}

#[tokio::test]
async fn v18_a_server_that_ends_what_it_gives_is_not_asked_for_more_and_more() {
    let double = Double::honest().await;
    let (vault, _dir) = double.client();
    for _ in 0..20 {
        // The end of a wait is not waited for.
        let _ = read(&vault).await;
        double.revoke_all();
    }
    assert_eq!(double.count(LOGIN), 3);
}

#[tokio::test]
async fn a_gate_that_is_not_to_gives_nothing_back() {
    let double = Double::honest().await;
    let dir = TempDir::new().unwrap();
    let login = approle(dir.path(), "role-1", "secret-id-1");
    let settings = VaultSettings {
        revoke_on_exit: false,
        ..settings(&double.address, Vec::new(), login)
    };
    let vault = Arc::new(Vault::new(settings, Arc::default()).unwrap());
    read(&vault).await.unwrap();
    vault.close().await.unwrap();
    assert_eq!(read(&vault).await, Err(VaultError::Closed));
    assert_eq!(double.count(REVOKE), 0);
}

/// A server that leases users; to how its tokens are got, `script` has replies.
async fn leasing(script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Double {
    Double::scripted(move |seen| match seen.path.as_str() {
        "/v1/db/creds/ro" => {
            let lease = r#""lease_id":"db/creds/ro/1","lease_duration":60,"renewable":true"#;
            let data = r#""data":{"username":"u","password":"p"}"#;
            Some(Reply::Answer(200, "", format!("{{{lease},{data}}}")))
        }
        "/v1/sys/leases/revoke" => Some(Reply::Answer(204, "", String::new())),
        _ => script(seen),
    })
    .await
}

/// Has a user made, and closes the client: its leases are ended one by one, and its token is not given back.
async fn ends_its_leases_one_by_one(vault: Arc<Vault>, double: &Double) {
    let engine = Engine::Login {
        mount: "db".into(),
        role: "ro".into(),
    };
    vault.fetch(&engine).await.unwrap();
    vault.close().await.unwrap();
    let ended = double.seen().pop().unwrap();
    assert_eq!(ended.path, "/v1/sys/leases/revoke");
    assert!(ended.body.contains("db/creds/ro/1"), "{}", ended.body);
    assert_eq!(double.count(REVOKE), 0);
}

#[tokio::test]
async fn v31_leases_of_a_token_that_is_not_the_gates_own_are_ended_one_by_one() {
    let known = r#"{"data":{"ttl":60,"policies":["gate"]}}"#;
    let known = |seen: &Seen| (seen.path == LOOKUP).then(|| Reply::Answer(200, "", known.into()));
    let double = leasing(known).await;
    let dir = TempDir::new().unwrap();
    let login = Login::TokenFile(file(dir.path(), "token", "s.others", 0o600));
    let settings = settings(&double.address, Vec::new(), login);
    let vault = Arc::new(Vault::new(settings, Arc::default()).unwrap());
    ends_its_leases_one_by_one(vault, &double).await;
}

#[tokio::test]
async fn v16_leases_of_a_batch_token_which_cannot_be_given_back_are_ended_one_by_one() {
    let batch = r#"{"auth":{"client_token":"b.1","lease_duration":60,"token_type":"batch"}}"#;
    let batch = |seen: &Seen| (seen.path == LOGIN).then(|| Reply::Answer(200, "", batch.into()));
    let double = leasing(batch).await;
    let (vault, _dir) = double.client();
    ends_its_leases_one_by_one(vault, &double).await;
}

#[tokio::test]
async fn v10_a_token_that_must_not_be_used_is_given_back() {
    let endless = r#"{"auth":{"client_token":"s.endless","lease_duration":0}}"#;
    let double = Double::scripted(move |seen| match seen.path.as_str() {
        LOGIN => Some(Reply::Answer(200, "", endless.into())),
        REVOKE => Some(Reply::Answer(204, "", String::new())),
        _ => None,
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    let refused = read(&vault).await.unwrap_err();
    assert!(matches!(refused, VaultError::TokenUnfit(_)), "{refused:?}");
    let seen = double.seen().pop().unwrap();
    assert_eq!((&*seen.path, seen.token()), (REVOKE, "s.endless"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_that_comes_when_the_client_is_closed_is_given_back() {
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let double = Double::scripted(move |seen| {
        if seen.path == LOGIN {
            held.lock().unwrap().recv().unwrap();
        }
        None
    });
    let double = double.await;
    let (vault, _dir) = double.client();
    let asking = {
        let vault = Arc::clone(&vault);
        tokio::spawn(async move { read(&vault).await })
    };
    double.until(LOGIN, 1).await;
    vault.close().await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(asking.await.unwrap(), Err(VaultError::Closed));
    double.until(REVOKE, 1).await;
}
