//! Vault and the life of a credential.

mod away;
mod clock;
mod cost;
mod mixing;
mod paths;
mod trust;

use tollgate::refusal::Reason;

use crate::world::{World, builder::Builder};

/// The call that needs the secret `api-a`.
const CALL: &str = "GET http://api.a.test/v1/public/x";

fn reader() -> Builder {
    World::new()
        .role("r1", "GET api.a.test/v1/public/**; GET open.test/**")
        .vault()
}

/// The call is refused for want of its secret: nothing of it leaves, while one that needs none goes on.
async fn fails_closed(world: &World, what: &str) {
    let agent = world.agent("r1");
    let own = "Authorization: Bearer agents-own\r\n";
    let answer = agent.call_with(CALL, own, "").await;
    assert_eq!(answer.status, 503, "{what}: {answer:?}");
    World::says_no(&answer, Reason::CredentialUnavailable);
    let upstream = world.upstream("api.a.test");
    assert_eq!(upstream.received_bytes(), 0, "{what}");
    assert_eq!(
        agent.call("GET http://open.test/x").await.status,
        200,
        "{what}"
    );
}
