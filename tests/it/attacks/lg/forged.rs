//! What an agent, its certificate or an upstream says becomes no line, no field and no time of the log.

use rcgen::SanType;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{super::op::clocked, arena, tells_of};
use crate::world::{
    agent::{Agent, request},
    patience::until,
    pki::{self, agent_params, server_params, spiffe_id},
    script::{Answer, Hold},
};

/// Sends `bytes` on a connection of their own, and waits for what the gate makes of them.
async fn tries(agent: &Agent, bytes: impl AsRef<[u8]>) {
    let mut wire = agent.wire().await;
    let _ = wire.try_send(bytes).await;
    let _ = wire.try_answer_to("GET").await;
}

#[tokio::test]
async fn lg_04_bytes_of_an_agent_make_no_line() {
    let world = arena().start().await;
    let (agent, host) = (world.agent("r1"), world.at("api.a.test"));
    let call = |method: &str, target: &str, headers: &str| {
        request(
            method,
            &format!("http://{host}{target}"),
            &host,
            headers,
            "",
        )
        .into_bytes()
    };
    let megabyte = "a".repeat(1 << 20);
    let attempts: Vec<Vec<u8>> = vec![
        call("GET", "/v1/%0a{\"decision\":\"allow\"}", ""),
        call("GET", "/v1/%0d%0a%7b%22kind%22:%22ended%22%7d", ""),
        call(
            "GET",
            "/v1/public/x",
            "X-A: a\r\n{\"kind\":\"ended\"}: x\r\n",
        ),
        call(
            "GET",
            "/v1/public/x",
            "X-A: \u{2028}{\"kind\":\"ended\"}\u{2029}\r\n",
        ),
        call("GET", "/v1/public/x", "X-A: \x1b[2J\r\n"),
        call("GET", "/v1/admin", "X-A: a\0b\r\n"),
        call("GET", "/v1/\u{2028}", ""),
        call("GET", "/v1/\x1b[2J", ""),
        call("GET", "/v1/admin?\"}=1&a%0Ab=2&\u{2028}=3", ""),
        [
            b"GET http://api.a.test/v1/\xff\xfe HTTP/1.1\r\nHost: ",
            host.as_bytes(),
            b"\r\n\r\n",
        ]
        .concat(),
        [b"GET /v1/x HTTP/1.1\r\nHost: \"},{\"kind\":\"ended\xff\r\n\r\n".as_slice()].concat(),
        call("GET\",\"x\":\"", "/v1/public/x", ""),
        call("GET", "/v1/admin", &format!("User-Agent: {megabyte}\r\n")),
        call("GET", &format!("/v1/{megabyte}"), ""),
        call("GET", &format!("/v1/{}", "%22".repeat(10_000)), ""),
        b"CONNECT \"},{\":443 HTTP/1.1\r\nHost: \"},{\":443\r\n\r\n".to_vec(),
        b"CONNECT a\x1b[2Jb:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ];
    for attempt in &attempts {
        tries(&agent, attempt).await;
    }
    tells_of(&world, attempts.len()).await;
    world.finish().await;
}

#[tokio::test]
async fn a_certificate_makes_no_line() {
    let world = arena().start().await;
    let forged = format!("{}\",\"role\":\"r1", spiffe_id("r1"));
    let long = format!("{}{}", spiffe_id("r1"), "x".repeat(4000));
    for uri in [
        &*forged,
        &*long,
        "spiffe://td.test/agent/{\"kind\":\"ended\"}",
        "spiffe://td.test/\x1b[2J",
    ] {
        let mut params = agent_params(&[uri]);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "\"}\n{\"kind\":\"ended\"}");
        let identity = world.pki.agents.sign(&params);
        let agent = world.agent_showing(Some(identity));
        if let Ok(mut wire) = agent.try_wire().await {
            let _ = wire
                .try_send(agent.absolute("GET http://api.a.test/v1/public/x", "", ""))
                .await;
            assert_eq!(wire.rest().await, b"");
        }
    }
    tells_of(&world, 4).await;
    for event in world.events.of_kind("refused") {
        assert_eq!(event["caller"], serde_json::Value::Null, "{event}");
    }
    world.finish().await;
}

/// The longest identity that there may be fits in a line whole, many times a second.
#[tokio::test]
async fn the_longest_identity_is_told_whole() {
    let prefix = spiffe_id("");
    let longest = format!("{prefix}{}", "x".repeat(2048 - prefix.len()));
    let world = arena().start().await;
    let identity = world.pki.agents.sign(&agent_params(&[&longest]));
    let agent = world.agent_showing(Some(identity));
    assert_eq!(
        agent.call("GET http://api.a.test/v1/public/x").await.status,
        403
    );
    tells_of(&world, 1).await;
    assert_eq!(world.events.of_kind("refused")[0]["caller"]["id"], longest);
    world.finish().await;
}

