//! HTTP/1.x message framing and request smuggling: one reading of where a request begins and ends.
//!
//! Behind most attacks stands [`BEHIND`], a request that `r1` may make: were it ever taken for one, it would reach the
//! upstream. The gate's readings are that a request is refused and its connection ends; that exactly one arrives,
//! framed anew; or that its body breaks off, and with it the connections on both sides.

mod both;
mod chunks;
mod codings;
mod heads;
mod lengths;
mod order;
mod trailers;

use super::{arena, outcome::inside};
use crate::world::{World, agent::Wire, patience::until, recorder::Seen};

/// A request that `r1` may make, where none should be read.
const BEHIND: &str = "GET /v1/public/behind HTTP/1.1\r\nHost: api.a.test\r\n\r\n";

/// A request to post an item, with these header lines, and what comes behind its head.
fn post(headers: impl AsRef<[u8]>, after: impl AsRef<[u8]>) -> Vec<u8> {
    let start = b"POST /v1/items HTTP/1.1\r\nHost: api.a.test\r\n";
    [start, headers.as_ref(), b"\r\n", after.as_ref()].concat()
}

/// The same with a chunked body, as it goes over the wire, and [`BEHIND`] it.
fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    let after = [body.as_ref(), BEHIND.as_bytes()].concat();
    post("Transfer-Encoding: chunked\r\n", after)
}

fn shown(bytes: &[u8]) -> String {
    let shown = bytes.escape_ascii().to_string();
    shown.chars().take(400).collect()
}

/// Waits for the first request behind so many that came to its end; it is the last as well.
async fn next_request(world: &World, before: usize, what: &str) -> Seen {
    let upstream = world.upstream("api.a.test");
    let mut seen = until(what, || {
        let seen = upstream.requests();
        (seen.len() > before).then_some(seen)
    })
    .await;
    assert_eq!(seen.len(), before + 1, "{what}: {seen:?}");
    seen.remove(before)
}

/// `seen` is whole, has a length of the gate's own and no other, and a body of so many bytes.
fn framed_anew(seen: &Seen, body: &[u8], what: &str) {
    let framings = ["content-length", "transfer-encoding"].map(|name| seen.head.values(name).len());
    assert_eq!(framings.iter().sum::<usize>(), 1, "{what}: {seen:?}");
    assert!(seen.body.complete, "{what}: {seen:?}");
    assert_eq!(seen.body.bytes, body, "{what}: {seen:?}");
}

/// ONE, and its connection ends: what came behind it is never read.
async fn one_then_closed(world: &World, bytes: impl AsRef<[u8]>, body: &[u8]) -> Seen {
    let what = shown(bytes.as_ref());
    let before = world.upstream("api.a.test").requests().len();
    let mut wire = inside(world, bytes).await;
    assert_eq!(wire.answer().await.status, 200, "{what}");
    let rest = wire.rest().await;
    assert!(rest.is_empty(), "{what}: {}", shown(&rest));
    let seen = next_request(world, before, &what).await;
    framed_anew(&seen, body, &what);
    seen
}

/// ONE, and the gate and the agent agree on where it ended: the next request on the connection is read as it is.
async fn one_in_step(world: &World, bytes: impl AsRef<[u8]>, body: &[u8]) -> Seen {
    let what = shown(bytes.as_ref());
    let before = world.upstream("api.a.test").requests().len();
    let mut wire = inside(world, bytes).await;
    assert_eq!(wire.answer().await.status, 200, "{what}");
    let seen = next_request(world, before, &what).await;
    framed_anew(&seen, body, &what);
    in_step(world, &mut wire, &what).await;
    seen
}

/// The next request on `wire` is read as it is.
async fn in_step(world: &World, wire: &mut Wire, what: &str) {
    let before = world.upstream("api.a.test").requests().len();
    let answer = wire.call("GET /v1/public/next", "api.a.test").await;
    assert_eq!(answer.status, 200, "{what}");
    let seen = next_request(world, before, what).await;
    assert_eq!(seen.target(), "/v1/public/next", "{what}");
}

/// The body breaks off: no whole request arrives, both connections end, and nothing behind it is read.
async fn breaks_off(world: &World, bytes: impl AsRef<[u8]>) {
    let what = shown(bytes.as_ref());
    let wire = inside(world, bytes).await;
    broken_off(world, wire, &what).await;
}

/// The same of what was sent on `wire` already.
async fn broken_off(world: &World, mut wire: Wire, what: &str) {
    let upstream = world.upstream("api.a.test");
    if let Ok(Some(answer)) = wire.try_answer_to("GET").await {
        assert!(matches!(answer.status, 400 | 408), "{what}: {answer:?}");
    }
    let rest = wire.rest().await;
    assert!(rest.is_empty(), "{what}: {}", shown(&rest));
    until("the end of the upstream's connections", || {
        let open = |one: &crate::world::recorder::Connection| !one.closed;
        (!upstream.connections().iter().any(open)).then_some(())
    })
    .await;
    let whole: Vec<Seen> = upstream.requests();
    assert!(
        !whole.iter().any(|seen| seen.body.complete),
        "{what}: {whole:?}"
    );
    let behind = |head: &String| head.contains("behind");
    assert!(!upstream.heads().iter().any(behind), "{what}");
}
