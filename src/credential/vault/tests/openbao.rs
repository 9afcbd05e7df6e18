//! The client and the cache against a real OpenBao, over TLS.

use http::header::AUTHORIZATION;
use tokio::time::{advance, pause, resume};

use super::{server::OpenBao, *};
use crate::{
    credential::{Entry, LeaseNames, Source, Unavailable},
    inject::{header::HeaderTemplate, placement::Placement},
    secret::{Lease, Ready},
};

const POLICY: &str = r#"path "secret/data/team/*" { capabilities = ["read"] }"#;
const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(10);

/// A server with one secret, and a gate whose role may read it.
struct World {
    server: OpenBao,
    vault: Arc<Vault>,
    dir: TempDir,
}

impl World {
    async fn start() -> World {
        World::with_tokens_of("1h").await
    }

    async fn with_tokens_of(ttl: &str) -> World {
        let server = OpenBao::start().await;
        server.put("team/github", "first").await;
        let (role_id, secret_id) = server.role("gate", POLICY, ttl).await;
        let dir = TempDir::new().unwrap();
        let settings = VaultSettings {
            ca: vec![server.ca.clone()],
            login: approle(dir.path(), &role_id, &secret_id),
            ..settings_of(&server.address)
        };
        World {
            server,
            vault: Arc::new(Vault::new(settings, Arc::default()).unwrap()),
            dir,
        }
    }

    async fn read(&self, path: &str) -> Result<String, VaultError> {
        let fetched = self.vault.fetch(&kv2("secret", path)).await?;
        Ok(token(&fetched).to_owned())
    }

    fn entry(&self) -> Entry {
        let source = Source::Vault {
            vault: Arc::clone(&self.vault),
            engine: kv2("secret", "team/github"),
        };
        let placement = Placement::Header {
            name: AUTHORIZATION,
            template: HeaderTemplate::parse("Bearer {token}").unwrap(),
        };
        Entry::new(source, placement, HOUR, LeaseNames::random().unwrap())
    }

    /// The accessors of the tokens that logins gave and that are still good.
    async fn tokens(&self) -> Vec<String> {
        let mut tokens = Vec::new();
        for accessor in self.server.accessors().await {
            if self.server.token(&accessor).await["path"] == "auth/approle/login" {
                tokens.push(accessor);
            }
        }
        tokens
    }
}

async fn header(entry: &Entry) -> Result<String, Unavailable> {
    let lease = entry.lease(SOON).await?;
    Ok(sent(&lease).to_owned())
}

/// The value of the header that carries the lease's secret.
fn sent(lease: &Lease) -> &str {
    match lease.ready() {
        Ready::Header(_, value) => value.to_str().unwrap(),
        Ready::Parameter(_) | Ready::Certificate(_) => {
            panic!("the entry's placement is a header")
        }
    }
}

/// Moves the gate's clock, not the server's.
async fn later(by: Duration) {
    pause();
    advance(by).await;
    resume();
}

#[tokio::test]
async fn a_secret_is_read_with_its_version() {
    let world = World::start().await;
    let fetched = world.vault.fetch(&kv2("secret", "team/github")).await;
    let fetched = fetched.unwrap();
    assert_eq!(token(&fetched), "first");
    assert_eq!((fetched.version, fetched.end), (Some(1), End::Open));
    assert!(fetched.request_id.is_some());
}

#[tokio::test]
async fn a_path_outside_of_the_policy_is_denied_and_costs_no_login() {
    let world = World::start().await;
    world.server.put("other/aws", "not ours").await;
    assert_eq!(world.read("other/aws").await, Err(VaultError::Denied));
    assert_eq!(world.read("team/github").await.as_deref(), Ok("first"));
    assert_eq!(world.tokens().await.len(), 1);
}

#[tokio::test]
async fn absent_deleted_and_unmounted_are_told_apart() {
    let policy = r#"path "*" { capabilities = ["read"] }"#;
    let world = World::start().await;
    world.server.role("gate", policy, "1h").await;
    assert_eq!(world.read("team/none").await, Err(VaultError::NotFound));
    world.server.delete("team/github").await;
    assert_eq!(world.read("team/github").await, Err(VaultError::Deleted));
    let unmounted = world.vault.fetch(&kv2("nowhere", "a")).await;
    assert_eq!(unmounted.unwrap_err(), VaultError::NoEngine);
}

#[tokio::test]
async fn a_wrong_secret_id_is_a_bad_login() {
    let world = World::start().await;
    fs::write(world.dir.path().join("secret_id"), "wrong").unwrap();
    assert_eq!(world.read("team/github").await, Err(VaultError::BadLogin));
}

