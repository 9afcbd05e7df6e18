//! The settings are read in one way, and are nobody's to change but their owner's.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use crate::{
    attacks::{
        arena,
        outcome::{checked, does_not_start},
    },
    world::World,
};

/// Changes one file of the settings, asks for the verdict, and puts the file back.
async fn said_of(
    world: &World,
    file: &str,
    change: impl FnOnce(&str) -> String,
) -> (Option<i32>, String) {
    let path = world.dir().join(file);
    let good = fs::read_to_string(&path).unwrap();
    let other = change(&good);
    assert_ne!(other, good, "{file} is not changed");
    fs::write(&path, other).unwrap();
    let said = checked(world).await;
    fs::write(&path, good).unwrap();
    said
}

/// A manifest of the arena.
const ROLE: &str = "roles/r2.yaml";

/// What stands in a manifest, what stands there instead, and what is said of that.
const IN_A_MANIFEST: &[(&str, &str, &str)] = &[
    ("methods: [GET]", "methods: [on]", "is not known here"),
    ("methods: [GET]", "methods: [yes, no]", "is not known here"),
    ("methods: [GET]", "methods: GET: POST", "not valid YAML"),
    ("methods: [GET]", "methods: [get]", "is not known here"),
    ("methods: [GET]", "methods: ['*']", "is not known here"),
    (
        "methods: [GET]",
        "methods: [GET]\n    methods: [POST]",
        "a second time",
    ),
    (
        "methods: [GET]",
        "\"methods\": [GET]\n    methods: [GET]",
        "a second time",
    ),
    (
        "methods: [GET]",
        "methods: &m [GET]",
        "anchors are not read here",
    ),
    ("methods: [GET]", "methods: *m", "alias"),
    (
        "methods: [GET]",
        "<<: {methods: [POST]}\n    methods: [GET]",
        "merge keys",
    ),
    (
        "methods: [GET]",
        "methods: !!seq [GET]",
        "tags are not read here",
    ),
    (
        "methods: [GET]",
        "methods: !include other.yaml",
        "tags are not read here",
    ),
    ("methods: [GET]", "\tmethods: [GET]", "not valid YAML"),
    (
        "methods: [GET]",
        "methods: [GET]\n    Methods: [POST]",
        "unknown key",
    ),
    (
        "methods: [GET]",
        "methods: [GET]\n    ? [a]\n    : b",
        "a key that is no text",
    ),
    (
        "purpose: Shows",
        "%YAML 1.1\n---\npurpose: Shows",
        "not valid YAML",
    ),
    ("rules:\n", "rules:\n---\n", ""),
    ("limit: {rate: ", "limit: {rate: 0", "no rate"),
    ("limit: {rate: ", "limit: {rate: 1e", "no rate"),
    ("limit: {rate: ", "limit: {rate: -", "no rate"),
];

/// What stands there instead of a host with its port, and what is said of that.
const FOR_A_HOST: &[(&str, &str)] = &[
    ("\"api.b.test:1e3\"", "host"),
    ("\"api.b.test:0443\"", "host"),
    ("\"api.b.test:+443\"", "host"),
    ("\"api.b.test:99999\"", "host"),
    ("\"api.b.test:0\"", "host"),
    ("\"api.b.test:\"", "host"),
    ("2130706433", "host"),
    ("0x7f000001", "host"),
    ("\"127.1\"", "host"),
    ("\"API.b.test\"", "host"),
    ("\"api.b.test.\"", "host"),
    ("\"ａpi.b.test\"", "host"),
    ("\"äpi.b.test\"", "host"),
    ("\"api\u{ad}.b.test\"", "host"),
    ("\"api。b.test\"", "host"),
    ("\"https://api.b.test\"", "host"),
    ("\"u@api.b.test\"", "host"),
    ("\"*\"", "host"),
    ("\"*.*\"", "host"),
    ("\"api.*.test\"", "host"),
    ("true", ""),
    ("~", "missing"),
];

/// The same in `tollgate.yaml`.
const IN_THE_FRAME: &[(&str, &str, &str)] = &[
    ("{stdout: true", "{stdout: on", "no truth value"),
    ("{stdout: true", "{stdout: yes", "no truth value"),
    ("{stdout: true", "{stdout: True", "no truth value"),
    ("{stdout: true", "{stdout: 1", "no truth value"),
    ("{stdout: true", "{stdout: 'true'", "no truth value"),
    (
        "listen: 127.0.0.1:0",
        "listen: 127.0.0.1:0443",
        "no address",
    ),
    ("listen: 127.0.0.1:0", "listen: 127.0.0.1:1e3", "no address"),
    ("listen: 127.0.0.1:0", "listen: 190:20:30", "no address"),
    ("listen: 127.0.0.1:0", "listen: 8443", "no address"),
];

/// The same in `credentials.yaml`.
const IN_THE_CATALOGUE: &[(&str, &str, &str)] = &[
    ("max_ttl: 1h", "max_ttl: 0x10h", "no duration"),
    ("max_ttl: 1h", "max_ttl: 1:30:00", "no duration"),
    ("max_ttl: 1h", "max_ttl: .inf", "no duration"),
    ("max_ttl: 1h", "max_ttl: 3600", "no duration"),
];

