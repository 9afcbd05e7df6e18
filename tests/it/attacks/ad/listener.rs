//! The admin listener tells those who run the gate how it is, and nobody else anything.

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use crate::{
    attacks::arena,
    world::{World, gate::tollgate, patience::patiently, settings::Role, vault::Mood},
};

/// A loopback port that was free a moment ago.
async fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap().port()
}

#[tokio::test]
async fn ad_01_is_not_reached_through_the_gate() {
    let port = free_port().await;
    let rules =
        format!("GET self.test:{port}/**; GET localhost:{port}/**; GET 127.0.0.1:{port}/**");
    let world = arena()
        .role("self", Role::from(&*rules))
        .setting(&format!("admin: 127.0.0.1:{port}"))
        .setting("drain_delay: 0s")
        .start()
        .await;
    // no rule names it
    let agent = world.agent("r1");
    for host in ["127.0.0.1", "localhost", "[::1]", "self.test"] {
        let answer = agent
            .call(&format!("GET http://{host}:{port}/metrics"))
            .await;
        let reasons = [Reason::NoRule, Reason::AddressForbidden];
        assert!(reasons.iter().any(|reason| reason.code() == answer.code()));
        let place = format!("{host}:{port}");
        let mut wire = agent.wire().await;
        wire.send(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n"))
            .await;
        let answer = wire.answer_to("CONNECT").await;
        world.refused(&answer, Reason::PortForbidden).await;
    }
    world.nothing_left_the_gate();
    // another spelling of it
    for host in [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "localhost.",
    ] {
        let answer = agent
            .call(&format!("GET http://{host}:{port}/metrics"))
            .await;
        assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
    }
    // a rule and an exception name it, by mistake or by malice
    let agent = world.agent("self");
    for (host, address) in [
        ("self.test", "127.0.0.1"),
        ("self.test", "::ffff:127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        world.dns.answers(host, &[address]);
        let answer = agent
            .call(&format!("GET http://{host}:{port}/metrics"))
            .await;
        let event = world.refused(&answer, Reason::AddressForbidden).await;
        let cause = event["decision"]["cause"].as_str();
        assert!(
            matches!(cause, Some("the gate itself" | "loopback")),
            "{host} {address}: {cause:?}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn ad_02_answers_no_page_that_a_browser_of_this_machine_shows() {
    let world = arena().admin().start().await;
    let port = world.admin_address().rsplit_once(':').unwrap().1.to_owned();
    let own = format!("127.0.0.1:{port}");
    for headers in [
        "Host: evil.test\r\n".to_owned(),
        format!("Host: evil.test:{port}\r\n"),
        format!("Host: 0.0.0.0:{port}\r\n"),
        format!("Host: localhost.evil.test:{port}\r\n"),
        format!("Host: 127.0.0.1.nip.io:{port}\r\n"),
        format!("Host: {own}\r\nHost: evil.test\r\n"),
        String::new(),
        format!("Host: {own}\r\nOrigin: https://evil.test\r\n"),
        format!("Host: {own}\r\nOrigin: null\r\n"),
        format!("Host: {own}\r\nOrigin: http://localhost:3000\r\n"),
        format!("Host: {own}\r\nSec-Fetch-Site: cross-site\r\n"),
        format!("Host: {own}\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n"),
        format!("Host: {own}\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n"),
    ] {
        for path in ["/metrics", "/readyz", "/livez", "/credentials"] {
            let told = world
                .told_to(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n"))
                .await;
            assert!(matches!(told.status, 400 | 403), "{headers}: {told:?}");
            assert!(
                !told.body.contains("tollgate_") && !told.body.contains("ready\n"),
                "{told:?}"
            );
            assert!(!told.head.contains("access-control-"), "{told:?}");
        }
    }
    // what a page can send without being asked changes nothing, from wherever it comes
    let plain = "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let told = world
            .told_to(&format!(
                "{method} /livez HTTP/1.1\r\nHost: {own}\r\n{plain}"
            ))
            .await;
        assert_eq!(told.status, 405, "{method}");
    }
    // a person who writes the address into a browser, and a program
    for headers in [
        &*format!("Host: {own}\r\nSec-Fetch-Site: none\r\n"),
        "Host: localhost\r\n",
    ] {
        let told = world
            .told_to(&format!("GET /livez HTTP/1.1\r\n{headers}\r\n"))
            .await;
        assert_eq!(told.status, 200, "{headers}");
        assert!(
            told.head
                .contains("cross-origin-resource-policy: same-origin")
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn ad_03_tells_no_credential_and_no_setting() {
    let world = arena().vault().admin().start().await;
    assert_eq!(
        world
            .agent("r1")
            .call("GET http://api.a.test/v1/public/x")
            .await
            .status,
        200
    );
    for path in ["/metrics", "/readyz", "/livez", "/credentials"] {
        let told = world.told(path).await;
        assert_eq!(told.status, 200, "{path}");
        // what is told is searched for secrets when the world ends
        for word in [
            world.vault().url(),
            "secret_id".into(),
            "Bearer".into(),
            "PRIVATE".into(),
        ] {
            assert!(!told.body.contains(&word), "{path} tells {word}");
        }
    }
    for path in [
        "/",
        "/config",
        "/credentials/api-a",
        "/v1/providers",
        "/status",
        "/roles",
        "/debug/pprof/heap",
        "/debug/vars",
        "/env",
        "/metrics/../credentials",
        "/secrets/api-a",
    ] {
        let told = world.told(path).await;
        assert_eq!((told.status, told.body.lines().count()), (404, 1), "{path}");
    }
    // nor is there any of it where agents are
    for path in ["/metrics", "/readyz", "/config", "/credentials"] {
        let mut wire = world.agent("r1").wire().await;
        wire.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n",
            world.listen()
        ))
        .await;
        assert_eq!(wire.answer().await.status, 400, "{path}");
    }
    world.finish().await;
}

#[tokio::test]
async fn ad_08_says_that_it_lives_and_nothing_of_what_it_guards() {
    let world = arena().vault().max_ttl("6s").admin().start().await;
    let agent = world.agent("r1");
    let call = "GET http://api.a.test/v1/public/x";
    assert_eq!(agent.call(call).await.status, 200);
    world.vault().is(Mood::Sealed);
    // ready by README.md, for another gate would fare no better; but it is told
    let told = patiently("a fetch ahead that fails", async {
        loop {
            agent.call(call).await;
            let told = world.told("/readyz").await;
            if told.body.contains("degraded credential api-a") {
                return told;
            }
        }
    })
    .await;
    for secret in [
        &*world.vault().url(),
        env!("CARGO_PKG_VERSION"),
        "spiffe://",
        "role",
        "r1",
        "api.a.test",
    ] {
        assert!(!told.body.contains(secret), "{secret} in {}", told.body);
    }
    let told = world.told("/livez").await;
    assert_eq!((told.status, told.body.as_str()), (200, "alive\n"));
    assert!(!told.head.contains("server:"), "{}", told.head);
    // to live is not to be ready
    std::fs::write(world.dir().join("roles/r1.yaml"), "purpose: [\n").unwrap();
    world.reload().await;
    let told = world.told("/readyz").await;
    assert!(told.body.contains("degraded settings:"), "{}", told.body);
    assert_eq!(world.told("/livez").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn ad_10_no_listener_trusts_who_is_near() {
    let world = arena().setting("attempts: 30/h").start().await;
    // a program beside the gate, with no certificate
    let stranger = world.agent_showing(None);
    let call = stranger.absolute("GET http://api.a.test/v1/public/x", "", "");
    if let Ok(mut wire) = stranger.try_wire().await {
        let _ = wire.try_send(&call).await;
        assert_eq!(wire.rest().await, b"");
    }
    // a tool that an agent talks into asking its own proxy
    let listen = world.listen();
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--max-time", "10", &format!("http://{listen}/")]);
    let output = world.run(curl).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !said.contains("HTTP/") && !output.status.success(),
        "{output:?}"
    );
    // loopback has no budget of its own
    let agent = world.agent("r2");
    let answer = agent
        .call_until("GET http://api.a.test/", |answer| answer.status == 429)
        .await;
    World::says_no(&answer, Reason::AttemptsExhausted);
    another_user_is_not_served(&world).await;
    world.nothing_left_the_gate();
    world.finish().await;
}

/// The connector of one user, asked by another; only root can be somebody else for a moment.
async fn another_user_is_not_served(world: &World) {
    let door = world.connect("r1").await;
    let mut curl = std::process::Command::new("setpriv");
    curl.args([
        "--reuid=65534",
        "--clear-groups",
        "curl",
        "--silent",
        "--include",
    ]);
    curl.args([
        "--max-time",
        "10",
        "--proxy",
        &format!("http://{}", door.address),
    ]);
    curl.arg("http://api.a.test/v1/public/x");
    let output = world.run(curl).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains(" 200 "), "{output:?}");
    if !String::from_utf8_lossy(&output.stderr).contains("setpriv") {
        assert!(said.starts_with("HTTP/1.1 403"), "{output:?}");
    }
    let help = tollgate().args(["connect", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("--peer-uid") && !help.contains("--any"),
        "{help}"
    );
}
