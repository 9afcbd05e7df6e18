//! Clients as people use them, through the connector, with nothing but the variables that the README documents; and
//! a real nginx as the API, which answers only who has the credential.

mod curl;
mod git;
mod node;
mod python;
mod upstream;
mod wget;

use std::{fs, process::Output};

use crate::world::{World, nginx::Nginx, programs::Door};

/// What nginx serves at `/v1/hello`.
const HELLO: &str = "hello from nginx\n";

/// What a refused user has to see, in whatever their client prints.
const REFUSED: &str = "No rule of the role allows this call.";

/// An agent behind the connector and an API behind the gate.
struct Stage {
    world: World,
    door: Door,
    nginx: Nginx,
}

impl Stage {
    async fn set() -> Stage {
        let rules = "GET,HEAD api.a.test/v1/**; POST api.a.test/v1/**";
        let world = World::new().role("coder", rules).start().await;
        let door = world.connect("coder").await;
        let authorization = format!("Bearer {}", world.secret("api-a"));
        let nginx = world
            .nginx("api.a.test", &authorization, |_| String::new())
            .await;
        fs::create_dir(nginx.root().join("v1")).unwrap();
        fs::write(nginx.root().join("v1/hello"), HELLO).unwrap();
        Stage { world, door, nginx }
    }

    /// Host and port of the API.
    fn api(&self) -> String {
        self.world.at("api.a.test")
    }

    async fn client(&self, program: &str, args: &[&str]) -> Output {
        self.world.client(&self.door, program, args).await
    }

    /// nginx saw these calls, as `GET /v1/hello`, over TLS and each with the credential; then all of it ends.
    async fn saw(self, calls: &[&str]) {
        let seen = self.nginx.has_seen(calls.len()).await;
        let requests: Vec<_> = seen.iter().map(|call| text(&call["request"])).collect();
        let wanted: Vec<_> = calls
            .iter()
            .map(|call| format!("{call} HTTP/1.1"))
            .collect();
        assert_eq!(requests, wanted);
        for call in &seen {
            assert_eq!(call["authorized"], true, "{call}");
            // which of the two is nginx's choice
            assert!(
                ["TLSv1.2", "TLSv1.3"].contains(&text(&call["tls"])),
                "{call}"
            );
            assert_eq!(text(&call["host"]), self.api(), "{call}");
        }
        drop(self.nginx);
        self.world.finish().await;
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}
