//! Each way to log in, against a real OpenBao.

use serde_json::{Value, json};

use super::{
    pki::{Authority, Signer, serve},
    server::OpenBao,
    *,
};

const POLICY: &str = r#"
path "secret/data/team/*" { capabilities = ["read"] }
path "team/secret/data/team/*" { capabilities = ["read"] }
"#;

/// A server with one secret and a policy for it, and a directory for the gate's files.
struct World {
    server: OpenBao,
    dir: TempDir,
}

impl World {
    async fn start() -> World {
        let server = OpenBao::start().await;
        server.put("team/github", "first").await;
        let policy = json!({ "policy": POLICY }).to_string();
        server.write("sys/policies/acl/gate", &policy).await;
        let dir = TempDir::new().unwrap();
        World { server, dir }
    }

    /// With an auth method, and a role of it.
    async fn with(method: &str, config: Value, role: Value) -> World {
        let world = World::start().await;
        let kind = json!({ "type": method }).to_string();
        world
            .server
            .write(&format!("sys/auth/{method}"), &kind)
            .await;
        let path = format!("auth/{method}/config");
        world.server.write(&path, &config.to_string()).await;
        let path = format!("auth/{method}/role/gate");
        world.server.write(&path, &role.to_string()).await;
        world
    }

    fn settings(&self, login: Login) -> VaultSettings {
        VaultSettings {
            ca: vec![self.server.ca.clone()],
            login,
            ..settings_of(&self.server.address)
        }
    }

    fn client(&self, login: Login) -> Arc<Vault> {
        client_by(self.settings(login))
    }

    fn write(&self, name: &str, content: &str) -> std::path::PathBuf {
        file(self.dir.path(), name, content, 0o600)
    }

    /// What the server knows of the tokens that logins at `mount` gave.
    async fn tokens(&self, mount: &str) -> Vec<Value> {
        let mut tokens = Vec::new();
        for accessor in self.server.accessors().await {
            let token = self.server.token(&accessor).await;
            if token["path"] == format!("auth/{mount}/login") {
                tokens.push(token);
            }
        }
        tokens
    }
}

fn client_by(settings: VaultSettings) -> Arc<Vault> {
    Arc::new(Vault::new(settings, Arc::default()).unwrap())
}

async fn read(vault: &Vault) -> Result<String, VaultError> {
    let fetched = vault.fetch(&kv2("secret", "team/github")).await?;
    Ok(token(&fetched).to_owned())
}

fn first() -> Result<String, VaultError> {
    Ok("first".into())
}

/// A wrapped secret id of the role `of` in a file, for a login as `gate`.
async fn wrapped(world: &World, of: &str) -> Login {
    let path = format!("auth/approle/role/{of}/secret-id");
    let wrapping = world.server.write_wrapped(&path, "{}").await;
    let role_id = world.server.read("auth/approle/role/gate/role-id").await;
    Login::AppRole(AppRole {
        mount: "approle".into(),
        role_id: world.write("role_id", role_id["role_id"].as_str().unwrap()),
        secret_id: SecretId::Wrapped {
            file: world.write("wrapped", &wrapping),
            role: "gate".into(),
        },
    })
}

#[tokio::test]
async fn v08_a_wrapped_secret_id_is_unwrapped_once_and_used_for_each_login() {
    let world = World::start().await;
    world.server.role("gate", POLICY, "1h").await;
    let login = wrapped(&world, "gate").await;
    let vault = world.client(login.clone());
    assert_eq!(read(&vault).await, first());
    // neither another login nor other settings unwrap it again
    world.server.revoke_logins().await;
    assert_eq!(read(&vault).await, first());
    vault.adopt(world.settings(login)).unwrap();
    world.server.revoke_logins().await;
    assert_eq!(read(&vault).await, first());
    // another file is
    let login = wrapped(&world, "gate").await;
    vault.adopt(world.settings(login)).unwrap();
    assert_eq!(read(&vault).await, first());
}

#[tokio::test]
async fn v08_a_wrapped_secret_id_that_somebody_else_took_is_an_alarm() {
    let world = World::start().await;
    world.server.role("gate", POLICY, "1h").await;
    let login = wrapped(&world, "gate").await;
    assert_eq!(read(&world.client(login.clone())).await, first());
    let late = world.client(login);
    let alarm = read(&late).await.unwrap_err();
    assert!(matches!(alarm, VaultError::Intercepted(_)), "{alarm}");
    assert!(alarm.to_string().contains("was used before"), "{alarm}");
    assert!(!alarm.retryable());
    let counted = late.errors.login.so_far();
    let counted: Vec<_> = counted.filter(|(_, times)| *times > 0).collect();
    assert_eq!(counted, [("intercepted", 1)]);
}

