//! What an agent can make up (names, paths, methods, headers) makes nothing grow.

use tollgate::refusal::Reason;

use super::{super::arena, ok};
use crate::world::{World, agent::Agent, patience::until, settings::Role};

/// Names of one agent that has a wildcard: more than leaves are kept for its role.
const NAMES: usize = 300;

/// The leaf that a tunnel to `host` shows.
async fn leaf(agent: &Agent, host: &str) -> Vec<u8> {
    agent.tunnel(host).await.peer[0].to_vec()
}

#[tokio::test]
async fn ds_08_leaves_for_many_names_push_out_their_own_and_cost_attempts() {
    let world = World::new()
        .role("r1", "GET *.wild.test/v1/**")
        .role("r2", Role::from("GET api.b.test/**; GET api.c.test/**"))
        .setting("attempts: 700/h")
        .admin()
        .start()
        .await;
    let (flooding, other) = (world.agent("r1"), world.agent("r2"));
    let (b, c) = (
        leaf(&other, "api.b.test").await,
        leaf(&other, "api.c.test").await,
    );
    let name = |n: usize| format!("n{n}.wild.test");
    let first = leaf(&flooding, &name(0)).await;
    let mut last = Vec::new();
    for n in 1..NAMES {
        last = leaf(&flooding, &name(n)).await;
    }
    // its newest is kept, its oldest made way, and nobody else's did
    assert_eq!(leaf(&flooding, &name(NAMES - 1)).await, last);
    assert_ne!(leaf(&flooding, &name(0)).await, first);
    assert_eq!(
        (
            leaf(&other, "api.b.test").await,
            leaf(&other, "api.c.test").await
        ),
        (b, c)
    );
    // a leaf costs two attempts, a connection and a CONNECT, of which there are so many
    let minted = "certificates_minted_total";
    assert_eq!(world.metric(minted).await as usize, NAMES + 1 + 2);
    let mut more = 0;
    let refused = loop {
        let mut wire = flooding.wire().await;
        let host = flooding.at(&format!("m{more}.wild.test"));
        wire.send(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = wire.answer_to("CONNECT").await;
        if answer.status != 200 {
            break answer;
        }
        more += 1;
        assert!(more < 100, "no budget");
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(
        leaf(&other, "api.b.test").await.len(),
        leaf(&other, "api.b.test").await.len()
    );
    world.finish().await;
}

/// A line of the log for a refused call: a path of 8 KiB at most, and what cannot be read is cut.
const LINE_BYTES_MAX: usize = 16 << 10;
/// The largest path and header that come in under the bound of a head.
const LONG: usize = 60_000;

#[tokio::test]
async fn ds_11_denied_requests_cost_the_log_little_however_long_they_are() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let (path, query, junk) = ("p".repeat(LONG), "q".repeat(LONG), "j".repeat(LONG));
    let calls = [
        agent.absolute(&format!("GET http://denied.test/{path}"), "", ""),
        agent.absolute(
            &format!("GET http://denied.test/{}", &path[..8_000]),
            "",
            "",
        ),
        agent.absolute(&format!("GET http://denied.test/x?{query}=1"), "", ""),
        agent.absolute(
            "GET http://denied.test/x",
            &format!("X-Junk: {junk}\r\n"),
            "",
        ),
        agent.absolute(
            &format!("GET http://denied.test/{}", "\u{1f4a9}".repeat(LONG / 4)),
            "",
            "",
        ),
    ];
    let asked = 200;
    let mut answered = 0;
    while answered < asked {
        for call in &calls {
            if wire.try_send(call).await.is_err() {
                wire = agent.wire().await;
                continue;
            }
            match wire.try_answer_to("GET").await.ok().flatten() {
                Some(answer) => {
                    assert!(matches!(answer.status, 400 | 403), "{answer:?}");
                    answered += 1;
                }
                None => wire = agent.wire().await,
            }
        }
    }
    until("a counted line", || {
        (!world.events.of_kind("counted").is_empty()).then_some(())
    })
    .await;
    let bytes = world.events.bytes();
    let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert!(longest < Some(LINE_BYTES_MAX), "{longest:?}");
    let cut = world.events.all().into_iter().any(|event| {
        let path = event["request"]["path"].as_str();
        path.is_some_and(|path| path.starts_with("/ppp") && path.ends_with('…'))
    });
    assert!(cut, "a path that is cut says so");
    world.finish().await;
}

#[tokio::test]
async fn ds_12_what_an_agent_makes_up_is_no_label_and_no_key() {
    let world = arena().admin().start().await;
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    let made_up = |n: usize| {
        [
            format!("GET http://h{n}-made-up.test/v1/x"),
            format!("GET http://api.a.test/v1/p{n}-made-up"),
            format!("M{n}MADEUP http://api.a.test/v1/x"),
        ]
    };
    let labels = |page: &str| {
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        samples.count()
    };
    let mut before = None;
    for n in 0..100 {
        for call in made_up(n) {
            wire.send(agent.absolute(&call, &format!("X-H{n}-Made-Up: x\r\n"), ""))
                .await;
            let answer = wire.answer().await;
            assert!(matches!(answer.status, 400 | 403 | 405), "{answer:?}");
        }
        if n == 0 {
            before = Some(labels(&world.told("/metrics").await.body));
        }
    }
    let page = world.told("/metrics").await.body;
    assert_eq!(Some(labels(&page)), before);
    for made_up in ["made-up", "MADEUP", "Made-Up"] {
        assert!(!page.contains(made_up), "{page}");
    }
    ok(&agent.call("GET http://api.a.test/v1/public/x").await);
    world.finish().await;
}

#[tokio::test]
async fn identities_that_no_role_names_share_what_is_kept_for_one() {
    let world = arena().setting("attempts: 40/h").start().await;
    let stranger = |n: usize| world.agent(&format!("nobody-{n}"));
    let mut refused = None;
    for n in 0..41 {
        let answer = stranger(n).call("GET http://api.a.test/v1/public/x").await;
        if answer.code() == Reason::AttemptsExhausted.code() {
            refused = Some(n);
            break;
        }
        assert_eq!(answer.code(), Reason::IdentityUnknown.code());
    }
    // a connection and a call each
    assert_eq!(refused, Some(20));
    ok(&world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await);
    world.finish().await;
}
