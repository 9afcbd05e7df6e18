//! Section 18: rate limits and quotas. What counts, against what, and until when.

use std::{process::Command, sync::Arc};

use tokio::{sync::Barrier, task::JoinSet};
use tollgate::refusal::Reason;

use super::arena;
use crate::world::{
    World,
    agent::{Agent, Answer},
    builder::Builder,
    patience::until,
    settings::Role,
};

/// `r1` may call `api.a.test` by one rule so many times, of which none comes back while a test runs.
fn limited(calls: u32) -> Builder {
    let limit = format!("{{rate: {calls}/h, burst: {calls}}}");
    let r1 = Role::from("GET api.a.test/v1/**").rule_limit(&limit);
    World::new().role("r1", r1).role("r2", "GET api.b.test/**")
}

/// A call that its rule allows.
const CALL: &str = "GET http://api.a.test/v1/x";

fn rate_limited(answer: &Answer) {
    World::says_no(answer, Reason::RateLimited);
}

#[tokio::test]
async fn rl_01_calls_at_once_get_no_more_through_than_the_limit() {
    const CONNECTIONS: usize = 64;
    let world = limited(10).start().await;
    let agent = world.agent("r1");
    let together = Arc::new(Barrier::new(CONNECTIONS));
    let mut calls = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (agent, together) = (agent.clone(), together.clone());
        calls.spawn(async move {
            let mut wire = agent.wire().await;
            together.wait().await;
            wire.send(agent.absolute(CALL, "", "").repeat(2)).await;
            [wire.answer().await, wire.answer().await]
        });
    }
    let answers: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    let (served, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    refused.iter().for_each(|answer| rate_limited(answer));
    assert_eq!((served.len(), refused.len()), (10, 2 * CONNECTIONS - 10));
    assert_eq!(world.upstream("api.a.test").requests().len(), 10);
    world.finish().await;
}

#[tokio::test]
async fn rl_02_variants_of_one_identity_host_and_path_share_one_limit() {
    let world = limited(7).start().await;
    // each with a certificate of its own
    let agent = || world.agent("r1");
    let at = |host: &str| agent().at(host);
    let mut served = Vec::new();
    for host in ["api.a.test", "API.a.TEST"] {
        served.push(agent().call(&format!("GET http://{host}/v1/x")).await);
        let mut tunnel = agent().tunnel(&at(host)).await;
        served.push(tunnel.call("GET /v1/X", host).await);
    }
    for call in [
        "GET http://api.a.test/v1/%78",
        "GET https://api.a.test/v1/x?y=1",
    ] {
        served.push(agent().call(call).await);
    }
    let mut clear = agent().connect("api.a.test").await;
    served.push(clear.call("GET /v1/other", "api.a.test").await);
    for answer in &served {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // what is spelled otherwise is refused, or is the same: never another bucket
    for host in ["api.a.test", "API.A.TEST", "Api.A.Test"] {
        rate_limited(&agent().call(&format!("GET http://{host}/v1/x")).await);
    }
    for host in ["api.a.test.", "api.a.test%2e"] {
        let answer = agent().call(&format!("GET http://{host}/v1/x")).await;
        assert!(
            matches!(answer.status, 400 | 403 | 429),
            "{host}: {answer:?}"
        );
    }
    let mut wire = agent().wire().await;
    assert_eq!(wire.handshake, Some(rustls::HandshakeKind::Full));
    wire.send(agent().absolute(CALL, "", "")).await;
    rate_limited(&wire.answer().await);
    assert_eq!(world.upstream("api.a.test").requests().len(), 7);
    world.finish().await;
}

/// Gives a program another wall clock: so many seconds on, as a file says.
const WALL_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, time);
    FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("WALL_CLOCK"), "r") : NULL;
    long seconds = 0;
    if (file) {
        if (fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
        fclose(file);
    }
    return done;
}
"#;

#[tokio::test]
async fn rl_03_a_jump_of_the_wall_clock_neither_resets_a_limit_nor_locks_out() {
    const HOURS_20: i64 = 20 * 3600;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("clock.c"), WALL_CLOCK).unwrap();
    let built = Command::new("cc")
        .args([
            "-shared",
            "-fPIC",
            "-o",
            &at("clock.so"),
            &at("clock.c"),
            "-ldl",
        ])
        .status();
    assert!(built.unwrap().success());
    let jump = |seconds: i64| std::fs::write(at("now"), seconds.to_string()).unwrap();
    jump(0);
    let world = limited(3)
        .environment("LD_PRELOAD", &at("clock.so"))
        .environment("WALL_CLOCK", &at("now"))
        .start()
        .await;
    let mut wire = world.agent("r1").wire().await;
    let call = world.agent("r1").absolute(CALL, "", "");
    let mut ask = async || {
        wire.send(&call).await;
        wire.answer().await
    };
    assert_eq!(ask().await.status, 200);
    // certificates of a test hold for a day, so the clock goes nearly as far, and as far back as they began
    for seconds in [HOURS_20, -600] {
        jump(seconds);
        assert_eq!(ask().await.status, 200, "locked out by {seconds} s");
    }
    for seconds in [HOURS_20, -600, 0] {
        jump(seconds);
        let answer = ask().await;
        rate_limited(&answer);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait <= 1_200, "{wait}");
    }
    // the clock was another indeed
    let times = until("the three that were served", || {
        let ended = world.events.of_kind("ended");
        let times = ended.iter().map(|event| event["time"].to_string());
        Some(times.collect::<Vec<_>>()).filter(|times| times.len() == 3)
    })
    .await;
    assert!(times[1] > times[0] && times[2] < times[0], "{times:?}");
    drop(wire);
    world.finish().await;
}