#[tokio::test]
async fn an_upstream_makes_no_line() {
    let world = arena().start().await;
    let upstream = world.upstream("api.a.test");
    let answers: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\",\"kind\":\"ended\r\nContent-Length: 0\r\nX: \x1b[2J\"}\r\n\r\n",
        b"HTTP/1.1 {\"kind\":\"ended\"}\r\n\r\n",
        b"\n{\"kind\":\"ended\"}\n{\"kind\":\"ended\"}\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nx",
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        upstream.answers(
            &format!("/v1/public/{number}"),
            Answer::BytesThenClose(answer.into()),
        );
        tries(
            &world.agent("r1"),
            world.agent("r1").absolute(
                &format!("GET http://api.a.test/v1/public/{number}"),
                "",
                "",
            ),
        )
        .await;
    }
    // the names of a certificate stand in what TLS says of it
    let mut odd = server_params(&["x.test"]);
    odd.subject_alt_names.push(SanType::DnsName(
        "\"}\n{\"kind\":\"ended\"}\x1b[2J".try_into().unwrap(),
    ));
    world
        .upstream("api.b.test")
        .presents(pki::server_config(&world.pki.upstreams.sign(&odd)));
    let answer = world.agent("r1").call("GET http://api.b.test/x").await;
    assert_eq!(answer.status, 502);
    assert!(!answer.text().contains("x.test"), "{}", answer.text());
    tells_of(&world, answers.len() + 1).await;
    world.finish().await;
}

#[tokio::test]
async fn lg_05_an_agents_words_stay_under_their_own_key() {
    let world = arena().start().await;
    let agent = world.agent("r1");
    let query = "decision=allow&time=0&kind=ended&id=x&kind=started&NaN=NaN&n=9007199254740993&caller%5Bid%5D=x";
    // what names an event in an answer names none in a request
    let ours = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let headers = format!("X-Request-Id: {ours}\r\nTollgate-Event: {ours}\r\n");
    let answer = agent
        .call_with(
            &format!("GET http://api.a.test/v1/public/x?{query}"),
            &headers,
            "",
        )
        .await;
    tries(
        &agent,
        agent.absolute(
            "POST http://api.a.test/v1/admin",
            "Content-Length: 9007199254740993\r\n",
            "",
        ),
    )
    .await;
    tells_of(&world, 2).await;
    let ended = world
        .event_where("the end", |event| event["kind"] == "ended")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        ended["request"]["query_names"],
        json!([
            "decision",
            "time",
            "kind",
            "id",
            "kind",
            "NaN",
            "n",
            "caller[id]"
        ])
    );
    assert_ne!(ended["id"], ours);
    assert_eq!(ended["decision"]["effect"], "allow");
    world.finish().await;
}

/// The clock of the gate jumps an hour back under it. The order of things is that of the lines, which one writer makes.
#[tokio::test]
async fn lg_11_a_clock_that_jumps_makes_no_negative_time() {
    let clock = tempfile::tempdir().unwrap();
    let file = clock.path().join("offset");
    std::fs::write(&file, "+0").unwrap();
    let world = clocked(arena(), &file).start().await;
    let upstream = world.upstream("api.a.test");
    let hold = Hold::new();
    upstream.answers(
        "/v1/public/held",
        Answer::Held(hold.clone(), Box::new(Answer::Text("ok".into()))),
    );
    let agent = world.agent("r1");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/public/held", "", ""))
        .await;
    until("the call upstream", || {
        (!upstream.heads().is_empty()).then_some(())
    })
    .await;
    std::fs::write(&file, "-3600").unwrap();
    assert_eq!(
        agent.call("GET http://api.a.test/v1/public/x").await.status,
        200
    );
    hold.release();
    assert_eq!(wire.answer().await.status, 200);
    tells_of(&world, 2).await;
    let events = world.events.all();
    let calls = events.iter().filter(|event| event["request"].is_object());
    let told: Vec<_> = calls
        .map(|event| {
            (
                event["kind"].as_str().unwrap(),
                event["request"]["path"].as_str().unwrap(),
            )
        })
        .collect();
    let (held, x) = ("/v1/public/held", "/v1/public/x");
    assert_eq!(
        told,
        [
            ("allowed", held),
            ("allowed", x),
            ("ended", x),
            ("ended", held)
        ]
    );
    let times: Vec<_> = events
        .iter()
        .map(|event| OffsetDateTime::parse(event["time"].as_str().unwrap(), &Rfc3339).unwrap())
        .collect();
    assert!(times.iter().all(|time| time.offset().is_utc()));
    assert!(
        times.last().unwrap() < times.first().unwrap(),
        "the clock did not jump: {times:?}"
    );
    for event in events.iter().filter(|event| event["kind"] == "ended") {
        let spent = &event["time_us"];
        let steps = ["decide", "credential", "connect", "first_byte", "total"]
            .map(|step| spent[step].as_u64().unwrap());
        assert!(steps.is_sorted(), "{event}");
        assert!(steps[4] < 60_000_000, "{event}");
    }
    world.finish().await;
}
