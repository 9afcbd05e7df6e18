//! git: clones over the smart protocol, from its own `git http-backend` behind nginx.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{REFUSED, stderr};
use crate::world::{World, nginx::Nginx, patience::until, programs};

/// The file in the repository: enough that git has to compress and to count objects.
const CONTENT: &str = "one line of a file that came all the way\n";

/// fcgiwrap, which runs `git http-backend` for nginx; ended when it is dropped.
struct Backend {
    dir: TempDir,
    server: Child,
}

impl Backend {
    async fn start() -> Backend {
        let dir = TempDir::new().unwrap();
        let socket = dir.path().join("socket");
        let server = Command::new(programs::installed("fcgiwrap", "fcgiwrap"))
            .arg("-s")
            .arg(format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("fcgiwrap's socket", || socket.exists().then_some(())).await;
        Backend { dir, server }
    }

    /// What nginx is told of it.
    fn locations(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "location /code/ {{
                fastcgi_pass unix:{dir}/socket;
                fastcgi_param SCRIPT_FILENAME {}/git-http-backend;
                fastcgi_param GIT_PROJECT_ROOT {dir};
                fastcgi_param GIT_HTTP_EXPORT_ALL 1;
                fastcgi_param PATH_INFO $uri;
                fastcgi_param QUERY_STRING $args;
                fastcgi_param REQUEST_METHOD $request_method;
                fastcgi_param CONTENT_TYPE $content_type;
                fastcgi_param CONTENT_LENGTH $content_length;
                fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
                fastcgi_param GIT_PROTOCOL $http_git_protocol;
            }}",
            exec_path().display()
        )
    }

    /// A bare repository with one commit.
    fn repository(&self, path: &str) {
        let (bare, work) = (self.dir.path().join(path), TempDir::new().unwrap());
        fs::write(work.path().join("file"), CONTENT.repeat(1000)).unwrap();
        git(work.path(), &["init", "-q", "-b", "main"]);
        git(work.path(), &["add", "file"]);
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.test"];
        git(
            work.path(),
            &[&who[..], &["commit", "-q", "-m", "one"]].concat(),
        );
        let bare = bare.to_str().unwrap();
        git(work.path(), &["clone", "-q", "--bare", ".", bare]);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

async fn stage(backend: &Backend) -> (World, Nginx) {
    let rules = "GET api.a.test/code/acme/**; POST api.a.test/code/acme/*/git-upload-pack";
    let world = World::new().role("coder", rules).start().await;
    let authorization = format!("Bearer {}", world.secret("api-a"));
    let nginx = world
        .nginx("api.a.test", &authorization, |_| backend.locations())
        .await;
    (world, nginx)
}

#[tokio::test]
async fn git_clones_in_clear_and_intercepted_and_says_what_it_is_refused_for() {
    let backend = Backend::start().await;
    backend.repository("code/acme/site.git");
    backend.repository("code/other/site.git");
    let (world, nginx) = stage(&backend).await;
    let door = world.connect("coder").await;

    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}/code/acme/site.git", world.at("api.a.test"));
        let cloned = world
            .client(&door, "git", &["clone", "-q", &url, scheme])
            .await;
        assert!(cloned.status.success(), "{cloned:?}");
        let file = fs::read_to_string(world.dir().join(scheme).join("file")).unwrap();
        assert_eq!(file, CONTENT.repeat(1000));
    }
    // the fetch asked twice each time: for the references, and with a body for the objects
    let seen = nginx.has_seen(4).await;
    let posts = seen
        .iter()
        .filter(|call| call["request"].as_str().unwrap().starts_with("POST"));
    assert!(posts.count() >= 2, "{seen:?}");
    assert!(
        seen.iter().all(|call| call["authorized"] == true),
        "{seen:?}"
    );

    let url = format!("https://{}/code/other/site.git", world.at("api.a.test"));
    let refused = world
        .client(&door, "git", &["clone", &url, "refused"])
        .await;
    let said = stderr(&refused);
    assert!(
        said.contains(&format!("remote: no_rule: {REFUSED}")),
        "{said}"
    );
    assert!(said.contains("(GET api.a.test) (event "), "{said}");

    drop((nginx, backend));
    world.finish().await;
}

fn git(dir: &Path, args: &[&str]) {
    let output = Command::new("git")
        .current_dir(dir)
        .env("HOME", dir)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
}

fn exec_path() -> PathBuf {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}
