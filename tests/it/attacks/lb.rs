//! Section 20: what the libraries do that must be known, and which of them are new enough.

mod pins;

use std::{cell::RefCell, convert::Infallible, rc::Rc, time::Duration};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rcgen::SanType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tollgate::refusal::Reason;

use super::{
    arena,
    outcome::{inside, one},
};
use crate::world::{
    World,
    agent::request,
    pki::{agent_params, spiffe_id},
};

/// What hyper's server hands on of `bytes`, as `METHOD target header=value…|body` for each request.
async fn hyper_reads(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    near.write_all(bytes.as_ref()).await.unwrap();
    near.shutdown().await.unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let answer = |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            let headers: Vec<_> = parts
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii()))
                .collect();
            seen.borrow_mut().push(format!(
                "{} {} {}|{}",
                parts.method,
                parts.uri,
                headers.join(" "),
                body.escape_ascii()
            ));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    };
    let _ = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(far), service_fn(answer))
        .await;
    let _ = near.read_to_end(&mut Vec::new()).await;
    seen.take()
}

/// Facts of hyper's server that the gate is written around: when one of these tests fails after an update, what stands
/// beside it in the gate may be too little, or no longer needed.
#[tokio::test]
async fn lb_02_hyper_reads_what_it_is_known_to_read() {
    for (bytes, read) in [
        // no Host is asked for, and several are handed on
        ("GET / HTTP/1.1\r\n\r\n", vec!["GET / |"]),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            vec!["GET / host=a host=b|"],
        ),
        // a bare LF ends a line
        ("GET / HTTP/1.1\nHost: a\n\n", vec!["GET / host=a|"]),
        // only the last coding counts
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: cow, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            vec!["POST / transfer-encoding=cow, chunked|x"],
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            vec!["POST / transfer-encoding=chunked transfer-encoding=chunked|x"],
        ),
        // both lengths: chunked wins, the other is taken out, and there is no second request
        (
            "POST / HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            vec!["POST / transfer-encoding=chunked|"],
        ),
        // the same length twice is one
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            vec!["POST / content-length=1|x"],
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            vec![],
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            vec![],
        ),
        // Upgrade is handed on without a Connection that names it, and any Expect
        (
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            vec!["GET / upgrade=h2c|"],
        ),
        (
            "GET / HTTP/1.1\r\nExpect: x, 100-continue\r\n\r\n",
            vec!["GET / expect=x, 100-continue|"],
        ),
        // a value may have any byte above 0x7f
        (
            "GET / HTTP/1.1\r\nX: \u{e9}\r\n\r\n",
            vec![r"GET / x=\xc3\xa9|"],
        ),
        ("GET / HTTP/1.1\r\nX : a\r\n\r\n", vec![]),
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", vec![]),
    ] {
        assert_eq!(hyper_reads(bytes).await, read, "{bytes:?}");
    }
}

/// hyper has a limit for the time of a head, if it is given a timer, and none for that of a body.
#[tokio::test(start_paused = true)]
async fn hyper_waits_for_a_body_for_ever() {
    for (bytes, patient) in [
        ("GET / HTTP/1.1\r\nHo", false),
        ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx", true),
    ] {
        let (mut near, far) = tokio::io::duplex(1024);
        near.write_all(bytes.as_bytes()).await.unwrap();
        let answer = async |request: Request<Incoming>| {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        };
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(10));
        let serving = builder.serve_connection(TokioIo::new(far), service_fn(answer));
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(
            tokio::time::timeout(day, serving).await.is_err(),
            patient,
            "{bytes:?}"
        );
    }
}

