//! What those who run the gate are told, and that nobody else is.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tollgate::refusal::Reason;

use crate::world::{World, gate::tollgate, patience::patiently, vault::Mood};

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**")
        .admin()
        .start()
        .await
}

#[tokio::test]
async fn says_that_it_lives_and_is_ready() {
    let world = world().await;
    let told = world.told("/livez").await;
    assert_eq!((told.status, told.body.as_str()), (200, "alive\n"));
    let told = world.told("/readyz").await;
    assert_eq!(told.status, 200);
    for condition in ["settings", "listening", "certificate", "log"] {
        assert!(
            told.body.contains(&format!("ok       {condition}: ")),
            "{}",
            told.body
        );
    }
    assert!(told.body.ends_with("\nready\n"));
    world.finish().await;
}

#[tokio::test]
async fn answers_nothing_but_reading() {
    let world = world().await;
    let post = "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    let told = world.told_to(post).await;
    assert_eq!(told.status, 405);
    assert!(told.head.contains("allow: get, head"), "{}", told.head);
    assert_eq!(world.told("/").await.status, 404);
    assert_eq!(world.told("/metrics/").await.status, 404);
    let head = "HEAD /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let told = world.told_to(head).await;
    assert_eq!((told.status, told.body.as_str()), (200, ""));
    world.finish().await;
}

#[tokio::test]
async fn answers_once_a_connection() {
    let world = world().await;
    let twice = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2);
    let told = world.told_to(&twice).await;
    assert!(told.head.contains("connection: close"), "{}", told.head);
    assert_eq!(told.body, "alive\n");
    world.finish().await;
}

#[tokio::test]
async fn tells_how_credentials_stand_and_nothing_of_what_they_are() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**; GET api.b.test/**")
        .admin()
        .start()
        .await;
    let agent = world.agent("agent");
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    let told = world.told("/credentials").await;
    assert_eq!(told.status, 200);
    assert!(told.head.contains("content-type: application/json"));
    let told: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["schema"], "tollgate.credentials/1");
    let started = world.events.of_kind("started").pop().unwrap();
    assert_eq!(told["snapshot"], started["snapshot"]);
    let names = told["credentials"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|its| its["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["api-a", "api-b"]);

    let (used, unused) = (&told["credentials"][0], &told["credentials"][1]);
    let event = world
        .event_where("the call", |event| event["kind"] == "ended")
        .await;
    let lease = &used["at_hand"];
    assert_eq!(lease["class"], "static");
    assert_eq!(lease["lease"], event["credential"]["lease"]);
    let (expires, ends) = (&lease["expires"], &event["credential"]["expires"]);
    let second = |time: &Value| time.as_str().unwrap()[..19].to_owned();
    assert_eq!(second(expires), second(ends));
    assert!(lease["remaining_s"].as_u64().unwrap() > 3500);
    assert_eq!((&used["fetched"], &used["waited"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&unused["at_hand"], &unused["fetched"]),
        (&Value::Null, &json!(0))
    );
    world.finish().await;
}

#[tokio::test]
async fn serves_others_while_sixteen_wait_for_nothing() {
    let world = world().await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(TcpStream::connect(world.admin_address()).await.unwrap());
    }
    // they are let go when their time for a head is over
    assert_eq!(world.told("/livez").await.status, 200);
    drop(silent);
    world.finish().await;
}

#[tokio::test]
async fn does_not_answer_a_page_that_a_browser_of_this_machine_shows() {
    let world = world().await;
    let port = world.admin_address().rsplit_once(':').unwrap().1.to_owned();
    for host in [
        format!("Host: rebinding.example:{port}\r\n"),
        "Host: 192.168.0.1\r\n".to_owned(),
        String::new(),
        "Host: localhost\r\nHost: rebinding.example\r\n".to_owned(),
    ] {
        for path in ["/metrics", "/credentials"] {
            let request = format!("GET {path} HTTP/1.1\r\n{host}\r\n");
            let told = world.told_to(&request).await;
            assert!(matches!(told.status, 400 | 403), "{host}: {}", told.status);
            assert!(!told.body.contains("tollgate"), "{}", told.body);
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn is_not_reached_through_the_gate() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let rule = format!("GET self.test:{0}/**; GET 127.0.0.1:{0}/**", listen.port());
    let world = World::new()
        .role("agent", rule.as_str())
        .setting(&format!("admin: {listen}"))
        .setting("drain_delay: 0s")
        .start()
        .await;
    let agent = world.agent("agent");
    // excepted addresses, but the gate's own
    for (host, address) in [
        ("self.test", "127.0.0.1"),
        ("self.test", "::ffff:127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        world.dns.answers("self.test", &[address]);
        let call = format!("GET http://{host}:{}/metrics", listen.port());
        let event = world
            .refused(&agent.call(&call).await, Reason::AddressForbidden)
            .await;
        assert_eq!(
            event["decision"]["cause"], "the gate itself",
            "{host} {address}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn answers_on_a_socket_that_only_its_user_may_open() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .setting("admin: unix:admin.sock")
        .setting("drain_delay: 0s")
        .start()
        .await;
    assert!(world.admin_address().starts_with("unix:"));
    let socket = world.dir().join("admin.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = world
        .told_to("GET /readyz HTTP/1.1\r\nHost: gate\r\n\r\n")
        .await;
    assert_eq!(told.status, 200);
    world.gate.signal("TERM");
    world.gate.ended().await;
    assert!(!socket.exists(), "the socket is left behind");
    world.finish_ended(0).await;
}

#[tokio::test]
async fn a_vault_that_is_away_leaves_it_ready_while_its_leases_hold() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .vault()
        .max_ttl("6s")
        .admin()
        .start()
        .await;
    let agent = world.agent("agent");
    let call = "GET http://api.a.test/v1/x";
    assert_eq!(agent.call(call).await.status, 200);
    world.vault().is(Mood::Sealed);
    let told = patiently("a fetch ahead that fails", async {
        loop {
            assert_eq!(agent.call(call).await.status, 200);
            let told = world.told("/readyz").await;
            assert_eq!(told.status, 200, "{}", told.body);
            if told.body.contains("degraded credential api-a") {
                return told;
            }
        }
    })
    .await;
    assert!(told.body.ends_with("\nready\n"), "{}", told.body);
    world.finish().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_run_that_failed_and_no_wrong_setting() {
    let world = World::new()
        .role("reader", "GET api.a.test/v1/**")
        .start()
        .await;
    let settings = fs::read_to_string(world.dir().join("tollgate.yaml")).unwrap();
    let taken = world.listen();
    let again = world.dir().join("again.yaml");
    for settings in [
        settings.replace("listen: 127.0.0.1:0", &format!("listen: {taken}")),
        format!("{settings}\nadmin: {taken}\n"),
    ] {
        fs::write(&again, settings).unwrap();
        let mut serve = tollgate();
        serve.args(["serve", "--config"]).arg(&again);
        let output = world.run(serve).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains(&format!("cannot listen on {taken}")),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
    world.finish().await;
}
