//! There is no word in settings, environment or command line that turns verification off.

use tollgate::refusal::Reason;

use crate::{
    attacks::{arena, outcome::checked},
    world::{
        World,
        gate::tollgate,
        pki::{self, Authority},
    },
};

/// What other programs obey. `NOWHERE` is a place where nobody listens.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("INSECURE", "1"),
    ("TOLLGATE_INSECURE", "1"),
    ("TOLLGATE_UPSTREAM_VERIFY", "off"),
    ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
    ("PYTHONHTTPSVERIFY", "0"),
    ("GIT_SSL_NO_VERIFY", "true"),
    ("CURL_INSECURE", "1"),
    ("VAULT_SKIP_VERIFY", "true"),
    ("VAULT_ADDR", "http://127.0.0.1:9"),
    ("VAULT_TOKEN", "root"),
    ("VAULT_CACERT", "/nowhere"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ("https_proxy", "http://127.0.0.1:9"),
    ("ALL_PROXY", "socks5://127.0.0.1:9"),
    ("NO_PROXY", "*"),
    ("RES_OPTIONS", "attempts:0"),
    ("LOCALDOMAIN", "evil.test"),
    ("HOSTALIASES", "/nowhere"),
    ("RUST_LOG", "trace"),
];

#[tokio::test]
async fn ca_07_no_variable_of_the_environment_weakens_it() {
    let rogue = Authority::new("rogue");
    let dir = tempfile::tempdir().unwrap();
    let (roots, keys) = (dir.path().join("rogue.crt"), dir.path().join("keys.log"));
    std::fs::write(&roots, rogue.certificate.pem()).unwrap();
    let paths = [
        ("SSL_CERT_FILE", &roots),
        ("SSL_CERT_DIR", &dir.path().to_owned()),
        ("CURL_CA_BUNDLE", &roots),
        ("REQUESTS_CA_BUNDLE", &roots),
        ("NODE_EXTRA_CA_CERTS", &roots),
        ("SSLKEYLOGFILE", &keys),
    ]
    .map(|(name, path)| (name, path.display().to_string()));
    let mut builder = arena().vault();
    for (name, value) in ENVIRONMENT {
        builder = builder.environment(name, value);
    }
    for (name, value) in &paths {
        builder = builder.environment(name, value);
    }
    let world = builder.start().await;
    let (agent, api) = (world.agent("r1"), world.upstream("api.a.test"));
    let call = "GET http://api.a.test/v1/public/x";
    api.presents(pki::server_config(&rogue.server(&["api.a.test"])));
    world
        .refused(&agent.call(call).await, Reason::UpstreamTls)
        .await;
    assert_eq!(api.received_bytes(), 0);
    let good = world.pki.upstreams.server(&["api.a.test"]);
    api.presents(pki::server_config(&good));
    assert_eq!(agent.call(call).await.status, 200);
    let turned_away = world.agent_showing(Some(
        rogue.sign(&pki::agent_params(&[&pki::spiffe_id("r1")])),
    ));
    if let Ok(mut wire) = turned_away.try_wire().await {
        assert_eq!(wire.rest().await, b"");
    }
    assert!(!keys.exists(), "session keys are written down");
    no_setting(&world).await;
    no_argument(&world).await;
    world.finish().await;
}

/// Each of these is a key that nobody knows, wherever it stands.
async fn no_setting(world: &World) {
    let path = world.dir().join("tollgate.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    for word in [
        "insecure: true",
        "verify: false",
        "insecure_skip_verify: true",
        "danger_accept_invalid_certs: true",
        "tls: {verify: false}",
        "skip_verify_hosts: [api.a.test]",
        "debug: true",
        "client_auth: optional",
    ] {
        let inside = |mapping: &str| {
            good.replacen(
                &format!("{mapping}: {{"),
                &format!("{mapping}: {{{word}, "),
                1,
            )
        };
        let everywhere = [
            format!("{good}{word}\n"),
            inside("upstream"),
            inside("vault"),
            inside("interception"),
            inside("td.test"),
        ];
        for text in everywhere {
            assert_ne!(text, good, "{word}");
            std::fs::write(&path, text).unwrap();
            let (code, said) = checked(world).await;
            assert_eq!(code, Some(2), "{word}: {said}");
            assert!(said.contains("unknown key"), "{word}: {said}");
        }
    }
    for danger in ["verify: false", "tls: off", "insecure: true"] {
        let exception = format!(
            "exceptions: [{{role: r1, host: api.a.test, port: 443, {danger}, reason: none, until: 2099-01-01}}]\n"
        );
        let text = good.lines().filter(|line| !line.starts_with("exceptions:"));
        let text = text.collect::<Vec<_>>().join("\n");
        std::fs::write(&path, format!("{text}\n{exception}")).unwrap();
        assert_eq!(checked(world).await.0, Some(2), "{danger}");
    }
    std::fs::write(&path, good).unwrap();
}

async fn no_argument(world: &World) {
    for argument in [
        "--insecure",
        "--no-verify",
        "--skip-verify",
        "--danger-accept-invalid-certs",
        "-k",
    ] {
        let mut serve = tollgate();
        serve
            .args(["serve", argument, "--config"])
            .arg(world.dir().join("tollgate.yaml"));
        let output = world.run(serve).await;
        assert_eq!(output.status.code(), Some(2), "{argument}: {output:?}");
    }
}
