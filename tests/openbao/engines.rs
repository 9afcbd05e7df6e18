//! Engines of a server, each at the path that is its name, with what a test needs of them.

use serde_json::{Value, json};

use super::{OpenBao, text};

/// Where a database engine has a server, and who may do everything there.
pub(crate) struct Administered<'a> {
    /// `http://host:port`, or `host:port`.
    pub(crate) address: &'a str,
    pub(crate) root: (&'a str, &'a str),
}

impl OpenBao {
    /// Makes users of a RabbitMQ, who may ask its management API, for leases of `rabbitmq/creds/NAME`.
    ///
    /// `ends` are the time that a lease has at first, and the most that it may have, as in `1h`.
    pub(crate) async fn makes_rabbitmq_users(
        &self,
        name: &str,
        server: &Administered<'_>,
        ends: (&str, &str),
    ) {
        self.mount("rabbitmq", "rabbitmq").await;
        let connection = json!({
            "connection_uri": server.address,
            "username": server.root.0,
            "password": server.root.1,
        });
        self.configure("rabbitmq/config/connection", &connection)
            .await;
        let lease = json!({ "ttl": ends.0, "max_ttl": ends.1 });
        self.configure("rabbitmq/config/lease", &lease).await;
        let role = json!({ "tags": "management" });
        self.configure(&format!("rabbitmq/roles/{name}"), &role)
            .await;
    }

    /// Makes roles of a PostgreSQL for leases of `database/creds/NAME`.
    pub(crate) async fn makes_postgres_roles(
        &self,
        name: &str,
        server: &Administered<'_>,
        ends: (&str, &str),
    ) {
        let address = server.address;
        let connection = json!({
            "plugin_name": "postgresql-database-plugin",
            "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@{address}/postgres?sslmode=disable"),
            "password_authentication": "scram-sha-256",
        });
        let created = r#"CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"#;
        self.makes_database_users(name, server, connection, (created, ends))
            .await;
    }

    /// Makes users of an InfluxDB, to which it speaks TLS, for leases of `database/creds/NAME`.
    pub(crate) async fn makes_influx_users(
        &self,
        name: &str,
        server: &Administered<'_>,
        ends: (&str, &str),
    ) {
        let (host, port) = server.address.split_once(':').expect("host:port");
        let connection = json!({
            "plugin_name": "influxdb-database-plugin",
            "host": host,
            "port": port,
            // it has no way to name one authority without a certificate to show, and the server is on loopback
            "tls": true,
            "insecure_tls": true,
        });
        let created = r#"CREATE USER "{{username}}" WITH PASSWORD '{{password}}'"#;
        self.makes_database_users(name, server, connection, (created, ends))
            .await;
    }

    async fn makes_database_users(
        &self,
        name: &str,
        server: &Administered<'_>,
        mut connection: Value,
        (created, ends): (&str, (&str, &str)),
    ) {
        self.mount("database", "database").await;
        connection["username"] = server.root.0.into();
        connection["password"] = server.root.1.into();
        connection["allowed_roles"] = name.into();
        self.configure(&format!("database/config/{name}"), &connection)
            .await;
        let role = json!({
            "db_name": name,
            "creation_statements": [created],
            "default_ttl": ends.0,
            "max_ttl": ends.1,
        });
        self.configure(&format!("database/roles/{name}"), &role)
            .await;
    }

    /// Signs certificates for names below `domain`, by `pki/sign/NAME`, for `ttl`; gives the authority's own (PEM).
    pub(crate) async fn signs_certificates(&self, name: &str, domain: &str, ttl: &str) -> String {
        self.mount("pki", "pki").await;
        let root = json!({ "common_name": "OpenBao's CA", "key_type": "ec", "ttl": "24h" });
        let root = self.configure("pki/root/generate/internal", &root).await;
        let role = json!({
            "allowed_domains": domain,
            "allow_subdomains": true,
            "allow_bare_domains": true,
            "key_type": "any",
            "ttl": ttl,
            "max_ttl": ttl,
        });
        self.configure(&format!("pki/roles/{name}"), &role).await;
        text(&root["certificate"])
    }

    /// Makes an RSA key of which only signatures leave it, by `transit/sign/NAME`; gives the public half (PEM).
    pub(crate) async fn signs_with_rsa(&self, name: &str) -> String {
        self.mount("transit", "transit").await;
        let key = format!("transit/keys/{name}");
        self.configure(&key, &json!({ "type": "rsa-2048" })).await;
        text(&self.read(&key).await["keys"]["1"]["public_key"])
    }

    /// Vouches for whoever logged in, by `identity/oidc/token/NAME`, for `ttl`; gives the audience of its words.
    pub(crate) async fn vouches_for_logins(&self, name: &str, ttl: &str) -> String {
        let key =
            json!({ "allowed_client_ids": "*", "algorithm": "RS256", "verification_ttl": "1h" });
        self.configure(&format!("identity/oidc/key/{name}"), &key)
            .await;
        let role = json!({ "key": name, "ttl": ttl });
        let path = format!("identity/oidc/role/{name}");
        self.configure(&path, &role).await;
        text(&self.read(&path).await["client_id"])
    }

    /// Mounts an engine, unless there is one already.
    pub(crate) async fn mount(&self, path: &str, kind: &str) {
        let mounts = self.read("sys/mounts").await;
        if mounts[format!("{path}/")].is_null() {
            let mount = json!({ "type": kind });
            self.configure(&format!("sys/mounts/{path}"), &mount).await;
        }
    }

    async fn configure(&self, path: &str, settings: &Value) -> Value {
        self.write(path, &settings.to_string()).await
    }

    /// The ids of the leases on what was read below `prefix`, as in `rabbitmq/creds/NAME`.
    pub(crate) async fn leases(&self, prefix: &str) -> Vec<String> {
        let keys = self.list(&format!("sys/leases/lookup/{prefix}/")).await;
        let id = |key: String| format!("{prefix}/{key}");
        keys.into_iter().map(id).collect()
    }

    /// Ends a lease, and what is leased by it.
    pub(crate) async fn revoke(&self, lease: &str) {
        let body = json!({ "lease_id": lease, "sync": true });
        self.configure("sys/leases/revoke", &body).await;
    }

    /// Ends all leases on what was read below `prefix`.
    pub(crate) async fn revoke_prefix(&self, prefix: &str) {
        let body = json!({ "sync": true });
        self.configure(&format!("sys/leases/revoke-prefix/{prefix}"), &body)
            .await;
    }
}
