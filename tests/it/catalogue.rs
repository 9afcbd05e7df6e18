//! What `tollgate credential` says of the catalogue: where each value comes from and how it stands, and never what it is.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    openbao::server::{OpenBao, engines::Administered},
    servers::{ROOT, postgres::Postgres},
    world::{World, gate::tollgate, pki::write_private},
};

/// The settings of a gate that never runs, with what its login at `bao` needs: a policy as `credential policy` prints it.
struct Settings {
    dir: TempDir,
}

impl Settings {
    /// With these entries of the catalogue, each a name and the keys of its source.
    async fn new(bao: &OpenBao, entries: &[(&str, &str)]) -> Settings {
        Settings::with("", bao, entries).await
    }

    /// The same, with more keys of `vault`.
    async fn with(more: &str, bao: &OpenBao, entries: &[(&str, &str)]) -> Settings {
        let dir = TempDir::new().unwrap();
        let vault = format!(
            "vault: {{address: \"{}\", ca: {}, approle: {{role_id: role_id, secret_id: secret_id}}{more}}}\n",
            bao.address,
            bao.ca_file().display()
        );
        write(dir.path(), &vault, entries);
        let settings = Settings { dir };
        let policy = settings.says(&["policy"]);
        let (role_id, secret_id) = bao.role("gate", &text(&policy.stdout), "20m").await;
        write_private(&settings.dir.path().join("role_id"), &role_id);
        write_private(&settings.dir.path().join("secret_id"), &secret_id);
        settings
    }

    /// What a subcommand of `credential` says with these settings.
    fn says(&self, args: &[&str]) -> Output {
        credential(args, self.dir.path())
    }

    fn fails(&self, args: &[&str]) -> String {
        let output = self.says(args);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        text(&output.stderr)
    }
}

fn credential(args: &[&str], dir: &Path) -> Output {
    let mut command = tollgate();
    command.arg("credential").args(args);
    command.arg("--config").arg(dir.join("tollgate.yaml"));
    command.output().unwrap()
}

fn write(dir: &Path, vault: &str, entries: &[(&str, &str)]) {
    let frame = "listen: 127.0.0.1:0\ncertificate: {chain: gate.crt, key: gate.key}\n\
        trust_domains: {td.test: {bundle: agents.crt}}\ninterception: {ca: ca.crt, key: ca.key}\n";
    let role = "purpose: p\nowner: o\nsponsor: s\nreview_by: 2099-01-01\nidentities: [spiffe://td.test/triage]\n\
        limit: {rate: 1/s}\nrules: []\n";
    let mut catalogue = String::new();
    for (name, keys) in entries {
        catalogue +=
            &format!("{name}:\n  roles: [triage]\n  hosts: [queries.example.org]\n  {keys}\n");
    }
    fs::create_dir_all(dir.join("roles")).unwrap();
    fs::write(dir.join("tollgate.yaml"), format!("{frame}{vault}")).unwrap();
    fs::write(dir.join("roles/triage.yaml"), role).unwrap();
    fs::write(dir.join("credentials.yaml"), catalogue).unwrap();
    fs::write(dir.join("revoked"), "").unwrap();
}

const MADE: &str = "vault: {database: database, role: reader}\n  \
    place: {basic: {user: \"{username}\", password: \"{password}\"}}\n  max_ttl: 8h";
const STORED: &str = "vault: {kv2: secret, path: a, field: token}\n  \
    place: {header: Authorization, value: \"Bearer {token}\"}\n  max_ttl: 1h\n  \
    allow_static: {owner: o@example.test, rotate_by: 2099-01-31}";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The tokens that logins gave, or that were made for roles, and that are still good.
