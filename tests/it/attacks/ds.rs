//! Section 12: resource exhaustion and slow attacks: one agent must not hurt others. What can be told by a ratio of times
//! is in `benches/hostile`.

mod bodies;
mod handshakes;
mod names;
mod slow;
mod storms;

use crate::world::{
    World,
    agent::{Agent, Answer},
    script::Hold,
};

/// A call of the agent that is not the attacker is answered as if there were no attack.
async fn serves(world: &World, role: &str) {
    let answer = world.agent(role).call("GET http://api.b.test/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The bytes of a POST whose body is declared and does not come.
fn post(agent: &Agent, headers: &str) -> String {
    agent.absolute("POST http://api.a.test/v1/items", headers, "")
}

/// A 200 that does not come while the hold is held.
fn held() -> (Hold, crate::world::script::Answer) {
    let hold = Hold::new();
    let answer = crate::world::script::Answer::Text("done".into());
    let script = crate::world::script::Answer::Held(hold.clone(), Box::new(answer));
    (hold, script)
}

fn ok(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
}