#[tokio::test]
async fn v08_a_wrapped_secret_id_of_another_role_is_an_alarm_and_stays_wrapped() {
    let world = World::start().await;
    world.server.role("gate", POLICY, "1h").await;
    world.server.role("other", POLICY, "1h").await;
    let vault = world.client(wrapped(&world, "other").await);
    let alarm = read(&vault).await.unwrap_err();
    assert!(
        alarm.to_string().contains("not made for the gate's role"),
        "{alarm}"
    );
    // it was looked at and not taken
    let wrapping = fs::read_to_string(world.dir.path().join("wrapped")).unwrap();
    let body = json!({ "token": wrapping }).to_string();
    let lookup = world.server.write("sys/wrapping/lookup", &body).await;
    assert_eq!(lookup["creation_path"], "auth/approle/role/other/secret-id");
}

#[tokio::test]
async fn v10_a_token_of_the_root_policy_or_without_an_end_is_refused_from_a_file_too() {
    let world = World::start().await;
    let vault = world.client(Login::TokenFile(world.write("token", server::ROOT)));
    let refused = read(&vault).await;
    assert_eq!(refused, Err(VaultError::TokenUnfit("has the root policy")));
    let counted = made(
        &world,
        json!({ "policies": ["gate"], "ttl": "1h", "num_uses": 5 }),
    )
    .await;
    let vault = world.client(Login::TokenFile(world.write("token", &counted)));
    let refused = read(&vault).await;
    assert_eq!(
        refused,
        Err(VaultError::TokenUnfit("ends after a number of uses"))
    );
}

/// A token that somebody made for the gate.
async fn made(world: &World, how: Value) -> String {
    let how = how.to_string();
    let wrapping = world.server.write_wrapped("auth/token/create", &how).await;
    let body = json!({ "token": wrapping }).to_string();
    let unwrapped = world.server.write_whole("sys/wrapping/unwrap", &body).await;
    unwrapped["auth"]["client_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_token_from_a_file_is_used_renewed_and_not_given_back() {
    let world = World::start().await;
    let how = json!({ "policies": ["gate"], "ttl": "2s", "explicit_max_ttl": "1h" });
    let token = made(&world, how).await;
    let login = Login::TokenFile(world.write("token", &format!("{token}\n")));
    let vault = world.client(login);
    assert_eq!(read(&vault).await, first());
    assert!(!vault.line.load().session.ends_leases());
    let body = json!({ "token": token }).to_string();
    // Asking for a token that has ended fails the test.
    while world.server.write("auth/token/lookup", &body).await["last_renewal"].is_null() {}
    vault.close().await.unwrap();
    world.server.write("auth/token/lookup", &body).await;
    assert_eq!(read(&vault).await, Err(VaultError::Closed));
}

#[tokio::test]
async fn a_token_file_that_was_renewed_is_read_again() {
    let world = World::start().await;
    let how = json!({ "policies": ["gate"], "ttl": "1h" });
    let (one, other) = (made(&world, how.clone()).await, made(&world, how).await);
    let login = Login::TokenFile(world.write("token", &one));
    let vault = world.client(login.clone());
    assert_eq!(read(&vault).await, first());
    world.write("token", &other);
    let body = json!({ "token": one }).to_string();
    world.server.write("auth/token/revoke", &body).await;
    assert_eq!(read(&vault).await, first());
    // one that is not known any more, and no other in its place
    let body = json!({ "token": other }).to_string();
    world.server.write("auth/token/revoke", &body).await;
    assert_eq!(read(&vault).await, Err(VaultError::BadLogin));
}

fn certificate(role: Option<&str>) -> Login {
    Login::Certificate(Certificate {
        mount: "cert".into(),
        role: role.map(str::to_owned),
    })
}

#[tokio::test]
async fn v11_a_rotated_certificate_is_presented_and_logged_in_with_at_once() {
    let authority = Authority::new();
    let world = World::start().await;
    world
        .server
        .write("sys/auth/cert", r#"{"type":"cert"}"#)
        .await;
    let role = json!({ "certificate": authority.pem, "token_policies": "gate", "token_ttl": "1h" });
    world
        .server
        .write("auth/cert/certs/gate", &role.to_string())
        .await;
    let settings = |name: &str| VaultSettings {
        certificate: Some(authority.client(name)),
        ..world.settings(certificate(Some("gate")))
    };
    let vault = client_by(settings("gate-1"));
    assert_eq!(read(&vault).await, first());
    vault.adopt(settings("gate-2")).unwrap();
    let names = loop {
        let tokens = world.tokens("cert").await;
        if tokens.len() == 2 {
            let name = |token: &Value| token["meta"]["common_name"].as_str().map(str::to_owned);
            break tokens.iter().filter_map(name).collect::<Vec<_>>();
        }
    };
    for name in ["gate-1", "gate-2"] {
        assert!(names.iter().any(|seen| seen == name), "{names:?}");
    }
    assert_eq!(read(&vault).await, first());
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_none_is_a_bad_login() {
    let (authority, other) = (Authority::new(), Authority::new());
    let world = World::start().await;
    world
        .server
        .write("sys/auth/cert", r#"{"type":"cert"}"#)
        .await;
    let role = json!({ "certificate": authority.pem, "token_policies": "gate", "token_ttl": "1h" });
    world
        .server
        .write("auth/cert/certs/gate", &role.to_string())
        .await;
    for shown in [Some(other.client("gate")), None] {
        let settings = VaultSettings {
            certificate: shown,
            ..world.settings(certificate(None))
        };
        assert_eq!(read(&client_by(settings)).await, Err(VaultError::BadLogin));
    }
    let settings = VaultSettings {
        certificate: Some(authority.client("gate")),
        ..world.settings(certificate(None))
    };
    assert_eq!(read(&client_by(settings)).await, first());
}

fn jwt(method: &str, token_file: std::path::PathBuf) -> Login {
    Login::Jwt(Jwt {
        mount: method.into(),
        role: "gate".into(),
        token_file,
    })
}

#[tokio::test]
async fn v08_a_jwt_is_read_again_at_each_login() {
    let signer = Signer::new();
    let config = json!({ "jwt_validation_pubkeys": [signer.public_key()] });
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": ["gate"], "token_ttl": "1h",
    });
    let world = World::with("jwt", config, role).await;
    let token = |sub: &str| signer.signs(json!({ "sub": sub, "aud": "vault" }));
    let file = world.write("jwt", &format!("{}\n", token("one")));
    let vault = world.client(jwt("jwt", file));
    assert_eq!(read(&vault).await, first());
    world.write("jwt", &format!("  {}\n", token("other")));
    let revoked = "sys/leases/revoke-prefix/auth/jwt";
    world.server.write(revoked, "").await;
    assert_eq!(read(&vault).await, first());
    let tokens = world.tokens("jwt").await;
    assert_eq!(tokens.len(), 1);
    assert!(
        tokens[0]["display_name"]
            .as_str()
            .unwrap()
            .ends_with("other")
    );
    world.write(
        "jwt",
        &Signer::new().signs(json!({ "sub": "one", "aud": "vault" })),
    );
    world.server.write(revoked, "").await;
    assert_eq!(read(&vault).await, Err(VaultError::BadLogin));
}

#[tokio::test]
async fn a_service_account_of_kubernetes_logs_in() {
    let (authority, signer) = (Authority::new(), Signer::new());
    let review = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "status": { "authenticated": true, "user": {
            "username": "system:serviceaccount:agents:tollgate", "uid": "u-1",
            "groups": ["system:serviceaccounts"],
        } },
    });
    let port = serve(authority.signs("api", &["127.0.0.1"]), move |_| {
        review.to_string()
    })
    .await;
    let config = json!({
        "kubernetes_host": format!("https://127.0.0.1:{port}"), "kubernetes_ca_cert": authority.pem,
        "pem_keys": [signer.public_key()], "disable_local_ca_jwt": true,
    });
    let role = json!({
        "bound_service_account_names": ["tollgate"], "bound_service_account_namespaces": ["agents"],
        "token_policies": ["gate"], "token_ttl": "1h",
    });
    let world = World::with("kubernetes", config, role).await;
    let token = |name: &str| {
        let account = json!({ "name": name, "uid": "u-1" });
        signer.signs(json!({
            "iss": "https://kubernetes.default.svc", "sub": format!("system:serviceaccount:agents:{name}"),
            "kubernetes.io": { "namespace": "agents", "serviceaccount": account },
        }))
    };
    let file = world.write("token", &token("tollgate"));
    assert_eq!(read(&world.client(jwt("kubernetes", file))).await, first());
    let file = world.write("token", &token("other"));
    let refused = read(&world.client(jwt("kubernetes", file))).await;
    assert_eq!(refused, Err(VaultError::BadLogin));
}

