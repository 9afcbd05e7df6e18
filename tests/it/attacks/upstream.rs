//! What a hostile upstream may try with its answers: how they are framed, what their heads say, and what comes where
//! none is due.

mod bodies;
mod heads;
mod surplus;

use tollgate::refusal::Reason;

use super::arena;
use crate::world::{World, agent::Answer, patience::until, script};

/// The call that is answered by a hostile upstream.
const CALL: &str = "GET http://api.a.test/v1/public/x";

/// The bytes that are nobody's answer.
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";

async fn world() -> World {
    arena().start().await
}

/// What the agent hears when its call is answered with `bytes`.
async fn answered(world: &World, bytes: impl AsRef<[u8]>) -> Answer {
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/public/x", script::Answer::Bytes(bytes.as_ref().into()));
    world.agent("r1").call(CALL).await
}

/// `bytes` are refused as no answer, and their connection ends.
async fn refused(world: &World, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let shown = bytes[..bytes.len().min(200)].escape_ascii();
    let answer = answered(world, bytes).await;
    assert_eq!(answer.status, 502, "{shown}: {answer:?}");
    World::says_no(&answer, Reason::UpstreamMalformed);
    let upstream = world.upstream("api.a.test");
    until(&format!("the end of the connection of {shown}"), || {
        let connections = upstream.connections();
        connections.iter().all(|one| one.closed).then_some(())
    })
    .await;
}