#[tokio::test]
async fn a_server_with_another_certificate_is_untrusted() {
    let (world, other) = (World::start().await, OpenBao::start().await);
    let settings = VaultSettings {
        ca: vec![other.ca.clone()],
        login: approle(world.dir.path(), "role", "secret"),
        ..settings_of(&world.server.address)
    };
    let vault = Vault::new(settings, Arc::default()).unwrap();
    let refused = vault.fetch(&kv2("secret", "team/github")).await;
    assert!(
        matches!(refused, Err(VaultError::Untrusted(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn v18_a_hundred_whose_token_was_revoked_share_one_login() {
    let world = Arc::new(World::start().await);
    world.read("team/github").await.unwrap();
    world.server.revoke_logins().await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.read("team/github").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().as_deref(), Ok("first"));
    }
    assert_eq!(world.tokens().await.len(), 1);
}

#[tokio::test]
async fn a_new_version_is_seen_after_the_refresh() {
    let world = World::start().await;
    let entry = world.entry();
    let first = entry.lease(SOON).await.unwrap();
    assert_eq!(sent(&first), "Bearer first");
    world.server.put("team/github", "second").await;
    assert_eq!(header(&entry).await.as_deref(), Ok("Bearer first"));
    later(HOUR / 2).await;
    assert_eq!(header(&entry).await.as_deref(), Ok("Bearer first"));
    let second = changed(&entry, &first).await;
    assert_eq!(sent(&second), "Bearer second");
    assert_eq!((first.generation(), second.generation()), (1, 2));
    assert_ne!(first.id(), second.id());
}

/// Asks until the fetch ahead has brought another lease.
async fn changed(entry: &Entry, before: &Lease) -> Arc<Lease> {
    loop {
        let lease = entry.lease(SOON).await.unwrap();
        if lease.id() != before.id() {
            return lease;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_deleted_version_is_not_used_up() {
    let world = World::start().await;
    let entry = world.entry();
    entry.lease(SOON).await.unwrap();
    world.server.delete("team/github").await;
    later(HOUR / 2).await;
    let refused = loop {
        match header(&entry).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert_eq!(
        refused.cause,
        "vault: the secret's latest version is deleted"
    );
}

#[tokio::test]
async fn a_sealed_server_is_outlived_until_the_end_of_the_lease() {
    let world = World::start().await;
    let entry = world.entry();
    entry.lease(SOON).await.unwrap();
    world.server.seal().await;
    for minutes in [30, 20, 9] {
        later(Duration::from_secs(60 * minutes)).await;
        assert_eq!(header(&entry).await.as_deref(), Ok("Bearer first"));
    }
    later(Duration::from_secs(60)).await;
    // The clock moved under the last fetch: what the server says is known after one more.
    let refused = header(&entry).await.unwrap_err();
    later(refused.retry_after).await;
    let mut refused = header(&entry).await.unwrap_err();
    assert_eq!(refused.cause, "vault: it is sealed or in maintenance");
    world.server.unseal().await;
    let header = loop {
        later(refused.retry_after).await;
        match header(&entry).await {
            Ok(header) => break header,
            Err(again) => refused = again,
        }
    };
    assert_eq!(header, "Bearer first");
}

#[tokio::test]
async fn a_token_is_renewed_and_not_replaced() {
    let world = World::with_tokens_of("2s").await;
    world.read("team/github").await.unwrap();
    let token = world.tokens().await.remove(0);
    // Asking for a token that has ended fails the test.
    while world.server.token(&token).await["last_renewal"].is_null() {}
    world.read("team/github").await.unwrap();
    assert_eq!(world.tokens().await, [token]);
}

#[tokio::test]
async fn a_closed_client_leaves_no_token_behind() {
    let world = World::start().await;
    world.read("team/github").await.unwrap();
    assert_eq!(world.tokens().await.len(), 1);
    world.vault.close().await.unwrap();
    assert_eq!(world.tokens().await.len(), 0);
}

#[tokio::test]
async fn v15_a_token_that_came_to_its_longest_time_is_replaced_before_it_ends() {
    let world = World::with_tokens_of("4s").await;
    let role = r#"{"token_ttl":"4s","token_max_ttl":"6s","token_policies":"gate"}"#;
    world.server.write("auth/approle/role/gate", role).await;
    world.read("team/github").await.unwrap();
    let first = world.tokens().await;
    let both = loop {
        let tokens = world.tokens().await;
        if tokens.len() == 2 {
            break tokens;
        }
    };
    assert!(both.contains(&first[0]));
    assert_eq!(world.read("team/github").await.as_deref(), Ok("first"));
}

#[tokio::test]
async fn v03_a_quota_is_kept_to() {
    let world = World::start().await;
    let config = r#"{"enable_rate_limit_response_headers":true}"#;
    world.server.write("sys/quotas/config", config).await;
    world.read("team/github").await.unwrap();
    let quota = r#"{"path":"secret/","rate":1,"interval":"60s"}"#;
    world
        .server
        .write("sys/quotas/rate-limit/gate", quota)
        .await;
    world.read("team/github").await.unwrap();
    let limited = world.read("team/github").await.unwrap_err();
    assert!(
        matches!(limited, VaultError::RateLimited { .. }),
        "{limited}"
    );
    assert!(limited.retry_after() > Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn v18_a_permission_that_was_lost_is_a_denial_and_no_reason_to_log_in() {
    let world = World::start().await;
    world.read("team/github").await.unwrap();
    later(Duration::from_secs(10)).await;
    let nothing = r#"{"policy":"path \"other\" { capabilities = [\"read\"] }"}"#;
    world.server.write("sys/policies/acl/gate", nothing).await;
    assert_eq!(world.read("team/github").await, Err(VaultError::Denied));
    assert_eq!(world.tokens().await.len(), 1);
}
