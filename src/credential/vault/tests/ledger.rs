//! What a run of the gate that was cut short leaves behind, and what the next one makes of it.

use std::{path::PathBuf, sync::OnceLock};

use super::{double::*, server::OpenBao, *};

/// A directory with a login and a ledger that outlive the client.
struct World {
    address: String,
    ca: Vec<CertificateDer<'static>>,
    login: Login,
    dir: TempDir,
}

impl World {
    fn of(double: &Double) -> World {
        let dir = TempDir::new().unwrap();
        World {
            address: double.address.clone(),
            ca: Vec::new(),
            login: approle(dir.path(), "role-1", "secret-id-1"),
            dir,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    /// A client with that file, and what it counts.
    fn client(&self) -> (Arc<Vault>, Arc<VaultErrors>) {
        self.client_with(|_| {})
    }

    fn client_with(
        &self,
        change: impl FnOnce(&mut VaultSettings),
    ) -> (Arc<Vault>, Arc<VaultErrors>) {
        let mut settings = VaultSettings {
            ca: self.ca.clone(),
            login: self.login.clone(),
            ledger: Some(Ledger::open(&self.path()).unwrap()),
            ..settings_of(&self.address)
        };
        change(&mut settings);
        let errors = Arc::<VaultErrors>::default();
        (
            Arc::new(Vault::new(settings, Arc::clone(&errors)).unwrap()),
            errors,
        )
    }

    /// The accessors in the file.
    fn noted(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path()).unwrap();
        let lines = text.lines().skip(1);
        lines
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    }

    /// Waits until these stand in the file.
    async fn until_noted(&self, expected: &[&str]) {
        let noted = async {
            while self.noted() != expected {
                tokio::task::yield_now().await;
            }
        };
        let noted = timeout(Duration::from_secs(10), noted).await;
        assert!(noted.is_ok(), "{:?}, and not {expected:?}", self.noted());
    }

    /// A run that logs in and is cut short.
    async fn crashes(&self) {
        read(&self.client().0).await.unwrap();
    }
}

async fn read(vault: &Vault) -> Result<(), VaultError> {
    vault.fetch(&kv2("secret", "a")).await.map(|_| ())
}

#[tokio::test]
async fn a_token_is_noted_before_it_is_used_and_forgotten_when_it_is_given_back() {
    let place = Arc::new(OnceLock::<PathBuf>::new());
    let (at, first) = (Arc::clone(&place), Arc::new(OnceLock::new()));
    let text = Arc::clone(&first);
    let double = Double::scripted(move |seen| {
        if seen.path == SECRET {
            first.get_or_init(|| fs::read_to_string(at.get().unwrap()).unwrap());
        }
        None
    });
    let double = double.await;
    let world = World::of(&double);
    place.set(world.path()).unwrap();
    let (vault, _) = world.client();
    read(&vault).await.unwrap();
    let text = text.get().unwrap();
    assert!(text.contains("accessor-1 gate "), "{text}");
    assert!(
        !text.contains("s.1") && !text.contains("secret-id-1"),
        "{text}"
    );
    vault.close().await.unwrap();
    assert_eq!(world.noted(), [""; 0]);
    assert_eq!(double.count(REVOKE_ACCESSOR), 0);
}

#[tokio::test]
async fn a_token_that_cannot_be_noted_is_given_back_and_not_used() {
    let double = Double::honest().await;
    let world = World::of(&double);
    let (vault, _) = world.client();
    // In the place of what is written first, something that cannot be taken away.
    fs::create_dir(world.dir.path().join("tokens.new")).unwrap();
    let refused = read(&vault).await.unwrap_err();
    assert!(matches!(refused, VaultError::Unnoted(_)), "{refused}");
    assert_eq!((double.count(REVOKE), double.count(SECRET)), (1, 0));
}

#[tokio::test]
async fn what_a_crash_left_is_ended_after_the_next_login_and_counted() {
    let double = Double::honest().await;
    let world = World::of(&double);
    world.crashes().await;
    let (vault, errors) = world.client();
    assert_eq!(double.count(LOGIN), 1);
    read(&vault).await.unwrap();
    world.until_noted(&["accessor-2"]).await;
    let asked = double
        .seen()
        .into_iter()
        .find(|seen| seen.path == REVOKE_ACCESSOR);
    let asked = asked.unwrap();
    assert_eq!(
        (asked.token(), &*asked.body),
        ("s.2", r#"{"accessor":"accessor-1"}"#)
    );
    while errors.well.revoke.so_far() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((errors.well.revoke.so_far(), errors.revoke.sum()), (1, 0));
}

#[tokio::test]
async fn whoever_waits_for_the_login_does_not_wait_for_what_a_crash_left() {
    let hangs = |seen: &Seen| (seen.path == REVOKE_ACCESSOR).then_some(Reply::Silence);
    let double = Double::scripted(hangs).await;
    let world = World::of(&double);
    world.crashes().await;
    let (vault, _) = world.client();
    read(&vault).await.unwrap();
    double.until(REVOKE_ACCESSOR, 1).await;
    assert_eq!(world.noted(), ["accessor-1", "accessor-2"]);
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_forgotten() {
    for (status, error) in [
        (400, "1 error occurred: invalid accessor"),
        (403, "invalid accessor"),
        (404, "no such token"),
    ] {
        let unknown =
            move |seen: &Seen| (seen.path == REVOKE_ACCESSOR).then(|| Reply::errors(status, error));
        let double = Double::scripted(unknown).await;
        let world = World::of(&double);
        world.crashes().await;
        let (vault, _) = world.client();
        read(&vault).await.unwrap();
        world.until_noted(&["accessor-2"]).await;
    }
}

#[tokio::test]
async fn what_the_policy_does_not_let_it_end_stays_noted() {
    let denied = |seen: &Seen| {
        (seen.path == REVOKE_ACCESSOR).then(|| Reply::errors(403, "permission denied"))
    };
    let double = Double::scripted(denied).await;
    let world = World::of(&double);
    world.crashes().await;
    let (vault, errors) = world.client();
    read(&vault).await.unwrap();
    while errors.revoke.sum() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.noted(), ["accessor-1", "accessor-2"]);
    // nor is it asked for again before the next start
    assert!((1..=4).contains(&double.count(REVOKE_ACCESSOR)));
}

#[tokio::test]
async fn a_renewal_moves_the_end_that_is_noted_and_a_token_that_is_to_lapse_is_not_ended_later() {
    let double = Double::with_tokens(2, true).await;
    let world = World::of(&double);
    let (vault, _) = world.client_with(|settings| settings.revoke_on_exit = false);
    read(&vault).await.unwrap();
    let before = fs::read_to_string(world.path()).unwrap();
    double.until(RENEW, 1).await;
    let moved = async {
        while fs::read_to_string(world.path()).unwrap() == before {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(Duration::from_secs(10), moved).await.is_ok());
    vault.close().await.unwrap();
    assert_eq!(world.noted(), [""; 0]);
    assert_eq!(double.count(REVOKE), 0);
}

#[tokio::test]
async fn other_settings_with_the_same_file_go_on_with_it() {
    let double = Double::honest().await;
    let world = World::of(&double);
    let (vault, _) = world.client();
    read(&vault).await.unwrap();
    let ledger = vault.ledger();
    assert!(
        ledger
            .as_ref()
            .is_some_and(|ledger| ledger.is_at(&world.path()))
    );
    let next = VaultSettings {
        login: world.login.clone(),
        ledger,
        ..settings_of(&world.address)
    };
    vault.adopt(next).unwrap();
    world.until_noted(&["accessor-1", "accessor-2"]).await;
}

/// What the gate may do: have something leased, make tokens for roles, and end what a crash left.
const POLICY: &str = r#"
path "pki/issue/agents" { capabilities = ["update"] }
path "auth/token/create/agents" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
"#;

#[tokio::test]
async fn v31_tokens_and_leases_of_a_run_that_was_cut_short_are_ended_by_the_next_one() {
    let server = OpenBao::start().await;
    let (role_id, secret_id) = server.role("gate", POLICY, "1h").await;
    server.mount("pki", "pki").await;
    let root = r#"{"common_name":"test","ttl":"24h"}"#;
    server.write("pki/root/generate/internal", root).await;
    let kind = r#"{"allow_any_name":true,"generate_lease":true,"ttl":"1h"}"#;
    server.write("pki/roles/agents", kind).await;
    let kind = r#"{"allowed_entity_aliases":["tollgate-*"],"token_explicit_max_ttl":"1h"}"#;
    server.write("auth/token/roles/agents", kind).await;
    let dir = TempDir::new().unwrap();
    let world = World {
        address: server.address.clone(),
        ca: vec![server.ca.clone()],
        login: approle(dir.path(), &role_id, &secret_id),
        dir,
    };
    let per_role = PerRole {
        token_role: "agents".into(),
        entity_alias: "tollgate-{role}".into(),
    };
    let client = || {
        world
            .client_with(|settings| settings.per_role = Some(per_role.clone()))
            .0
    };

    let first = client();
    leased(&first).await;
    leased(&first.for_role("triage").unwrap()).await;
    let left = world.noted();
    let old = server.leases("pki/issue/agents").await;
    assert_eq!((left.len(), old.len()), (2, 2));
    drop(first);

    let second = client();
    leased(&second).await;
    while world.noted().len() != 1 {
        tokio::task::yield_now().await;
    }
    let own = world.noted();
    assert!(!left.contains(&own[0]));
    for accessor in &left {
        assert!(server.token(accessor).await.is_null());
    }
    // leases follow their token in a moment of the server's own
    while server.leases("pki/issue/agents").await.len() != 1 {}
    let leases = server.leases("pki/issue/agents").await;
    assert!(!old.contains(&leases[0]));
    assert!(!server.token(&own[0]).await.is_null());
    second.close().await.unwrap();
    assert_eq!(world.noted(), [""; 0]);
}

/// Has something leased under the token of `client`.
async fn leased(client: &Vault) {
    let body = serde_json::json!({ "common_name": "a.test" });
    let question = engine::Question::write(&["pki/issue/agents"], body).unwrap();
    let (answer, _) = client.ask(&question, Repeat::IfUndone).await.unwrap();
    assert_eq!(answer.status, 200);
}