#[tokio::test]
async fn ad_05_reads_yaml_in_the_one_way_in_which_a_reviewer_does() {
    let world = arena().start().await;
    let host = format!("\"{}\"", world.at("api.b.test"));
    let hosts: Vec<_> = FOR_A_HOST
        .iter()
        .map(|(to, why)| (&*host, *to, *why))
        .collect();
    for (file, table) in [
        (ROLE, IN_A_MANIFEST),
        (ROLE, &hosts),
        ("tollgate.yaml", IN_THE_FRAME),
        ("credentials.yaml", IN_THE_CATALOGUE),
    ] {
        for (from, to, why) in table {
            let (code, said) = said_of(&world, file, |text| text.replacen(from, to, 1)).await;
            assert_eq!(code, Some(2), "{to:?}: {said}");
            assert!(said.contains(why) && said.contains(file), "{to:?}: {said}");
        }
    }
    // other bytes that say the same, say the same
    let (_, usual) = checked(&world).await;
    for change in [
        |text: &str| text.replace('\n', "\r\n"),
        |text: &str| format!("\u{feff}{text}"),
        |text: &str| format!("# anything\n---\n{text}"),
    ] {
        let (code, said) = said_of(&world, ROLE, change).await;
        assert!(code == Some(0) || said.contains("not valid YAML"), "{said}");
        assert!(code != Some(0) || said.lines().count() == usual.lines().count());
    }
    for bytes in [
        &b"purpose: \xff\n"[..],
        b"purpose: a\0b\n",
        b"\xff\xfep\0u\0",
        b"purpose: \x1b[31mred\n",
    ] {
        fs::write(world.dir().join("roles/odd.yaml"), bytes).unwrap();
        assert_eq!(checked(&world).await.0, Some(2), "{bytes:?}");
    }
    fs::remove_file(world.dir().join("roles/odd.yaml")).unwrap();
    bombs(&world).await;
    world.finish().await;
}

/// What grows when it is read is not read.
async fn bombs(world: &World) {
    let deep = "[".repeat(100_000);
    let wide = "a: [".to_owned() + &"x, ".repeat(150_000) + "]";
    let long = "#".repeat(2 << 20);
    let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n".to_owned();
    for text in [deep, wide, long, laughs] {
        fs::write(world.dir().join("roles/odd.yaml"), text).unwrap();
        let (code, said) = checked(world).await;
        assert_eq!(code, Some(2));
        assert!(said.len() < 20_000, "{} bytes are said", said.len());
    }
    fs::remove_file(world.dir().join("roles/odd.yaml")).unwrap();
}

#[tokio::test]
async fn ad_06_obeys_nothing_that_everybody_may_write() {
    let world = arena().start().await;
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (place, mode, back) in [
        ("tollgate.yaml", 0o666, 0o644),
        ("credentials.yaml", 0o602, 0o644),
        ("roles/r1.yaml", 0o666, 0o644),
        ("revoked", 0o666, 0o644),
        ("pki/agents-ca.crt", 0o666, 0o644),
        ("pki/upstream-ca.crt", 0o646, 0o644),
        ("pki/interception-ca.crt", 0o666, 0o644),
        ("pki/gate.crt", 0o666, 0o644),
        ("roles", 0o777, 0o755),
        ("roles", 0o1777, 0o755),
        ("pki", 0o777, 0o755),
        ("", 0o757, 0o700),
    ] {
        let path = world.dir().join(place);
        set(&path, mode);
        let said = does_not_start(&world, place).await;
        assert!(
            said.contains("everybody may write to") && said.contains(place),
            "{place}: {said}"
        );
        let (code, said) = checked(&world).await;
        assert!(said.contains("everybody may write to"), "{place}: {said}");
        // `check` sees that of what it reads itself; of the rest it warns
        assert_eq!(
            code,
            Some(if place.starts_with("pki") { 0 } else { 2 }),
            "{place}: {said}"
        );
        set(&path, back);
    }
    // a link to what everybody may write is no better
    let elsewhere = tempfile::tempdir().unwrap();
    let (role, real) = (
        world.dir().join("roles/r1.yaml"),
        elsewhere.path().join("r1.yaml"),
    );
    fs::rename(&role, &real).unwrap();
    symlink(&real, &role).unwrap();
    set(&real, 0o666);
    does_not_start(&world, "a link to a file").await;
    set(&real, 0o644);
    set(elsewhere.path(), 0o777);
    does_not_start(&world, "a link into a directory").await;
    set(elsewhere.path(), 0o700);
    assert_eq!(checked(&world).await.0, Some(0));
    // in force it stays as it was, and nothing of what stands there is taken
    set(&real, 0o666);
    fs::write(
        &real,
        fs::read_to_string(&real)
            .unwrap()
            .replace("v1/public", "v1/private"),
    )
    .unwrap();
    let said = world.reload().await;
    assert!(said.contains("not reloaded"), "{said}");
    assert_eq!(
        world
            .agent("r1")
            .call("GET http://api.a.test/v1/public/x")
            .await
            .status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn ad_07_warns_of_rules_that_are_wider_than_they_can_be_meant() {
    let world = arena().start().await;
    let (role, every) = ("roles/r1.yaml", "paths: [\"/**\"]");
    let port = world.port;
    let first = "/v1/public/**";
    for (from, to, why) in [
        (
            format!("paths: [\"{first}\"]"),
            every.to_owned(),
            "is for every path of its hosts",
        ),
        (
            format!("\"api.a.test:{port}\""),
            format!("\"*.com:{port}\""),
            "host",
        ),
        (
            format!("\"api.a.test:{port}\""),
            format!("\"*.co.uk:{port}\""),
            "host",
        ),
        (
            format!("\"api.a.test:{port}\""),
            format!("\"169.254.169.254:{port}\""),
            "no rule and no exception opens",
        ),
    ] {
        let (_, said) = said_of(&world, role, |text| text.replacen(&from, &to, 1)).await;
        assert!(said.contains(why), "{to}: {said}");
    }
    world.finish().await;
}
