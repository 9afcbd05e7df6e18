//! What a refusal tells: that it is one, and nothing of the network behind the gate.

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use super::Trap;
use crate::world::{World, agent::Answer, blackhole::Blackhole, pki};

/// An answer without what is of this one call: its id and its host.
fn stripped(answer: &Answer, host: &str) -> String {
    let id = answer.header("tollgate-event").unwrap();
    let head: Vec<String> = answer
        .head
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("date"))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let whole = format!("{}\n{}", head.join("\n"), answer.text());
    whole.replace(id, "ID").replace(host, "HOST")
}

#[tokio::test]
async fn ss_12_a_port_that_is_open_and_one_that_is_not_are_told_by_nothing() {
    let (open, closed) = (Trap::set().await, Trap::set().await.port());
    let world = World::new()
        .role("r1", "GET *.a.test/**; GET x.a.test/**")
        .guarded("x.a.test")
        .start()
        .await;
    let agent = world.agent("r1");
    // ports outside of the role: no look-up, no dial, one answer
    let mut told = Vec::new();
    for port in [open.port(), closed, 22, 25, 6379, 8200] {
        let host = format!("x.a.test:{port}");
        let mut wire = agent.wire().await;
        wire.send(format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = wire.answer_to("CONNECT").await;
        assert_eq!(answer.status, 403, "{host}: {answer:?}");
        told.push(stripped(&answer, &host));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(world.dns.queries_in_all(), 0);
    // addresses of every class, some of which answer: one answer
    let mut told = Vec::new();
    for address in [
        "127.0.0.1",
        "127.0.0.2",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
    ] {
        world.dns.answers("x.a.test", &[address]);
        let answer = agent.call("GET http://x.a.test/x").await;
        World::says_no(&answer, Reason::AddressForbidden);
        told.push(stripped(&answer, "x.a.test"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:#?}");
    open.is_untouched().await;
    assert_eq!(world.upstream("x.a.test").connections().len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn ss_13_tells_no_address_no_name_server_and_no_words_of_the_system() {
    let world = World::new()
        .role("r1", "GET api.a.test/v1/public/**")
        .setting("timeouts: {connect: 1s}")
        .start()
        .await;
    let silent = Blackhole::at(format!("127.0.0.11:{}", world.port).parse().unwrap()).await;
    let listener = TcpListener::bind(("127.0.0.12", world.port)).await.unwrap();
    let closes = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let own = world.upstream("api.a.test").address.ip().to_string();
    let stranger = pki::Authority::new("stranger").server(&["internal-name.corp"]);
    world
        .upstream("api.a.test")
        .presents(pki::server_config(&stranger));
    for (address, reason) in [
        ("127.0.0.10", Reason::UpstreamUnreachable),
        ("127.0.0.11", Reason::UpstreamTimeout),
        ("127.0.0.12", Reason::UpstreamTls),
        (&own, Reason::UpstreamTls),
        ("10.0.0.5", Reason::AddressForbidden),
    ] {
        world.dns.answers("api.a.test", &[address]);
        tells_nothing(&world, reason, address).await;
    }
    world.dns.fails("api.a.test");
    tells_nothing(&world, Reason::UpstreamUnresolved, "the name server").await;
    drop(silent);
    closes.abort();
    world.finish().await;
}

async fn tells_nothing(world: &World, reason: Reason, what: &str) {
    let answer = world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await;
    World::says_no(&answer, reason);
    let told = stripped(&answer, "HOST").to_lowercase();
    for trace in [
        "127.0.",
        "10.0.",
        "os error",
        "refused (",
        "errno",
        "certificate",
        "issuer",
        "stranger",
        "corp",
        "servfail",
        "resolver",
        "hickory",
        "rustls",
        &world.dns.address.port().to_string(),
    ] {
        assert!(!told.contains(trace), "{what}: {trace:?} in {told}");
    }
}