/// Sends the bytes on a connection of its own, whatever becomes of it.
async fn sends(agent: &Agent, bytes: &str) -> Option<u16> {
    let mut wire = agent.wire().await;
    wire.send(bytes).await;
    let method = bytes.split(' ').next().unwrap();
    let answer = wire.try_answer_to(method).await.ok().flatten();
    answer.map(|answer| answer.status)
}

#[tokio::test]
async fn rl_05_only_a_call_that_a_rule_allows_counts_against_it_and_everything_is_an_attempt() {
    // two connections of a call each below, and then what does not count
    let world = limited(2).setting("attempts: 19/h").start().await;
    let agent = world.agent("r1");
    let host = agent.at("api.a.test");
    let not_counted = [
        (
            agent.absolute("GET http://denied.test/v1/x", "", ""),
            Some(403),
        ),
        (
            agent.absolute("GET http://api.a.test/v1/../x", "", ""),
            Some(400),
        ),
        (
            agent.absolute("GET http://api.a.test/v2/x", "", ""),
            Some(403),
        ),
        (
            format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Some(200),
        ),
        (
            format!("GET http://{host}/v1/x HTTP/1.1\r\nUpgrade: websocket\r\n"),
            None,
        ),
    ];
    // 2 attempts each, a connection and what is asked on it; but no request is no attempt
    for (bytes, status) in &not_counted {
        let answer = match status {
            Some(_) => sends(&agent, bytes).await,
            None => {
                let mut wire = agent.wire().await;
                wire.send(bytes).await;
                None
            }
        };
        assert_eq!(answer, *status, "{bytes}");
    }
    // 9 so far; an aborted call counts like one that was finished: it may have been made
    world
        .upstream("api.a.test")
        .answers("/v1/x", crate::world::script::Answer::Silence);
    let mut aborted = agent.wire().await;
    aborted.send(agent.absolute(CALL, "", "")).await;
    until("it is upstream", || {
        (world.upstream("api.a.test").heads().len() == 1).then_some(())
    })
    .await;
    drop(aborted);
    assert_eq!(agent.call("GET http://api.a.test/v1/y").await.status, 200);
    let third = agent.call("GET http://api.a.test/v1/y").await;
    world.refused(&third, Reason::RateLimited).await;
    // the gate sends nothing again by itself
    assert_eq!(world.upstream("api.a.test").heads().len(), 2);
    // 15 attempts; a refused one is one more, and then no connection is anything but a refusal
    let fourth = agent.call(CALL).await;
    world.refused(&fourth, Reason::RateLimited).await;
    let fifth = agent.call(CALL).await;
    world.refused(&fifth, Reason::RateLimited).await;
    let spent = agent.call(CALL).await;
    world.refused(&spent, Reason::AttemptsExhausted).await;
    world.finish().await;
}

#[tokio::test]
async fn rl_06_a_reload_keeps_what_was_used_and_only_a_start_forgets() {
    let world = limited(1).start().await;
    let agent = world.agent("r1");
    assert_eq!(agent.call(CALL).await.status, 200);
    for _ in 0..3 {
        world.reload().await;
        rate_limited(&agent.call(CALL).await);
    }
    // a rule of another name is another rule, and the role's own rate holds over all of them
    world.becomes(limited(1).setting("attempts: 5000/min"));
    world.reload().await;
    rate_limited(&agent.call(CALL).await);
    world.finish().await;
    // a start begins anew: what is used is in memory only, as the README says
    let again = limited(1).start().await;
    assert_eq!(again.agent("r1").call(CALL).await.status, 200);
    again.finish().await;
}

#[tokio::test]
async fn rl_07_a_429_says_when_in_whole_seconds_and_nothing_of_others() {
    let world = arena()
        .role(
            "r3",
            Role::from("GET api.a.test/v1/**").rule_limit("{rate: 2/h, burst: 1}"),
        )
        .start()
        .await;
    assert_eq!(world.agent("r3").call(CALL).await.status, 200);
    let answer = world.agent("r3").call(CALL).await;
    rate_limited(&answer);
    let wait = answer.header("retry-after").unwrap();
    assert!(wait.bytes().all(|byte| byte.is_ascii_digit()), "{wait}");
    assert!(
        (1..=1_800).contains(&wait.parse::<u32>().unwrap()),
        "{wait}"
    );
    let told = format!("{:?} {}", answer.head, answer.text());
    for other in ["r1", "r2", "r3-1", "spiffe", "rate", "burst", "3600"] {
        let told = told.replace("rate_limited", "");
        assert!(!told.contains(other), "{other} in {told}");
    }
    world.finish().await;
}
