//! Engines that make certificates and tokens, each of them a real OpenBao's.

mod certificates;
mod tokens;

use super::{server::OpenBao, *};

/// A server, and a gate that may do there what its policy says.
struct World {
    server: OpenBao,
    vault: Arc<Vault>,
    _dir: TempDir,
}

impl World {
    async fn allowing(policy: &str) -> World {
        let server = OpenBao::start().await;
        let (role_id, secret_id) = server.role("gate", policy, "1h").await;
        let dir = TempDir::new().unwrap();
        let settings = VaultSettings {
            ca: vec![server.ca.clone()],
            login: approle(dir.path(), &role_id, &secret_id),
            ..settings_of(&server.address)
        };
        World {
            server,
            vault: Arc::new(Vault::new(settings, Arc::default()).unwrap()),
            _dir: dir,
        }
    }

    /// Writes as an administrator.
    async fn write(&self, path: &str, body: serde_json::Value) -> serde_json::Value {
        self.server.write(path, &body.to_string()).await
    }
}