async fn tokens(bao: &OpenBao) -> usize {
    let mut logins = 0;
    for accessor in bao.accessors().await {
        let path = &bao.token(&accessor).await["path"];
        logins += usize::from(path == "auth/approle/login" || path == "auth/token/create/agents");
    }
    logins
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_shows_where_a_made_user_goes_and_leaves_neither_lease_nor_token() {
    let (bao, postgres) = tokio::join!(OpenBao::start(), Postgres::start());
    let server = Administered {
        address: &postgres.address(),
        root: ROOT,
    };
    bao.makes_postgres_roles("reader", &server, ("1h", "2h"))
        .await;
    let settings = Settings::new(&bao, &[("queries", MADE)]).await;

    let output = settings.says(&["test", "queries"]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    let (request, said): (Vec<_>, Vec<_>) =
        said.lines().partition(|line| line.starts_with("request"));
    insta::assert_snapshot!(said.join("\n"), @r"
    credential  queries
    from        vault:database/creds/reader
    injected    authorization: Basic base64(****:****)
    into        calls of triage to queries.example.org
    class       dynamic
    end         a lease of 1h, which can be made longer; used for 8h at most
    given back  yes, the lease has ended
    ");
    assert!(output.stderr.is_empty(), "{output:?}");
    let readme = include_str!("../../README.md");
    for line in said {
        assert!(
            readme.contains(&format!("    {line}\n")),
            "{line} is not in the README"
        );
    }
    let id = request[0].split_whitespace().nth(1).unwrap();
    assert!(request[0].ends_with(" in Vault's audit log"), "{request:?}");
    let audited = bao.audit();
    let asked = audited.iter().find(|line| line["request"]["id"] == id);
    assert_eq!(asked.unwrap()["request"]["path"], "database/creds/reader");

    let output = settings.says(&["test", "queries", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["schema"], "tollgate.credential-test/1");
    assert_eq!(told["injected"], "authorization: Basic base64(****:****)");
    assert_eq!(
        (&told["class"], &told["lease_s"]),
        (&"dynamic".into(), &3600.into())
    );
    assert_eq!(
        (&told["renewable"], &told["given_back"]),
        (&true.into(), &true.into())
    );

    assert_eq!(
        bao.leases("database/creds/reader").await,
        Vec::<String>::new()
    );
    assert_eq!(postgres.roles_made().await, Vec::<String>::new());
    assert_eq!(tokens(&bao).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_what_is_signed_needs_no_more_than_the_policy_that_is_printed() {
    let bao = OpenBao::start().await;
    bao.signs_certificates("gate", "td.test", "10m").await;
    bao.signs_with_rsa("app").await;
    let certificate = "vault: {pki: pki, role: gate, common_name: gate.td.test}\n  \
        place: client_certificate\n  max_ttl: 10m";
    let signed = "vault: {transit: transit, key: app, jwt: {claims: {iss: \"1\"}}}\n  \
        place: {header: Authorization, value: \"Bearer {token}\"}\n  max_ttl: 9m";
    let settings = Settings::new(&bao, &[("shown", certificate), ("signed", signed)]).await;
    let told = |name: &str| -> Value {
        let output = settings.says(&["test", name, "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let shown = told("shown");
    assert_eq!(
        shown["injected"],
        "nothing: its connection shows a certificate"
    );
    let signed = told("signed");
    assert_eq!(signed["injected"], "authorization: Bearer ****");
    for told in [shown, signed] {
        assert_eq!(told["class"], "dynamic", "{told}");
    }
    assert_eq!(tokens(&bao).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_fails_says_what_to_do_and_leaves_no_token() {
    let bao = OpenBao::start().await;
    let other = STORED.replace("path: a", "path: b");
    let as_user = STORED.replace(
        "{header: Authorization, value: \"Bearer {token}\"}",
        "{basic: {user: \"{token}\"}}",
    );
    let settings = Settings::new(
        &bao,
        &[
            ("stored", STORED),
            ("absent", &other),
            ("as-user", &as_user),
        ],
    )
    .await;
    bao.put("a", "s3cret:with-a-colon").await;

    let output = settings.says(&["test", "stored"]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.contains("injected    authorization: Bearer ****\n"),
        "{said}"
    );
    assert!(said.contains("class       static\n"), "{said}");
    assert!(
        said.contains("answers     o@example.test until 2099-01-31\n"),
        "{said}"
    );

    let said = settings.fails(&["test", "absent"]);
    assert!(
        said.contains("there is nothing at the path; look at the mount"),
        "{said}"
    );
    let said = settings.fails(&["test", "as-user"]);
    assert!(said.contains("the value has a colon"), "{said}");
    assert!(said.contains("change where the credential goes"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert_eq!(tokens(&bao).await, 0);

    let output = settings.says(&["test", "stored", "--role", "writer"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("stored is for the roles triage"));
    let output = settings.says(&["test", "as-usr"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("no credential \"as-usr\"; did you mean as-user?"),
        "{said}"
    );

    bao.seal().await;
    let said = settings.fails(&["test", "stored"]);
    assert!(
        said.contains("it is sealed or in maintenance; look at the server"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_asks_with_the_token_of_the_role_which_alone_may_read() {
    let bao = OpenBao::start().await;
    let per_role = ", per_role: {token_role: agents, entity_alias: \"gate-{role}\"}";
    let settings = Settings::with(per_role, &bao, &[("stored", STORED)]).await;
    bao.put("a", "s3cret").await;
    let write = async |path: &str, body: Value| bao.write(path, &body.to_string()).await;
    let policy = text(&settings.says(&["policy", "--role", "triage"]).stdout);
    assert_eq!(
        policy,
        "path \"secret/data/a\" { capabilities = [\"read\"] }\n"
    );
    write(
        "auth/token/roles/agents",
        json!({ "allowed_entity_aliases": ["gate-*"] }),
    )
    .await;
    let said = settings.fails(&["test", "stored"]);
    assert!(
        said.contains("`tollgate credential policy` prints what is needed"),
        "{said}"
    );

    write("sys/policies/acl/triage", json!({ "policy": policy })).await;
    let mount = &bao.read("sys/auth").await["token/"]["accessor"];
    let entity = json!({ "name": "triage", "policies": ["triage"] });
    let entity = write("identity/entity", entity).await;
    let alias = json!({
        "name": "gate-triage", "canonical_id": entity["id"], "mount_accessor": mount,
    });
    write("identity/entity-alias", alias).await;
    let output = settings.says(&["test", "stored"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(tokens(&bao).await, 0);
}

#[test]
fn the_policy_is_what_the_catalogue_needs_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let vault = "vault: {address: \"https://vault.test\", ca: ca.crt, approle: {role_id: r, secret_id: s}}\n";
    let policy = |entries: &[(&str, &str)]| {
        write(dir.path(), vault, entries);
        text(&credential(&["policy"], dir.path()).stdout)
    };
    insta::assert_snapshot!(policy(&[("a", STORED), ("same", STORED)]), @r#"
    path "secret/data/a" { capabilities = ["read"] }
    path "auth/token/lookup-self" { capabilities = ["read"] }
    path "auth/token/renew-self" { capabilities = ["update"] }
    path "auth/token/revoke-self" { capabilities = ["update"] }
    "#);
    insta::assert_snapshot!(policy(&[("queries", MADE)]), @r#"
    path "database/creds/reader" { capabilities = ["read"] }
    path "sys/leases/renew" { capabilities = ["update"] }
    path "sys/leases/revoke" { capabilities = ["update"] }
    path "auth/token/lookup-self" { capabilities = ["read"] }
    path "auth/token/renew-self" { capabilities = ["update"] }
    path "auth/token/revoke-self" { capabilities = ["update"] }
    "#);
    let per_role = "per_role: {token_role: agents, entity_alias: \"gate-{role}\"}}\n";
    let vault_of_roles = vault.replace("}}\n", &format!("}}, {per_role}"));
    write(dir.path(), &vault_of_roles, &[("queries", MADE)]);
    let of_roles = text(&credential(&["policy"], dir.path()).stdout);
    assert!(!of_roles.contains("database"), "{of_roles}");
    let create = "path \"auth/token/create/agents\" { capabilities = [\"update\"] }\n";
    assert!(of_roles.contains(create), "{of_roles}");
    let end_by_accessor = "path \"auth/token/revoke-accessor\" { capabilities = [\"update\"] }\n";
    assert!(!of_roles.contains(end_by_accessor), "{of_roles}");
    let noting = vault.replace("ca: ", "state: tokens, ca: ");
    write(dir.path(), &noting, &[("queries", MADE)]);
    let noting = text(&credential(&["policy"], dir.path()).stdout);
    assert!(noting.contains(end_by_accessor), "{noting}");
    write(dir.path(), vault, &[]);
    let none = credential(&["policy"], dir.path());
    assert_eq!(none.status.code(), Some(1));
    assert!(
        text(&none.stderr).contains("takes nothing from Vault"),
        "{none:?}"
    );
}

#[test]
fn a_test_reads_a_file_as_the_gate_would() {
    let dir = TempDir::new().unwrap();
    let keys = "file: token\n  place: {query: {name: api_key}}\n  max_ttl: 1h\n  \
        allow_static: {owner: o@example.test, rotate_by: 2099-01-31}";
    write(dir.path(), "", &[("weather", keys)]);
    let says = || credential(&["test", "weather"], dir.path());
    let output = says();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("there is no such file; the file holds the value"),
        "{said}"
    );
    write_private(&dir.path().join("token"), "s3cret");
    let said = text(&says().stdout);
    assert!(said.contains("injected    ?api_key=****\n"), "{said}");
    assert!(
        said.contains("given back  nothing: nothing was leased\n"),
        "{said}"
    );
}

#[tokio::test]
async fn lists_the_catalogue_with_what_the_gate_tells_of_it() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**; GET api.b.test/**")
        .admin()
        .start()
        .await;
    let agent = world.agent("agent");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let list = async |more: &[&str]| {
        let mut command = tollgate();
        command.args(["credential", "list", "--config"]);
        command.arg(world.dir().join("tollgate.yaml")).args(more);
        let output = world.run(command).await;
        assert!(output.status.success(), "{output:?}");
        (text(&output.stdout), text(&output.stderr))
    };

    let admin = world.admin_address();
    let (rows, said) = list(&["--admin", &admin]).await;
    assert_eq!(said, "");
    let rows: Vec<_> = rows.lines().collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with("api-a  static  file:"), "{rows:?}");
    assert!(
        rows[0].contains("  agent  owner@example.test until "),
        "{rows:?}"
    );
    assert!(
        rows[0].ends_with(" left; 1 fetched, 1 waited for it"),
        "{rows:?}"
    );
    assert!(rows[1].ends_with("  not at hand"), "{rows:?}");

    let (told, _) = list(&["--json", "--admin", &admin]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["gate_snapshot"], told["snapshot"]);
    let event = world
        .event_where("the call", |event| event["kind"] == "ended")
        .await;
    let of_gate = &told["credentials"][0]["gate"][0];
    assert_eq!(of_gate["at_hand"]["lease"], event["credential"]["lease"]);

    let (rows, said) = list(&[]).await;
    assert!(
        said.contains("no gate was asked how they stand: the port"),
        "{said}"
    );
    assert!(rows.lines().all(|row| row.ends_with("  -")), "{rows}");
    world.finish().await;
}