/// Each header that decides anything, with each byte that `to_str` refuses: never taken for one that is not there.
#[tokio::test]
async fn lb_07_a_value_that_is_no_text_is_not_taken_for_none() {
    let world = arena().start().await;
    let host = world.at("api.a.test");
    let names = [
        "Connection",
        "Transfer-Encoding",
        "Content-Length",
        "Expect",
        "Upgrade",
        "Authorization",
        "Proxy-Authorization",
        "X-Forwarded-Host",
        "X-Http-Method-Override",
        "TE",
        "Trailer",
    ];
    for name in names {
        for byte in [0x80_u8, 0x85, 0xa0, 0xc3, 0xe2, 0xfe, 0xff] {
            let mut bytes =
                format!("POST /v1/items HTTP/1.1\r\nHost: {host}\r\n{name}: ").into_bytes();
            bytes.extend([byte, b'\r', b'\n', b'\r', b'\n']);
            let mut wire = inside(&world, bytes).await;
            let answer = wire.try_answer_to("POST").await.ok().flatten();
            let status = answer.map(|answer| answer.status);
            assert!(
                matches!(status, None | Some(200 | 400..=499)),
                "{name} {byte:x}: {status:?}"
            );
        }
    }
    for seen in world.upstream("api.a.test").requests() {
        assert_eq!(seen.body.total, 0);
        assert_eq!(
            seen.head.values("authorization"),
            [format!("Bearer {}", world.secret("api-a"))]
        );
        for name in names
            .iter()
            .filter(|name| !["Authorization", "Content-Length"].contains(name))
        {
            assert_eq!(seen.head.values(name), Vec::<String>::new(), "{name}");
        }
    }
    for byte in 0x80_u8..=0xff {
        let mut bytes = format!("GET /v1/public/x HTTP/1.1\r\nHost: {host}").into_bytes();
        bytes.extend([byte]);
        bytes.extend(b"\r\n\r\n");
        let answer = inside(&world, bytes).await.answer().await;
        assert_eq!(answer.status, 400, "{byte:x}");
    }
    world.finish().await;
}

/// No library's reading of an environment is in the way of a call: a proxy that it names is not asked, and neither the
/// store's client nor the path to an upstream follows it.
#[tokio::test]
async fn lb_04_no_url_is_parsed_again_and_no_proxy_of_the_environment_asked() {
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", trap.local_addr().unwrap());
    let mut builder = arena().vault();
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        builder = builder.environment(name, &proxy);
    }
    let world = builder.start().await;
    let host = world.at("api.a.test");
    // bytes that a second parser would rewrite arrive as they were judged
    let target = "/v1/public/a%7Cb~c/d.e?q=%20+%2F&r=%C3%A9";
    let answer = inside(&world, request("GET", target, &host, "", ""))
        .await
        .answer()
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(one(&world, "api.a.test").target(), target);
    assert!(world.vault().reads_in_all() > 0);
    let asked = crate::world::patience::at_once(trap.accept()).await;
    assert!(asked.is_none(), "a proxy of the environment was asked");
    world.finish().await;
}

/// The rules that SPIFFE's own crates keep, kept by the gate's own reading of certificates.
#[tokio::test]
async fn lb_12_a_certificate_with_a_second_or_an_overlong_uri_is_nobodys() {
    let world = arena().start().await;
    let id = spiffe_id("r1");
    let long = |bytes: usize| format!("{id}/{}", "x".repeat(bytes - id.len() - 1));
    let (over, most) = (long(2049), long(2048));
    let mut refused = 0;
    for uris in [
        vec![&*id, &*over],
        vec![&over, &id],
        vec!["https://td.test/agent/r1", &id],
        vec![&id, "https://td.test/"],
        vec![&id, &id],
        vec![&over],
        vec!["https://td.test/agent/r1"],
        vec![],
    ] {
        let mut params = agent_params(&uris);
        if uris.is_empty() {
            params
                .subject_alt_names
                .push(SanType::DnsName("agent.test".try_into().unwrap()));
        }
        let agent = world.agent_showing(Some(world.pki.agents.sign(&params)));
        if let Ok(mut wire) = agent.try_wire().await {
            let _ = wire
                .try_send(agent.absolute("GET http://api.a.test/v1/public/x", "", ""))
                .await;
            assert_eq!(wire.rest().await, b"", "{uris:?}");
        }
        refused += 1;
        if refused <= 8 {
            world.refusals(Reason::CertificateInvalid, refused).await;
        }
    }
    // the longest that there may be is an identity, if one that no role names
    let agent = world.agent_showing(Some(world.pki.agents.sign(&agent_params(&[&most]))));
    World::says_no(
        &agent.call("GET http://api.a.test/v1/public/x").await,
        Reason::IdentityUnknown,
    );
    world.nothing_left_the_gate();
    world.finish().await;
}