#[tokio::test]
async fn v01_the_login_may_be_in_another_namespace_than_the_secrets() {
    let world = World::start().await;
    let server = &world.server;
    server.write("sys/namespaces/team", "").await;
    let mount = json!({ "type": "kv", "options": { "version": "2" } });
    server
        .write("team/sys/mounts/secret", &mount.to_string())
        .await;
    let secret = json!({ "data": { "token": "of the team" } }).to_string();
    server.write("team/secret/data/team/github", &secret).await;
    let (role_id, secret_id) = server.role("gate", POLICY, "2s").await;
    let login = approle(world.dir.path(), &role_id, &secret_id);
    let settings = |namespace: &str, login_namespace: &str| VaultSettings {
        namespace: Some(namespace.into()),
        login_namespace: Some(login_namespace.into()),
        ..world.settings(login.clone())
    };
    let vault = client_by(settings("team", "root"));
    assert_eq!(read(&vault).await.as_deref(), Ok("of the team"));
    // Renewed, doubted and given back where it was got.
    while world.tokens("approle").await[0]["last_renewal"].is_null() {}
    let denied = vault.fetch(&kv2("secret", "other")).await;
    assert_eq!(denied.unwrap_err(), VaultError::Denied);
    vault.close().await.unwrap();
    assert_eq!(world.tokens("approle").await.len(), 0);
    // There is no such role in the team's namespace.
    let vault = client_by(settings("team", "team"));
    assert_eq!(read(&vault).await, Err(VaultError::BadLogin));
}
